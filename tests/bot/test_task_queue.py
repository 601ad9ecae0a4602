from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot import task_queue as queue_module
from bot.storage import StoreUnavailable
from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.redis_client import open_client
from bot.task_queue import PAYLOAD_TTL_S, REDELIVERIES, TaskQueue
from tests.support.redis_server import RedisServer

STREAM, GROUP = "mailcheck:stream", "docket-workers"
TIMEOUT_S = 5.0


class Tasks:
    """Records the tasks that start and finish; they finish only while `released` is set."""

    def __init__(self) -> None:
        self.started: asyncio.Queue[str] = asyncio.Queue()
        self.finished: list[str] = []
        self.released = asyncio.Event()
        self.released.set()

    async def report(self, payload_id: str) -> None:
        self.started.put_nowait(payload_id)
        await self.released.wait()
        self.finished.append(payload_id)

    async def next_started(self) -> str:
        return await asyncio.wait_for(self.started.get(), TIMEOUT_S)


@pytest.fixture
def tasks() -> Tasks:
    return Tasks()


@pytest.fixture
async def task_queue(redis_url: str, tasks: Tasks) -> AsyncIterator[TaskQueue]:
    async with open_queue(redis_url, tasks) as task_queue:
        yield task_queue


@asynccontextmanager
async def open_queue(redis_url: str, tasks: Tasks) -> AsyncIterator[TaskQueue]:
    async def report(payload_id: str) -> None:
        await tasks.report(payload_id)

    async with TaskQueue(redis_url, redeliver_after=timedelta(milliseconds=400)) as task_queue:
        task_queue.register(report)
        yield task_queue


@asynccontextmanager
async def worker(task_queue: TaskQueue) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(task_queue.work(stop))
    try:
        yield
    finally:
        stop.set()
        await running


async def test_task_gets_the_ids_it_was_enqueued_with(task_queue: TaskQueue, tasks: Tasks) -> None:
    assert await task_queue.enqueue("report", "id-1")
    async with worker(task_queue):
        assert await tasks.next_started() == "id-1"


async def test_payload_is_readable_on_every_run_of_its_task(
    task_queue: TaskQueue, tasks: Tasks, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    payload = {"words": "192.0.2.1 example.com", "response_url": "https://hooks.slack.example/hush-1"}
    async with worker(task_queue):
        with caplog.at_level("DEBUG"):
            payload_id = await task_queue.submit("report", payload)
            assert await tasks.next_started() == payload_id
    assert await task_queue.payload(payload_id) == await task_queue.payload(payload_id) == payload
    assert 0 < await redis.ttl(f"mc1:ask:{payload_id}") <= PAYLOAD_TTL_S
    assert "hush-1" not in caplog.text


async def test_payload_that_does_not_exist_is_none(task_queue: TaskQueue) -> None:
    assert await task_queue.payload("never-made") is None


async def test_key_allows_one_task_at_a_time(task_queue: TaskQueue, tasks: Tasks) -> None:
    tasks.released.clear()
    assert await task_queue.enqueue("report", "first", key="channel-1")
    assert not await task_queue.enqueue("report", "second", key="channel-1")
    async with worker(task_queue):
        assert await tasks.next_started() == "first"
        assert not await task_queue.enqueue("report", "third", key="channel-1")
        tasks.released.set()
    assert tasks.finished == ["first"]


async def test_stop_waits_for_the_running_task(task_queue: TaskQueue, tasks: Tasks) -> None:
    tasks.released.clear()
    await task_queue.enqueue("report", "id-1")
    stop = asyncio.Event()
    running = asyncio.create_task(task_queue.work(stop))
    await tasks.next_started()
    stop.set()
    await task_queue.enqueue("report", "id-2")
    tasks.released.set()
    await asyncio.wait_for(running, TIMEOUT_S)
    assert tasks.finished[:1] == ["id-1"]


async def test_task_that_outlasts_the_stop_runs_again(
    task_queue: TaskQueue, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "DRAIN_S", 0.1)
    tasks.released.clear()
    await task_queue.enqueue("report", "id-1")
    async with worker(task_queue):
        await tasks.next_started()
    assert tasks.finished == []
    tasks.released.set()
    async with worker(task_queue):
        assert await tasks.next_started() == "id-1"


async def test_task_runs_again_after_its_worker_was_killed(task_queue: TaskQueue, tasks: Tasks, redis_url: str) -> None:
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.task_queue_worker", redis_url, stdout=PIPE
    )
    assert victim.stdout is not None
    await task_queue.enqueue("report", "id-1")
    assert (await victim.stdout.readline()).decode().strip() == "id-1"
    victim.kill()
    await victim.wait()
    async with worker(task_queue):
        assert await tasks.next_started() == "id-1"
    assert tasks.finished == ["id-1"]


@pytest.mark.parametrize("redeliveries", [1, REDELIVERIES, REDELIVERIES + 1, REDELIVERIES + 9])
async def test_task_that_repeatedly_kills_workers_is_dropped(
    task_queue: TaskQueue, tasks: Tasks, redis: Redis, caplog: pytest.LogCaptureFixture, redeliveries: int
) -> None:
    await task_queue.enqueue("report", "poison", key="key-1")
    stream_id = await redis.hget("mailcheck:runs:key-1", "stream_id")
    # Assigned to a dead worker, after so many deliveries.
    await redis.xgroup_create(STREAM, GROUP, id="$")
    await redis.xclaim(STREAM, GROUP, "dead", 0, [str(stream_id)], retrycount=redeliveries, force=True, justid=True)
    async with worker(task_queue):
        await asyncio.wait_for(until_empty(redis), TIMEOUT_S)
    dropped = redeliveries > REDELIVERIES
    assert tasks.finished == ([] if dropped else ["poison"])
    assert ("report(poison) killed its worker repeatedly" in caplog.text) is dropped


async def until_empty(redis: Redis) -> None:
    for _ in range(1000):
        if not await redis.xlen(STREAM):
            return
        await asyncio.sleep(0.01)


async def test_enqueue_within_the_breaker_is_bounded_when_redis_hangs(
    task_queue: TaskQueue, tasks: Tasks, redis: Redis, redis_server: RedisServer
) -> None:
    await task_queue.enqueue("report", "before")
    with redis_server.hung():
        async with asyncio.timeout(TIMEOUT_S):
            with pytest.raises(StoreUnavailable):
                await CircuitBreaker(timeout_s=0.1).call(lambda: task_queue.enqueue("report", "during"))
            with pytest.raises(StoreUnavailable):
                await CircuitBreaker(timeout_s=0.1).call(lambda: task_queue.submit("report", {"words": ""}))
    assert await task_queue.enqueue("report", "after")


async def test_stop_is_bounded_when_redis_hangs(
    task_queue: TaskQueue, tasks: Tasks, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "DRAIN_S", 0.2)
    await task_queue.enqueue("report", "id-1")
    async with worker(task_queue):
        await tasks.next_started()
        redis_server.pause()
    redis_server.resume()


async def test_unreachable_queue_raises_redis_error(tasks: Tasks) -> None:
    async with open_queue("redis://127.0.0.1:1", tasks) as unreachable:
        with pytest.raises(RedisError):
            await unreachable.enqueue("report", "id-1")


async def test_worker_continues_after_redis_restart(tasks: Tasks, tmp_path_factory: pytest.TempPathFactory) -> None:
    server = RedisServer(tmp_path_factory.mktemp("restarted"))
    try:
        async with open_client(server.url, 5) as redis, open_queue(server.url, tasks) as task_queue, worker(task_queue):
            await task_queue.enqueue("report", "before")
            assert await tasks.next_started() == "before"
            await until_empty(redis)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            await task_queue.enqueue("report", "after")
            assert await tasks.next_started() == "after"
    finally:
        server.stop()
