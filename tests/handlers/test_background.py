import asyncio

import pytest

from handlers.background import AckCircuitBreaker, RequestDeduplicator, StoreTimeout, TaskSet


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

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
        return "ok"


@pytest.mark.parametrize("state", ["hangs", "fails"])
async def test_breaker_after_failure_opens_then_closes(state: str) -> None:
    clock, store = Clock(), FakeStore(state)
    breaker = AckCircuitBreaker(timeout_s=0.01, open_for_s=5.0, clock=clock)
    for _ in range(3):
        with pytest.raises(StoreTimeout):
            await breaker.call(store)
    assert store.calls == 1
    clock.now += 5.1
    store.state = "up"
    assert await breaker.call(store) == "ok"


async def test_breaker_cancelled_caller_does_not_open() -> None:
    breaker, store = AckCircuitBreaker(timeout_s=5.0), FakeStore("hangs")
    waiting = asyncio.create_task(breaker.call(store))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    store.state = "up"
    assert await breaker.call(store) == "ok"


async def test_deduplicator_knows_keys_of_other_processes() -> None:
    shared: set[str] = {"theirs"}

    async def remember(key: str) -> bool:
        known = key in shared
        shared.add(key)
        return known

    seen_before = RequestDeduplicator(remember)
    assert [await seen_before(key) for key in ("theirs", "ours", "ours")] == [True, False, True]
    assert "ours" in shared


async def test_deduplicator_without_store_knows_own_keys() -> None:
    async def unavailable(key: str) -> bool:
        raise ConnectionError

    seen_before = RequestDeduplicator(unavailable, AckCircuitBreaker())
    assert [await seen_before(key) for key in ("a", "a", "b")] == [False, True, False]


def test_deduplicator_keys_are_bounded_in_time_and_number() -> None:
    clock = Clock()
    deduplicator = RequestDeduplicator(clock=clock)
    assert [deduplicator.seen_locally("old"), deduplicator.seen_locally("old")] == [False, True]
    clock.now += RequestDeduplicator.TTL_S
    assert deduplicator.seen_locally("old") is False
    for number in range(RequestDeduplicator.MAX_KEYS + 1):
        deduplicator.seen_locally(str(number))
    assert [deduplicator.seen_locally(str(RequestDeduplicator.MAX_KEYS)), deduplicator.seen_locally("0")] == [
        True,
        False,
    ]


async def test_task_set_when_full_refuses_tasks() -> None:
    tasks, released = TaskSet(limit=2), asyncio.Event()

    async def wait() -> None:
        await released.wait()

    assert [tasks.start(wait()) for _ in range(3)] == [True, True, False]
    released.set()
    await tasks.drain(5.0)
    assert tasks.start(wait()) is True
    await tasks.drain(5.0)


async def test_task_set_drain_cancels_task_that_does_not_end() -> None:
    tasks, ended = TaskSet(), asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    tasks.start(hang())
    await tasks.drain(0.01)
    assert ended.is_set()
