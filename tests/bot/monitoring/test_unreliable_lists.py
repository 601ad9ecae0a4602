"""Poller with a local DNS server and Redis: lists and resolvers that fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from benchmarks.world import write_catalog
from bot.check_runner import CheckRunner
from bot.checks.dnsbl import InMemoryTrustCache, blocklist_check, load
from bot.checks.dnsbl.zones import usable_zones
from bot.checks.registry import CheckSpec
from bot.monitoring.interfaces import AlertMessage
from bot.monitoring.models import Channel
from bot.monitoring.poll import monitoring_runner
from bot.monitoring.poller import Poller
from bot.monitoring.poller_config import PollerConfig, list_proof
from bot.monitoring.query_budget import lists_without_test_points
from bot.monitoring.repository import RedisRepository
from bot.net.dns_client import DnsClient
from bot.net.dns_resolver import Resolver
from bot.net.nameservers import Server
from bot.storage.watch_store import NOTIFY_SCHEDULE, POLL_SCHEDULE, RECHECK_SCHEDULE
from tests.support.dns_server import DnsServer, serve
from tests.support.stored_watches import Clock, baseline, numbered_watch, stored_notices, watch

LISTS = ("wild.example", "other.example")
POINTS = {f"2.0.0.127.{zone}": {"A": ["127.0.0.2"]} for zone in LISTS}
HOUR = timedelta(hours=1)


@dataclass
class Monitored:
    """A poller and its lists; `break_lists` sets a fault of DNS zones."""

    dns: DnsServer
    redis: Redis
    repository: RedisRepository
    poller: Poller
    clock: Clock

    async def add(self, count: int) -> None:
        for number in range(count):
            watch = numbered_watch(number, Channel("slack", f"T{number // 500}", f"C{number // 50}"))
            due = self.clock() + number * HOUR / count
            assert await self.repository.add(watch, baseline(watch, now=self.clock()), due)

    def break_lists(self, word: str, *lists: str) -> None:
        self.dns.faults.update(dict.fromkeys(lists, word))

    async def advance(self, length: timedelta, step: float = 60.0) -> list[AlertMessage]:
        """Run poll rounds; returns the messages enqueued meanwhile."""
        end, messages = self.clock() + length, []
        while self.clock() < end:
            self.clock.add(step)
            for schedule in (POLL_SCHEDULE, RECHECK_SCHEDULE, NOTIFY_SCHEDULE):
                while await self.poller.run_round(schedule):
                    pass
            for channel in await self.repository.ready_channels():
                while message := await self.repository.peek(channel):
                    messages.append(message)
                    await self.repository.mark_sent(message, f"{len(messages)}.0")
        return messages

    async def notices(self) -> list[str]:
        return [f"{notice.reason} {' '.join(notice.list_ids)}" for notice in await stored_notices(self.redis)]


@asynccontextmanager
async def monitored(redis: Redis, folder: Path, test_points: bool = True) -> AsyncIterator[Monitored]:
    clock = Clock()
    write_catalog(folder / "lists.toml", LISTS, severity="high", controls="both" if test_points else "none")
    catalogue = load(folder / "lists.toml")
    async with serve(POINTS) as dns, DnsClient([Server(dns.host, dns.port)]) as transport:
        resolver = Resolver(transport, identity="here")
        lists = blocklist_check(catalogue, {}, InMemoryTrustCache(), "here", clock)
        checks = (CheckSpec("blocklist", "Blocklists", 1, lists, watched=True),)
        interactive = CheckRunner(checks, resolver, resolver.fresh(), clock, allow_special=True)
        runner = monitoring_runner(interactive, resolver.bulk(), resolver.bulk(fresh=True))
        repository = RedisRepository(redis, clock)
        zones = usable_zones(catalogue, {})
        rules = PollerConfig(
            without_test_points=lists_without_test_points(zones), lists_everything=list_proof(zones, resolver.fresh())
        )
        yield Monitored(dns, redis, repository, Poller(repository, runner, clock, rules), clock)


@pytest.mark.parametrize("count", [1, 10, 1000])
async def test_list_listing_everything_sends_one_notice_and_no_alert(count: int, redis: Redis, tmp_path: Path) -> None:
    """With few watches the test points, with many the targets reveal the list."""
    async with monitored(redis, tmp_path) as fleet:
        await fleet.add(count)
        assert await fleet.advance(timedelta(minutes=10)) == []
        fleet.break_lists("lie", "wild.example")
        assert await fleet.advance(1.2 * HOUR) == []
        assert await fleet.notices() == ["quarantined wild-example"]


async def test_repaired_list_alerts_again(redis: Redis, tmp_path: Path) -> None:
    async with monitored(redis, tmp_path) as fleet:
        await fleet.add(20)
        await fleet.advance(HOUR)
        fleet.break_lists("lie", "wild.example")
        assert await fleet.advance(HOUR) == []
        fleet.dns.faults.clear()
        assert await fleet.advance(HOUR) == []
        fleet.dns.update_records({"7.0.0.10.wild.example": {"A": ["127.0.0.2"]}})
        (message,) = await fleet.advance(1.2 * HOUR)
        stored = await fleet.repository.get(message.channel, message.alert.watch_id)
        assert stored
        assert (stored.watch.subject, message.alert.reason) == ("10.0.0.7", "opened")
        assert await fleet.notices() == ["trusted wild-example", "quarantined wild-example"]


async def test_resolver_stripping_loopback_answers_clears_nothing(redis: Redis, tmp_path: Path) -> None:
    """Like unbound `private-address: 127.0.0.0/8` and dnsmasq `--stop-dns-rebind`."""
    async with monitored(redis, tmp_path) as fleet:
        await fleet.add(20)
        listed = [5 * number for number in range(4)]
        fleet.dns.update_records(
            {f"{number}.0.0.10.{zone}": {"A": ["127.0.0.2"]} for number in listed for zone in LISTS}
        )
        opened = await fleet.advance(1.2 * HOUR)
        assert [message.alert.reason for message in opened] == ["opened"] * 4
        fleet.break_lists("nodata", *LISTS)
        assert await fleet.advance(6 * HOUR, step=300) == []
        assert await fleet.notices() == ["degraded other-example wild-example"]


WHOLE_NETWORK = {f"{n}.2.0.192.wild.example": {"A": ["127.0.0.4"]} for n in range(16, 32)}
CONFIRM_AFTER = timedelta(seconds=90)


async def test_wholly_listed_range_alerts_once_within_an_interval(redis: Redis, tmp_path: Path) -> None:
    """Its addresses are on a list whose test points are right, as in an SBL or CSS entry of a network."""
    async with monitored(redis, tmp_path) as fleet:
        office = watch("192.0.2.16/28")
        assert await fleet.repository.add(office, baseline(office, now=fleet.clock()), fleet.clock() + HOUR)
        await fleet.advance(timedelta(minutes=10))
        fleet.dns.update_records(WHOLE_NETWORK)
        started = fleet.clock()
        (message,) = await fleet.advance(1.2 * HOUR, step=10)
        assert message.alert.at - started <= timedelta(minutes=50) + CONFIRM_AFTER + timedelta(seconds=10)
        assert len(message.alert.addresses) == 16
        assert await fleet.notices() == []


@pytest.mark.parametrize(
    ("count", "fault"), [(1, "lie"), (12, "lie"), (12, "lie-but-test-point"), (1000, "lie-but-test-point")]
)
@pytest.mark.parametrize("test_points", [True, False], ids=["test-points", "no-test-points"])
async def test_wildcard_list_never_alerts(
    redis: Redis, tmp_path: Path, count: int, fault: str, test_points: bool
) -> None:
    """A resolver may still have the old answer of the negative test point in its cache."""
    async with monitored(redis, tmp_path, test_points) as fleet:
        await fleet.add(count)
        assert await fleet.advance(timedelta(minutes=10)) == []
        fleet.break_lists("lie", "wild.example")
        if fault == "lie-but-test-point":
            fleet.break_lists("nxdomain", "1.0.0.127.wild.example")
        assert await fleet.advance(1.2 * HOUR) == []
        assert await fleet.notices() == ["quarantined wild-example"]
