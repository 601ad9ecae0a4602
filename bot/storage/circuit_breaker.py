"""The caches' way to Redis: bounded in time, and closed for a while after a failure."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

BOUND_S = 0.25
AWAY_S = 5.0

T = TypeVar("T")


class Away(Exception):
    """Redis did not answer just now; do without it."""


class Circuit:
    """One for all caches of a process, so that a hung Redis costs a check a quarter of a second once, not once a cache."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.redis = redis
        self._clock = clock
        self._away_until = 0.0

    @property
    def away(self) -> bool:
        return self._clock() < self._away_until

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` brings back from Redis. Raises Away at once while Redis is away, or within the bound."""
        if self.away:
            raise Away
        try:
            async with asyncio.timeout(BOUND_S):
                return await work()
        except (RedisError, OSError) as problem:  # TimeoutError is an OSError
            if not self.away:
                log.warning("Redis is away (%s); checks run uncached.", type(problem).__name__)
            self._away_until = self._clock() + AWAY_S
            raise Away from problem
