"""Circuit breaker: one timeout for a store that hangs, whoever uses it in the process."""

from __future__ import annotations

import asyncio

import pytest

from bot.storage import StoreUnavailable
from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.record_store import UnreadableRecord


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class FakeStore:
    """A store call that succeeds, hangs or fails, and counts its calls."""

    def __init__(self, state: str = "up") -> None:
        self.state, self.calls = state, 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.state == "hangs":
            await asyncio.Event().wait()
        if self.state == "fails":
            raise ConnectionError
        if self.state == "unreadable":
            raise UnreadableRecord
        return "ok"


@pytest.mark.parametrize("state", ["hangs", "fails"])
async def test_breaker_after_failure_opens_then_closes(state: str) -> None:
    clock, store = Clock(), FakeStore(state)
    breaker = CircuitBreaker(timeout_s=0.01, open_for_s=5.0, clock=clock)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await breaker.call(store)
    assert (store.calls, breaker.is_open) == (1, True)
    clock.now += 5.1
    store.state = "up"
    assert (await breaker.call(store), breaker.is_open) == ("ok", False)


async def test_breaker_cancelled_caller_does_not_open() -> None:
    breaker, store = CircuitBreaker(timeout_s=5.0), FakeStore("hangs")
    waiting = asyncio.create_task(breaker.call(store))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not breaker.is_open


async def test_breaker_unreadable_record_does_not_open() -> None:
    breaker = CircuitBreaker()
    with pytest.raises(UnreadableRecord):
        await breaker.call(FakeStore("unreadable"))
    assert not breaker.is_open
