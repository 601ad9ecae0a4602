"""Circuit breaker of the caches: bounds each Redis call and skips Redis after a failure."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

CALL_TIMEOUT_S = 0.25
OPEN_PERIOD_S = 5.0

T = TypeVar("T")


class CacheUnavailable(Exception):
    """Redis did not answer; continue without the cache."""


class CircuitBreaker:
    """One per process, shared by all caches: a hung Redis costs 0.25 s once, not once per cache."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.redis = redis
        self._clock = clock
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether calls are skipped right now."""
        return self._clock() < self._open_until

    async def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """Result of a Redis call. Raises CacheUnavailable at once or after 0.25 s."""
        if self.is_open:
            raise CacheUnavailable
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                return await call()
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            if not self.is_open:
                log.warning("Redis is unavailable (%s); checks run uncached.", type(error).__name__)
            self._open_until = self._clock() + OPEN_PERIOD_S
            raise CacheUnavailable from error
