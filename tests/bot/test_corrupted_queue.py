"""Every key of the task queue is corrupted, entry by entry and field by field: the other tasks still run."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot import queue_worker, task_queue
from bot.queue_worker import QueueWorker
from bot.task_queue import TaskQueue

STREAM, QUEUE, GROUP = "mailcheck:stream", "mailcheck:queue", "docket-workers"
LAST_ID = "18446744073709551615-18446744073709551615"
WHEN = b"2026-01-01T00:00:00+00:00"
GOOD = {
    b"key": b"key-1",
    b"when": WHEN,
    b"function": b"report",
    b"args": pickle.dumps(("spoiled",)),
    b"kwargs": pickle.dumps({}),
    b"attempt": b"1",
    b"generation": b"0",
}
TEXTS = (b"", b"\xff\xfe", b"garbage", b"9" * 400, b"[" * 5000)
PICKLED = tuple(map(pickle.dumps, (None, 7, {}, (1,), ("a", None), ["a"], {"a": "b"}, print, timedelta)))
SPOILED = {
    b"key": (b"\xff",),
    b"when": (*TEXTS, b"0001-01-01T00:00:00", b"9999-12-31T23:59:59"),
    b"function": (*TEXTS, b"of_a_newer_version"),
    b"args": (*TEXTS, *PICKLED),
    b"kwargs": (*TEXTS, *(each for each in PICKLED if each != pickle.dumps({}))),
    b"attempt": TEXTS,
    b"generation": TEXTS,
}
WRONG_TYPES = (STREAM, QUEUE, "mailcheck:strikes", "mailcheck:workers", "mailcheck:leases:redelivery-sweep")


def spoiled_entries() -> Iterator[dict[bytes, bytes]]:
    yield {b"x": b"y"}
    yield from ({k: v for k, v in GOOD.items() if k != name} for name in GOOD if name != b"generation")
    yield from (GOOD | {name: value} for name, values in SPOILED.items() for value in values)


class Recorder:
    """The ids of the tasks that ran, and of what was reported."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.reported: list[tuple[str, str, str]] = []

    async def until_ran(self, queue: TaskQueue, name: str) -> None:
        """Enqueue a task, also again where the key of the stream is still damaged, and wait for it."""
        async with asyncio.timeout(10):
            while name not in self.ran:
                with suppress(RedisError):
                    await queue.enqueue("report", name, key=name)
                await asyncio.sleep(0.02)

    def reasons(self, key: str) -> list[str]:
        return [reason for reported, _, reason in self.reported if reported == key]


@pytest.fixture(autouse=True)
def _short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_queue, "MEND_INTERVAL_S", 0.05)
    monkeypatch.setattr(task_queue, "RECONNECT_AFTER_S", 0.05)
    monkeypatch.setattr(task_queue, "RESTART_DELAYS_S", (0.05,))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def queue(redis_url: str, recorder: Recorder) -> AsyncIterator[TaskQueue]:
    async def report(name: str) -> None:
        recorder.ran.append(name)

    redeliver_after = timedelta(milliseconds=400)
    async with TaskQueue(
        redis_url, redeliver_after=redeliver_after, report=lambda *item: recorder.reported.append(item)
    ) as task_queue:
        task_queue.register(report)
        yield task_queue


@asynccontextmanager
async def worker(queue: TaskQueue) -> AsyncIterator[None]:
    """A worker that must not end by itself: /healthz fails once it has."""
    stop = asyncio.Event()
    running = asyncio.create_task(queue.work(stop))
    try:
        yield
        assert not running.done()
    finally:
        stop.set()
        await running


async def until(condition: Any) -> None:
    for _ in range(500):
        if await condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen")


async def test_unreadable_entries_of_the_stream_are_dropped(queue: TaskQueue, recorder: Recorder, redis: Redis) -> None:
    entries = list(spoiled_entries())
    for entry in entries:
        await redis.xadd(STREAM, entry)  # type: ignore[arg-type]
    async with worker(queue):
        await recorder.until_ran(queue, "good")
        await until(lambda: is_empty(redis))
    assert recorder.ran == ["good"]
    assert len(recorder.reasons(STREAM)) == len(entries)


async def is_empty(redis: Redis) -> bool:
    pending = await redis.xpending(STREAM, GROUP)
    return not await redis.xlen(STREAM) and not pending["pending"] and not await redis.zcard(QUEUE)


async def test_unreadable_entry_of_a_dead_worker_is_dropped(queue: TaskQueue, recorder: Recorder, redis: Redis) -> None:
    await redis.xadd(STREAM, {"x": "y"})
    await redis.xgroup_create(STREAM, GROUP, id="0")
    await redis.xreadgroup(GROUP, "dead", {STREAM: ">"})
    async with worker(queue):
        await until(lambda: is_empty(redis))
    assert recorder.reasons(STREAM) == ["KeyError"]


async def test_unreadable_delayed_tasks_are_dropped(queue: TaskQueue, recorder: Recorder, redis: Redis) -> None:
    entries = list(spoiled_entries())
    for number, entry in enumerate(entries):
        await redis.hset(f"mailcheck:late-{number}", mapping=entry)  # type: ignore[arg-type]
        await redis.zadd(QUEUE, {f"late-{number}": time.time() - 1})
    await redis.set("mailcheck:of-another-type", "x")
    fine = GOOD | {b"key": b"fine", b"args": pickle.dumps(("fine",))}
    await redis.hset("mailcheck:fine", mapping=fine)  # type: ignore[arg-type]
    await redis.set("mailcheck:runs:run-of-another-type", "x")
    other = GOOD | {b"key": b"run-of-another-type"}
    await redis.hset("mailcheck:run-of-another-type", mapping=other)  # type: ignore[arg-type]
    await redis.zadd(QUEUE, {b"of-another-type": 1, b"\xff": 2, b"run-of-another-type": 3, b"fine": 4})
    await redis.hset(b"mailcheck:\xff", mapping={b"x": b"y"})
    async with worker(queue):
        await recorder.until_ran(queue, "good")
        await until(lambda: ran_all(recorder, {"good", "fine"}))
        await until(lambda: is_empty(redis))
    assert set(recorder.ran) == {"good", "fine"}


async def ran_all(recorder: Recorder, names: set[str]) -> bool:
    return names <= set(recorder.ran)


@pytest.mark.parametrize("key", WRONG_TYPES)
@pytest.mark.parametrize("early", [True, False])
async def test_key_of_the_queue_of_another_type_is_dropped(
    key: str, early: bool, queue: TaskQueue, recorder: Recorder, redis: Redis
) -> None:
    async def spoil() -> None:
        async with redis.pipeline() as transaction:
            transaction.delete(key)
            transaction.hset(key, "a", "b")
            await transaction.execute()

    if early:
        await spoil()
    async with worker(queue):
        if not early:
            await recorder.until_ran(queue, "before")
            await spoil()
        await recorder.until_ran(queue, "good")
        await until(lambda: is_reported(recorder, key))


async def is_reported(recorder: Recorder, key: str) -> bool:
    return bool(recorder.reasons(key))


async def test_stream_without_further_ids_is_dropped(queue: TaskQueue, recorder: Recorder, redis: Redis) -> None:
    await redis.xadd(STREAM, {"x": "y"}, id=LAST_ID)
    async with worker(queue):
        await recorder.until_ran(queue, "good")


async def test_unreadable_strike_does_not_hold_back_tasks(queue: TaskQueue, recorder: Recorder, redis: Redis) -> None:
    await redis.xadd("mailcheck:strikes", {"x": "y"})
    async with worker(queue):
        await recorder.until_ran(queue, "good")
    assert recorder.reasons("mailcheck:strikes") == ["not used"]


async def test_sweep_lease_without_expiry_is_dropped(queue: TaskQueue, recorder: Recorder, redis: Redis) -> None:
    await redis.set("mailcheck:leases:redelivery-sweep", b"\xff")
    async with worker(queue):
        await until(lambda: is_reported(recorder, "mailcheck:leases:redelivery-sweep"))


@pytest.mark.parametrize("part", ["runs", "progress", "stream-id", "known"])
async def test_task_whose_own_record_is_damaged_is_dropped_alone(
    part: str, queue: TaskQueue, recorder: Recorder, redis: Redis
) -> None:
    await queue.enqueue("report", "spoiled", key="spoiled")
    await redis.delete(f"mailcheck:{part}:spoiled")
    await redis.rpush(f"mailcheck:{part}:spoiled", "x")
    async with worker(queue):
        await recorder.until_ran(queue, "good")
        await until(lambda: is_empty(redis))


async def test_task_with_a_damaged_generation_is_dropped_alone(
    queue: TaskQueue, recorder: Recorder, redis: Redis
) -> None:
    await queue.enqueue("report", "spoiled", key="spoiled")
    await redis.hset("mailcheck:runs:spoiled", "generation", "x")
    async with worker(queue):
        await recorder.until_ran(queue, "good")
        await until(lambda: is_empty(redis))
    assert recorder.ran == ["good"]


async def test_worker_of_the_queue_starts_again_after_a_fault(
    queue: TaskQueue, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    faults, run_forever = [RuntimeError("one"), RuntimeError("two")], QueueWorker.run_forever

    async def fail_twice(worker: QueueWorker) -> None:
        if faults:
            raise faults.pop()
        await run_forever(worker)

    monkeypatch.setattr(QueueWorker, "run_forever", fail_twice)
    async with worker(queue):
        await recorder.until_ran(queue, "good")
    assert caplog.text.count("The worker of the queue failed") == 2


async def test_reading_an_entry_runs_no_code_of_it(queue: TaskQueue) -> None:
    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("code of an entry ran",))

    message = GOOD | {b"args": pickle.dumps((Attack(),))}
    assert await queue_worker.unreadable_reason(queue._docket, message) == "UnpicklingError"
