"""Replies of lists that public bug reports describe and that only a real server can give: slow, retried, odd texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from bot.checks.dnsbl import InMemoryTrustCache, blocklist_check
from bot.inputs.targets import parse_targets
from bot.models import CheckRequest, DnsAnswer, Finding, Verdict
from bot.net.dns_client import DnsClient
from bot.net.dns_resolver import Resolver
from bot.net.nameservers import Server
from tests.bot.checks.dnsbl.lists import FakeClock, catalog_of, get_blocklist
from tests.support.dns_server import serve
from tests.support.dns_world import World
from tests.support.mail_world import mail_world

IP, REVERSED = "203.0.113.39", "39.113.0.203"
LISTED, CLEAN = ("listed", Verdict.FAIL), ("not_listed", Verdict.PASS)
HOSTILE = "<!channel> <@U1> *bold* \x07\x1b[31m\n<https://evil.example|https://check.spamhaus.org/> " + "A" * 3900


@dataclass(frozen=True)
class Case:
    """`answers` of a list about the address; `faults` by name below its zone, where "" is the whole zone."""

    answers: tuple[str, ...]
    expected: tuple[str, Verdict]
    faults: Mapping[str, str] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    ttl: int = 300
    list_id: str = "spamhaus-zen"


CASES = {
    "answer of TTL 0": Case(("127.0.0.4",), LISTED, ttl=0),
    "slow list, not listed": Case((), CLEAN, {"": "late-400"}, list_id="spamcop"),
    "slow list, listed": Case(("127.0.0.2",), LISTED, {"": "late-400"}, list_id="spamcop"),
    "listing over TCP after a truncated reply": Case(("127.0.0.4",), LISTED, {REVERSED: "truncated"}, ("over TCP",)),
    "no TCP after a truncated reply": Case(
        ("127.0.0.4",), ("unknown", Verdict.UNKNOWN), {REVERSED: "truncated-refused"}
    ),
    "server failure before the listing": Case(("127.0.0.2",), LISTED, {REVERSED: "servfail-1"}, list_id="spamcop"),
    "server failure before the denial": Case((), CLEAN, {REVERSED: "servfail-1"}, list_id="spamcop"),
    "lost reply before the listing": Case(("127.0.0.4",), LISTED, {REVERSED: "drop-2"}),
    "alias whose target the server leaves to be asked": Case(("127.0.0.4",), LISTED, {REVERSED: "stops-at-alias"}),
    "several texts": Case(("127.0.0.4",), LISTED, texts=("second first", "a", "z", "b")),
    "text without content": Case(("127.0.0.4",), LISTED, texts=("",)),
    "hostile text": Case(("127.0.0.4",), LISTED, texts=(HOSTILE, "second")),
}


async def finding_of(case: Case) -> Finding:
    blocklist = get_blocklist(case.list_id)
    entry = {f"{REVERSED}.{blocklist.zone}": {"A": list(case.answers), "TXT": list(case.texts)}} if case.answers else {}
    faults = {f"{label}.{blocklist.zone}".lstrip("."): fault for label, fault in case.faults.items()}
    async with (
        serve(World({**mail_world({}), **entry}, ttl=case.ttl), faults=faults) as server,
        DnsClient([Server(server.host, server.port)]) as transport,
    ):
        check = blocklist_check(catalog_of(case.list_id), {}, InMemoryTrustCache(), server.address, FakeClock())
        (target,) = parse_targets(IP)
        (finding,) = await check(CheckRequest(target), Resolver(transport, identity=server.address))
        return finding


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_reported_reply_has_the_right_finding(case: Case) -> None:
    finding = await finding_of(case)
    assert (finding.facts["state"], finding.verdict) == case.expected
    if finding.facts["state"] == "listed":
        assert [text[:12] for text in finding.facts["txt"]] == [text[:12] for text in case.texts]  # in this order
        assert all(len(text) <= 300 for text in finding.facts["txt"])


class AlternatingWorld(World):
    """Two name servers of a list, of which one does not have an entry."""

    def answer(self, name: str, rdtype: str) -> DnsAnswer:
        if name.startswith(f"{REVERSED}.") and self.queries.count((name, rdtype)) % 2 == 0:
            return DnsAnswer(name, rdtype, exists=False)
        return super().answer(name, rdtype)


async def test_servers_that_disagree_give_the_state_of_the_queried_one() -> None:
    entry = {f"{REVERSED}.{get_blocklist('spamhaus-zen').zone}": {"A": ["127.0.0.4"]}}
    world = AlternatingWorld({**mail_world({}), **entry})
    check = blocklist_check(catalog_of("spamhaus-zen"), {}, InMemoryTrustCache(), "resolver", FakeClock())
    request = CheckRequest(parse_targets(IP)[0])
    findings = [finding for _ in range(4) for finding in await check(request, world)]
    assert [finding.facts["state"] for finding in findings] == ["listed", "not_listed"] * 2


async def test_address_and_domain_that_are_listed_are_two_findings() -> None:
    domain, lists = "corp-mail.example", ("spamhaus-zen", "spamhaus-dbl")
    zen, dbl = (get_blocklist(list_id).zone for list_id in lists)
    entries = {f"{REVERSED}.{zen}": {"A": ["127.0.0.3"]}, f"{domain}.{dbl}": {"A": ["127.0.1.102"]}}
    check = blocklist_check(catalog_of(*lists), {}, InMemoryTrustCache(), "resolver", FakeClock())
    findings = await check(CheckRequest(parse_targets(f"{IP} {domain}")[0]), World({**mail_world({}), **entries}))
    assert [(finding.subject, finding.verdict) for finding in findings] == [(each, Verdict.FAIL) for each in lists]
