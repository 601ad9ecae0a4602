"""Indexes of another type are built anew from the watches and settings."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bot.monitoring.index_rebuild import rebuild_indexes
from bot.monitoring.interfaces import ChannelSettings
from bot.monitoring.models import Channel, Incident
from bot.monitoring.poller import LEASES_S
from bot.monitoring.repository import RedisRepository
from bot.monitoring.serialization import poll_subject
from tests.support.incident_stories import T0 as NOW
from tests.support.stored_watches import Clock, watch

CHANNELS = (Channel("slack", "T1", "C1"), Channel("slack", "T2", "C2"))
WATCHES = [watch(channel=channel) for channel in CHANNELS]
TARGET = poll_subject(WATCHES[0])
SUBJECT = f"mc1:subject:{TARGET}"


@pytest.fixture
async def repository(redis: Redis) -> RedisRepository:
    clock = Clock()
    repository = RedisRepository(redis, clock)
    for item in WATCHES:
        assert await repository.add(item, Incident(item.id, NOW), NOW + timedelta(seconds=5))
        await repository.set_settings(item.channel, ChannelSettings(weekly_digest=True))
    return repository


async def claimed_channels(repository: RedisRepository, seconds: int) -> list[str]:
    claimed = await repository.watches.claim((NOW + timedelta(seconds=seconds)).timestamp(), LEASES_S, 10)
    return sorted(row.channel for target in claimed for row in target.watches)


async def test_target_of_another_type_is_polled_for_all_its_channels(redis: Redis, repository: RedisRepository) -> None:
    await redis.set(SUBJECT, "a")
    assert await claimed_channels(repository, 10) == []
    await rebuild_indexes(repository, NOW)
    assert await claimed_channels(repository, 10) == sorted(map(str, CHANNELS))
    assert await redis.get(SUBJECT.replace("mc1:", "mc1:unreadable:")) == "a"


async def test_watch_of_a_target_of_another_type_is_polled_with_the_others(
    redis: Redis, repository: RedisRepository
) -> None:
    await redis.set(SUBJECT, "a")
    added = watch(channel=Channel("slack", "T3", "C3"))
    assert await repository.add(added, Incident(added.id, NOW), NOW + timedelta(seconds=5))
    await rebuild_indexes(repository, NOW)
    assert await claimed_channels(repository, 10) == ["slack/T1/C1", "slack/T2/C2", "slack/T3/C3"]


async def test_digests_of_another_type_are_planned_anew(redis: Redis, repository: RedisRepository) -> None:
    planned = await redis.zrange("mc1:digests", 0, -1, withscores=True)
    assert len(planned) == len(CHANNELS)
    await redis.delete("mc1:digests")
    await redis.set("mc1:digests", "a")
    await repository.set_settings(CHANNELS[0], ChannelSettings(weekly_digest=True))
    await rebuild_indexes(repository, NOW)
    assert await redis.zrange("mc1:digests", 0, -1, withscores=True) == planned


async def test_readable_indexes_are_left_alone(redis: Redis, repository: RedisRepository) -> None:
    await claimed_channels(repository, 10)
    before = await redis.dbsize()
    await rebuild_indexes(repository, NOW)
    assert await redis.dbsize() == before
