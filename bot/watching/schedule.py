"""When each target is looked at: spread out, fair between workspaces, inside the budget of every list. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from bot.durations import write_duration

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
