"""Delivery where a clock was ahead: no message waits for it, and none is posted twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bot.monitoring.serialization import dump
from handlers.delivery.retry_policy import DeliveryTimeouts, retry_decision
from handlers.message import Card
from handlers.ports import ChannelUnavailable, Rejected, RetryAfter
from tests.support.outbox_messages import LATER, messages_of_incident
from tests.support.stored_watches import CHANNEL, Clock, watch
from tests.support.watching_world import WatchingWorld

MINUTE = timedelta(minutes=1)


async def enqueue(world: WatchingWorld) -> str:
    message = messages_of_incident(watch())[0]
    await world.repository.add(message.watch, message.incident, world.clocks() + timedelta(hours=1))
    await world.redis.rpush(f"mc1:outbox:{CHANNEL}", f"{message.id}\n{dump(message.message)}")
    await world.redis.zadd("mc1:waiting", {str(CHANNEL): 0})
    return message.id


@pytest.mark.parametrize("was_posted", [True, False])
async def test_attempt_that_began_a_year_ahead_is_made_once(redis: Redis, was_posted: bool) -> None:
    world = WatchingWorld(redis, LATER)
    key = await enqueue(world)
    if was_posted:  # by a process that ended before it could say so
        await world.platform.post(CHANNEL, Card("It is listed."), "", key)
    world.clocks.add(600)
    await redis.hset(f"mc1:intent:{CHANNEL}", mapping={"at": LATER.timestamp() + 365 * 86_400, "tries": 1, "by": "x"})
    await world.advance(2 * MINUTE, step=5, polls=False)
    assert world.counts() == {key: 1}
    assert await redis.zcard("mc1:waiting") == 0


async def test_channel_that_waits_a_year_is_ready(redis: Redis) -> None:
    world = WatchingWorld(redis, LATER)
    key = await enqueue(world)
    await redis.zadd("mc1:waiting", {str(CHANNEL): LATER.timestamp() + 365 * 86_400})
    await world.advance(MINUTE, step=5, polls=False)
    assert world.counts() == {key: 1}


def test_retry_after_a_year_is_an_hour() -> None:
    timeouts = DeliveryTimeouts(now=Clock(LATER))
    decision = retry_decision(
        messages_of_incident(watch())[0].message, RetryAfter("busy", 365 * 86_400), True, timeouts
    )
    assert decision.retry_at == LATER + timeouts.unavailable_retry


@pytest.mark.parametrize(("error", "attempts"), [(Rejected("no"), 288), (ChannelUnavailable("left"), 720)])
def test_message_from_a_clock_ahead_is_dropped_after_its_attempts(error: Rejected, attempts: int) -> None:
    message = messages_of_incident(watch())[0].message
    timeouts = DeliveryTimeouts(now=Clock(message.at - timedelta(days=365)))
    assert retry_decision(replace(message, attempts=attempts - 1), error, True, timeouts).retry_at is not None
    assert retry_decision(replace(message, attempts=attempts), error, True, timeouts).retry_at is None
