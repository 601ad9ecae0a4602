"""Clock of all processes: the monotonic clock of this host and an offset learned from Redis TIME.

A jump of this host's wall clock moves nothing, and hosts with different wall clocks agree. Where the clock of the
store itself jumps, this one follows it with the next correction; due times are then clamped where they are read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime

from redis.asyncio import Redis

from bot.storage import StoreUnavailable
from bot.storage.lua_script import store_errors

CORRECTION_INTERVAL_S = 1.0


class RedisClock:
    """Aware datetimes. Until the first correction, and without a store: the wall clock of this process."""

    def __init__(
        self,
        read_time: Callable[[], Awaitable[float]] | None,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read_time, self._wall, self._monotonic = read_time, wall, monotonic
        self._offset: float | None = None

    def __call__(self) -> datetime:
        seconds = self._wall() if self._offset is None else self._monotonic() + self._offset
        return datetime.fromtimestamp(seconds, UTC)

    async def correct(self) -> None:
        """Learn the offset, half a round trip after the request. Raises StoreUnavailable."""
        if self._read_time is None:
            return
        sent = self._monotonic()
        seconds = await self._read_time()
        half_round_trip = (self._monotonic() - sent) / 2
        offset = seconds - sent - half_round_trip
        # What the round trip does not rule out is no error, so that a slow answer moves nothing.
        if self._offset is None or abs(offset - self._offset) > half_round_trip:
            self._offset = offset

    async def correct_regularly(self, stop: asyncio.Event) -> None:
        """Correct the clock every second until `stop`, in a process without a poller."""
        while not stop.is_set():
            with suppress(StoreUnavailable):
                await self.correct()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), CORRECTION_INTERVAL_S)


def redis_clock(redis: Redis) -> RedisClock:
    async def read_time() -> float:
        async with store_errors():
            seconds, microseconds = await redis.time()
        return float(seconds) + float(microseconds) / 1e6

    return RedisClock(read_time)
