"""Unreadable values: skipped by themselves, logged once, counted, and left for the operator."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import structlog
from prometheus_client import generate_latest
from redis.asyncio import Redis

from bot.metrics import build_metrics
from bot.monitoring.interfaces import ChannelSettings
from bot.monitoring.models import Incident
from bot.monitoring.repository import RedisRepository
from bot.monitoring.serialization import dump
from bot.storage.poll_store import PollStore
from bot.storage.record_store import RecordStore, UnreadableRecord
from bot.storage.unreadable import UnreadableValues
from bot.storage.watch_store import POLL_SCHEDULE
from tests.support.outbox_messages import messages_of_incident
from tests.support.stored_watches import CHANNEL, OTHER_CHANNEL, Clock, baseline, numbered_watch

WATCHES = f"mc1:watches:{CHANNEL}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def repository(redis: Redis, clock: Clock) -> RedisRepository:
    """Two watches of a channel."""
    filled = RedisRepository(redis, clock)
    for number in (1, 2):
        added = numbered_watch(number)
        assert await filled.add(added, baseline(added), clock() + timedelta(hours=1))
    return filled


async def spoil(redis: Redis, **changes: object) -> str:
    """Change the JSON of the first watch; returns its text."""
    id = numbered_watch(1).id
    text = json.dumps(json.loads(str(await redis.hget(WATCHES, id))) | changes)
    await redis.hset(WATCHES, id, text)
    return text


async def test_watch_with_a_future_value_is_left_out_and_stays(repository: RedisRepository, redis: Redis) -> None:
    text = await spoil(redis, role="role-of-a-newer-version")
    assert [stored.watch for stored in await repository.list_watches(CHANNEL)] == [numbered_watch(2)]
    assert await redis.hget(WATCHES, numbered_watch(1).id) == text


async def test_watch_with_an_unknown_field_is_read(repository: RedisRepository, redis: Redis) -> None:
    await spoil(redis, newer_field={"a": 1})
    assert len(await repository.list_watches(CHANNEL)) == 2


async def test_unreadable_watch_is_logged_once_without_its_content(repository: RedisRepository, redis: Redis) -> None:
    await spoil(redis, every="confidential")
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            await repository.list_watches(CHANNEL)
    (line,) = lines
    assert line["event"] == "stored value unreadable"
    assert (line["key"], line["field"], line["reason"]) == (WATCHES, numbered_watch(1).id, "ValidationError")
    assert "confidential" not in str(line)


async def test_unreadable_values_are_counted_by_kind(redis: Redis, clock: Clock) -> None:
    metrics = build_metrics()
    unreadable = UnreadableValues(redis, lambda kind: metrics.unreadable_values.labels(kind=kind).inc())
    repository = RedisRepository(redis, clock, unreadable)
    await redis.set(f"mc1:settings:slack/{CHANNEL.workspace}", "not a hash")
    assert await repository.settings(CHANNEL) == ChannelSettings()
    assert b'mailcheck_unreadable_values_total{kind="settings"} 1.0' in generate_latest(metrics.registry)


async def test_unreadable_message_is_set_aside_and_the_next_is_read(repository: RedisRepository, redis: Redis) -> None:
    message = messages_of_incident(numbered_watch(1))[0].message
    outbox, bad = f"mc1:outbox:{message.channel}", b"an-id\n{\xff"
    await redis.rpush(outbox, bad, f"{message.id}\n{dump(message)}")
    assert await repository.peek(message.channel) == message
    async with Redis(unix_socket_path=redis.connection_pool.connection_kwargs["path"]) as raw:
        assert await raw.lrange(f"mc1:unreadable:outbox:{message.channel}", 0, -1) == [bad]


async def test_spoiled_schedule_is_built_anew_and_stays(
    repository: RedisRepository, redis: Redis, clock: Clock
) -> None:
    await redis.delete(POLL_SCHEDULE)
    await redis.set(POLL_SCHEDULE, "spoiled")
    assert await repository.watches.claim(clock().timestamp(), (60, 300), 10) == []
    clock.add(301)
    assert len(await repository.watches.claim(clock().timestamp(), (60, 300), 10)) == 2
    assert await redis.get("mc1:unreadable:looks") == "spoiled"


async def test_spoiled_list_state_is_replaced_and_stays(
    repository: RedisRepository, redis: Redis, clock: Clock
) -> None:
    await redis.set("mc1:lists", "garbage")
    version, state = await repository.claim_quarantine_state(clock())
    assert await repository.store_quarantine_state(version, dump(state), (), {})
    assert await repository.quarantine_state() == state
    assert await redis.get("mc1:unreadable:lists") == "garbage"


async def test_unreadable_history_does_not_stop_a_change_and_stays(repository: RedisRepository, redis: Redis) -> None:
    stored = (await repository.list_watches(CHANNEL))[0]
    await redis.hset(f"mc1:history:{CHANNEL}", stored.watch.id, "garbage")
    changed = Incident(stored.watch.id, stored.incident.started_at, alert_count=7)
    assert await repository.update_incident(CHANNEL, stored.watch.id, changed, stored.incident)
    assert await redis.hget(f"mc1:history:{CHANNEL}", stored.watch.id) == "garbage"


async def test_spoiled_counters_do_not_stop_a_new_watch(repository: RedisRepository, redis: Redis) -> None:
    await redis.hset(f"mc1:rooms:slack/{CHANNEL.workspace}", str(CHANNEL), "many")
    await redis.delete("mc1:wishes")
    await redis.set("mc1:wishes", "spoiled")
    added = numbered_watch(3, OTHER_CHANNEL)
    assert await repository.add(added, baseline(added), Clock()())
    assert len(await repository.list_watches(OTHER_CHANNEL)) == 1


@pytest.mark.parametrize("fields", [{"tokens": "nan"}, {"at": "9" * 30}, {"tokens": "-1e300"}, {"at": "", "had": "?"}])
async def test_spoiled_bucket_counts_as_full(redis: Redis, fields: dict[str, str]) -> None:
    await redis.hset("mc1:bucket:a", mapping=fields)
    assert await PollStore(redis).take_tokens("a", 1e9, 5, 1.0, 10.0) == 5


async def test_task_claim_without_expiry_ends(redis: Redis) -> None:
    await redis.set("mc1:turn:plan", "stuck")
    assert not await PollStore(redis).claim_task("plan", 60)
    assert 0 < await redis.ttl("mc1:turn:plan") <= 60


async def test_unreadable_record_is_no_missing_one(redis: Redis) -> None:
    records = RecordStore(redis, "teams")
    assert await records.get("missing") is None
    await redis.set("mc1:teams:record:bad", "not a hash")
    with pytest.raises(UnreadableRecord):
        await records.get("bad")
    await records.put("bad", {"id": "1"}, ["group"])
    assert await records.get("bad") == {"id": "1"}


async def test_watch_of_another_subject_is_left_out(repository: RedisRepository, redis: Redis) -> None:
    """It would change what all channels that share its target poll."""
    await spoil(redis, domain="another.example")
    assert [stored.watch for stored in await repository.list_watches(CHANNEL)] == [numbered_watch(2)]


async def test_demand_of_a_malformed_name_is_left_out(repository: RedisRepository, redis: Redis) -> None:
    before = await repository.watches.demand()
    await redis.hset("mc1:wishes", mapping={"garbage": "1", "slack/T1 kind soon": "1"})
    assert before
    assert await repository.watches.demand() == before
