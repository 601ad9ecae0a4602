"""A fault of the resolver, which shows at half of the lists, is one finding and one line of a card."""

from __future__ import annotations

import pytest

from bot.checks.dnsbl import InMemoryTrustCache, blocklist_check
from bot.checks.dnsbl.messages import REASONS, RESOLVER_CAUSES
from bot.checks.dnsbl.resolver_fault import OUR_REASONS, resolver_fault
from bot.checks.dnsbl.zones import usable_zones
from bot.models import DnsAnswer, Finding, LookupFailed, Report, Verdict
from handlers.messages import report_card
from handlers.messages.formatting import REASON_TEXTS
from tests.bot.checks.dnsbl.lists import CATALOG, FakeClock, make_request
from tests.bot.checks.dnsbl.test_bulk import FakeBulkLookup
from tests.support.dns_world import World
from tests.support.reports import AT, listing

RESOLVER = "192.0.2.53"
TEST_POINTS = {zone.must_list: {"A": ["127.0.0.2"]} for zone in usable_zones(CATALOG, {}) if zone.must_list}


class FaultyWorld(World):
    """A resolver that spoils what it is asked about lists."""

    def __init__(self, fault: str) -> None:
        super().__init__(TEST_POINTS)
        self.fault = fault

    def answer(self, name: str, rdtype: str) -> DnsAnswer:
        answer = super().answer(name, rdtype)
        if rdtype != "A":
            return answer
        if self.fault == "rewrites" and not answer.exists:
            return DnsAnswer(name, rdtype, ("203.0.113.80",))
        if self.fault == "ad blocker":
            return DnsAnswer(name, rdtype, ("0.0.0.0",))
        if self.fault == "strips":
            return DnsAnswer(name, rdtype, (), exists=answer.exists)
        if self.fault in ("refused", "timeout"):
            raise LookupFailed(self.fault)
        return answer


async def check(fault: str, bulk: bool = False) -> list[Finding]:
    blocklists = blocklist_check(CATALOG, {}, InMemoryTrustCache(), f"{RESOLVER} bl.example@10.0.0.53", FakeClock())
    world = FaultyWorld(fault)
    return list(await blocklists(make_request(), FakeBulkLookup(world) if bulk else world))


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize(
    ("fault", "reason", "cause"),
    [
        ("rewrites", "parked", "it answers for names that do not exist"),
        ("ad blocker", "parked", "or an ad blocker answers in its place"),
        ("strips", "stripped", "it removes answers in 127.0.0.0/8"),
        ("refused", "refused", "it refuses the queries"),
        ("timeout", "timeout", "it does not answer in time"),
    ],
)
async def test_fault_of_resolver_is_one_finding(fault: str, reason: str, cause: str, bulk: bool) -> None:
    *findings, resolver = await check(fault, bulk)
    assert (resolver.check, resolver.subject, resolver.code) == ("dns", RESOLVER, "dns.resolver-fault")
    assert (resolver.verdict, resolver.facts["reason"]) == (Verdict.UNKNOWN, reason)
    assert cause in resolver.summary
    assert RESOLVER in resolver.summary
    assert "`mailcheck doctor`" in resolver.remediation
    assert resolver.facts["lists"] * 2 >= resolver.facts["of"] == len(findings)
    assert {finding.check for finding in findings} == {"blocklist"}


def test_every_reason_has_words_of_a_resolver_and_of_a_card() -> None:
    of_one_list = {"key-disabled", "key-misused", "wrong-zone", "wrong-query"}
    assert REASONS.keys() - RESOLVER_CAUSES.keys() == of_one_list | OUR_REASONS
    assert REASONS.keys() - REASON_TEXTS.keys() == set()


async def test_fault_of_resolver_is_one_line_of_the_card() -> None:
    findings = await check("rewrites")
    card = report_card(Report(make_request(), AT, tuple(findings), 1, 1))
    lines = [line.text for line in card.lines]
    assert card.title.endswith(": 1 problem (resolver)")
    assert "mailcheck doctor" in card.step
    assert sum(RESOLVER in line for line in lines) == 1
    assert not [line for line in lines if "not known (" in line]


async def test_working_resolver_has_no_finding() -> None:
    assert {finding.check for finding in await check("")} == {"blocklist"}


@pytest.mark.parametrize(("failing", "total", "found"), [(4, 8, True), (3, 8, False), (7, 7, False), (10, 20, True)])
def test_fault_needs_half_of_at_least_eight_lists(failing: int, total: int, found: bool) -> None:
    findings = [listing(f"L{n}", Verdict.UNKNOWN, "unknown", reason="servfail") for n in range(failing)]
    findings += [listing(f"L{n}", Verdict.PASS, "not_listed", reason="") for n in range(failing, total)]
    assert bool(resolver_fault(findings, RESOLVER)) is found


@pytest.mark.parametrize("reason", ["budget", "day-limit", "time"])
def test_queries_that_were_not_sent_are_no_fault(reason: str) -> None:
    findings = [listing(f"L{n}", Verdict.UNKNOWN, "unknown", reason=reason) for n in range(20)]
    assert resolver_fault(findings, RESOLVER) == []
