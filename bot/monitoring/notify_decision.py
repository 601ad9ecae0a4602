"""What a room must be told: always the difference between what is true and what it knows. Pure.

So a mute, a grouping time or a replay never makes an alert twice and never loses one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b

from bot.monitoring.models import Alert, Incident, Phase, Policy, Problem, Reason, Severity


@dataclass(frozen=True, slots=True)
class _News:
    """The difference between what is true and what the room knows."""

    new: tuple[Problem, ...] = ()
    gone: tuple[Problem, ...] = ()
    lost: tuple[Problem, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.gone or self.lost)


def speak(incident: Incident, now: datetime, policy: Policy) -> tuple[Incident, tuple[Alert, ...]]:
    """The incident once its room knows all that can be told now, and the alerts that tell it."""
    if incident.muted and now < incident.muted.until:
        return incident, ()
    incident = replace(incident, muted=None)
    alerts: list[Alert] = []
    for say in (_say_changes, _say_unstable, _say_unverified, _say_reminder):
        incident, alert = say(incident, now, policy)
        alerts += [alert] if alert else []
    return incident, tuple(alerts)


def held_back_until(incident: Incident, now: datetime, policy: Policy) -> datetime | None:
    """When news that a mute or the grouping holds back can be told; None where nothing is held back."""
    news = _news(incident, now, policy)
    if news and incident.muted and now < incident.muted.until:
        return incident.muted.until
    return _spoken_from(incident, news, now, policy) if news else None


def _say_changes(incident: Incident, now: datetime, policy: Policy) -> tuple[Incident, Alert | None]:
    news = _news(incident, now, policy)
    if not news or now < _spoken_from(incident, news, now, policy):
        return incident, None
    reason = _reason(incident, news)
    opened = _opened(incident, now) if reason is Reason.OPENED else incident
    alert = _alert(opened, reason, now, news, root=not incident.opened)
    return _told(opened, alert, news), alert


def _say_unstable(incident: Incident, now: datetime, _: Policy) -> tuple[Incident, Alert | None]:
    """What opened again and again is said to be unstable; it is an incident by itself where none is open."""
    wobbling = tuple(p for p in incident.problems if p.unstable and not p.noted and p.phase is Phase.LISTED)
    if not wobbling:
        return incident, None
    opens = incident.opened is None and any(p.sight.lasting for p in wobbling)
    opened = _opened(incident, now) if opens else incident
    news = _News(new=wobbling)
    alert = _alert(opened, Reason.UNSTABLE, now, news, root=not incident.opened)
    return _told(opened, alert, news), alert


def _say_unverified(incident: Incident, now: datetime, policy: Policy) -> tuple[Incident, Alert | None]:
    """A sighting that no second look could confirm or deny is no alert, but it is not kept back either."""
    unsure = tuple(
        p
        for p in incident.problems
        if p.phase is Phase.SUSPECT and p.misses >= policy.tries and not (p.noted or p.told or p.unstable)
    )
    if not unsure:
        return incident, None
    alert = _alert(incident, Reason.DEGRADED, now, _News(new=unsure), root=not incident.opened)
    noted = tuple(replace(p, noted=True) if p in unsure else p for p in incident.problems)
    return replace(incident, problems=noted, spoken=incident.spoken + 1), alert


def _say_reminder(incident: Incident, now: datetime, policy: Policy) -> tuple[Incident, Alert | None]:
    due = incident.told_at and now - incident.told_at >= policy.remind_after
    if not due or incident.acknowledged or not any(p.holds and not p.unstable for p in incident.problems):
        return incident, None
    alert = _alert(incident, Reason.REMINDER, now, _News(), root=False)
    return replace(incident, told_at=now, spoken=incident.spoken + 1), alert


def _news(incident: Incident, now: datetime, policy: Policy) -> _News:
    problems = [problem for problem in incident.problems if not problem.unstable]
    lost = tuple(p for p in incident.problems if p.told and now - p.asked >= policy.forget_after)
    return _News(
        new=tuple(p for p in problems if p.phase is Phase.LISTED and not p.told),
        gone=tuple(p for p in problems if p.phase is Phase.CLEAN and p.told and p not in lost),
        lost=lost,
    )


def _reason(incident: Incident, news: _News) -> Reason:
    is_open = incident.opened is not None
    if any(p.sight.lasting for p in news.new):
        return Reason.GREW if is_open else Reason.OPENED
    if not (news.gone or news.lost):
        return Reason.NOTED
    left = (p for p in incident.problems if p not in news.gone and p not in news.lost)
    return Reason.EASED if any(p.holds for p in left) or not is_open else Reason.RESOLVED


def _spoken_from(incident: Incident, news: _News, now: datetime, policy: Policy) -> datetime:
    """When news may be told: an open thread gets one message in a grouping time, and the first message of an incident
    waits for the second look at what was first seen within a grouping time of its own first sighting."""
    if incident.opened and incident.told_at:
        return incident.told_at + policy.group_for
    if not news.new:
        return now
    together = min(p.since for p in news.new) + policy.group_for
    pending = (p for p in incident.problems if p.phase is Phase.SUSPECT and not p.told and p.misses == 0)
    waits = any(p.since <= together for p in pending)
    return max(p.turned for p in news.new) + policy.group_for if waits else now


def _opened(incident: Incident, now: datetime) -> Incident:
    return replace(incident, opened=now, episode=incident.episode + 1, acknowledged=None)


def _alert(incident: Incident, reason: Reason, now: datetime, news: _News, root: bool) -> Alert:
    about = " ".join(sorted(p.key for p in (*news.new, *news.gone, *news.lost)))
    digest = blake2b(about.encode(), digest_size=4).hexdigest()
    key = f"{incident.thread}.{incident.spoken}.{reason}.{digest}"
    aside = {p.key for p in (*news.new, *news.gone, *news.lost)}
    critical = any(p.sight.severity is Severity.HIGH for p in news.new)
    return Alert(
        key=key,
        watch=incident.watch,
        reason=reason,
        at=now,
        thread=incident.thread if incident.opened else key,
        root=root,
        loud=reason is not Reason.DEGRADED and any(p.sight.severity.loud for p in news.new),
        opened=incident.opened,
        new=news.new,
        still=tuple(p for p in incident.problems if p.told and p.key not in aside),
        gone=news.gone,
        lost=news.lost,
        broadcast=reason is Reason.GREW and incident.acknowledged is not None and critical,
    )


def _told(incident: Incident, alert: Alert, news: _News) -> Incident:
    """The incident once the room knows the news."""
    new, gone, lost = ({p.key for p in problems} for problems in (news.new, news.gone, news.lost))
    kept: list[Problem] = []
    settings = dict(incident.settings)
    for problem in incident.problems:
        if problem.key in new and problem.sight.passing:
            settings[problem.sight.setting] = problem.sight.value
            kept.append(replace(problem, phase=Phase.CLEAN, noted=problem.unstable))
        elif problem.key in new:
            kept.append(replace(problem, told=True, quiet=not problem.sight.lasting, noted=problem.unstable))
        elif problem.key in gone:
            kept.append(replace(problem, told=False, quiet=False))
        elif problem.key not in lost:
            kept.append(problem)
    over = alert.reason is Reason.RESOLVED
    keeps_hand = not over and not (alert.loud and alert.reason in (Reason.OPENED, Reason.GREW, Reason.UNSTABLE))
    return replace(
        incident,
        problems=tuple(kept),
        settings=settings,
        opened=None if over else incident.opened,
        acknowledged=incident.acknowledged if keeps_hand else None,
        told_at=alert.at,
        spoken=incident.spoken + 1,
    )
