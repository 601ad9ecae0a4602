"""Watches in the embedded server: memory, rate of claims and updates, latency of commands.

`python -m benchmarks.watches [--watches 100000]`. Every watch has a target of its own with the digests
of all its domain's records, and all polls are due. Goals: at most 900 bytes per watch, 2 KB more per domain for the
texts of its records, 10,000 claimed and applied per second by one process, and at most 50 ms to add, list or remove.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from random import Random
from typing import Any

from redis.asyncio import Redis

from bot.models import CheckRequest, Report, Role
from bot.monitoring.models import Channel, DomainRecords, Incident, Watch, value_digest
from bot.monitoring.poller import CLAIM_BATCH, LEASES_S, Poller
from bot.monitoring.poller_config import PollerConfig
from bot.monitoring.repository import RedisRepository
from bot.monitoring.serialization import watch_entry
from bot.storage.embedded_valkey import EmbeddedValkey
from bot.storage.redis_client import open_client
from bot.storage.watch_store import PollResultRow, WatchUpdate
from tests.support.stored_watches import Clock

BATCH_SIZE = 50
NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
DKIM_SELECTORS = ("s1", "s2")
RECORD_TEXTS = {
    "spf": "v=spf1 ip4:203.0.113.0/24 include:_spf.google.com include:spf.protection.outlook.com -all",
    "dmarc": "v=DMARC1; p=reject; rua=mailto:dmarc@example.com,mailto:a1b2c3@rua.reports.example; adkim=s",
    "mx": "10 mx1.example.com, 20 mx2.example.com",
    "ns": "ns1.dns-host.example, ns2.dns-host.example",
    "mta-sts": "v=STSv1; id=20261124T060000;",
    "tls-rpt": "v=TLSRPTv1; rua=mailto:tls@example.com",
    **{
        f"dkim.{name}": f"v=DKIM1; k=rsa; p={b64encode(Random(name).randbytes(294)).decode()}"
        for name in DKIM_SELECTORS
    },
}
DOMAIN_CONFIG = {
    "ptr": "mail.example.com",
    **{key: value_digest(text) for key, text in RECORD_TEXTS.items()},
    **{f"mx.mx{number}.example.com": value_digest(f"192.0.2.{number}") for number in (1, 2)},
    "spf.includes": value_digest("v=spf1 ip4:198.51.100.0/24 -all"),
    "checks": "bimi dane dkim dmarc domain-dns mta-sts mx network ptr registration spf starttls tls-rpt",
    "ran": f"{NOW.timestamp():.0f}",
    "selectors": " ".join(DKIM_SELECTORS),
}
DOMAINS = 1_000  # whose texts are measured


@dataclass(frozen=True, slots=True)
class Figures:
    bytes_each: float
    bytes_per_domain: float
    applied_per_s: float  # claimed and applied, as stored texts
    polled_per_s: float  # by whole poll rounds, without DNS queries
    slowest_ms: dict[str, float]

    @property
    def meets_goals(self) -> bool:
        is_small = self.bytes_each <= 900 and self.bytes_per_domain <= 2048
        return is_small and self.applied_per_s >= 10_000 and max(self.slowest_ms.values()) <= 50


class EmptyRunner:
    """A check runner without findings that takes no time."""

    async def run(self, request: CheckRequest, fresh: bool = False) -> Report:
        return Report(request, NOW + timedelta(hours=2), (), 0, int(fresh))


def numbered_watch(number: int) -> Watch:
    """50 watches in a channel, 500 in a workspace."""
    channel = Channel("slack", f"T0{number // 500:07d}", f"C0{number // 50:08d}")
    network = ip_network(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}/32")
    return Watch(channel, network, "mail.example.com", Role.MTA, timedelta(hours=1), "U0123ABCD", NOW, "HQ egress")


async def measure(redis: Redis, watches: int) -> Figures:
    repository = RedisRepository(redis, lambda: NOW + timedelta(hours=2))
    # Open the connections first: their buffers are not part of the watches.
    await asyncio.gather(*(redis.ping() for _ in range(BATCH_SIZE)))
    empty = await memory_used(redis)
    for start in range(0, watches, BATCH_SIZE):
        numbers = range(start, min(start + BATCH_SIZE, watches))
        await asyncio.gather(*(add(repository, numbered_watch(number)) for number in numbers))
    full = await memory_used(redis)
    bytes_each = (full - empty) / watches
    records = DomainRecords(NOW, RECORD_TEXTS, {}, {key: (text,) for key, text in RECORD_TEXTS.items()})
    await repository.domain_records.write({f"domain-{number}.example.com": records for number in range(DOMAINS)})
    bytes_per_domain = (await memory_used(redis) - full) / DOMAINS
    slowest = await command_latencies(repository, watches)
    applied_per_s = watches / await timed(lambda: apply_all(repository, watches))

    later = Clock(NOW + timedelta(hours=5))
    poller = Poller(RedisRepository(redis, later), EmptyRunner(), later, PollerConfig())
    polled_per_s = watches / await timed(lambda: poll_all(poller))
    return Figures(bytes_each, bytes_per_domain, applied_per_s, polled_per_s, slowest)


async def add(repository: RedisRepository, watch: Watch) -> None:
    incident = Incident(watch.id, NOW, config=DOMAIN_CONFIG)
    assert await repository.add(watch, incident, NOW + timedelta(hours=1))


async def apply_all(repository: RedisRepository, watches: int) -> None:
    """Polls without changes, except for one in fifty, which updates the incident and notifies."""
    now, count = (NOW + timedelta(hours=2)).timestamp(), 0
    while claimed := await repository.watches.claim(now, LEASES_S, CLAIM_BATCH):
        results = []
        for claim in claimed:
            count += 1
            row = claim.watches[0]
            messages = [(f"letter-{count}", row.watch)]
            changes = [WatchUpdate(row, row.incident, messages)] if count % 50 == 0 else []
            results.append(PollResultRow(claim, changes, next_poll_at=now + 3600))
        assert set(await repository.watches.apply(results, now)) == {"done"}
    assert count == watches


async def poll_all(poller: Poller) -> None:
    while await poller.run_round():
        pass


async def command_latencies(repository: RedisRepository, watches: int) -> dict[str, float]:
    """The slowest of twenty adds, lists and removes in a full channel, in milliseconds."""
    slowest = {"add": 0.0, "list": 0.0, "remove": 0.0}
    for run in range(20):
        channel = numbered_watch(run * watches // 20).channel
        stored = (await repository.list_watches(channel))[0]
        added = replace(stored.watch, domain=f"n{run}.example.net")
        await repository.watches.remove(watch_entry(stored.watch))
        steps: dict[str, Callable[[], Awaitable[Any]]] = {
            "add": partial(repository.add, added, stored.incident, NOW),
            "list": partial(repository.list_watches, channel),
            "remove": partial(repository.remove, channel, added.id),
        }
        for name, step in steps.items():
            slowest[name] = max(slowest[name], 1000 * await timed(step))
        await repository.add(stored.watch, stored.incident, NOW + timedelta(hours=1))
    return slowest


async def timed(work: Callable[[], Awaitable[Any]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


async def memory_used(redis: Redis) -> int:
    return int((await redis.info("memory"))["used_memory"])


async def main(watches: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedValkey(Path(folder)) as server, open_client(server.url, 5.0) as redis:
            figures = await measure(redis, watches)
    latencies = ", ".join(f"{name} {ms:.1f} ms" for name, ms in figures.slowest_ms.items())
    print(f"{watches} watches: {figures.bytes_each:.0f} bytes each (goal: at most 900)")
    print(f"texts of records: {figures.bytes_per_domain:.0f} bytes per domain (goal: at most 2048)")
    print(f"claimed and applied: {figures.applied_per_s:.0f} a second from one process (goal: at least 10000)")
    print(f"whole rounds without the questions: {figures.polled_per_s:.0f} a second")
    print(f"slowest of twenty: {latencies} (goal: at most 50 ms)")
    return 0 if figures.meets_goals else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--watches", type=int, default=100_000)
    sys.exit(asyncio.run(main(parser.parse_args().watches)))
