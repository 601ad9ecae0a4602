"""Clocks that jump: of the host and of the store, there and back. A listing is told within two intervals, once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from bot.monitoring.due_times import due_limits
from bot.monitoring.interfaces import ChannelSettings
from bot.monitoring.models import AlertPolicy
from bot.monitoring.poller import LEASES_S
from bot.monitoring.schedule import next_digest
from bot.storage import StoreUnavailable
from bot.storage.poll_store import PollStore
from bot.storage.redis_clock import RedisClock, redis_clock
from bot.storage.watch_store import POLL_SCHEDULE
from tests.support.incident_stories import T0
from tests.support.stored_watches import CHANNEL, baseline, watch
from tests.support.watching_world import Clocks, WatchingWorld

INTERVAL = timedelta(minutes=30)
TWO_INTERVALS = 2 * INTERVAL * 1.05 + timedelta(minutes=3)  # and the second poll, which confirms it
JUMPS_S = {"hour ahead": 3600.0, "hour behind": -3600.0, "day ahead": 86_400.0, "day behind": -86_400.0}
NUMBERS = range(1, 7)


@pytest.fixture
def world(redis: Redis) -> WatchingWorld:
    return WatchingWorld(redis)


async def fill(world: WatchingWorld) -> None:
    """Six watches, due every five minutes."""
    for number in NUMBERS:
        added = watch(f"203.0.113.{number}/32", interval=INTERVAL)
        due = world.clocks() + timedelta(minutes=5 * number)
        assert await world.repository.add(added, baseline(added), due)
    assert await world.advance(INTERVAL) == []


async def jump(world: WatchingWorld, clock: str, seconds: float, length: timedelta) -> None:
    """Set a clock wrong for a while, in which everything is polled as usual."""
    setattr(world.clocks, f"{clock}_error", seconds)
    assert await world.advance(length) == []
    setattr(world.clocks, f"{clock}_error", 0.0)


@pytest.mark.parametrize("seconds", JUMPS_S.values(), ids=JUMPS_S)
@pytest.mark.parametrize("clock", ["host", "store"])
async def test_listing_after_a_jump_for_45_s_is_alerted_within_two_intervals(
    world: WatchingWorld, clock: str, seconds: float
) -> None:
    await fill(world)
    await jump(world, clock, seconds, timedelta(seconds=45))
    world.runner.state = "listed"
    posted = await world.advance(TWO_INTERVALS, step=30)
    assert len(posted) == len(NUMBERS)
    assert await world.advance(4 * INTERVAL, step=60) == []
    assert set(world.counts().values()) == {1}


@pytest.mark.parametrize("seconds", JUMPS_S.values(), ids=JUMPS_S)
async def test_listing_alerts_once_where_the_store_jumps_between_first_poll_and_confirmation(
    world: WatchingWorld, seconds: float
) -> None:
    await fill(world)
    world.runner.state = "listed"
    while not await world.redis.zcard("mc1:asks"):
        await world.advance(timedelta(seconds=15))
    world.clocks.store_error = seconds
    await world.advance(timedelta(seconds=45))
    world.clocks.store_error = 0.0
    await world.advance(TWO_INTERVALS)
    assert len(world.platform.posted) == len(NUMBERS)
    await world.advance(4 * INTERVAL, step=60)
    assert len(world.platform.posted) == len(NUMBERS)


async def test_due_times_of_a_host_with_a_wrong_clock_are_brought_back(world: WatchingWorld) -> None:
    await fill(world)
    for target, due in await world.redis.zrange("mc1:looks", 0, -1, withscores=True):
        await world.redis.zadd("mc1:looks", {target: due + 40 * 86_400})
    world.runner.state = "listed"
    assert len(await world.advance(TWO_INTERVALS)) == len(NUMBERS)


async def test_due_times_brought_back_are_spread_over_the_interval(world: WatchingWorld) -> None:
    await fill(world)
    members = await world.redis.zrange("mc1:looks", 0, -1)
    await world.redis.zadd("mc1:looks", dict.fromkeys(members, world.clocks().timestamp() + 86_400))
    await world.advance(timedelta(minutes=1))
    due_times = [due for _, due in await world.redis.zrange("mc1:looks", 0, -1, withscores=True)]
    assert max(due_times) - min(due_times) > INTERVAL.total_seconds() / 3
    assert len(set(due_times)) == len(NUMBERS)


async def test_stretched_intervals_are_not_brought_back(world: WatchingWorld) -> None:
    await fill(world)
    await world.repository.polls.set_interval_multipliers({"slack/T0123ABCD": '{"ip4":10.0}'})
    members = await world.redis.zrange("mc1:looks", 0, -1)
    due = world.clocks().timestamp() + 9 * INTERVAL.total_seconds()
    await world.redis.zadd("mc1:looks", dict.fromkeys(members, due))
    limits = due_limits(AlertPolicy())[POLL_SCHEDULE]
    assert await world.repository.watches.clamp(world.clock().timestamp(), LEASES_S, limits, POLL_SCHEDULE) == 0
    later = world.clock().timestamp() - 3 * INTERVAL.total_seconds()
    assert await world.repository.watches.clamp(later, LEASES_S, limits, POLL_SCHEDULE) == len(NUMBERS)


async def test_digest_sent_by_a_clock_ahead_is_not_repeated(redis: Redis) -> None:
    """Every Monday between 8 and 9 UTC; the store is a day ahead on the Sunday before."""
    monday = next_digest(str(CHANNEL), T0)
    world = WatchingWorld(redis, monday - timedelta(hours=20))
    added = watch(interval=INTERVAL)
    await world.repository.add(added, baseline(added, now=world.clocks()), world.clocks())
    await world.repository.set_settings(CHANNEL, ChannelSettings(weekly_digest=True))
    world.clocks.store_error = 86_400.0
    await world.advance(timedelta(minutes=2))
    world.clocks.store_error = 0.0
    assert len(world.platform.posted) == 1
    assert await world.advance(timedelta(days=2), step=600) == []
    ((_, due),) = await redis.zrange("mc1:digests", 0, -1, withscores=True)
    assert due == (monday + timedelta(weeks=1)).timestamp()


@pytest.fixture
def summer_time() -> Iterator[None]:
    """The local time of a place that changes to winter time on 25 October 2026, 01:00 UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("summer_time")
async def test_change_of_local_time_moves_neither_polls_nor_digests(redis: Redis) -> None:
    before = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert before.astimezone().hour - (before + timedelta(hours=1)).astimezone().hour == 0  # 2:30 twice
    world = WatchingWorld(redis, before)
    await fill(world)
    await world.repository.set_settings(CHANNEL, ChannelSettings(weekly_digest=True))
    ((_, due),) = await redis.zrange("mc1:digests", 0, -1, withscores=True)
    assert datetime.fromtimestamp(due, UTC).hour == 8
    world.runner.state = "listed"
    assert len(await world.advance(TWO_INTERVALS)) == len(NUMBERS)


async def test_plan_is_claimed_again_after_the_clock_of_the_store_was_ahead(redis: Redis) -> None:
    await redis.set("mc1:turn:plan", "1", px=3_600_000)
    assert not await PollStore(redis).claim_task("plan", 60)
    assert await redis.pttl("mc1:turn:plan") <= 60_000


# The clock


async def test_clock_is_the_wall_clock_until_the_first_correction() -> None:
    clocks = Clocks(host_error=3600)
    clock = RedisClock(clocks.store_time, clocks.wall, clocks.monotonic)
    assert clock() == clocks() + timedelta(hours=1)
    await clock.correct()
    assert clock() == clocks()
    clocks.host_error = -86_400
    assert clock() == clocks()


async def test_clock_halves_the_round_trip() -> None:
    clocks = Clocks()

    async def slow_time() -> float:
        clocks.add(0.2)
        answer = await clocks.store_time()
        clocks.add(0.2)
        return answer

    clock = RedisClock(slow_time, clocks.wall, clocks.monotonic)
    await clock.correct()
    assert abs(clock() - clocks()) < timedelta(milliseconds=1)


async def test_slow_answer_does_not_move_a_correct_clock() -> None:
    clocks = Clocks()
    delay_s = 0.0

    async def delayed_time() -> float:
        clocks.add(delay_s / 8)
        answer = await clocks.store_time()
        clocks.add(delay_s)
        return answer

    clock = RedisClock(delayed_time, clocks.wall, clocks.monotonic)
    await clock.correct()
    delay_s = 0.8
    await clock.correct()
    assert abs(clock() - clocks()) < timedelta(milliseconds=1)


async def test_clock_without_a_store_is_the_wall_clock() -> None:
    clocks = Clocks(host_error=60)
    clock = RedisClock(None, clocks.wall, clocks.monotonic)
    await clock.correct()
    assert clock() == clocks() + timedelta(seconds=60)


async def test_clock_stays_right_while_the_store_is_unavailable() -> None:
    clocks, stop = Clocks(), asyncio.Event()

    async def no_time() -> float:
        clocks.host_error = 3600
        stop.set()
        raise StoreUnavailable("down")

    clock = RedisClock(clocks.store_time, clocks.wall, clocks.monotonic)
    await clock.correct()
    clock._read_time = no_time
    await clock.correct_regularly(stop)
    assert clock() == clocks()


async def test_clock_reads_the_time_of_a_real_store(redis: Redis) -> None:
    clock = redis_clock(redis)
    await clock.correct()
    assert abs(clock() - datetime.now(UTC)) < timedelta(seconds=1)
