"""Watching in virtual time on a real Redis: a host and a store whose clocks can be set wrong, polls and delivery."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

from bot.models import CheckRequest, Report, Verdict
from bot.monitoring.models import Channel
from bot.monitoring.poll_health import PollMonitor
from bot.monitoring.poller import PLAN_INTERVAL_S, Poller
from bot.monitoring.poller_config import PollerConfig
from bot.monitoring.repository import RedisRepository
from bot.storage.redis_clock import RedisClock
from bot.storage.watch_store import NOTIFY_SCHEDULE, POLL_SCHEDULE, RECHECK_SCHEDULE
from handlers.delivery import DeliveryTimeouts, DeliveryWorker
from handlers.message import Card
from handlers.ports import MessageNotFound
from tests.support.fake_channel import FakeChannel, PostedMessage
from tests.support.incident_stories import T0
from tests.support.reports import listing


@dataclass
class Clocks:
    """True time, and how wrong the clocks of the host and of the store are, in seconds."""

    start: datetime = T0
    elapsed: float = 0.0
    host_error: float = 0.0
    store_error: float = 0.0

    def __call__(self) -> datetime:
        return self.start + timedelta(seconds=self.elapsed)

    def add(self, seconds: float) -> datetime:
        self.elapsed += seconds
        return self()

    def wall(self) -> float:
        return self().timestamp() + self.host_error

    def monotonic(self) -> float:
        return 1000 + self.elapsed

    async def store_time(self) -> float:
        return self().timestamp() + self.store_error


class ListingRunner:
    """Check runner: a list of its own for each target, so that no list lists many."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.state = "not_listed"

    async def run(self, request: CheckRequest, fresh: bool = False) -> Report:
        verdict = Verdict.FAIL if self.state == "listed" else Verdict.PASS
        finding = listing(f"fresh {request.target.ip or request.target.domain}", verdict, self.state)
        return Report(request, self.clock(), (finding,), 1, 1)


class ForgetfulChannel(FakeChannel):
    """Knows only messages posted in this test, as those of a saved store are on no platform."""

    async def update(self, channel: Channel, message: str, card: Card) -> None:
        if not any((item.channel, item.id) == (channel, message) for item in self.posted):
            raise MessageNotFound("gone")
        await super().update(channel, message, card)


class LongRunningRepository(RedisRepository):
    """Its server started long before."""

    async def store_started_at(self) -> datetime:
        return datetime(2020, 1, 1, tzinfo=UTC)


class WatchingWorld:
    """One process that polls and delivers, step by step."""

    def __init__(self, redis: Redis, start: datetime = T0) -> None:
        self.redis, self.clocks = redis, Clocks(start)
        self.clock = RedisClock(self.clocks.store_time, self.clocks.wall, self.clocks.monotonic)
        self.repository = LongRunningRepository(redis, self.clock)
        self.runner = ListingRunner(self.clock)
        self.poller = Poller(self.repository, self.runner, self.clock, PollerConfig())
        self.platform = ForgetfulChannel(self.clocks)
        timeouts = DeliveryTimeouts(now=self.clock)
        posters = dict.fromkeys(("slack", "teams", "web"), self.platform)
        self.delivery = DeliveryWorker(self.repository, self.repository, posters, timeouts)
        self.monitor = PollMonitor(self.repository, self.clock, start)

    async def advance(self, length: timedelta, step: float = 15.0, polls: bool = True) -> Sequence[PostedMessage]:
        """Poll and deliver every `step` seconds; returns the messages posted meanwhile."""
        before = len(self.platform.posted)
        for _ in range(int(length.total_seconds() / step)):
            self.clocks.add(step)
            await (self._poll(step) if polls else self.clock.correct())
            await self._deliver()
        return self.platform.posted[before:]

    async def _poll(self, step: float) -> None:
        for schedule in (POLL_SCHEDULE, RECHECK_SCHEDULE, NOTIFY_SCHEDULE):
            while await self.poller.run_round(schedule):
                pass
        if self.clocks.elapsed % PLAN_INTERVAL_S < step:
            if await self.redis.pttl("mc1:turn:plan") <= PLAN_INTERVAL_S * 1000:
                await self.redis.delete("mc1:turn:plan")  # a minute went by
            await self.poller.plan()

    async def _deliver(self) -> None:
        for channel in await self.repository.ready_channels():
            while await self.delivery.deliver_next(channel):
                pass

    def counts(self) -> Counter[str]:
        """Number of posts of each message."""
        return Counter(message.key for message in self.platform.posted)
