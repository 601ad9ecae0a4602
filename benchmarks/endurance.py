"""Leaks after many queries, forged replies, and interactive checks beside a bulk check.

`python -m benchmarks.endurance`.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.cold_check import MAIL_CHECKS, check_runner
from benchmarks.running import delayed_dns_server, list_server
from benchmarks.tables import Table, percentile, ratio, show
from benchmarks.world import addresses, write_catalog, zone_names
from bot.check_runner import CheckRunner
from bot.checks.dnsbl import InMemoryTrustCache, blocklist_check, load
from bot.checks.dnsbl.catalog import Catalog
from bot.checks.registry import Clients, bind
from bot.models import CheckRequest, DnsAnswer, Target
from bot.net.dns_client import DnsClient
from bot.net.dns_resolver import Resolver
from bot.net.nameservers import Server
from bot.storage.redis_clock import RedisClock
from handlers.cli.bulk_check import Line, run_lines
from tests.support.dns_replies import FORGERIES
from tests.support.dns_server import serve
from tests.support.mail_world import GOOD, mail_world

CONCURRENCY = 64
TICK_S = 0.005
MIN_CHECKS = 20
BULK_CHECKS = ("blocklist", "ptr")
BREAKER_WARM_UP = 200  # addresses until the circuit breaker has opened


async def _query_all(client: DnsClient, labels: list[str], zones: list[str]) -> list[DnsAnswer]:
    """The positive answers of all labels at all zones."""
    waiting, answers = iter(labels), []

    async def work() -> None:
        for label in waiting:
            for result in await client.query_many(label, zones):
                if isinstance(result, DnsAnswer) and result.records:
                    answers.append(result)

    await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
    return answers


def leak_table(queries: int) -> Table:
    """Queries in flight, open files and tasks after that many queries."""
    with list_server(2_000) as port:
        row = asyncio.run(_leaks(port, queries))
    head = ["questions", "still in flight", "files more than at the start", "tasks"]
    return Table("Left behind", head, [row])


async def _leaks(port: int, queries: int) -> list[str]:
    files_before, zones = len(os.listdir("/proc/self/fd")), zone_names()
    labels = [_label(address) for address in addresses(queries // len(zones))]
    async with DnsClient([Server("127.0.0.1", port)]) as client:
        await _query_all(client, labels, zones)
        pending = client.in_flight
    files = len(os.listdir("/proc/self/fd")) - files_before
    tasks = len(asyncio.all_tasks()) - 1
    return [f"{queries:,}", str(pending), str(files), str(tasks)]


def _label(address: str) -> str:
    return ".".join(reversed(address.split(".")))


def forgery_table(queries: int) -> Table:
    """Each reply arrives after a forged one or out of order.

    Forged: id, question, letter case or sender; or the reply is garbage or truncated.
    """
    row = asyncio.run(_forgeries(queries))
    head = ["questions", "forged packets sent", "wrong answers"]
    return Table("Forged and reordered packets", head, [row])


async def _forgeries(queries: int) -> list[str]:
    faults = [*(f"{forgery}-first" for forgery in FORGERIES), "shuffled"]
    zones = [f"{fault}.example" for fault in faults]
    labels = [str(number) for number in range(queries // len(zones))]
    listed = {f"{label}.{zone}": {"A": ["127.0.0.2"]} for label in labels[::2] for zone in zones}
    async with (
        serve(listed, faults=dict(zip(zones, faults, strict=True))) as server,
        DnsClient([Server(server.host, server.port)]) as client,
    ):
        await client.query("t.example", "A")
        answers = await _query_all(client, labels, zones)
    wrong = [answer for answer in answers if answer.records != ("127.0.0.2",)]
    forged = len(labels) * len(FORGERIES)  # at least: one before each answer
    errors = len(wrong) + abs(len(listed) - len(answers))
    return [f"{queries:,}", f"{forged:,}", str(errors)]


def interactive_table(address_count: int) -> Table:
    """Repeated interactive checks, alone and beside a bulk check at 40 lists.

    Two of the lists fail; the round trip is 30 ms.
    """
    zones = zone_names(40)
    faults = {zones[0]: "silent", zones[1]: "servfail"}
    points = {f"2.0.0.127.{zone}": {"A": ["127.0.0.2"]} for zone in zones}
    with (
        tempfile.TemporaryDirectory() as folder,
        delayed_dns_server({**mail_world(), **points}, faults, delay_ms=30) as port,
    ):
        write_catalog(Path(folder) / "lists.toml", zones)
        rows = asyncio.run(_interactive(port, address_count, load(Path(folder) / "lists.toml")))
    head = ["", "person's check, median ms", "p95 ms", "× alone", "loop lag, p99 ms", "largest ms"]
    return Table(f"A person beside a sweep of {address_count:,} × 40", head, rows)


async def _interactive(port: int, address_count: int, catalog: Catalog) -> list[list[str]]:
    """The bulk check runs as in `mailcheck check --file`, in the process of the interactive one."""
    rows = []
    alone_ms = 0.0
    async with DnsClient([Server("127.0.0.1", port)]) as client:
        for name, count in (("alone", 0), ("beside a sweep", address_count)):
            lags: list[float] = []
            lag_task = asyncio.create_task(_measure_loop_lag(lags))
            bulk_task = asyncio.create_task(_bulk_reports(client, catalog, count))
            times: list[float] = []
            while not bulk_task.done() or len(times) < MIN_CHECKS:
                runner = check_runner(Resolver(client, identity="line"), MAIL_CHECKS)
                started = time.perf_counter()
                await runner.run(CheckRequest(Target.of(GOOD, "example.com")))
                times.append((time.perf_counter() - started) * 1e3)
            assert await bulk_task == count
            lag_task.cancel()
            alone_ms = alone_ms or median(times)
            rows.append(
                [
                    name,
                    f"{median(times):.1f}",
                    f"{percentile(times, 0.95):.1f}",
                    f"{median(times) / alone_ms:.2f}",
                    f"{percentile(lags, 0.99):.1f}",
                    f"{max(lags):.1f}",
                ]
            )
    return rows


async def _bulk_reports(client: DnsClient, catalog: Catalog, count: int) -> int:
    """Bulk check of that many addresses; returns the number of reports."""
    lookup = Resolver(client, identity="line").bulk()
    lists = blocklist_check(catalog, {}, InMemoryTrustCache(), "line", RedisClock(None))
    checks = [spec for spec in bind(Clients(lists, allow_special=True)) if spec.id in BULK_CHECKS]
    runner = CheckRunner(checks, lookup, lookup, RedisClock(None), allow_special=True)
    lines = (Line(n, (CheckRequest(Target.of(address)),)) for n, address in enumerate(addresses(count)))
    return sum([len(reports) async for _, reports in run_lines(runner, lines, fresh=False)])


async def _measure_loop_lag(lags: list[float]) -> None:
    """Append how much later than scheduled the loop wakes up, in milliseconds."""
    while True:
        started = time.perf_counter()
        await asyncio.sleep(TICK_S)
        lags.append((time.perf_counter() - started - TICK_S) * 1e3)


def breaker_table(address_count: int, rounds: int) -> Table:
    """Cost of a dead list of fifty after its circuit breaker has opened."""
    zones = zone_names()
    walls: dict[bool, list[float]] = {False: [], True: []}
    dead_list_datagrams = 0
    with delayed_dns_server({}, {zones[-1]: "silent"}) as port:
        for _ in range(rounds):
            for dead in (False, True):
                queried = zones if dead else zones[:-1]
                wall_s, sent = asyncio.run(_with_open_breaker(port, queried, address_count))
                walls[dead].append(wall_s)
                if dead:
                    dead_list_datagrams = sent - address_count * (len(zones) - 1)
    row = [
        f"{median(walls[False]):.2f}",
        f"{median(walls[True]):.2f}",
        ratio(walls[True], walls[False]),
        str(dead_list_datagrams),
    ]
    head = ["without it, wall s", "with it, wall s", "ratio", "datagrams to the dead list"]
    title = f"A dead list of fifty once it is given up, {address_count:,} addresses"
    return Table(title, head, [row])


async def _with_open_breaker(port: int, zones: list[str], address_count: int) -> tuple[float, int]:
    """Seconds and datagrams of a bulk check, after a first part that opens the breaker."""
    labels = [_label(address) for address in addresses(BREAKER_WARM_UP + address_count)]
    async with DnsClient([Server("127.0.0.1", port)]) as client:
        counters = client.upstreams[0].counters
        await _query_all(client, labels[:BREAKER_WARM_UP], zones)
        started, sent_before = time.perf_counter(), counters.sent + counters.retried
        await _query_all(client, labels[BREAKER_WARM_UP:], zones)
        return time.perf_counter() - started, counters.sent + counters.retried - sent_before


def tables(quick: bool) -> Iterator[Table]:
    yield interactive_table(1_000)
    yield breaker_table(1_000 if quick else 5_000, 1 if quick else 5)
    yield forgery_table(10_000 if quick else 100_000)
    yield leak_table(100_000 if quick else 1_000_000)


if __name__ == "__main__":
    show(__doc__, tables)
