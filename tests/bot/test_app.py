"""Gauges of monitoring."""

from __future__ import annotations

from redis.asyncio import Redis

from bot.app import update_gauges
from bot.metrics import build_metrics
from bot.monitoring.poll_health import PollMonitor
from bot.monitoring.repository import RedisRepository
from tests.support.stored_watches import Clock, baseline, watch


async def test_gauges_show_overdue_polls(redis: Redis) -> None:
    clock, registry = Clock(), build_metrics()
    repository = RedisRepository(redis, clock)
    await repository.add(watch(), baseline(watch()), clock())
    clock.add(300)
    await update_gauges(PollMonitor(repository, clock, clock()), registry)
    gauges = {
        name: registry.registry.get_sample_value(f"mailcheck_{name}")
        for name in ("looks_overdue_seconds", "last_poll_age_seconds", "lists_held")
    }
    assert gauges == {"looks_overdue_seconds": 300.0, "last_poll_age_seconds": 300.0, "lists_held": 0.0}
