"""The demo zones show what they promise and contain only documentation addresses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from bot.app import Core, open_core
from bot.demo import EXAMPLES, Demo, run_demo
from bot.demo.dns_server import reply_to
from bot.demo.world import CLEAN, DOMAINS, DYNAMIC, LISTED, DemoZones
from bot.inputs.special_addresses import special_purpose_of
from bot.models import CheckRequest, Report, Role, Target, Verdict
from bot.settings import Settings, SpecialAddresses
from tests.support.builtin_catalog import CATALOG


@asynccontextmanager
async def open_demo_core(demo: Demo, state: Path) -> AsyncIterator[Core]:
    """The core with the demo's DNS server as its only name server."""
    settings = Settings(nameservers=(demo.server,), special_addresses=SpecialAddresses.ALLOW, state_dir=state)
    async with open_core(settings, needs_store=False, uses_store=False) as core:
        yield core


async def report(core: Core, ip: str | None, domain: str | None = None, role: Role = Role.MTA) -> Report:
    target = Target(ip_address(ip) if ip else None, domain)
    return await core.check_runner.run(CheckRequest(target, role), fresh=True)


@pytest.mark.parametrize(
    ("ip", "domain", "role", "verdict"),
    [
        (CLEAN, "example.com", Role.MTA, Verdict.PASS),
        (LISTED, "example.com", Role.MTA, Verdict.FAIL),
        (DYNAMIC, None, Role.CLIENT, Verdict.PASS),
        (None, "example.org", Role.MTA, Verdict.FAIL),
    ],
)
async def test_demo_example_has_promised_verdict(
    ip: str | None, domain: str | None, role: Role, verdict: Verdict, tmp_path: Path
) -> None:
    async with run_demo() as demo, open_demo_core(demo, tmp_path) as core:
        result = await report(core, ip, domain, role)
    problems = [finding for finding in result.findings if finding.verdict > Verdict.PASS]
    assert result.verdict is verdict, [finding.summary for finding in problems]


@pytest.mark.parametrize("switch", ["listed", "spamcop", "spf"])
async def test_demo_switch_changes_the_next_check_and_back(switch: str, tmp_path: Path) -> None:
    async with run_demo() as demo, open_demo_core(demo, tmp_path) as core:
        verdicts = []
        for on in (False, True, False):
            demo.switch(switch, on)
            verdicts.append((await report(core, CLEAN, "example.com")).verdict)
    assert verdicts[0] == verdicts[2] == Verdict.PASS
    assert verdicts[1] >= Verdict.WARN


@pytest.mark.parametrize(
    ("switch", "list_id", "reason"),
    [("refusing", "spamrats-all", "public-resolver"), ("dying", "kempt", "lists-everything")],
)
async def test_unreliable_demo_list_is_detected(switch: str, list_id: str, reason: str, tmp_path: Path) -> None:
    async with run_demo() as demo, open_demo_core(demo, tmp_path) as core:
        demo.switch(switch, True)
        reasons = {item.id: item.reason async for item in core.list_status()}
        assert reasons[list_id] == reason
        assert (await report(core, CLEAN)).verdict is Verdict.UNKNOWN


async def test_unknown_demo_switch_raises() -> None:
    async with run_demo() as demo:
        with pytest.raises(KeyError):
            demo.switch("gravity", True)


def test_demo_addresses_are_documentation_addresses() -> None:
    addresses = [text for records in DOMAINS.values() for text in records.get("A", ())]
    meanings = [special_purpose_of(ip_address(text)) for text in addresses]
    assert {meaning.name for meaning in meanings if meaning} == {"a documentation address"}
    assert all(meanings)


def test_demo_examples_use_names_of_the_demo() -> None:
    known = {*DOMAINS, CLEAN, LISTED, DYNAMIC, "as", "client", "lists"}
    assert {word for example in EXAMPLES for word in example.command.split()} <= known


@pytest.mark.parametrize("packet", [b"", b"\0" * 11, b"\xff" * 600], ids=["empty", "short", "noise"])
def test_invalid_query_gets_no_reply(packet: bytes) -> None:
    assert reply_to(packet, DemoZones(CATALOG)) is None


def test_unknown_name_is_nxdomain_and_reply_gets_no_reply() -> None:
    zones = DemoZones(CATALOG)
    query = dns.message.make_query("nobody.example.net", "A")
    reply = reply_to(query.to_wire(), zones)
    assert reply
    assert dns.message.from_wire(reply).rcode() == dns.rcode.NXDOMAIN
    assert reply_to(reply, zones) is None
