"""Classification over real sockets: no server fault produces a false verdict."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from bot.checks.dnsbl import InMemoryTrustCache, blocklist_check
from bot.models import Finding
from bot.net.dns_client import DnsClient
from bot.net.dns_resolver import Resolver
from bot.net.nameservers import Server
from tests.bot.checks.dnsbl.lists import FakeClock, catalog_of, get_blocklist, make_request, public_zone
from tests.bot.checks.dnsbl.test_classify import KINDS
from tests.support.dns_server import serve
from tests.support.dns_world import Zone

TRUE_ANSWER = "true answer"  # the true answer arrives in the end

# Fault of the query about the target, and the resulting (state, reason).
FAULTS = {
    "": TRUE_ANSWER,
    "late-400": TRUE_ANSWER,
    "drop-2": TRUE_ANSWER,
    "shuffled": TRUE_ANSWER,
    "duplicate": TRUE_ANSWER,
    "case-lost": TRUE_ANSWER,
    "truncated": TRUE_ANSWER,
    "wrong-id-first": TRUE_ANSWER,
    "wrong-question-first": TRUE_ANSWER,
    "wrong-source-first": TRUE_ANSWER,
    "no-response-bit-first": TRUE_ANSWER,
    "garbage-first": TRUE_ANSWER,
    "empty-first": TRUE_ANSWER,
    "cut-first": TRUE_ANSWER,
    "nxdomain": ("not_listed", ""),
    "nodata": ("not_listed", ""),  # the listed test point came through the same resolver
    "parked": ("unusable", "parked"),
    "servfail": ("unknown", "servfail"),
    "refused": ("unknown", "refused"),
    "formerr": ("unknown", "formerr"),
    "notimp": ("unknown", "notimp"),
    "nxdomain-with-answer": ("unknown", "timeout"),
    "cname-loop": ("unknown", "loop"),
    "referral": ("unknown", "refused"),
    "truncated-refused": ("unknown", "truncated"),
    "truncated-cut": ("unknown", "truncated"),
    "silence": ("unknown", "timeout"),
    "wrong-id": ("unknown", "timeout"),
    "wrong-question": ("unknown", "timeout"),
    "wrong-source": ("unknown", "timeout"),
    "no-response-bit": ("unknown", "timeout"),
    "garbage": ("unknown", "timeout"),
    "empty": ("unknown", "timeout"),
    "cut": ("unknown", "timeout"),
}


@dataclass(frozen=True, slots=True)
class Case:
    kind: str
    fault: str
    listed: bool

    @property
    def true_state(self) -> str:
        return "listed" if self.listed else "not_listed"

    @property
    def expected(self) -> tuple[str, str]:
        expected_result = FAULTS[self.fault]
        return (self.true_state, "") if isinstance(expected_result, str) else expected_result


CASES = [Case(kind, fault, listed) for kind in KINDS for fault in FAULTS for listed in (True, False)]


async def check_case(case: Case) -> Finding:
    list_id, target, query_name, must_list, listing, _ = KINDS[case.kind]
    zone = public_zone(get_blocklist(list_id))
    world: Zone = {zone.apex: {"NS": ["ns.example"]}, zone.must_list: {"A": [must_list]}}
    world |= {query_name: {"A": [listing], "TXT": ["reason"]}} if case.listed else {}
    async with (
        serve(world, faults={query_name: case.fault} if case.fault else {}) as server,
        DnsClient([Server(server.host, server.port)]) as transport,
    ):
        resolver = Resolver(transport, identity=server.address)
        check = blocklist_check(catalog_of(list_id), {}, InMemoryTrustCache(), server.address, FakeClock())
        (finding,) = await check(make_request(target), resolver)
        return finding


async def test_check_server_fault_never_gives_false_state() -> None:
    semaphore = asyncio.Semaphore(24)

    async def run_case(case: Case) -> tuple[Case, Finding]:
        async with semaphore:
            return case, await check_case(case)

    findings = await asyncio.gather(*map(run_case, CASES))
    states = [(case, finding.facts["state"], finding.facts.get("reason") or "") for case, finding in findings]
    list_denies = {"nxdomain", "nodata"}  # the list itself answers "not listed"
    false_clean = [
        case for case, state, _ in states if case.listed and state == "not_listed" and case.fault not in list_denies
    ]
    false_listed = [case for case, state, _ in states if not case.listed and state == "listed"]
    print(f"{len(states)} cells: false clean {len(false_clean)}, false listed {len(false_listed)}")
    assert (false_clean, false_listed) == ([], [])
    wrong = [(case, state, reason) for case, state, reason in states if (state, reason) != case.expected]
    assert wrong == []


@pytest.mark.parametrize("kind", KINDS)
async def test_check_emptied_list_over_real_server_is_unusable(kind: str) -> None:
    list_id, target, *_ = KINDS[kind]
    zone = public_zone(get_blocklist(list_id))
    async with (
        serve({zone.apex: {"NS": ["ns.example"]}}) as server,
        DnsClient([Server(server.host, server.port)]) as transport,
    ):
        check = blocklist_check(catalog_of(list_id), {}, InMemoryTrustCache(), server.address, FakeClock())
        (finding,) = await check(make_request(target), Resolver(transport, identity=server.address))
    assert (finding.facts["state"], finding.facts["reason"]) == ("unusable", "emptied")
