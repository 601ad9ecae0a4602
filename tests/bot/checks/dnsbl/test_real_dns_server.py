"""The answer table once more, through real sockets: what a server does to the answer never makes a false verdict."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from bot.checks.dnsbl import ProcessMemory, blocklist_check
from bot.models import Finding
from bot.net.dns_client import Transport
from bot.net.dns_resolver import Resolver
from bot.net.nameservers import Server
from tests.bot.checks.dnsbl.lists import Clock, named, only, order, public
from tests.bot.checks.dnsbl.test_classify import KINDS
from tests.support.dns_server import serve
from tests.support.dns_world import Zone

TRUE = "the truth"  # the answer arrives in the end, whatever it is

# What happens to the question about the target, and the (state, reason) that a person gets.
FAULTS = {
    "": TRUE,
    "late-400": TRUE,
    "drop-2": TRUE,
    "shuffled": TRUE,
    "duplicate": TRUE,
    "case-lost": TRUE,
    "truncated": TRUE,
    "wrong-id-first": TRUE,
    "wrong-question-first": TRUE,
    "wrong-source-first": TRUE,
    "no-response-bit-first": TRUE,
    "garbage-first": TRUE,
    "empty-first": TRUE,
    "cut-first": TRUE,
    "nxdomain": ("not_listed", ""),
    "nodata": ("not_listed", ""),  # the must-list entry came through the same resolver
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
    def truth(self) -> str:
        return "listed" if self.listed else "not_listed"

    @property
    def expected(self) -> tuple[str, str]:
        wanted = FAULTS[self.fault]
        return (self.truth, "") if isinstance(wanted, str) else wanted


CASES = [Case(kind, fault, listed) for kind in KINDS for fault in FAULTS for listed in (True, False)]


async def finding_of(case: Case) -> Finding:
    list_id, target, question, must_list, listing, _ = KINDS[case.kind]
    zone = public(named(list_id))
    world: Zone = {zone.apex: {"NS": ["ns.example"]}, zone.must_list: {"A": [must_list]}}
    world |= {question: {"A": [listing], "TXT": ["reason"]}} if case.listed else {}
    async with (
        serve(world, faults={question: case.fault} if case.fault else {}) as server,
        Transport([Server(server.host, server.port)]) as transport,
    ):
        resolver = Resolver(transport, identity=server.address)
        check = blocklist_check(only(list_id), {}, ProcessMemory(), server.address, Clock())
        (finding,) = await check(order(target), resolver)
        return finding


async def test_no_false_clean_and_no_false_listed_whatever_the_server_does() -> None:
    gate = asyncio.Semaphore(24)

    async def one(case: Case) -> tuple[Case, Finding]:
        async with gate:
            return case, await finding_of(case)

    found = await asyncio.gather(*map(one, CASES))
    states = [(case, finding.facts["state"], finding.facts.get("reason") or "") for case, finding in found]
    lied = {"nxdomain", "nodata"}  # here the list itself says "not listed"
    false_clean = [
        case for case, state, _ in states if case.listed and state == "not_listed" and case.fault not in lied
    ]
    false_listed = [case for case, state, _ in states if not case.listed and state == "listed"]
    print(f"{len(states)} cells: false clean {len(false_clean)}, false listed {len(false_listed)}")
    assert (false_clean, false_listed) == ([], [])
    wrong = [(case, state, reason) for case, state, reason in states if (state, reason) != case.expected]
    assert wrong == []


@pytest.mark.parametrize("kind", KINDS)
async def test_an_emptied_list_is_seen_through_a_real_server(kind: str) -> None:
    list_id, target, *_ = KINDS[kind]
    zone = public(named(list_id))
    async with (
        serve({zone.apex: {"NS": ["ns.example"]}}) as server,
        Transport([Server(server.host, server.port)]) as transport,
    ):
        check = blocklist_check(only(list_id), {}, ProcessMemory(), server.address, Clock())
        (finding,) = await check(order(target), Resolver(transport, identity=server.address))
    assert (finding.facts["state"], finding.facts["reason"]) == ("unusable", "emptied")
