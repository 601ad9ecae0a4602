"""The whole audit, every check of it: how long it takes beside its critical path, and that no check harms another.

Time is counted, not measured: every question takes 30 ms of a clock that jumps, and every visit the round trips it needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.check_runner import CHECK_WITHIN_S
from bot.models import Answer, Check, Finding, Lookup, LookupFailed, Order, Report, Target, Verdict
from tests.support.audit_world import ADDRESS, GOOD, ORDERS, Servers, audit, audit_checks, audit_zone
from tests.support.signed_world import SignedWorld
from tests.support.virtual_time import run

TRIP_S = 0.030
ZONE = audit_zone()
MOST_TIMES_THE_PATH = 2.5
# MX, the address of the mail server, and five round trips of the conversation with it.
CRITICAL_PATH = 7


class Line:
    """A validating resolver at the other end of a line; the same question under way twice is asked once."""

    def __init__(self, trip_s: float = TRIP_S) -> None:
        self._world = SignedWorld(ZONE)
        self._trip_s = trip_s
        self._asked: dict[tuple[str, str], asyncio.Task[Answer | LookupFailed]] = {}

    async def __call__(self, name: str, kind: str, /) -> Answer:
        key = (name.lower(), kind)
        if key not in self._asked:
            self._asked[key] = asyncio.ensure_future(self._ask(name, kind))
        answer = await asyncio.shield(self._asked[key])
        if isinstance(answer, LookupFailed):
            raise answer
        return answer

    async def _ask(self, name: str, kind: str) -> Answer | LookupFailed:
        await asyncio.sleep(self._trip_s)
        try:
            return self._world.answer(name, kind)
        except LookupFailed as failed:
            return failed


async def look(order: Order, troubles: Sequence[tuple[str, Check]] = ()) -> Report:
    line = Line()
    return await audit(line, (*troubles, *audit_checks(Servers(line, TRIP_S)))).report(order)


def trips(seconds: float) -> int:
    return round(seconds / TRIP_S)


@pytest.mark.parametrize(("kind", "taken"), [("in order", 7), ("in disorder", 8)])
def test_a_whole_audit_takes_no_longer_than_its_critical_path_allows(kind: str, taken: int) -> None:
    report, seconds = run(look(ORDERS[kind]))
    assert trips(seconds) <= MOST_TIMES_THE_PATH * CRITICAL_PATH
    assert trips(seconds) == taken, f"{trips(seconds)} round trips, {report.queries} questions"


def test_an_audit_has_something_to_say_of_every_check() -> None:
    report, _ = run(look(ORDERS["in order"]))
    told = {finding.check for finding in report.findings}
    assert told == {"network", "blocklist", "ptr", "helo", "spf", "dmarc", "mx", "dkim", "dane", "bimi", "tls-rpt", "mta-sts", "starttls", "senders"}  # fmt: skip
    assert report.verdict is Verdict.PASS, [f for f in report.findings if f.verdict is not Verdict.PASS]


async def hangs(_order: Order, _lookup: Lookup, /) -> Sequence[Finding]:
    await asyncio.Event().wait()
    return []


async def breaks(_order: Order, _lookup: Lookup, /) -> Sequence[Finding]:
    raise RuntimeError("a bug")


async def breaks_late(_order: Order, lookup: Lookup, /) -> Sequence[Finding]:
    await lookup("example.com", "MX")
    await asyncio.sleep(1)
    raise ExceptionGroup("two bugs", [KeyError("one"), RecursionError("two")])


async def runs_late(_order: Order, _lookup: Lookup, /) -> Sequence[Finding]:
    raise TimeoutError


async def asks_what_nobody_answers(_order: Order, lookup: Lookup, /) -> Sequence[Finding]:
    await asyncio.gather(*(lookup(f"{n}.example.net", "MX") for n in range(60)))
    raise LookupFailed("timeout")


TROUBLES: dict[str, Check] = {
    check.__name__: check for check in (hangs, breaks, breaks_late, runs_late, asks_what_nobody_answers)
}
ALONE, ALONE_S = run(look(ORDERS["in order"]))


@settings(max_examples=10, deadline=None)
@example(list(TROUBLES))
@given(st.lists(st.sampled_from(sorted(TROUBLES)), min_size=1, max_size=4))
def test_no_check_makes_another_late_or_wrong(names: list[str]) -> None:
    bad = [(f"bad-{number}", TROUBLES[name]) for number, name in enumerate(names)]
    with capture_logs() as logged:
        report, seconds = run(look(ORDERS["in order"], bad))
    assert len(logged) == sum(name.startswith("breaks") or name.startswith("asks") for name in names)
    own = [finding for finding in report.findings if finding.check.startswith("bad-")]
    others = [finding for finding in report.findings if not finding.check.startswith("bad-")]
    assert list(map(told, others)) == list(map(told, ALONE.findings))
    assert {finding.verdict for finding in own} == {Verdict.UNKNOWN}
    assert len(own) == len(names)
    assert seconds <= CHECK_WITHIN_S + 0.001
    if "hangs" not in names and "breaks_late" not in names:
        assert trips(seconds) == trips(ALONE_S)


def told(finding: Finding) -> tuple[str, str, Verdict, str]:
    return finding.check, finding.code, finding.verdict, finding.says


def test_an_address_alone_is_answered_as_fast_as_its_own_path() -> None:
    """The map of networks, then the registry: three round trips of a visit behind the address of its server."""
    _, seconds = run(look(Order(Target(ip_address(ADDRESS)))))
    assert trips(seconds) == 5


def test_a_domain_alone_is_answered_as_fast_as_its_own_path() -> None:
    _, seconds = run(look(Order(Target(domain=GOOD))))
    assert trips(seconds) == CRITICAL_PATH
