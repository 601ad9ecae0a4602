"""Which checks a poll runs: those with a `watch_every` of their own when they are due, all others always. Pure.

Such a check asks the servers of others. It is due for all watches of a domain at the same time, so that they share
one answer; its problem is confirmed, and its end, in the polls that follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from bot.checks.registry import WATCH_EVERY
from bot.models import Report, Verdict
from bot.monitoring.models import Incident, Observation, ObservedState, Phase
from bot.monitoring.schedule import is_due_again
from bot.monitoring.stored_types import from_timestamp

SLOW_CHECKS = frozenset(WATCH_EVERY)
RAN_AT = "ran"  # config key: when the checks that were due ran, in seconds since 1970
NEVER = "0"
SHARED_FOR = timedelta(hours=4)  # so long a result serves the other watches of the same host or domain
PENDING_PHASES = (Phase.SUSPECT, Phase.CLEARING)


def checks_to_leave_out(incidents: Iterable[Incident], domain: str | None, now: datetime) -> frozenset[str]:
    """The checks that are not due at a poll of the watches of one target."""
    incidents = tuple(incidents)
    pending = {
        problem.last_observation.check
        for incident in incidents
        for problem in incident.problems
        if problem.phase in PENDING_PHASES
    }
    due = {check for check in SLOW_CHECKS if any(_is_due(check, incident, domain, now) for incident in incidents)}
    return SLOW_CHECKS - pending - due


def _is_due(check: str, incident: Incident, domain: str | None, now: datetime) -> bool:
    """Not at once where a version without these checks stored the watch: those would all be due together."""
    ran_at = incident.config.get(RAN_AT)
    if domain is None or ran_at is None:
        return False
    # A shared result counts from when it was made, so that no problem is found later than promised.
    return is_due_again(domain, WATCH_EVERY[check] - SHARED_FOR, _time(ran_at, now), now)


def _time(seconds: str, now: datetime) -> datetime:
    try:
        return from_timestamp(int(seconds))
    except ValueError:
        return now  # the next time will do


def observe_run(previous: Mapping[str, str], report: Report) -> Iterable[Observation]:
    """When the checks that are not due at every poll ran, to be stored.

    What gave no result at the first poll of a watch is tried again at the next one.
    """
    left_out, is_first = report.request.left_out, RAN_AT not in previous
    if report.request.target.domain is None or (left_out >= SLOW_CHECKS and not is_first):
        return
    failed = any(f.check in SLOW_CHECKS and f.verdict is Verdict.UNKNOWN for f in report.findings)
    value = NEVER if is_first and failed else f"{report.at.timestamp():.0f}"
    yield Observation(RAN_AT, "", ObservedState.NOT_LISTED, report.at, config_key=RAN_AT, value=value)
