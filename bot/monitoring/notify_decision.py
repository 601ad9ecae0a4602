"""Decides alerts: the difference between the current and the last notified state. Pure.

A mute, a grouping delay or a replay therefore neither duplicates nor loses an alert.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b

from bot.monitoring.models import Alert, AlertPolicy, AlertReason, Incident, Phase, Problem, Severity


@dataclass(frozen=True, slots=True)
class _Changes:
    """Difference between the current and the last notified state."""

    new: tuple[Problem, ...] = ()
    cleared: tuple[Problem, ...] = ()
    unverified: tuple[Problem, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.cleared or self.unverified)


def decide_alerts(incident: Incident, now: datetime, policy: AlertPolicy) -> tuple[Incident, tuple[Alert, ...]]:
    """Alerts that are due now, and the incident once they are sent."""
    if incident.muted and now < incident.muted.until:
        return incident, ()
    incident = replace(incident, muted=None)
    alerts: list[Alert] = []
    for decide in (_change_alert, _flapping_alert, _stable_alert, _unverified_alert, _reminder_alert):
        incident, alert = decide(incident, now, policy)
        alerts += [alert] if alert else []
    return incident, tuple(alerts)


def deferred_until(incident: Incident, now: datetime, policy: AlertPolicy) -> datetime | None:
    """When changes deferred by a mute or by grouping can be sent; None if there are none."""
    changes = _pending_changes(incident, now, policy)
    if changes and incident.muted and now < incident.muted.until:
        return incident.muted.until
    return _earliest_notification(incident, changes, now, policy) if changes else None


def _change_alert(incident: Incident, now: datetime, policy: AlertPolicy) -> tuple[Incident, Alert | None]:
    changes = _pending_changes(incident, now, policy)
    if not changes or now < _earliest_notification(incident, changes, now, policy):
        return incident, None
    reason = _reason(incident, changes)
    is_back = reason is AlertReason.OPENED and _is_back(incident, changes, now, policy)
    opened = _open(incident, now, same_thread=is_back) if reason is AlertReason.OPENED else incident
    alert = _alert(opened, reason, now, changes, is_root=not (incident.opened_at or is_back))
    return _after_alert(opened, alert, changes), alert


def _is_back(incident: Incident, changes: _Changes, now: datetime, policy: AlertPolicy) -> bool:
    """Whether a problem of the last incident is there again so soon that its thread goes on."""
    is_recent = incident.notified_at is not None and now - incident.notified_at < policy.flapping_window
    return is_recent and incident.episode > 0 and any(len(problem.confirmations) > 1 for problem in changes.new)


def _flapping_alert(incident: Incident, now: datetime, _: AlertPolicy) -> tuple[Incident, Alert | None]:
    """Report flapping once, in the place of the second end; it opens an incident where none is open."""
    flapping = tuple(
        p
        for p in incident.problems
        if p.flapping and not p.noted and (p.phase is Phase.LISTED or (p.phase is Phase.CLEAN and p.notified))
    )
    if not flapping:
        return incident, None
    opens = incident.opened_at is None and any(p.last_observation.opens_incident for p in flapping)
    opened = _open(incident, now) if opens else incident
    changes = _Changes(new=flapping)
    alert = _alert(opened, AlertReason.FLAPPING, now, changes, is_root=not incident.opened_at)
    return _after_alert(opened, alert, changes), alert


def _stable_alert(incident: Incident, now: datetime, _: AlertPolicy) -> tuple[Incident, Alert | None]:
    """Report that what came and went has stayed."""
    settled = tuple(
        p for p in incident.problems if p.noted and p.notified and not p.flapping and p.phase is Phase.LISTED
    )
    if not settled:
        return incident, None
    changes = _Changes(new=settled)
    alert = _alert(incident, AlertReason.STABLE, now, changes, is_root=incident.opened_at is None)
    return _after_alert(incident, alert, changes), alert


def _unverified_alert(incident: Incident, now: datetime, policy: AlertPolicy) -> tuple[Incident, Alert | None]:
    """Note a listing that no second poll could confirm or refute."""
    unverified = tuple(
        p
        for p in incident.problems
        if p.phase is Phase.SUSPECT
        and p.unanswered_polls >= policy.max_confirm_polls
        and not (p.noted or p.notified or p.flapping or p.last_observation.notify_once)
    )
    if not unverified:
        return incident, None
    alert = _alert(incident, AlertReason.DEGRADED, now, _Changes(new=unverified), is_root=not incident.opened_at)
    noted = tuple(replace(p, noted=True) if p in unverified else p for p in incident.problems)
    return replace(incident, problems=noted, alert_count=incident.alert_count + 1), alert


def _reminder_alert(incident: Incident, now: datetime, policy: AlertPolicy) -> tuple[Incident, Alert | None]:
    if incident.acknowledged or not _needs_reminder(incident, now, policy):
        return incident, None
    alert = _alert(incident, AlertReason.REMINDER, now, _Changes(), is_root=incident.opened_at is None)
    return replace(incident, notified_at=now, alert_count=incident.alert_count + 1), alert


def _needs_reminder(incident: Incident, now: datetime, policy: AlertPolicy) -> bool:
    """Every `remind_after` of an open incident; once about what was there when the watch began.

    That one is due on the second day only, so that an upgrade reminds of no old watch.
    """
    if incident.notified_at:
        is_due = now - incident.notified_at >= policy.remind_after
        return is_due and any(p.blocks_resolution and not p.flapping for p in incident.problems)
    watched_for = now - incident.started_at
    is_second_day = policy.remind_after <= watched_for < 2 * policy.remind_after
    return is_second_day and any(p.known_from_start and not p.flapping for p in incident.problems)


def _pending_changes(incident: Incident, now: datetime, policy: AlertPolicy) -> _Changes:
    problems = [problem for problem in incident.problems if not problem.flapping]
    unverified = tuple(p for p in incident.problems if p.notified and now - p.last_polled_at >= policy.forget_after)
    new = tuple(p for p in problems if p.phase is Phase.LISTED and not p.notified)
    return _Changes(
        new=new,
        cleared=tuple(p for p in problems if p.notified and p not in unverified and _is_cleared(p, new)),
        unverified=unverified,
    )


def _is_cleared(problem: Problem, new: Iterable[Problem]) -> bool:
    """Whether a listing ended, or the list now gives another reason for it: both are one change of one listing."""
    if problem.phase is not Phase.CLEARING:
        return problem.phase is Phase.CLEAN
    before = problem.last_observation
    return bool(before.sublist) and any(
        o.sublist and (o.check, o.subject, o.address) == (before.check, before.subject, before.address)
        for o in (other.last_observation for other in new)
    )


def _reason(incident: Incident, changes: _Changes) -> AlertReason:
    is_open = incident.opened_at is not None
    if any(p.last_observation.opens_incident for p in changes.new):
        return AlertReason.GREW if is_open else AlertReason.OPENED
    if not (changes.cleared or changes.unverified):
        return AlertReason.NOTED
    left = (p for p in incident.problems if p not in changes.cleared and p not in changes.unverified)
    return AlertReason.EASED if any(p.blocks_resolution for p in left) or not is_open else AlertReason.RESOLVED


def _earliest_notification(incident: Incident, changes: _Changes, now: datetime, policy: AlertPolicy) -> datetime:
    """Earliest time of the next notification.

    An open thread gets one message per `group_for`. The first message of an incident waits for the
    second poll of suspects first seen within `group_for` of its own problems.
    """
    if incident.opened_at and incident.notified_at:
        return incident.notified_at + policy.group_for
    if not changes.new:
        return now
    group_end = min(p.since for p in changes.new) + policy.group_for
    pending = (p for p in incident.problems if p.phase is Phase.SUSPECT and not p.notified and p.unanswered_polls == 0)
    waits = any(p.since <= group_end for p in pending)
    return max(p.phase_changed_at for p in changes.new) + policy.group_for if waits else now


def _open(incident: Incident, now: datetime, same_thread: bool = False) -> Incident:
    episode = incident.episode if same_thread else incident.episode + 1
    return replace(incident, opened_at=now, episode=episode, acknowledged=None)


def _alert(incident: Incident, reason: AlertReason, now: datetime, changes: _Changes, is_root: bool) -> Alert:
    keys = " ".join(sorted(p.key for p in (*changes.new, *changes.cleared, *changes.unverified)))
    digest = blake2b(keys.encode(), digest_size=4).hexdigest()
    key = f"{incident.thread_key}.{incident.alert_count}.{reason}.{digest}"
    changed_keys = {p.key for p in (*changes.new, *changes.cleared, *changes.unverified)}
    critical = any(p.last_observation.severity is Severity.HIGH for p in changes.new)
    return Alert(
        key=key,
        watch_id=incident.watch_id,
        reason=reason,
        at=now,
        watching_since=incident.started_at,
        thread_key=incident.thread_key if incident.opened_at else key,
        is_root=is_root,
        is_alerting=reason is not AlertReason.DEGRADED and any(p.last_observation.severity.alerts for p in changes.new),
        opened_at=incident.opened_at,
        new=changes.new,
        remaining=tuple(p for p in incident.problems if p.notified and p.key not in changed_keys),
        cleared=changes.cleared,
        unverified=changes.unverified,
        is_escalation=reason is AlertReason.GREW and incident.acknowledged is not None and critical,
    )


def _after_alert(incident: Incident, alert: Alert, changes: _Changes) -> Incident:
    """Incident once the channel knows the changes."""
    new, cleared, unverified = ({p.key for p in group} for group in (changes.new, changes.cleared, changes.unverified))
    problems: list[Problem] = []
    config = dict(incident.config)
    for problem in incident.problems:
        if problem.key in new and problem.last_observation.notify_once:
            config[problem.last_observation.config_key] = problem.last_observation.config_value
            problems.append(replace(problem, phase=Phase.CLEAN, noted=problem.flapping))
        elif problem.key in new:
            problems.append(
                replace(
                    problem,
                    notified=True,
                    informational=not problem.last_observation.opens_incident,
                    noted=problem.flapping,
                )
            )
        elif problem.key in cleared:
            problems.append(replace(problem, notified=False, informational=False, phase=Phase.CLEAN, clean_polls=0))
        elif problem.key not in unverified:
            problems.append(problem)
    resolved = alert.reason is AlertReason.RESOLVED
    stays_acknowledged = not resolved and not (
        alert.is_alerting and alert.reason in (AlertReason.OPENED, AlertReason.GREW, AlertReason.FLAPPING)
    )
    return replace(
        incident,
        problems=tuple(problems),
        config={key: value for key, value in config.items() if value},
        opened_at=None if resolved else incident.opened_at,
        acknowledged=incident.acknowledged if stays_acknowledged else None,
        notified_at=alert.at,
        alert_count=incident.alert_count + 1,
    )
