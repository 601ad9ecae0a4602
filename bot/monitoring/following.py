"""What a watch follows: everything, only blocklists, or only the set-up of mail. Pure.

A watch follows what its own command says, else what its channel is set to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from bot.checks.registry import CHECKS
from bot.monitoring.models import Follow, Incident, Observation, Watch
from bot.monitoring.observations import BLOCKLIST, LISTS_ARE_NEW, SELECTORS

LIST_CHECKS = frozenset({BLOCKLIST})
SETUP_CHECKS = frozenset(spec.id for spec in CHECKS if spec.watched) - LIST_CHECKS
LEFT_OUT = {Follow.ALL: frozenset[str](), Follow.LISTS: SETUP_CHECKS, Follow.SETUP: LIST_CHECKS}


def followed(watch: Watch, of_channel: Follow) -> Follow:
    return watch.follow if watch.follow is not Follow.ALL else of_channel


def unfollowed_checks(follows: Collection[Follow]) -> frozenset[str]:
    """The checks that none of the watches of a target follows."""
    return frozenset.intersection(*(LEFT_OUT[follow] for follow in follows)) if follows else frozenset()


def followed_observations(observations: Iterable[Observation], follow: Follow) -> tuple[Observation, ...]:
    """Those that a watch follows, of a poll that it shares with the watches of other channels."""
    return tuple(o for o in observations if _follows(follow, o.check))


def restricted(incident: Incident, follow: Follow) -> Incident:
    """The incident without what the watch no longer follows; it ends in silence where nothing else is left.

    What is followed again later is recorded at its first poll, as in a new watch.
    """
    problems = tuple(p for p in incident.problems if _follows(follow, p.last_observation.check))
    has_config = follow is not Follow.LISTS
    config = {key: value for key, value in incident.config.items() if has_config or key == SELECTORS}
    if follow is Follow.SETUP:
        config[LISTS_ARE_NEW] = "yes"
    if len(problems) == len(incident.problems) and config == incident.config:
        return incident
    opened_at = incident.opened_at if any(problem.blocks_resolution for problem in problems) else None
    return replace(incident, problems=problems, config=config, opened_at=opened_at)


def _follows(follow: Follow, check: str) -> bool:
    return follow is Follow.ALL or (check == BLOCKLIST) is (follow is Follow.LISTS)
