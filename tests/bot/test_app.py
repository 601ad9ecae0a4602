"""What a monitoring system is told of the watches."""

from __future__ import annotations

from datetime import timedelta

from redis.asyncio import Redis

from bot.app import measure
from bot.metrics import metrics
from bot.monitoring.repository import Register
from tests.support.stored_watches import Clock, baseline, watch


async def test_looks_that_nobody_takes_are_seen_from_outside(redis: Redis) -> None:
    clock, counted = Clock(), metrics()
    register = Register(redis, clock)
    await register.add(watch(), baseline(watch()), clock())
    await measure(register, counted, clock() + timedelta(minutes=5))
    seen = {
        name: counted.registry.get_sample_value(f"mailcheck_{name}") for name in ("looks_overdue_seconds", "lists_held")
    }
    assert seen == {"looks_overdue_seconds": 300.0, "lists_held": 0.0}
