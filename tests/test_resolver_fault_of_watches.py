"""A fault of the resolver while watches poll over a real DNS server: told to the operator once, to no channel."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr
from redis.asyncio import Redis

from bot.app import Core, Monitoring, build_monitoring, open_core
from bot.checks.dnsbl.catalog import Kind
from bot.checks.dnsbl.zones import usable_zones
from bot.monitoring.models import Watch
from bot.monitoring.poll import baseline
from bot.settings import HostPort, ProbeSmtp, Settings, SpecialAddresses
from bot.storage.redis_clock import RedisClock
from bot.storage.watch_store import NOTIFY_SCHEDULE, POLL_SCHEDULE, RECHECK_SCHEDULE
from tests.support.builtin_catalog import CATALOG
from tests.support.dns_server import DnsServer, serve
from tests.support.dns_world import World
from tests.support.mail_world import listing_records, mail_world
from tests.support.stored_watches import CHANNEL
from tests.support.stored_watches import watch as make_watch
from tests.support.watching_world import Clocks

# Twelve lists of addresses without limits, which the DNS client would keep to in real time.
UNLIMITED = [zone.blocklist for zone in usable_zones(CATALOG, {}) if zone.must_list and not zone.blocklist.per_day]
LISTS = [blocklist for blocklist in UNLIMITED if Kind.IP4 in blocklist.kinds and not blocklist.per_second][:12]
ADDRESSES = [f"192.0.2.{number}" for number in range(25, 28)]
LISTED = ADDRESSES[0]
ENTRY = listing_records({(LISTED, "barracuda"): ("127.0.0.2",)})
POLL_EVERY = timedelta(minutes=10)  # and some seconds, so that a step may have no poll
FAILS, WORKS = "the resolver fails, so watches see nothing: run mailcheck doctor", "the resolver answers watches again"


@dataclass
class Watching:
    """A bot that polls in virtual time, and its resolver."""

    core: Core
    monitoring: Monitoring
    clocks: Clocks
    server: DnsServer

    async def add(self, watch: Watch) -> None:
        first, _ = await baseline(watch, self.core.check_runner, self.core.clock())
        await self.monitoring.repository.add(watch, first, self.core.clock())

    async def poll_for(self, length: timedelta) -> None:
        for _ in range(int(length / POLL_EVERY)):
            self.clocks.add(POLL_EVERY.total_seconds())
            before = asyncio.all_tasks()
            for schedule in (POLL_SCHEDULE, RECHECK_SCHEDULE, NOTIFY_SCHEDULE):
                await self.monitoring.poller.run_round(schedule)
            if refreshing := asyncio.all_tasks() - before:  # of test points, which is done long before the next poll
                await asyncio.wait(refreshing)

    async def is_open(self) -> bool:
        (stored,) = await self.monitoring.repository.find(CHANNEL, LISTED)
        assert stored
        return stored.incident.opened_at is not None


@asynccontextmanager
async def watching(folder: Path, redis_url: str, clocks: Clocks) -> AsyncIterator[Watching]:
    others = [blocklist.id for blocklist in CATALOG.lists if blocklist not in LISTS]
    file = folder / "lists.toml"
    file.write_text(f'extends = "builtin"\ndisable = {json.dumps(others)}\n', encoding="utf-8")
    async with serve(World(mail_world({}), ttl=0)) as server:
        settings = Settings(
            redis_url=SecretStr(redis_url),
            blocklists=file,
            nameservers=(HostPort(server.host, server.port),),
            special_addresses=SpecialAddresses.ALLOW,
            probe_smtp=ProbeSmtp.OFF,
            watch_every=POLL_EVERY / 2,
        )
        async with open_core(settings, needs_store=True) as core:
            assert core.store
            yield Watching(core, build_monitoring(core, core.store), clocks, server)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """The clock of the bot, which a test sets forward."""
    clocks = Clocks(datetime.now(UTC))
    virtual = RedisClock(clocks.store_time, clocks.wall, clocks.monotonic)
    monkeypatch.setattr("bot.app.redis_clock", lambda _: virtual)
    return clocks


async def messages(redis: Redis) -> list[str]:
    """What waits to be posted in any channel."""
    queues = [await redis.lrange(key, 0, -1) for key in await redis.keys("mc1:outbox:*")]
    return [text for queue in queues for text in queue]


@pytest.mark.parametrize("fault", ["rewritten", "sinkhole", "stripped", "refused"])
async def test_resolver_fault_is_logged_once_and_posted_nowhere(
    tmp_path: Path, redis: Redis, redis_url: str, clocks: Clocks, fault: str
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with watching(tmp_path, redis_url, clocks) as bot:
            for address in ADDRESSES:
                await bot.add(replace(make_watch(f"{address}/32"), interval=POLL_EVERY))
            bot.server.update_records(ENTRY)
            await bot.poll_for(5 * POLL_EVERY)
            assert await bot.is_open()
            before = await messages(redis)
            bot.server.faults.update({blocklist.zone: fault for blocklist in LISTS})
            await bot.poll_for(4 * POLL_EVERY)
            assert await bot.is_open()
            assert await messages(redis) == before
            bot.server.faults.clear()
            bot.server.update_records(dict.fromkeys(ENTRY))
            await bot.poll_for(9 * POLL_EVERY)
            assert not await bot.is_open()
    assert [log["event"] for log in logs if log["log_level"] in ("warning", "error")] == [FAILS, WORKS]
