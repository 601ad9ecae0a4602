"""Deduplication of requests, events and signatures, by key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.resilience.ttl_cache import TtlCache
from bot.storage import StoreUnavailable
from bot.storage.circuit_breaker import CircuitBreaker

SEEN_TTL_S = 660  # a little over twice the maximum age of a signature
MAX_KEYS = 10_000  # remembered by this process


class Deduplicator:
    """Whether a key was seen before: by this process, or by any while the store answers.

    Without `redis`, each process knows its own keys only. Only the read of the store is awaited; the key
    is stored in the background, which saves a disk write.
    """

    def __init__(
        self,
        redis: Redis | None = None,
        breaker: CircuitBreaker | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis: Any = redis
        self._breaker = breaker or CircuitBreaker()
        self._seen: TtlCache[str, None] = TtlCache(MAX_KEYS, clock)
        self._writes: set[asyncio.Task[None]] = set()

    async def __call__(self, key: str) -> bool:
        if self.seen_locally(key):
            return True
        if self._redis is None:
            return False
        name = f"mc1:seen:{key}"
        try:
            if await self._breaker.call(lambda: self._redis.exists(name)):
                return True
        except StoreUnavailable:
            return False
        task = asyncio.create_task(self._store(name))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        return False

    def seen_locally(self, key: str) -> bool:
        """Whether this process saw the key before; never waits."""
        if self._seen.get(key):
            return True
        self._seen.put(key, None, SEEN_TTL_S)
        return False

    async def flush(self) -> None:
        """Wait until every key is stored."""
        await asyncio.gather(*self._writes)

    async def _store(self, name: str) -> None:
        # A lost write allows one replay, in another process, while Redis is unavailable.
        with suppress(RedisError, OSError):
            await self._redis.set(name, "1", ex=SEEN_TTL_S)
