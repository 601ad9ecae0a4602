"""From one look to the next state of a watch, and to what its room must be told. Pure.

One incident and one thread for a watch, however many lists and addresses: what is told is always the difference between
what is true and what the room knows. So a mute, a grouping time or a replay never makes an alert twice and never loses one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b

from bot.watching.model import Acknowledged, Alert, Incident, Muted, Observation, Phase, Policy, Problem, Reason, State
from bot.watching.observations import per_sublist
from bot.watching.problems import at_rest, clocked, first_sight, known_before, look_at, step

KNOWLEDGE = (State.LISTED, State.NOT_LISTED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to store and to send together, and when to come back before the interval is over (None: not before).

    `ask` holds the keys whose lists to ask at `again_at`; when it is empty, no question is needed, only `advance`.
    """

    incident: Incident
    alerts: tuple[Alert, ...]
    again_at: datetime | None
    ask: frozenset[str]


@dataclass(frozen=True, slots=True)
class _News:
    """The difference between what is true and what the room knows."""

    new: tuple[Problem, ...] = ()
    gone: tuple[Problem, ...] = ()
    lost: tuple[Problem, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.gone or self.lost)


def begin(watch: str, observations: Iterable[Observation], now: datetime) -> Incident:
    """The first look at a watch: what is wrong already is remembered, and nothing is told but in the reply."""
    seen = _one_each(per_sublist(observations, ()))
    problems = tuple(known_before(one) for one in seen if one.state is State.LISTED)
    settings = {one.setting: one.value for one in seen if one.setting and one.state in KNOWLEDGE}
    return Incident(watch, began=now, problems=problems, settings=settings)


def advance(
    incident: Incident, observations: Iterable[Observation], now: datetime, policy: Policy | None = None
) -> Outcome:
    """The watch after one look; with no observations, after time alone."""
    policy = policy or Policy()
    looked = _look(_clocked(incident, now), observations, now, policy)
    told, alerts = _speak(looked, now, policy)
    after = replace(told, problems=tuple(p for p in told.problems if _worth_keeping(p, now, policy)))
    return Outcome(after, alerts, *_next(after, now, policy))


def acknowledge(incident: Incident, by: str, now: datetime) -> Incident:
    """Someone has it in hand: reminders stop until it is over or a new problem that alerts comes on top."""
    return replace(incident, acknowledged=Acknowledged(by, now)) if incident.opened else incident


def mute(incident: Incident, by: str, until: datetime) -> Incident:
    """Nothing is told before `until`; what is then still different from what the room knows is told at once."""
    return replace(incident, muted=Muted(by, until))


def unmute(incident: Incident) -> Incident:
    return replace(incident, muted=None)


def _look(incident: Incident, observations: Iterable[Observation], now: datetime, policy: Policy) -> Incident:
    problems = {problem.key: problem for problem in incident.problems}
    settings = dict(incident.settings)
    known = [problem.sight for problem in incident.problems]
    for seen in _one_each(per_sublist(_relevant(observations, known), known)):
        if seen.key in problems:
            problems[seen.key] = step(problems[seen.key], seen, policy)
        elif seen.state is State.LISTED:
            problems[seen.key] = first_sight(seen)
        if seen.setting and seen.state is State.NOT_LISTED:
            settings[seen.setting] = seen.value
    rested = tuple(at_rest(problem, now, policy) for problem in problems.values())
    return replace(incident, problems=rested, settings=settings)


def _relevant(observations: Iterable[Observation], known: Iterable[Observation]) -> Iterable[Observation]:
    """Most looks find most lists clean, and that is no news where nothing was wrong."""
    open_questions = {(sight.check, sight.about) for sight in known}
    return (o for o in observations if o.state is State.LISTED or o.setting or (o.check, o.about) in open_questions)


def _one_each(observations: Iterable[Observation]) -> tuple[Observation, ...]:
    """Of several answers about the same thing, as of one domain for all addresses of a range, the one that says most."""
    rank = {State.LISTED: 2, State.NOT_LISTED: 1}
    best: dict[str, Observation] = {}
    for seen in observations:
        if seen.key not in best or rank.get(seen.state, 0) > rank.get(best[seen.key].state, 0):
            best[seen.key] = seen
    return tuple(best.values())


def _clocked(incident: Incident, now: datetime) -> Incident:
    return replace(
        incident,
        problems=tuple(clocked(problem, now) for problem in incident.problems),
        told_at=min(incident.told_at, now) if incident.told_at else None,
        opened=min(incident.opened, now) if incident.opened else None,
    )


def _speak(incident: Incident, now: datetime, policy: Policy) -> tuple[Incident, tuple[Alert, ...]]:
    if incident.muted and now < incident.muted.until:
        return incident, ()
    incident = unmute(incident)
    alerts: list[Alert] = []
    for say in (_say_changes, _say_unstable, _say_unverified, _say_reminder):
        incident, alert = say(incident, now, policy)
        alerts += [alert] if alert else []
    return incident, tuple(alerts)


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
    opens = incident.opened is None and any(p.sight.severity.loud for p in wobbling)
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
    due = incident.opened and incident.told_at and now - incident.told_at >= policy.remind_after
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
    if any(p.sight.severity.loud and not p.sight.passing for p in news.new):
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
    life = f"{incident.watch}.{int(incident.began.timestamp()):x}"
    about = " ".join(sorted(p.key for p in (*news.new, *news.gone, *news.lost)))
    digest = blake2b(about.encode(), digest_size=4).hexdigest()
    key = f"{life}.{incident.episode}.{incident.spoken}.{reason}.{digest}"
    aside = {p.key for p in (*news.new, *news.gone, *news.lost)}
    critical = any(p.sight.severity == "high" for p in news.new)
    return Alert(
        key=key,
        watch=incident.watch,
        reason=reason,
        at=now,
        thread=f"{life}.{incident.episode}" if incident.opened else key,
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
        elif problem.key in new:
            quiet = not problem.sight.severity.loud
            kept.append(replace(problem, told=True, quiet=quiet, noted=problem.unstable))
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


def _worth_keeping(problem: Problem, now: datetime, policy: Policy) -> bool:
    if problem.told or problem.unstable:
        return True
    return now - problem.asked < policy.forget_after and (problem.phase is not Phase.CLEAN or bool(problem.opens))


def _next(incident: Incident, now: datetime, policy: Policy) -> tuple[datetime | None, frozenset[str]]:
    looks = {p.key: at for p in incident.problems if (at := look_at(p, now, policy))}
    times = [*looks.values(), *_speech(incident, now, policy)]
    if not times:
        return None, frozenset()
    again_at = max(min(times), now + timedelta(seconds=1))
    return again_at, frozenset(key for key, at in looks.items() if at <= again_at)


def _speech(incident: Incident, now: datetime, policy: Policy) -> Iterable[datetime]:
    """When something that is held back can be told."""
    news = _news(incident, now, policy)
    muted = incident.muted is not None and now < incident.muted.until
    if news and incident.muted and muted:
        yield incident.muted.until
    elif news:
        yield _spoken_from(incident, news, now, policy)
