from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bot import task_queue as engine
from bot.storage.redis_client import client
from bot.task_queue import ASK_S, REDELIVERIES, Jobs, JobsAway
from tests.support.redis_server import RedisServer

STREAM, GROUP = "mailcheck:stream", "docket-workers"
SOON_S = 5.0


class Desk:
    """Where the tasks of a test leave word. `report` takes a while when `busy` is set."""

    def __init__(self) -> None:
        self.seen: asyncio.Queue[str] = asyncio.Queue()
        self.done: list[str] = []
        self.go = asyncio.Event()
        self.go.set()

    async def report(self, ask_id: str) -> None:
        self.seen.put_nowait(ask_id)
        await self.go.wait()
        self.done.append(ask_id)

    async def next(self) -> str:
        return await asyncio.wait_for(self.seen.get(), SOON_S)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def jobs(redis_url: str, desk: Desk) -> AsyncIterator[Jobs]:
    async with opened(redis_url, desk) as made:
        yield made


@asynccontextmanager
async def opened(redis_url: str, desk: Desk) -> AsyncIterator[Jobs]:
    async def report(ask_id: str) -> None:
        await desk.report(ask_id)

    async with Jobs(redis_url, redeliver_after=timedelta(milliseconds=400)) as made:
        made.register(report)
        yield made


@asynccontextmanager
async def working(jobs: Jobs) -> AsyncIterator[None]:
    stop = asyncio.Event()
    work = asyncio.create_task(jobs.work(stop))
    try:
        yield
    finally:
        stop.set()
        await work


async def test_a_task_gets_the_ids_it_was_handed_in_with(jobs: Jobs, desk: Desk) -> None:
    assert await jobs.enqueue("report", "id-1", within=SOON_S)
    async with working(jobs):
        assert await desk.next() == "id-1"


async def test_an_ask_is_there_for_its_task_however_often_it_runs(
    jobs: Jobs, desk: Desk, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    ask = {"words": "192.0.2.1 example.com", "response_url": "https://hooks.slack.example/hush-1"}
    async with working(jobs):
        with caplog.at_level("DEBUG"):
            ask_id = await jobs.submit("report", ask, within=SOON_S)
            assert await desk.next() == ask_id
    assert await jobs.asked(ask_id) == await jobs.asked(ask_id) == ask
    assert 0 < await redis.ttl(f"mc1:ask:{ask_id}") <= ASK_S
    assert "hush-1" not in caplog.text


async def test_an_ask_that_is_too_old_is_gone(jobs: Jobs) -> None:
    assert await jobs.asked("never-made") is None


async def test_a_key_stands_for_one_task_at_a_time(jobs: Jobs, desk: Desk) -> None:
    desk.go.clear()
    assert await jobs.enqueue("report", "first", key="room-1", within=SOON_S)
    assert not await jobs.enqueue("report", "second", key="room-1", within=SOON_S)
    async with working(jobs):
        assert await desk.next() == "first"
        assert not await jobs.enqueue("report", "third", key="room-1", within=SOON_S)
        desk.go.set()
    assert desk.done == ["first"]


async def test_stop_waits_for_the_task_that_runs(jobs: Jobs, desk: Desk) -> None:
    desk.go.clear()
    await jobs.enqueue("report", "id-1", within=SOON_S)
    stop = asyncio.Event()
    work = asyncio.create_task(jobs.work(stop))
    await desk.next()
    stop.set()
    await jobs.enqueue("report", "id-2", within=SOON_S)
    desk.go.set()
    await asyncio.wait_for(work, SOON_S)
    assert desk.done[:1] == ["id-1"]


async def test_a_task_that_outlasts_the_stop_runs_again_elsewhere(
    jobs: Jobs, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "DRAIN_S", 0.1)
    desk.go.clear()
    await jobs.enqueue("report", "id-1", within=SOON_S)
    async with working(jobs):
        await desk.next()
    assert desk.done == []
    desk.go.set()
    async with working(jobs):
        assert await desk.next() == "id-1"


async def test_a_task_survives_the_kill_of_its_worker(jobs: Jobs, desk: Desk, redis_url: str) -> None:
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.task_queue_worker", redis_url, stdout=PIPE
    )
    assert victim.stdout is not None
    await jobs.enqueue("report", "id-1", within=SOON_S)
    assert (await victim.stdout.readline()).decode().strip() == "id-1"
    victim.kill()
    await victim.wait()
    async with working(jobs):
        assert await desk.next() == "id-1"
    assert desk.done == ["id-1"]


@pytest.mark.parametrize("redeliveries", [1, REDELIVERIES, REDELIVERIES + 1, REDELIVERIES + 9])
async def test_a_task_that_keeps_ending_its_worker_is_parked(
    jobs: Jobs, desk: Desk, redis: Redis, caplog: pytest.LogCaptureFixture, redeliveries: int
) -> None:
    await jobs.enqueue("report", "poison", key="key-1", within=SOON_S)
    message = await redis.hget("mailcheck:runs:key-1", "stream_id")
    # A worker that died has it, and so many have had it before.
    await redis.xgroup_create(STREAM, GROUP, id="$")
    await redis.xclaim(STREAM, GROUP, "dead", 0, [str(message)], retrycount=redeliveries, force=True, justid=True)
    async with working(jobs):
        await asyncio.wait_for(until_empty(redis), SOON_S)
    parked = redeliveries > REDELIVERIES
    assert desk.done == ([] if parked else ["poison"])
    assert ("report(poison) ended its worker again and again" in caplog.text) is parked


async def until_empty(redis: Redis) -> None:
    for _ in range(1000):
        if not await redis.xlen(STREAM):
            return
        await asyncio.sleep(0.01)


async def test_handing_in_a_task_is_bounded_when_redis_hangs(
    jobs: Jobs, desk: Desk, redis: Redis, redis_server: RedisServer
) -> None:
    await jobs.enqueue("report", "before", within=SOON_S)
    with redis_server.hung():
        began = time.monotonic()
        with pytest.raises(JobsAway):
            await jobs.enqueue("report", "during", within=0.1)
        with pytest.raises(JobsAway):
            await jobs.submit("report", {"words": ""}, within=0.1)
        assert time.monotonic() - began < 0.4
    assert await jobs.enqueue("report", "after", within=SOON_S)


async def test_stop_is_bounded_when_redis_hangs(
    jobs: Jobs, desk: Desk, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "DRAIN_S", 0.2)
    await jobs.enqueue("report", "id-1", within=SOON_S)
    async with working(jobs):
        await desk.next()
        redis_server.pause()
    redis_server.resume()


async def test_a_queue_that_is_gone_is_away(desk: Desk) -> None:
    async with opened("redis://127.0.0.1:1", desk) as nowhere:
        with pytest.raises(JobsAway):
            await nowhere.enqueue("report", "id-1", within=0.1)


async def test_work_goes_on_after_redis_was_restarted(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    server = RedisServer(tmp_path_factory.mktemp("restarted"))
    try:
        async with client(server.url, 5) as redis, opened(server.url, desk) as jobs, working(jobs):
            await jobs.enqueue("report", "before", within=SOON_S)
            assert await desk.next() == "before"
            await until_empty(redis)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            await jobs.enqueue("report", "after", within=SOON_S)
            assert await desk.next() == "after"
    finally:
        server.stop()
