"""When each target is looked at: spread out, fair between workspaces, inside the budget of every list. Pure.

The plan of each minute: by how much the intervals of each workspace grow, so that every list's budget suffices. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from bot.inputs.durations import write_duration
from bot.monitoring.models import Watch

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONDAY = datetime(1970, 1, 5, 8, tzinfo=UTC)
JITTER = 0.05
MOST_STRETCHED = 10_000  # of a budget that is spent or nothing, so that an interval stays a number
SHORTEST, LONGEST = timedelta(minutes=5), timedelta(days=2)


class BadInterval(ValueError):
    """An interval that a person cannot have; the message is one sentence with the reason."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be asked of one list in any 24 hours: `per_day` questions, a tenth of them kept for people who wait.

    `burst` is how much of the pace may be caught up at once after a pause.
    """

    per_day: int
    for_people: float = 0.1
    burst: timedelta = timedelta(minutes=1)

    @property
    def for_watches(self) -> float:
        return self.per_day * (1 - self.for_people)

    @property
    def most_at_once(self) -> float:
        return max(1.0, self.for_watches * (self.burst / DAY))

    @property
    def per_second(self) -> float:
        """The pace at which a full burst and a whole day of it still fit the budget together."""
        return max(0.0, self.for_watches - self.most_at_once) / DAY.total_seconds()


@dataclass(frozen=True, slots=True)
class Bucket:
    """Questions that may be asked now, filled at the pace of a budget."""

    tokens: float
    at: datetime

    def filled(self, now: datetime, budget: Budget) -> Bucket:
        passed = max(0.0, (now - self.at).total_seconds())
        return Bucket(min(budget.most_at_once, self.tokens + passed * budget.per_second), now)

    def take(self, wanted: int) -> tuple[Bucket, int]:
        """As many whole questions as there are, at most `wanted`."""
        taken = max(0, min(wanted, int(self.tokens)))
        return replace(self, tokens=self.tokens - taken), taken


def people_interval(every: timedelta) -> timedelta:
    """The interval as a person wished it. Raises BadInterval outside of what makes sense; settings may go below."""
    if every < SHORTEST:
        raise BadInterval(
            f"A watch looks at most every {write_duration(SHORTEST)}: lists change more slowly than that, "
            "and those that are free block who asks too often."
        )
    if every > LONGEST:
        raise BadInterval(
            f"A watch looks at least every {write_duration(LONGEST)}, or a listing is old when you hear of it."
        )
    return every


def first_due(name: str, every: timedelta, now: datetime) -> datetime:
    """The first look after `now`: each name has its own fixed place in the interval, the same in every process."""
    offset = every * _fraction(name)
    return now + (offset - (now - EPOCH)) % every


def next_due(name: str, now: datetime, every: timedelta, ttl: timedelta = timedelta(0)) -> datetime:
    """The next regular look: within 5 % of the interval, and never before the last answer can have changed (`ttl`)."""
    jitter = 1 + JITTER * (2 * _fraction(f"{name} {now.timestamp():.0f}") - 1)
    return now + max(every * jitter, ttl)


def next_digest(room: str, now: datetime) -> datetime:
    """On the next Monday between 8 and 9 UTC, always at the same time for one room."""
    first = MONDAY + timedelta(seconds=int(_fraction(room) * 3600))
    return first + ((now - first) // WEEK + 1) * WEEK


def fair_shares(demands: Mapping[str, float], capacity: float) -> dict[str, float]:
    """Max-min fair shares: the small get all they want, the large share what is left evenly."""
    shares: dict[str, float] = {}
    left = max(0.0, capacity)
    for number, (name, wanted) in enumerate(sorted(demands.items(), key=lambda item: (item[1], item[0]))):
        shares[name] = min(wanted, left / (len(demands) - number))
        left -= shares[name]
    return shares


def stretches(demands: Mapping[str, float], budget: Budget) -> dict[str, float]:
    """By how much each workspace's intervals grow (1: not at all), from the questions a day that its wishes ask for."""
    pace = budget.per_second * DAY.total_seconds()
    shares = fair_shares(demands, pace / (1 + JITTER))
    return {
        name: max(1.0, wanted / max(shares[name], wanted / MOST_STRETCHED)) if wanted > 0 else 1.0
        for name, wanted in demands.items()
    }


def effective_interval(every: timedelta, *stretched: float) -> timedelta:
    """The interval that a watch gets, stretched as its tightest list demands."""
    return every * max(1.0, *stretched)


def _fraction(name: str) -> float:
    """A stable number in [0, 1) for a name."""
    return int.from_bytes(blake2b(name.encode(), digest_size=6).digest()) / 2**48


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
