"""A full check run: its duration relative to its critical path, and isolation of failing checks.

Virtual time: every DNS query takes 30 ms, and every probe the round trips that it needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.check_runner import CHECK_TIMEOUT_S
from bot.checks.registry import CHECK_IDS, CheckSpec
from bot.models import Check, CheckRequest, DnsAnswer, Finding, Lookup, LookupFailed, Report, Target, Verdict
from tests.support.audit_world import ADDRESS, GOOD, REQUESTS, FakeServers, audit_checks, audit_runner, audit_zone
from tests.support.signed_world import SignedWorld
from tests.support.virtual_time import run

ROUND_TRIP_S = 0.030
ZONE = audit_zone()
MAX_PATH_RATIO = 2.5
# MX, the address of the mail server, and five round trips of the SMTP session.
CRITICAL_PATH = 7


class DelayedResolver:
    """A validating resolver behind a delay; concurrent identical queries are sent once."""

    def __init__(self, round_trip_s: float = ROUND_TRIP_S) -> None:
        self._world = SignedWorld(ZONE)
        self._round_trip_s = round_trip_s
        self._queries: dict[tuple[str, str], asyncio.Task[DnsAnswer | LookupFailed]] = {}

    async def __call__(self, name: str, rdtype: str, /) -> DnsAnswer:
        key = (name.lower(), rdtype)
        if key not in self._queries:
            self._queries[key] = asyncio.ensure_future(self._query(name, rdtype))
        result = await asyncio.shield(self._queries[key])
        if isinstance(result, LookupFailed):
            raise result
        return result

    async def _query(self, name: str, rdtype: str) -> DnsAnswer | LookupFailed:
        await asyncio.sleep(self._round_trip_s)
        try:
            return self._world.answer(name, rdtype)
        except LookupFailed as error:
            return error


async def run_checks(request: CheckRequest, extra_checks: Sequence[CheckSpec] = ()) -> Report:
    resolver = DelayedResolver()
    checks = audit_checks(FakeServers(resolver, ROUND_TRIP_S))
    return await audit_runner(resolver, (*extra_checks, *checks)).run(request)


def round_trips(seconds: float) -> int:
    return round(seconds / ROUND_TRIP_S)


@pytest.mark.parametrize(("request_name", "expected"), [("in order", 7), ("in disorder", 8)])
def test_full_check_duration_is_near_critical_path(request_name: str, expected: int) -> None:
    report, seconds = run(run_checks(REQUESTS[request_name]))
    assert round_trips(seconds) <= MAX_PATH_RATIO * CRITICAL_PATH
    assert round_trips(seconds) == expected, f"{round_trips(seconds)} round trips, {report.queries} queries"


def test_full_check_has_findings_of_every_check() -> None:
    report, _ = run(run_checks(REQUESTS["in order"]))
    checks = list(dict.fromkeys(finding.check for finding in report.findings))
    assert checks == [*(id for id in CHECK_IDS if id not in ("dns", "registration")), "senders"]
    # dns: the resolver is at fault; registration: watches only
    failures = [finding for finding in report.findings if finding.verdict is not Verdict.PASS]
    assert report.verdict is Verdict.PASS, failures


async def hangs(_request: CheckRequest, _lookup: Lookup, /) -> Sequence[Finding]:
    await asyncio.Event().wait()
    return []


async def breaks(_request: CheckRequest, _lookup: Lookup, /) -> Sequence[Finding]:
    raise RuntimeError("a bug")


async def breaks_late(_request: CheckRequest, lookup: Lookup, /) -> Sequence[Finding]:
    await lookup("example.com", "MX")
    await asyncio.sleep(1)
    raise ExceptionGroup("two bugs", [KeyError("one"), RecursionError("two")])


async def times_out(_request: CheckRequest, _lookup: Lookup, /) -> Sequence[Finding]:
    raise TimeoutError


async def breaks_after_many_lookups(_request: CheckRequest, lookup: Lookup, /) -> Sequence[Finding]:
    await asyncio.gather(*(lookup(f"{n}.example.net", "MX") for n in range(60)))
    raise LookupFailed("timeout")


FAILING: dict[str, Check] = {
    check.__name__: check for check in (hangs, breaks, breaks_late, times_out, breaks_after_many_lookups)
}
ALONE, ALONE_S = run(run_checks(REQUESTS["in order"]))


@settings(max_examples=10, deadline=None)
@example(list(FAILING))
@given(st.lists(st.sampled_from(sorted(FAILING)), min_size=1, max_size=4))
def test_failing_check_does_not_affect_other_checks(names: list[str]) -> None:
    failing = [CheckSpec(f"bad-{number}", "Bad", 0, FAILING[name]) for number, name in enumerate(names)]
    with capture_logs() as logs:
        report, seconds = run(run_checks(REQUESTS["in order"], failing))
    assert len(logs) == sum(name.startswith("breaks") for name in names)
    own = [finding for finding in report.findings if finding.check.startswith("bad-")]
    others = [finding for finding in report.findings if not finding.check.startswith("bad-")]
    assert list(map(content, others)) == list(map(content, ALONE.findings))
    assert {finding.verdict for finding in own} == {Verdict.UNKNOWN}
    assert len(own) == len(names)
    assert seconds <= CHECK_TIMEOUT_S + 0.001
    if "hangs" not in names and "breaks_late" not in names:
        assert round_trips(seconds) == round_trips(ALONE_S)


def content(finding: Finding) -> tuple[str, str, Verdict, str]:
    return finding.check, finding.code, finding.verdict, finding.summary


def test_address_check_duration_is_its_own_critical_path() -> None:
    """The ASN lookup, then RDAP: three round trips of HTTPS after the lookup of its server."""
    _, seconds = run(run_checks(CheckRequest(Target(ip_address(ADDRESS)))))
    assert round_trips(seconds) == 5


def test_domain_check_duration_is_its_own_critical_path() -> None:
    _, seconds = run(run_checks(CheckRequest(Target(domain=GOOD))))
    assert round_trips(seconds) == CRITICAL_PATH
