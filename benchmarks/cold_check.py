"""A check with empty caches over a slow link, compared with its critical path of DNS round trips.

`python -m benchmarks.cold_check`. Only the round-trip time of the server is known in advance: no
cache, no store, no trusted list. Runs the whole `CheckRunner`, as chat and the CLI do.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from statistics import median

from benchmarks.running import CLIENT_CORE, CORES, delayed_dns_server
from benchmarks.tables import Table, percentile, show
from bot.check_runner import CheckRunner
from bot.checks.dnsbl import InMemoryTrustCache, blocklist_check, load
from bot.checks.registry import Clients, bind
from bot.models import CheckRequest, Target
from bot.net.dns_client import DnsClient
from bot.net.dns_resolver import Resolver
from bot.net.nameservers import Server
from bot.storage.redis_clock import RedisClock
from tests.support.audit_world import audit_zone
from tests.support.mail_world import GOOD, mail_world

CATALOG = load()
ROUND_TRIPS = 4  # SPF: the domain and three nested includes
LIST_CHECKS = ("blocklist",)
MAIL_CHECKS = ("blocklist", "ptr", "spf", "dmarc", "mx")
AUDIT_CHECKS = (*MAIL_CHECKS, "network", "dkim", "dane", "bimi", "tls-rpt")


@dataclass(frozen=True, slots=True)
class Link:
    delay_ms: float
    loss: float

    def __str__(self) -> str:
        return f"{self.delay_ms:.0f} ms" + (f", {self.loss:.0%} loss" if self.loss else "")


LINKS = [Link(delay, loss) for delay in (0, 30, 100) for loss in (0.0, 0.01)]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Checks to run, round trips of their critical path, and how many run at a time.

    `warm`: the lists have been checked before.
    """

    name: str
    checks: Sequence[str]
    round_trips: int = ROUND_TRIPS
    concurrency: int = 1
    warm: bool = False


SCENARIOS = (
    Scenario("lists, known to be good", LIST_CHECKS, round_trips=1, warm=True),
    Scenario("lists, cold", LIST_CHECKS, round_trips=1),
    Scenario("whole, cold", MAIL_CHECKS),
    Scenario("the audit, cold", AUDIT_CHECKS),
    Scenario("ten at once, cold, the slowest", MAIL_CHECKS, concurrency=10),
)


def check_runner(resolver: Resolver, names: Sequence[str], trust: InMemoryTrustCache | None = None) -> CheckRunner:
    """The checks with these names, with empty caches except for the trust of lists."""
    lists = blocklist_check(CATALOG, {}, trust or InMemoryTrustCache(), "line", RedisClock(None))
    selected = [spec for spec in bind(Clients(lists, allow_special=True)) if spec.id in names]
    return CheckRunner(selected, resolver, resolver.fresh(), RedisClock(None), allow_special=True)


def _cold_runner(client: DnsClient, names: Sequence[str], trust: InMemoryTrustCache) -> CheckRunner:
    return check_runner(Resolver(client, identity="line"), names, trust)


async def _run(client: DnsClient, scenario: Scenario) -> tuple[list[float], int]:
    """Milliseconds of concurrent checks, and how many had a wrong verdict."""
    domain = "example.com" if "spf" in scenario.checks else None
    trust = InMemoryTrustCache()
    if scenario.warm:
        await _cold_runner(client, scenario.checks, trust).run(CheckRequest(Target.of(GOOD)))
    runner = _cold_runner(client, scenario.checks, trust)
    gc.collect()  # garbage of earlier rounds is not part of the measurement

    async def timed(request: CheckRequest) -> tuple[float, bool]:
        started = time.perf_counter()
        report = await runner.run(request)
        states = {finding.facts["state"] for finding in report.findings if finding.check == "blocklist"}
        return (time.perf_counter() - started) * 1e3, not states <= {"not_listed", "unknown"}

    addresses = [ip_address(GOOD) + number for number in range(scenario.concurrency)]
    rows = await asyncio.gather(*(timed(CheckRequest(Target(ip, domain))) for ip in addresses))
    return [time_ms for time_ms, _ in rows], sum(wrong for _, wrong in rows)


async def _round_trip_ms(client: DnsClient) -> float:
    times = []
    for number in range(11):
        started = time.perf_counter()
        await client.query(f"n{number}.example", "A")
        times.append((time.perf_counter() - started) * 1e3)
    return median(times)


async def _row(scenario: Scenario, port: int, link: Link, rounds: int) -> list[str]:
    slowest, wrong = [], 0
    async with DnsClient([Server("127.0.0.1", port)]) as client:
        round_trip_ms = await _round_trip_ms(client)
        for _ in range(rounds + 1):
            times, wrong_verdicts = await _run(client, scenario)
            slowest.append(max(times))
            wrong += wrong_verdicts
    slowest = slowest[1:]  # the first round warms up the process
    path_ms = scenario.round_trips * round_trip_ms
    figures = [median(slowest), percentile(slowest, 0.95)]
    ratios = [f"{figure / path_ms:.2f}" if link.delay_ms else "" for figure in figures]
    return [scenario.name, str(link), f"{path_ms:.1f}", *(f"{figure:.1f}" for figure in figures), *ratios, str(wrong)]


def cold_table(rounds: int) -> Table:
    os.sched_setaffinity(0, {CLIENT_CORE})
    rows = []
    for link in LINKS:
        with delayed_dns_server(audit_zone(), delay_ms=link.delay_ms, loss=link.loss) as port:
            for scenario in SCENARIOS:
                rows.append(asyncio.run(_row(scenario, port, link, rounds)))
    os.sched_setaffinity(0, CORES)
    head = ["check", "line", "critical path, ms", "median ms", "p95 ms", "median ×", "p95 ×", "wrong"]
    return Table("One check over a line", head, rows)


def dead_lists_table(rounds: int) -> Table:
    """Duration of a whole check while some lists are dead, and how many others have results."""
    rows = []
    zones = [blocklist.zone for blocklist in CATALOG.lists]
    for dead in (0, 1, 5):
        faults = dict.fromkeys(zones[:dead], "silent")
        with delayed_dns_server(mail_world(), faults, delay_ms=30) as port:
            times, answered = asyncio.run(_with_dead_lists(Server("127.0.0.1", port), rounds))
        rows.append([str(dead), f"{median(times) / 1e3:.2f}", f"{max(times) / 1e3:.2f}", answered])
    head = ["dead", "median s", "longest s", "lists that answered"]
    return Table("A check with dead lists, 30 ms", head, rows)


async def _with_dead_lists(server: Server, rounds: int) -> tuple[list[float], str]:
    request = CheckRequest(Target.of(GOOD, "example.com"))
    times, answered = [], ""
    for _ in range(rounds):
        async with DnsClient([server]) as client:
            started = time.perf_counter()
            runner = _cold_runner(client, MAIL_CHECKS, InMemoryTrustCache())
            report = await runner.run(request)
            times.append((time.perf_counter() - started) * 1e3)
        states = [finding.facts["state"] for finding in report.findings if finding.check == "blocklist"]
        answered = f"{states.count('not_listed')} of {len(states)}"
    return times, answered


def tables(quick: bool) -> Iterator[Table]:
    yield cold_table(3 if quick else 20)
    yield dead_lists_table(1 if quick else 5)


if __name__ == "__main__":
    show(__doc__, tables)
