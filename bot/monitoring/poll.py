"""Looking at a watch: a report for each of its targets, a bounded number at once and in bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

import structlog

from bot.check_runner import Checkup
from bot.models import Order, Report, SweepLookup, Target
from bot.monitoring.alert_state import begin
from bot.monitoring.dnsbl_quarantine import NOT_ASKED
from bot.monitoring.models import Incident, Observation, Phase, Watch
from bot.monitoring.observations import BLOCKLIST, observe

WATCHED = frozenset({"blocklist", "ptr", "spf", "dmarc", "mx"})
AT_ONCE = 32  # of one watch; the transport shares out the wire
WITHIN_S, RANGE_WITHIN_S = 45.0, 270.0
MOVING = (Phase.SUSPECT, Phase.CLEARING)

log = structlog.get_logger()


class Looks(Protocol):
    """What looks at one target; a `Checkup` does."""

    async def report(self, order: Order, fresh: bool = False) -> Report: ...


def for_watching(checkup: Checkup, lookup: SweepLookup, fresh_lookup: SweepLookup) -> Checkup:
    """The checks that a watch follows, asking in the manner of a sweep; no report is kept or judged."""
    checks = tuple((name, check) for name, check in checkup.checks if name in WATCHED)
    return replace(checkup, checks=checks, lookup=lookup, fresh_lookup=fresh_lookup, reports=None, judge=lambda _: ())


async def baseline(watch: Watch, checkup: Looks, now: datetime) -> tuple[Incident, tuple[Report, ...]]:
    """The first look at a watch, which alerts nobody: what to remember, and the reports for the reply."""
    reports = await first_look(watch, checkup)
    return begin(watch.id, observations(reports, Incident(watch.id, now), watch), now), reports


async def first_look(watch: Watch, checkup: Looks) -> tuple[Report, ...]:
    """The reports on all targets of a watch that somebody wants to make."""
    return await reports_on(watch.targets, watch, checkup)


async def reports_on(
    targets: Iterable[Target], watch: Watch, checkup: Looks, fresh: bool = False
) -> tuple[Report, ...]:
    """The reports on these targets of a watch; one that is not there in time, or breaks, is left out."""
    at_once = asyncio.Semaphore(AT_ONCE)

    async def report(target: Target) -> Report:
        async with at_once:
            return await checkup.report(Order(target, watch.role), fresh)

    tasks = [asyncio.create_task(report(target)) for target in targets]
    if not tasks:
        return ()
    try:
        done, late = await asyncio.wait(tasks, timeout=RANGE_WITHIN_S if watch.several else WITHIN_S)
    finally:
        for task in tasks:
            task.cancel()
    for task in done:
        if error := task.exception():
            log.error("look broke", subject=watch.subject, exc_info=error)
    if late:
        log.warning("look too slow", subject=watch.subject, late=len(late), of=len(tasks))
    return tuple(asked(task.result()) for task in tasks if task in done and not task.exception())


def observations(reports: Sequence[Report], incident: Incident, watch: Watch) -> tuple[Observation, ...]:
    """What was seen of all targets; at one time, so that what is the same at many addresses is remembered as the same."""
    at = max((report.at for report in reports), default=None)
    alike = [replace(report, at=at) for report in reports] if at and watch.several else reports
    return tuple(seen for report in alike for seen in observe(report, incident.settings, watch.several))


def asked(report: Report) -> Report:
    """The report without the lists whose budget is used up: they were not asked, so they did not stay silent either."""
    kept = tuple(f for f in report.findings if f.check != BLOCKLIST or f.facts.get("reason") not in NOT_ASKED)
    return report if len(kept) == len(report.findings) else replace(report, findings=kept)


def in_question(incidents: Iterable[Incident]) -> frozenset[str]:
    """The addresses that a second look is for; '' stands for the address or domain of a watch that has only one."""
    problems = (problem for incident in incidents for problem in incident.problems)
    return frozenset(problem.sight.address for problem in problems if problem.phase in MOVING)
