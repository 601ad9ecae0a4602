"""Checks that are not run at every poll: when they are due, and what a poll without them leaves alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest

from bot.checks.registry import CHECKS, WATCH_EVERY
from bot.models import CheckRequest, Finding, Report, Target, Verdict
from bot.monitoring.alert_state import NEXT_CODES, advance, initial_incident
from bot.monitoring.check_schedule import RAN_AT, SHARED_FOR, SLOW_CHECKS, checks_to_leave_out
from bot.monitoring.models import AlertReason, Incident
from bot.monitoring.poll import observe_reports, run_checks
from tests.support.incident_stories import T0
from tests.support.stored_watches import watch

HOUR, DOMAIN = timedelta(hours=1), "example.com"
PERIOD = timedelta(hours=24) - SHARED_FOR


def ran(hours: float) -> Incident:
    return Incident("w1", T0, config={RAN_AT: f"{(T0 + hours * HOUR).timestamp():.0f}"})


def due_hours(incident: Incident, domain: str = DOMAIN, hours: Iterable[int] = range(1, 72)) -> list[int]:
    """Hours of polls at which the daily checks are due, when each of them stores that they ran."""
    due = []
    for hour in hours:
        if not checks_to_leave_out([incident], domain, T0 + hour * HOUR):
            due.append(hour)
            incident = ran(hour)
    return due


def test_daily_checks_run_once_a_period_at_the_same_time_for_a_domain() -> None:
    first, second, third = due_hours(ran(0))[:3]
    assert (second - first) * HOUR == (third - second) * HOUR == PERIOD
    assert due_hours(ran(first - 1.5), hours=range(first, 72))[:3] == [first, second, third]


def test_daily_checks_of_domains_are_spread_over_the_period() -> None:
    firsts = [due_hours(ran(0), f"d{number}.example.com")[0] for number in range(200)]
    assert set(firsts) == set(range(1, 21))
    assert max(map(firsts.count, firsts)) < 40


@pytest.mark.parametrize("value", ["soon", "1e99", "-1", "99999999999999999999"])
def test_stored_time_that_is_no_time_does_not_stop_the_poll(value: str) -> None:
    checks_to_leave_out([Incident("w1", T0, config={RAN_AT: value})], DOMAIN, T0)


def test_time_ahead_of_the_clock_is_due() -> None:
    assert checks_to_leave_out([ran(500)], DOMAIN, T0) == frozenset()


def test_watch_of_an_earlier_version_waits_for_the_time_of_its_domain() -> None:
    """Or the checks of all watches would run within an hour of the upgrade."""
    earlier = Incident("w1", T0, config={"checks": "mx"})
    assert checks_to_leave_out([earlier], DOMAIN, T0) == SLOW_CHECKS
    assert checks_to_leave_out([earlier, ran(-100)], DOMAIN, T0) == frozenset(), "another channel's is due"


class StarttlsRunner:
    """Reports MX as fine and, where it runs, STARTTLS with this code."""

    def __init__(self) -> None:
        self.code, self.now, self.probed = "starttls.ok", T0, list[bool]()

    async def run(self, request: CheckRequest, fresh: bool = False) -> Report:
        findings = [Finding("mx", DOMAIN, Verdict.PASS, "mx.ok", "It is right.")]
        if "starttls" not in request.left_out:
            self.probed.append(fresh)
            verdict = Verdict.PASS if self.code in ("starttls.ok", "starttls.not-checked") else Verdict.WARN
            findings.append(Finding("starttls", DOMAIN, verdict, self.code, "It is so."))
        return Report(request, self.now, tuple(findings), 1, 1)


class Watched:
    def __init__(self) -> None:
        self.runner, self.watch = StarttlsRunner(), watch(None, DOMAIN)
        self.incident = Incident(self.watch.id, T0)

    async def poll(self, after: timedelta) -> list[AlertReason]:
        self.runner.now = now = self.runner.now + after
        is_first = not self.incident.config
        left_out = frozenset[str]() if is_first else checks_to_leave_out([self.incident], DOMAIN, now)
        reports = await run_checks(self.watch.targets, self.watch, self.runner, left_out=left_out)
        observed = observe_reports(reports, self.incident, self.watch)
        if is_first:
            self.incident = initial_incident(self.watch.id, observed, now)
            return []
        transition = advance(self.incident, observed, now)
        self.incident = transition.incident
        return [alert.reason for alert in transition.alerts]

    async def poll_for(self, hours: int) -> list[AlertReason]:
        reasons = [reason for _ in range(hours) for reason in await self.poll(HOUR)]
        return [reason for reason in reasons if reason is not AlertReason.REMINDER]


async def test_polls_between_two_runs_leave_the_problem_alone() -> None:
    watched = Watched()
    await watched.poll(timedelta(0))
    watched.runner.code = "starttls.expired"
    assert await watched.poll_for(25) == [AlertReason.OPENED]
    probes = len(watched.runner.probed)
    for _ in range(5):
        assert await watched.poll(HOUR) == []
    assert len(watched.runner.probed) - probes <= 1
    watched.runner.code = "starttls.ok"
    assert await watched.poll_for(25) == [AlertReason.RESOLVED]


async def test_probe_that_is_switched_off_clears_nothing() -> None:
    watched = Watched()
    await watched.poll(timedelta(0))
    watched.runner.code = "starttls.expired"
    assert await watched.poll_for(25) == [AlertReason.OPENED]
    watched.runner.code = "starttls.not-checked"
    assert AlertReason.RESOLVED not in await watched.poll_for(60)


async def test_certificate_is_reported_14_and_3_days_before_and_when_it_expired() -> None:
    watched, reasons = Watched(), []
    await watched.poll(timedelta(0))
    for code in ("starttls.expires-soon", "starttls.expires-in-3-days", "starttls.expired"):
        watched.runner.code = code
        reasons += await watched.poll_for(25)
    assert reasons == [AlertReason.OPENED, AlertReason.GREW, AlertReason.GREW]


async def test_check_without_result_at_the_first_poll_runs_at_the_next() -> None:
    runner, watched = StarttlsRunner(), watch(None, DOMAIN)
    unknown = Finding("starttls", DOMAIN, Verdict.UNKNOWN, "starttls.no-answer", "It is not known.")
    fine = Finding("mx", DOMAIN, Verdict.PASS, "mx.ok", "It is right.")
    report = Report(CheckRequest(Target(domain=DOMAIN)), runner.now, (fine, unknown), 1, 1)
    incident = initial_incident("w1", observe_reports([report], Incident("w1", T0), watched), T0)
    assert checks_to_leave_out([incident], DOMAIN, T0 + HOUR) == frozenset()


async def test_range_runs_the_checks_of_its_domain_at_one_address() -> None:
    runner, watched = StarttlsRunner(), watch("203.0.113.16/30", DOMAIN)
    await run_checks(watched.targets, watched, runner)
    assert runner.probed == [False]


def test_every_daily_check_promises_more_than_results_are_shared() -> None:
    assert all(every > SHARED_FOR for every in WATCH_EVERY.values())


def test_codes_that_follow_each_other_are_codes_of_their_checks() -> None:
    codes = {code for spec in CHECKS for code in spec.codes}
    assert {code for first, later in NEXT_CODES.items() for code in (first, *later)} <= codes


async def test_other_code_of_the_same_severity_is_no_new_problem() -> None:
    """Such as the second of two warnings, once the first is mended: it was there all the time."""
    watched = Watched()
    watched.runner.code = "starttls.missing"
    await watched.poll(timedelta(0))
    watched.runner.code = "starttls.wrong-name"
    assert await watched.poll_for(50) == []
