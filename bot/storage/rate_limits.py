"""Rate limits of users and channels, and deduplication of requests, shared by all processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from bot.storage.circuit_breaker import CacheUnavailable, CircuitBreaker

WINDOW_S = 60
SEEN_TTL_S = 660


class RateLimiter:
    """Fixed-window counter of one minute per key; allows everything while Redis is unavailable."""

    def __init__(self, circuit: CircuitBreaker, clock: Callable[[], float] = time.time) -> None:
        self._circuit = circuit
        self._clock = clock

    async def acquire(self, limits: Mapping[str, int]) -> int:
        """Count a request under every key; returns the seconds to wait, 0 if none is over."""
        now = self._clock()
        minute = int(now // WINDOW_S)
        pipeline = self._circuit.redis.pipeline(transaction=True)
        for key in limits:
            name = f"mc1:asked:{key}:{minute}"
            pipeline.incr(name)
            pipeline.expire(name, WINDOW_S)
        try:
            replies = await self._circuit.run(lambda: pipeline.execute(raise_on_error=False))
        except CacheUnavailable:
            return 0
        # A counter that cannot be read limits nobody, and goes away within a minute.
        counts = [0 if isinstance(reply, ResponseError) else reply for reply in replies[::2]]
        is_over = any(count > limit for count, limit in zip(counts, limits.values(), strict=True))
        return WINDOW_S - int(now % WINDOW_S) if is_over else 0


class Deduplicator:
    """Whether a key was seen before, by any process, in the last eleven minutes.

    Only the read is awaited; the key is stored in the background, which saves a disk write.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._writes: set[asyncio.Task[None]] = set()

    async def __call__(self, key: str) -> bool:
        name = f"mc1:seen:{key}"
        if await self._redis.exists(name):
            return True
        task = asyncio.create_task(self._store(name))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        return False

    async def flush(self) -> None:
        """Wait until every key is stored."""
        await asyncio.gather(*self._writes)

    async def _store(self, name: str) -> None:
        # A lost write allows one replay, in another process, while Redis is unavailable.
        with suppress(RedisError, OSError):
            await self._redis.set(name, "1", ex=SEEN_TTL_S)
