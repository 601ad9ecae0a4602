"""Classification over real sockets: no server fault produces a false verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from bot.checks.dnsbl import InMemoryTrustCache, blocklist_check
from bot.models import Finding, Target
from bot.net.dns_client import DnsClient
from bot.net.dns_resolver import Resolver
from bot.net.nameservers import Server
from tests.bot.checks.dnsbl.lists import ADDRESS, FakeClock, catalog_of, get_blocklist, make_request, public_zone
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


HOSTKARMA, DNSWL = "hostkarma.junkemailfilter.com", "list.dnswl.org"
TESTED = (  # list, target, query name, test points, a listing, an answer that is not documented
    *(
        (list_id, target, name, {public_zone(get_blocklist(list_id)).must_list: test_answer}, listing, undocumented)
        for list_id, target, name, test_answer, listing, undocumented in KINDS.values()
    ),
    (
        "hostkarma",
        ADDRESS,
        f"5.113.0.203.{HOSTKARMA}",
        {f"2.0.0.127.{HOSTKARMA}": "127.0.0.2", f"1.0.0.127.{HOSTKARMA}": "127.0.0.1"},
        "127.0.0.2",
        "127.0.0.77",
    ),
    ("dnswl", ADDRESS, f"5.113.0.203.{DNSWL}", {}, "127.0.5.3", "127.0.0.77"),
)
# The lists that show by a listed entry that nothing is stripped; the others do not know.
WITHOUT_LISTED_ENTRY = {"dnswl": {"nodata": ("unknown", "stripped")}}


@dataclass(frozen=True, slots=True)
class Case:
    position: int  # in TESTED
    fault: str
    entry: str  # the code that the list has for the target; empty if it has none

    @property
    def list_id(self) -> str:
        return TESTED[self.position][0]

    @property
    def true_state(self) -> str:
        return "listed" if self.entry else "not_listed"

    @property
    def expected(self) -> tuple[str, str]:
        expected_result = WITHOUT_LISTED_ENTRY.get(self.list_id, {}).get(self.fault, FAULTS[self.fault])
        return (self.true_state, "") if isinstance(expected_result, str) else expected_result


CASES = [
    Case(position, fault, entry)
    for position, (*_, listing, undocumented) in enumerate(TESTED)
    for fault in FAULTS
    for entry in (listing, undocumented, "")
]


async def check_world(list_id: str, target: Target, world: Zone, faults: Mapping[str, str] | None = None) -> Finding:
    async with serve(world, faults=faults or {}) as server, DnsClient([Server(server.host, server.port)]) as transport:
        resolver = Resolver(transport, identity=server.address)
        check = blocklist_check(catalog_of(list_id), {}, InMemoryTrustCache(), server.address, FakeClock())
        (finding,) = await check(make_request(target), resolver)
        return finding


async def check_case(case: Case) -> Finding:
    list_id, target, query_name, test_points, *_ = TESTED[case.position]
    world: Zone = {get_blocklist(list_id).zone: {"NS": ["ns.example"]}}
    world |= {name: {"A": [answer]} for name, answer in test_points.items()}
    world |= {query_name: {"A": [case.entry], "TXT": ["reason"]}} if case.entry else {}
    return await check_world(list_id, target, world, {query_name: case.fault} if case.fault else {})


async def test_check_server_fault_never_gives_false_state() -> None:
    semaphore = asyncio.Semaphore(60)

    async def run_case(case: Case) -> tuple[Case, Finding]:
        async with semaphore:
            return case, await check_case(case)

    findings = await asyncio.gather(*map(run_case, CASES))
    states = [(case, finding.facts["state"], finding.facts.get("reason") or "") for case, finding in findings]
    list_denies = {"nxdomain", "nodata"}  # the list itself answers "not listed"
    false_clean = [
        case for case, state, _ in states if case.entry and state == "not_listed" and case.fault not in list_denies
    ]
    false_listed = [case for case, state, _ in states if not case.entry and state == "listed"]
    print(f"{len(states)} cells: false clean {len(false_clean)}, false listed {len(false_listed)}")
    assert (false_clean, false_listed) == ([], [])
    wrong = [(case, state, reason) for case, state, reason in states if (state, reason) != case.expected]
    assert wrong == []


@pytest.mark.parametrize("tested", [row for row in TESTED if row[3]], ids=lambda row: row[0])
async def test_check_emptied_list_over_real_server_is_unusable(tested) -> None:
    list_id, target, *_ = tested
    finding = await check_world(list_id, target, {get_blocklist(list_id).zone: {"NS": ["ns.example"]}})
    assert (finding.facts["state"], finding.facts["reason"]) == ("unusable", "emptied")


@pytest.mark.parametrize("tested", TESTED, ids=lambda row: row[0])
@pytest.mark.parametrize("documented", [True, False])
async def test_check_list_that_answers_everything_alike_is_unusable(tested, documented: bool) -> None:
    """Also where the answer is praise, and where the list has entries for both of its test points."""
    list_id, target, query_name, _, listing, undocumented = tested
    zone = public_zone(get_blocklist(list_id))
    answer = {"A": [listing if documented else undocumented]}
    names = (query_name, zone.must_list, zone.must_not_list)
    finding = await check_world(list_id, target, {name: answer for name in names if name})
    assert (finding.facts["state"], finding.facts["reason"]) == ("unusable", "lists-everything")
