"""Whether watching goes on: the age of the last finished poll, and of the oldest one that is overdue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.monitoring.interfaces import Clock
from bot.monitoring.repository import PAUSE_TTL, RedisRepository
from bot.monitoring.schedule import JITTER, Multipliers, demand_of
from bot.monitoring.serialization import parse_watch

MISSED_INTERVALS = 2
POLL_MARGIN_S = 300.0  # a poll of a range, or the lease of a process that died


@dataclass(frozen=True, slots=True)
class PollHealth:
    """Ages in seconds, and the intervals of the watches that are not paused; without any both ages are zero."""

    last_poll_age_s: float = 0.0
    overdue_s: float = 0.0
    shortest_interval: timedelta = timedelta(0)
    longest_interval: timedelta = timedelta(0)

    @property
    def is_watching(self) -> bool:
        return self.last_poll_age_s <= _bound_s(self.shortest_interval) and self.overdue_s <= _bound_s(
            self.longest_interval
        )


@dataclass(frozen=True, slots=True)
class PollMonitor:
    """Reads the health of polling. Where no finished poll is known, its age counts from `started_at`."""

    repository: RedisRepository
    clock: Clock
    started_at: datetime

    async def read(self) -> PollHealth:
        """Raises StoreUnavailable."""
        intervals = await self._intervals()
        if not intervals:
            return PollHealth()
        now = self.clock()
        finished_at = await self.repository.polls.last_finished_at(now.timestamp())
        age_s = now.timestamp() - (self.started_at.timestamp() if finished_at is None else finished_at)
        overdue_s = await self.repository.watches.overdue_s(now.timestamp())
        return PollHealth(max(0.0, age_s), overdue_s, min(intervals), max(intervals))

    async def _intervals(self) -> list[timedelta]:
        """Effective intervals in use, without those of paused channels only."""
        demand = await self.repository.watches.demand()
        for name in await self.repository.channels.paused((self.clock() + PAUSE_TTL).timestamp()):
            demand = await self._without(name, demand)
        factors, parse = await self.repository.interval_multipliers(), self.repository.unreadable.parse
        intervals = [parse("mc1:wishes", key, _interval, key, factors) for key, count in demand.items() if count > 0]
        return [interval for interval in intervals if interval is not None]

    async def _without(self, name: str, demand: Mapping[str, int]) -> dict[str, int]:
        """Demand without that of a paused channel or workspace."""
        if name.count("/") == 1:
            return {key: count for key, count in demand.items() if key.rsplit(" ", 2)[0] != name}
        remaining, parse = dict(demand), self.repository.unreadable.parse
        for row in await self.repository.watches.list_watches(name):
            watch = parse(f"mc1:watches:{name}", row.id, parse_watch, row)
            for key, count in demand_of(watch).items() if watch else ():
                remaining[key] = remaining.get(key, 0) - count
        return remaining


def _interval(key: str, factors: Mapping[str, Multipliers]) -> timedelta:
    """Interval of a demand, stretched by the largest multiplier of its workspace. Raises ValueError."""
    workspace, _, seconds = key.rsplit(" ", 2)
    interval = timedelta(seconds=int(seconds))
    if interval <= timedelta(0):
        raise ValueError("not an interval")
    return interval * max(1.0, *factors.get(workspace, {}).values(), 1.0)


def _bound_s(interval: timedelta) -> float:
    return interval.total_seconds() * MISSED_INTERVALS * (1 + JITTER) + POLL_MARGIN_S
