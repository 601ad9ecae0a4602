"""The plan of each minute: by how much the intervals of each workspace grow, so that every list's budget suffices. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot.watching.model import Watch
from bot.watching.schedule import DAY, Budget, effective_interval, stretches

Factors = Mapping[str, float]  # kind of list → by how much the interval grows


@dataclass(frozen=True, slots=True)
class Demanded:
    """A budget, and the kinds of list (ip4, ip6, domain) that it is spent on."""

    kinds: frozenset[str]
    budget: Budget


def wishes_of(watch: Watch) -> dict[str, int]:
    """The questions of one look, under the workspace, the kind of list and the interval: `slack/T0123 ip4 3600`."""
    space, every = f"{watch.room.platform}/{watch.room.space}", f"{watch.every.total_seconds():.0f}"
    return {f"{space} {kind} {every}": number for kind, number in asked_of(watch).items()}


def asked_of(watch: Watch) -> dict[str, int]:
    """How many questions one look at a watch puts to each list of a kind; its domain is one, however many addresses."""
    numbers: dict[str, int] = {}
    if watch.network is not None:
        numbers[f"ip{watch.network.version}"] = watch.network.num_addresses
    if watch.domain is not None:
        numbers["domain"] = 1
    return numbers


def planned(wishes: Mapping[str, int], lists: Sequence[Demanded]) -> dict[str, Factors]:
    """The factors of each workspace whose intervals grow; all others get what they wish."""
    per_day: dict[str, dict[str, float]] = {}
    for name, number in wishes.items():
        space, kind, every = name.rsplit(" ", 2)
        kinds = per_day.setdefault(space, {})
        kinds[kind] = kinds.get(kind, 0.0) + number * (DAY / timedelta(seconds=max(1, int(every))))
    grown: dict[str, dict[str, float]] = {}
    for one in lists:
        demands = {space: sum(kinds.get(kind, 0.0) for kind in one.kinds) for space, kinds in per_day.items()}
        for space, factor in stretches(demands, one.budget).items():
            if factor > 1:
                _raise_to(grown.setdefault(space, {}), one.kinds, factor)
    return {space: factors for space, factors in grown.items() if factors}


def interval_of(watch: Watch, factors: Factors) -> timedelta:
    """The interval that a watch gets in its workspace."""
    return effective_interval(watch.every, *(factors.get(kind, 1.0) for kind in asked_of(watch)))


def _raise_to(factors: dict[str, float], kinds: Iterable[str], factor: float) -> None:
    for kind in kinds:
        factors[kind] = max(factors.get(kind, 1.0), round(factor, 3))
