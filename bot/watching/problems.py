"""The machine of one problem: clean, suspect, listed, clearing, and clean again.

Only knowledge moves it. A look that got no answer leaves a problem where it was; it only counts how often the second look
at a suspect was in vain.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.watching.model import Observation, Phase, Policy, Problem, State

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
