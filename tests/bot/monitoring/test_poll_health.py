"""Health of watching: the metric and /readyz say so while nothing is polled, /healthz while the scheduler stands."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest
from redis.asyncio import Redis

from bot.app import update_gauges
from bot.metrics import build_metrics
from bot.monitoring.poller import MAX_TICKS_MISSED, TICK_S
from handlers.http_app import HealthProbes, build_http_app
from tests.support.stored_watches import CHANNEL, baseline, watch
from tests.support.watching_world import WatchingWorld

HOUR = timedelta(hours=1)


@pytest.fixture
async def world(redis: Redis) -> WatchingWorld:
    world = WatchingWorld(redis)
    added = watch()
    await world.repository.add(added, baseline(added), world.clocks() + HOUR / 2)
    return world


async def probe(world: WatchingWorld) -> tuple[int, float]:
    """Status of /readyz, and the age of the last finished poll as /metrics has it."""
    metrics = build_metrics()

    async def is_watching() -> bool:
        return (await world.monitor.read()).is_watching

    async def refresh() -> None:
        await update_gauges(world.monitor, metrics)

    app = build_http_app(HealthProbes(lambda: True, {"polls": is_watching}, metrics.registry, refresh))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bot.example") as client:
        status = (await client.get("/readyz")).status_code
        text = (await client.get("/metrics")).text
    (line,) = [line for line in text.splitlines() if line.startswith("mailcheck_last_poll_age_seconds ")]
    return status, float(line.split()[1])


async def test_watching_that_goes_on_is_ready(world: WatchingWorld) -> None:
    await world.advance(5 * HOUR, step=60)
    status, age_s = await probe(world)
    assert status == 200
    assert age_s < HOUR.total_seconds() * 1.1


async def test_polls_that_are_not_made_are_seen_after_two_intervals(world: WatchingWorld) -> None:
    await world.advance(HOUR, step=60)
    assert (await probe(world))[0] == 200
    await world.advance(2.5 * HOUR, step=60, polls=False)
    status, age_s = await probe(world)
    assert status == 503
    assert age_s > 2.5 * HOUR.total_seconds()


async def test_due_times_far_ahead_are_seen_though_nothing_is_overdue(world: WatchingWorld) -> None:
    """As a process sees it in which nothing brings them back."""
    await world.advance(HOUR, step=60)
    await world.redis.zadd("mc1:looks", {"mta 203.0.113.5": world.clocks().timestamp() + 10 * 86_400})
    for _ in range(150):
        world.clocks.add(60)
        assert await world.poller.run_round() == 0
    assert (await world.monitor.read()).overdue_s == 0
    status, age_s = await probe(world)
    assert status == 503
    assert age_s > 2.5 * HOUR.total_seconds()


async def test_last_poll_a_year_ahead_is_not_believed(world: WatchingWorld) -> None:
    await world.advance(3 * HOUR, step=60, polls=False)
    await world.repository.polls.mark_finished(world.clocks().timestamp() + 365 * 86_400)
    assert (await probe(world))[0] == 503


@pytest.mark.parametrize("pauses", ["channel", "workspace"])
async def test_paused_watches_are_not_missed(world: WatchingWorld, pauses: str) -> None:
    if pauses == "channel":
        await world.repository.pause_channel(CHANNEL)
    else:
        await world.repository.pause_workspace(CHANNEL.platform, CHANNEL.workspace)
    await world.advance(5 * HOUR, step=60)
    assert await probe(world) == (200, 0.0)
    await world.repository.resume_channel(CHANNEL)
    assert (await probe(world))[0] == 200


async def test_store_without_watches_is_ready(redis: Redis) -> None:
    world = WatchingWorld(redis)
    world.clocks.add(30 * 86_400)
    assert await probe(world) == (200, 0.0)


async def test_first_watch_after_a_long_time_is_ready(redis: Redis) -> None:
    world = WatchingWorld(redis)
    world.clocks.add(30 * 86_400)
    await world.repository.add(watch(), baseline(watch()), world.clocks() + HOUR)
    assert (await probe(world))[0] == 200


async def test_scheduler_without_three_ticks_is_stalled(world: WatchingWorld) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    assert not world.poller.is_stalled(loop.time() + 10 * TICK_S)  # a process that does not poll
    running = asyncio.create_task(world.poller.run(stop))
    await asyncio.sleep(0)  # the loops are started
    await asyncio.sleep(0)
    assert not world.poller.is_stalled(loop.time() + MAX_TICKS_MISSED * TICK_S - 0.5)
    assert world.poller.is_stalled(loop.time() + MAX_TICKS_MISSED * TICK_S + 0.5)
    stop.set()
    await running
    assert not world.poller.is_stalled(loop.time() + 10 * TICK_S)
