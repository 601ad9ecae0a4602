"""The machine of one problem: clean, suspect, listed, clearing, and clean again.

Only knowledge moves it. A look that got no answer leaves a problem where it was; it only counts how often the second look
at a suspect was in vain.

From one look to the next state of a watch, and to what its room must be told. Pure.

One incident and one thread for a watch, however many lists and addresses. `problems` moves each problem, `telling` finds
the words for the difference; here they meet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.monitoring.models import Acknowledged, Alert, Incident, Muted, Observation, Phase, Policy, Problem, State
from bot.monitoring.notify_decision import held_back_until, speak
from bot.monitoring.observations import per_sublist

# Looks that move nothing but a count.
COUNTED = {(Phase.SUSPECT, State.UNKNOWN), (Phase.CLEARING, State.NOT_LISTED)}


def first_sight(seen: Observation) -> Problem:
    """A problem as its first sighting leaves it: a suspicion that a second look must confirm."""
    return Problem(seen, Phase.SUSPECT, since=seen.at, turned=seen.at, asked=seen.at)


def known_before(seen: Observation) -> Problem:
    """A problem that was there at the first look: the room knows it from the reply, and no incident hangs on it."""
    return Problem(seen, Phase.LISTED, since=seen.at, turned=seen.at, asked=seen.at, told=True, quiet=True)


def step(problem: Problem, seen: Observation, policy: Policy) -> Problem:
    """The problem after one more look. A report that is replayed is no look; of looks that follow at once, one counts."""
    at_once = seen.at - problem.asked < policy.confirm_after / 4
    if seen.at <= problem.asked or (at_once and (problem.phase, seen.state) in COUNTED):
        return problem
    return _moved(replace(problem, asked=seen.at), seen, policy)


def at_rest(problem: Problem, now: datetime, policy: Policy) -> Problem:
    """The problem after time alone: openings of yesterday are forgotten, and what was quiet for long is stable again."""
    opens = tuple(at for at in problem.opens if now - at < policy.unstable_within)
    settled = problem.unstable and now - problem.turned >= policy.settled_after
    if settled:
        return replace(problem, unstable=False, noted=False, opens=())
    return problem if opens == problem.opens else replace(problem, opens=opens)


def look_at(problem: Problem, now: datetime, policy: Policy) -> datetime | None:
    """When this problem wants its next look, where that is before the watch's own interval.

    A look that did not come when it was wanted is chased for a while and then left to the interval: the list may be gone.
    """
    if problem.phase is Phase.SUSPECT and problem.misses < policy.tries:
        wanted = (problem.asked if problem.misses else problem.since) + policy.confirm_after
    elif problem.phase is Phase.CLEARING and not problem.unstable:
        wanted = problem.asked + policy.clear_after / max(1, policy.clean_looks - 1)
    else:
        return None
    if wanted > now:
        return wanted
    return now + policy.confirm_after if now - wanted < policy.tries * policy.confirm_after else None


def clocked(problem: Problem, now: datetime) -> Problem:
    """Nothing happened in the future: after the clock was set back, what it had stamped counts as just now."""
    stamps = (problem.since, problem.turned, problem.asked, *problem.opens)
    if max(stamps) <= now:
        return problem
    return replace(
        problem,
        since=min(problem.since, now),
        turned=min(problem.turned, now),
        asked=min(problem.asked, now),
        opens=tuple(min(at, now) for at in problem.opens),
    )


def _moved(problem: Problem, seen: Observation, policy: Policy) -> Problem:
    match problem.phase, seen.state:
        case Phase.CLEAN, State.LISTED if not problem.told:
            return replace(problem, phase=Phase.SUSPECT, sight=seen, since=seen.at, turned=seen.at, misses=0)
        case Phase.SUSPECT, State.LISTED if seen.at - problem.since >= policy.confirm_after:
            return _confirmed(problem, seen, policy)
        case Phase.SUSPECT, State.NOT_LISTED | State.HELD:
            return replace(
                problem, phase=Phase.CLEAN, turned=seen.at, misses=0, noted=problem.noted and problem.unstable
            )
        case Phase.SUSPECT, State.UNKNOWN:
            return replace(problem, misses=min(problem.misses + 1, policy.tries))
        case Phase.LISTED, State.LISTED:
            return replace(problem, sight=seen)
        case Phase.LISTED, State.NOT_LISTED:
            return replace(problem, phase=Phase.CLEARING, turned=seen.at, clean=1)
        case Phase.CLEARING | Phase.CLEAN, State.LISTED:  # for the room it never was gone
            return replace(problem, phase=Phase.LISTED, sight=seen, turned=seen.at, clean=0)
        case Phase.CLEARING, State.NOT_LISTED:
            return _cleaner(problem, seen, policy)
    return problem


def _confirmed(problem: Problem, seen: Observation, policy: Policy) -> Problem:
    opens = (*(at for at in problem.opens if seen.at - at < policy.unstable_within), seen.at)
    return replace(
        problem,
        phase=Phase.LISTED,
        sight=seen,
        turned=seen.at,
        misses=0,
        opens=opens,
        unstable=problem.unstable or len(opens) >= policy.unstable_opens,
        noted=problem.noted and problem.unstable,
    )


def _cleaner(problem: Problem, seen: Observation, policy: Policy) -> Problem:
    clean = min(problem.clean + 1, policy.clean_looks)
    if clean < policy.clean_looks or seen.at - problem.turned < policy.clear_after:
        return replace(problem, clean=clean)
    return replace(problem, phase=Phase.CLEAN, turned=seen.at, clean=0)


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
