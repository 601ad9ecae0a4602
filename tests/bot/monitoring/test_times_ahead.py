"""Every time in the saved store put a year ahead, one place at a time: monitoring recovers within its bound.

The cases are generated from the store as an earlier version saved it.
"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bot.monitoring.repository import PAUSE_TTL
from bot.storage.poll_store import PollStore
from tests.support.saved_store import load as load_store
from tests.support.saved_times import YEAR_S, members, put_ahead, saved_keys, time_fields
from tests.support.watching_world import WatchingWorld

BOUND = timedelta(hours=2, minutes=15)  # two intervals of an hour, and the second poll
SAVED_AT, SAVED_KEYS = saved_keys()


def expected_channels() -> dict[str, int]:
    """Number of fresh listings to be told in each channel: of watches by the hour, not paused and not muted."""
    muted = {channel for channel, text in members(SAVED_KEYS, "mc1:incidents:") if '"muted":{' in text}
    quiet = (*muted, *SAVED_KEYS["mc1:resting"]["hash"])
    counts: dict[str, int] = {}
    for channel, text in members(SAVED_KEYS, "mc1:watches:"):
        if json.loads(text)["every"] <= 3600 and not channel.startswith(quiet):
            counts[channel] = counts.get(channel, 0) + 1
    return counts


@pytest.mark.parametrize("place", ["nothing", *time_fields()])
async def test_watching_recovers_from_a_time_that_is_a_year_ahead(redis: Redis, place: str) -> None:
    await load_store(redis, put_ahead(SAVED_KEYS, place))
    world = WatchingWorld(redis, SAVED_AT)
    world.runner.state = "listed"
    await world.advance(BOUND, step=270)
    alerted: dict[str, int] = {}
    for watched in await alerted_channels(world):
        alerted[watched] = alerted.get(watched, 0) + 1
    missing = {channel: count for channel, count in expected_channels().items() if alerted.get(channel, 0) < count}
    assert missing == {}
    assert [key for key, count in world.counts().items() if count > 1] == []
    assert await redis.zcard("mc1:waiting") == 0


async def alerted_channels(world: WatchingWorld) -> list[str]:
    """Channels of the watches of which a fresh listing was told, one for each watch."""
    channels = []
    for key in [key async for key in world.redis.scan_iter("mc1:incidents:*")]:
        for text in (await world.redis.hgetall(key)).values():
            problems = json.loads(text.partition(" ")[2]).get("problems", [])
            if any(p["sight"]["about"].startswith("fresh-") and p.get("told") for p in problems):
                channels.append(key.removeprefix("mc1:incidents:"))
    return channels


async def test_pause_a_year_ahead_ends_within_thirty_days(redis: Redis) -> None:
    await load_store(redis, put_ahead(SAVED_KEYS, "mc1:resting"))
    world = WatchingWorld(redis, SAVED_AT)
    assert await world.repository.purge_expired() == 0
    world.clocks.add((PAUSE_TTL + timedelta(minutes=1)).total_seconds())
    assert await world.repository.purge_expired() == 2


async def test_mute_a_year_ahead_ends_within_thirty_days(redis: Redis) -> None:
    await load_store(redis, put_ahead(SAVED_KEYS, "mc1:incidents muted until"))
    world = WatchingWorld(redis, SAVED_AT)
    world.runner.state = "listed"
    await world.advance(timedelta(days=31), step=6 * 3600)
    channels = {channel for channel, text in members(SAVED_KEYS, "mc1:incidents:") if '"muted":{' in text}
    assert channels <= set(await alerted_channels(world))


async def test_bucket_filled_a_year_ahead_fills_again(redis: Redis) -> None:
    store, now = PollStore(redis), SAVED_AT.timestamp()
    assert await store.take_tokens("zen", now + YEAR_S, 20, 1.0, 20.0) == 20
    assert await store.take_tokens("zen", now, 20, 1.0, 20.0) == 0
    assert await store.take_tokens("zen", now + 10, 20, 1.0, 20.0) == 10


async def test_bucket_does_not_fill_twice_by_clocks_a_second_apart(redis: Redis) -> None:
    store, now = PollStore(redis), SAVED_AT.timestamp()
    await store.take_tokens("zen", now, 20, 1.0, 20.0)
    taken = [await store.take_tokens("zen", now + step + step % 2, 20, 1.0, 20.0) for step in range(1, 21)]
    assert sum(taken) <= 21
