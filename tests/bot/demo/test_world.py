"""The demo's world shows what it promises, and nobody else's mail is in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from bot.app import MailWing, mail_wing
from bot.checks.dnsbl import load
from bot.demo import EXAMPLES, DemoWorld, demo_world
from bot.demo.dns_server import reply_to
from bot.demo.world import CLEAN, DOMAINS, DYNAMIC, LISTED, Zones
from bot.inputs.special_addresses import special
from bot.models import Order, Report, Role, Target, Verdict
from bot.settings import Settings, SpecialAddresses


@asynccontextmanager
async def wing_in(world: DemoWorld, state: Path) -> AsyncIterator[MailWing]:
    """The whole mail wing with the demo's server as the one that it may ask."""
    settings = Settings(nameservers=(world.server,), special_addresses=SpecialAddresses.ALLOW, state_dir=state)
    async with mail_wing(settings, needs_store=False, uses_store=False) as wing:
        yield wing


async def report(wing: MailWing, ip: str | None, domain: str | None = None, role: Role = Role.MTA) -> Report:
    return await wing.checkup.report(Order(Target(ip_address(ip) if ip else None, domain), role), fresh=True)


def codes(found: Report, check: str) -> set[str]:
    return {finding.code for finding in found.findings if finding.check == check}


@pytest.mark.parametrize(
    ("ip", "domain", "role", "verdict"),
    [
        (CLEAN, "example.com", Role.MTA, Verdict.PASS),
        (LISTED, "example.com", Role.MTA, Verdict.FAIL),
        (DYNAMIC, None, Role.CLIENT, Verdict.PASS),
        (None, "example.org", Role.MTA, Verdict.FAIL),
    ],
)
async def test_each_example_shows_what_it_says(
    ip: str | None, domain: str | None, role: Role, verdict: Verdict, tmp_path: Path
) -> None:
    async with demo_world() as world, wing_in(world, tmp_path) as wing:
        found = await report(wing, ip, domain, role)
        assert found.verdict is verdict, [f.says for f in found.findings if f.verdict > Verdict.PASS]


@pytest.mark.parametrize(
    ("switch", "check"), [("listed", "blocklist"), ("spamcop", "blocklist"), ("spf", "spf")], ids=str
)
async def test_a_switch_changes_the_next_check_and_back(switch: str, check: str, tmp_path: Path) -> None:
    async with demo_world() as world, wing_in(world, tmp_path) as wing:
        verdicts = []
        for on in (False, True, False):
            world.switch(switch, on)
            verdicts.append((await report(wing, CLEAN, "example.com")).verdict)
    assert verdicts[0] == verdicts[2] == Verdict.PASS
    assert verdicts[1] >= Verdict.WARN


@pytest.mark.parametrize(
    ("switch", "list_id", "reason"),
    [("refusing", "spamrats-all", "public-resolver"), ("dying", "kempt", "lists-everything")],
)
async def test_a_list_that_cannot_be_believed_is_found_out(
    switch: str, list_id: str, reason: str, tmp_path: Path
) -> None:
    async with demo_world() as world, wing_in(world, tmp_path) as wing:
        world.switch(switch, True)
        said = {item.id: item.reason async for item in wing.list_health()}
        assert said[list_id] == reason
        assert (await report(wing, CLEAN)).verdict is Verdict.UNKNOWN


async def test_an_unknown_switch_is_no_silence() -> None:
    async with demo_world() as world:
        with pytest.raises(KeyError):
            world.switch("gravity", True)


def test_every_address_of_the_world_is_kept_for_documentation() -> None:
    addresses = [text for records in DOMAINS.values() for text in records.get("A", ())]
    meanings = [special(ip_address(text)) for text in addresses]
    assert {meaning.name for meaning in meanings if meaning} == {"a documentation address"}
    assert all(meanings)


def test_the_examples_name_what_the_world_holds() -> None:
    held = {*DOMAINS, CLEAN, LISTED, DYNAMIC, "as", "client", "lists"}
    assert {word for example in EXAMPLES for word in example.command.split()} <= held


@pytest.mark.parametrize("packet", [b"", b"\0" * 11, b"\xff" * 600], ids=["empty", "short", "noise"])
def test_what_is_no_question_gets_no_answer(packet: bytes) -> None:
    assert reply_to(packet, Zones(load())) is None


def test_a_reply_is_not_answered_and_a_stranger_does_not_exist() -> None:
    zones = Zones(load())
    question = dns.message.make_query("nobody.example.net", "A")
    answer = reply_to(question.to_wire(), zones)
    assert answer
    assert dns.message.from_wire(answer).rcode() == dns.rcode.NXDOMAIN
    assert reply_to(answer, zones) is None
