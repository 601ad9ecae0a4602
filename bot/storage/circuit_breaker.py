"""Circuit breaker of the store: bounds each call and skips the store for a while after a failure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from bot.storage import StoreUnavailable
from bot.storage.record_store import UnreadableRecord

CALL_TIMEOUT_S = 0.25
OPEN_PERIOD_S = 5.0

T = TypeVar("T")
log = structlog.get_logger()


class CircuitBreaker:
    """One per process, for caches and acknowledgements alike, so that a hung store costs one timeout."""

    def __init__(
        self,
        timeout_s: float = CALL_TIMEOUT_S,
        open_for_s: float = OPEN_PERIOD_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout_s, self._open_for_s, self._clock = timeout_s, open_for_s, clock
        self._open_until = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether calls are skipped right now."""
        return self._clock() < self._open_until

    async def call(self, call: Callable[[], Awaitable[T]]) -> T:
        """Result of the call. Any error becomes StoreUnavailable, except one that concerns a single record."""
        if self.is_open:
            raise StoreUnavailable("The store did not answer a moment ago.")
        try:
            async with asyncio.timeout(self._timeout_s):
                return await call()
        except UnreadableRecord:
            raise
        except Exception as error:  # the caller falls back in the same way whatever failed
            if not self.is_open:
                log.warning("store unavailable", error=type(error).__name__, open_for_s=self._open_for_s)
            self._open_until = self._clock() + self._open_for_s
            raise StoreUnavailable("The store does not answer.") from error
