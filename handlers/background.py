"""Circuit breaker, deduplication and background tasks around the acknowledgement deadline."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog

from bot.storage.record_store import UnreadableRecord

T = TypeVar("T")
SharedDeduplicator = Callable[[str], Awaitable[bool]]

log = structlog.get_logger()


class StoreTimeout(Exception):
    """The store did not answer in time, or the breaker is open."""


class AckCircuitBreaker:
    """Circuit breaker for calls within the acknowledgement deadline. Times are in seconds."""

    def __init__(
        self, timeout_s: float = 0.2, open_for_s: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._timeout_s, self._open_for_s, self._clock = timeout_s, open_for_s, clock
        self._open_until = float("-inf")

    async def call(self, call: Callable[[], Awaitable[T]]) -> T:
        """Result of the call. Any error becomes StoreTimeout, but UnreadableRecord: that concerns one record."""
        if self._clock() < self._open_until:
            raise StoreTimeout
        try:
            async with asyncio.timeout(self._timeout_s):
                return await call()
        except UnreadableRecord:
            raise
        except Exception as error:  # the caller falls back in the same way whatever failed
            self._open_until = self._clock() + self._open_for_s
            log.warning("store unavailable", error=type(error).__name__, open_for_s=self._open_for_s)
            raise StoreTimeout from error


class RequestDeduplicator:
    """Whether a key was seen before: in this process, or in the shared store while it answers."""

    TTL_S = 660.0  # seconds: a little over twice the maximum age of a signature
    MAX_KEYS = 10_000

    def __init__(
        self,
        shared: SharedDeduplicator | None = None,
        breaker: AckCircuitBreaker | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared, self._breaker, self._clock = shared, breaker or AckCircuitBreaker(), clock
        self._local: OrderedDict[str, float] = OrderedDict()

    async def __call__(self, key: str) -> bool:
        if self.seen_locally(key):
            return True
        shared = self._shared
        if shared is None:
            return False
        try:
            return await self._breaker.call(lambda: shared(key))
        except StoreTimeout:
            return False

    def seen_locally(self, key: str) -> bool:
        """Whether this process saw the key before; never waits."""
        now = self._clock()
        while self._local and (len(self._local) >= self.MAX_KEYS or next(iter(self._local.values())) <= now):
            self._local.popitem(last=False)
        if key in self._local:
            return True
        self._local[key] = now + self.TTL_S
        return False


class TaskSet:
    """Bounded set of background tasks; keeps the references that asyncio does not keep."""

    def __init__(self, limit: int = 200) -> None:
        self._limit = limit
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def full(self) -> bool:
        return len(self._tasks) >= self._limit

    def start(self, coroutine: Coroutine[Any, Any, object]) -> bool:
        """Start a task; False if the set is full."""
        if self.full:
            coroutine.close()
            return False
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return True

    async def drain(self, timeout_s: float) -> None:
        """Wait at most `timeout_s` seconds for the tasks, then cancel them."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
        for task in late:
            task.cancel()
        if late:
            log.warning("tasks cancelled at shutdown", tasks=len(late))
            await asyncio.wait(late)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("background task failed", exc_info=error)
