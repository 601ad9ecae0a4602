"""Poll a watch: run the checks of its targets with bounded concurrency and time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import structlog

from bot.check_runner import CheckRunner
from bot.checks.registry import CheckSpec
from bot.models import BulkLookup, CheckRequest, Report, Target
from bot.monitoring.alert_state import initial_incident
from bot.monitoring.check_schedule import PENDING_PHASES, SLOW_CHECKS
from bot.monitoring.dnsbl_quarantine import NOT_QUERIED
from bot.monitoring.following import unfollowed_checks
from bot.monitoring.models import DomainRecords, Incident, Observation, Watch
from bot.monitoring.observations import BLOCKLIST, FOLLOWED, SELECTORS, observe

DKIM = "dkim"
MAX_CONCURRENT_CHECKS = 32  # per watch; the DNS client limits the rate
POLL_TIMEOUT_S, RANGE_POLL_TIMEOUT_S = 45.0, 270.0

log = structlog.get_logger()


class CheckRunnerProtocol(Protocol):
    """Runs the checks of one target; implemented by `CheckRunner`."""

    async def run(self, request: CheckRequest, fresh: bool = False) -> Report: ...


def monitoring_runner(
    runner: CheckRunner, lookup: BulkLookup, fresh_lookup: BulkLookup, checks: Sequence[CheckSpec] = ()
) -> CheckRunner:
    """A runner for the watched checks, or those of `checks`, with bulk lookups; without report cache or judgement."""
    watched = tuple(spec for spec in checks or runner.checks if spec.watched)
    return replace(runner, checks=watched, lookup=lookup, fresh_lookup=fresh_lookup, reports=None, judge=lambda _: ())


@dataclass(frozen=True, slots=True)
class PollRunner:
    """Runs polls, and with checks of their own the polls that confirm others."""

    regular: CheckRunner
    confirming: CheckRunner

    async def run(self, request: CheckRequest, fresh: bool = False) -> Report:
        return await (self.confirming if fresh else self.regular).run(request, fresh)


async def baseline(watch: Watch, runner: CheckRunnerProtocol, now: datetime) -> tuple[Incident, tuple[Report, ...]]:
    """First poll of a watch: the initial incident, and the reports for the reply; no alerts."""
    reports = await run_first_poll(watch, runner)
    return initial_incident(watch.id, observe_reports(reports, Incident(watch.id, now), watch), now), reports


async def run_first_poll(watch: Watch, runner: CheckRunnerProtocol) -> tuple[Report, ...]:
    """Reports on all targets of a watch to be added."""
    return await run_checks(watch.targets, watch, runner, left_out=unfollowed_checks([watch.follow]))


async def run_checks(
    targets: Iterable[Target],
    watch: Watch,
    runner: CheckRunnerProtocol,
    fresh: bool = False,
    selectors: Sequence[str] | None = None,
    left_out: frozenset[str] = frozenset(),
) -> tuple[Report, ...]:
    """Reports on these targets of a watch; those that time out or fail are left out.

    `selectors` are the known DKIM selectors of the domain; None tries the common ones. They are
    looked up once for all addresses, as is what the checks with a `watch_every` ask; `left_out` are not due.
    """
    slots = asyncio.Semaphore(MAX_CONCURRENT_CHECKS)

    async def report(target: Target, is_first: bool) -> Report:
        known = tuple(selectors or ()) if is_first else ()
        discovers = is_first and selectors is None
        async with slots:
            request = CheckRequest(
                target,
                watch.role,
                selectors=known,
                discovers_selectors=discovers,
                left_out=left_out if is_first else left_out | SLOW_CHECKS,
            )
            return await runner.run(request, fresh)

    tasks = [asyncio.create_task(report(target, number == 0)) for number, target in enumerate(targets)]
    if not tasks:
        return ()
    try:
        finished, late = await asyncio.wait(tasks, timeout=RANGE_POLL_TIMEOUT_S if watch.is_range else POLL_TIMEOUT_S)
    finally:
        for task in tasks:
            task.cancel()
    for task in finished:
        if error := task.exception():
            log.error("poll failed", subject=watch.subject, exc_info=error)
    if late:
        log.warning("poll timed out", subject=watch.subject, late=len(late), of=len(tasks))
    return tuple(drop_unqueried(task.result()) for task in tasks if task in finished and not task.exception())


def observe_reports(
    reports: Sequence[Report], incident: Incident, watch: Watch, records: DomainRecords | None = None
) -> tuple[Observation, ...]:
    """Observations of all targets, with one timestamp so that a range is stored compactly."""
    at = max((report.at for report in reports), default=None)
    same_time = [replace(report, at=at) for report in reports] if at and watch.is_range else reports
    return tuple(
        observation for report in same_time for observation in observe(report, incident.config, watch.is_range, records)
    )


def drop_unqueried(report: Report) -> Report:
    """Drop lists not queried because of their budget: that is not a missing answer."""
    findings = tuple(
        finding
        for finding in report.findings
        if finding.check != BLOCKLIST or finding.facts.get("reason") not in NOT_QUERIED
    )
    return report if len(findings) == len(report.findings) else replace(report, findings=findings)


def known_selectors(incidents: Iterable[Incident]) -> Sequence[str] | None:
    """DKIM selectors of the watches of one target; None where they were never looked for."""
    configs = [incident.config for incident in incidents]
    if any(DKIM not in config.get(FOLLOWED, "").split() for config in configs):
        return None
    return sorted({selector for config in configs for selector in config.get(SELECTORS, "").split()})


def pending_addresses(incidents: Iterable[Incident]) -> frozenset[str]:
    """Addresses with a pending confirmation; '' is the only target of a watch without a range."""
    problems = (problem for incident in incidents for problem in incident.problems)
    return frozenset(problem.last_observation.address for problem in problems if problem.phase in PENDING_PHASES)
