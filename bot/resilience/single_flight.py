"""Single flight: concurrent callers with the same key share one call, whose result may be kept for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from bot.resilience.ttl_cache import TtlCache

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

DEFAULT_SIZE = 1_000


@dataclass(slots=True, eq=False)
class _Call(Generic[T]):
    task: asyncio.Future[T]
    waiter_count: int = 0


class SingleFlight(Generic[K, T]):
    """`await single_flight(key, function)`: the kept result, or that of the call that is under way or begins now.

    Results are kept for `ttl_s` seconds after the call (a number, or a function of the result; 0: not at
    all), at most `size` of them. An exception reaches every waiter and is never kept. Cancelling one
    waiter cancels nobody else; with `cancel_unused`, the last one that is cancelled cancels the call.
    """

    def __init__(
        self,
        ttl_s: float | Callable[[T], float] = 0.0,
        *,
        size: int = DEFAULT_SIZE,
        clock: Callable[[], float] = time.monotonic,
        cancel_unused: bool = False,
    ) -> None:
        self._ttl_s = ttl_s
        self._cancel_unused = cancel_unused
        self._calls: dict[K, _Call[T]] = {}
        self._results: TtlCache[K, T] = TtlCache(size, clock)

    def __len__(self) -> int:
        """Calls under way and kept results."""
        return len(self._calls) + len(self._results)

    async def __call__(self, key: K, function: Callable[[], Awaitable[T]]) -> T:
        if self._ttl_s and (kept := self._results.get(key)):
            return kept[0]
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = _Call(asyncio.ensure_future(function()))
            call.task.add_done_callback(partial(self._finished, key, call))
        call.waiter_count += 1
        try:
            return await asyncio.shield(call.task)
        finally:
            call.waiter_count -= 1
            if self._cancel_unused and not call.waiter_count and not call.task.done():
                self._remove(key, call)
                call.task.cancel()

    def results(self) -> list[T]:
        """The kept results."""
        return self._results.values()

    def forget(self, key: K) -> None:
        """Drop the kept result."""
        self._results.remove(key)

    def _finished(self, key: K, call: _Call[T], task: asyncio.Future[T]) -> None:
        self._remove(key, call)
        if task.cancelled() or task.exception() or not self._ttl_s:
            return
        result = task.result()
        self._results.put(key, result, self._ttl_s(result) if callable(self._ttl_s) else self._ttl_s)

    def _remove(self, key: K, call: _Call[T]) -> None:
        if self._calls.get(key) is call:
            del self._calls[key]
