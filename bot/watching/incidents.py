"""From one look to the next state of a watch, and to what its room must be told. Pure.

One incident and one thread for a watch, however many lists and addresses. `problems` moves each problem, `telling` finds
the words for the difference; here they meet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.watching.model import Acknowledged, Alert, Incident, Muted, Observation, Phase, Policy, Problem, State
from bot.watching.observations import per_sublist
from bot.watching.problems import at_rest, clocked, first_sight, known_before, look_at, step
from bot.watching.telling import held_back_until, speak

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
    told, alerts = speak(looked, now, policy)
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


def _worth_keeping(problem: Problem, now: datetime, policy: Policy) -> bool:
    if problem.told or problem.unstable:
        return True
    return now - problem.asked < policy.forget_after and (problem.phase is not Phase.CLEAN or bool(problem.opens))


def _next(incident: Incident, now: datetime, policy: Policy) -> tuple[datetime | None, frozenset[str]]:
    looks = {p.key: at for p in incident.problems if (at := look_at(p, now, policy))}
    times = [*looks.values(), *filter(None, [held_back_until(incident, now, policy)])]
    if not times:
        return None, frozenset()
    again_at = max(min(times), now + timedelta(seconds=1))
    return again_at, frozenset(key for key, at in looks.items() if at <= again_at)
