"""A cold check over a slow line, against its critical path of DNS round trips.

`python -m benchmarks.cold_check`. Nothing is known beforehand but the pace of the line: no cache, no store, no list believed. Ours is the whole of `Checkup`, as chat and the command use it.
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

from benchmarks.running import CLIENT_CORE, CORES, line_server
from benchmarks.tables import Table, percentile, show
from bot.app import checks, now
from bot.check_runner import Checkup
from bot.checks.dnsbl import ProcessMemory, blocklist_check, load
from bot.models import Check, Order, Target
from bot.net.dns_client import Transport
from bot.net.dns_resolver import Resolver
from bot.net.nameservers import Server
from tests.support.audit_world import audit_zone
from tests.support.mail_world import GOOD, mail_world

CATALOGUE = load()
ROUND_TRIPS = 4  # the records of SPF: the domain, and three includes that name one another
OF_THE_LISTS = ("blocklist",)
OF_MAIL = ("blocklist", "ptr", "spf", "dmarc", "mx")
OF_THE_AUDIT = (*OF_MAIL, "network", "dkim", "dane", "bimi", "tls-rpt")


@dataclass(frozen=True, slots=True)
class Line:
    delay_ms: float
    loss: float

    def __str__(self) -> str:
        return f"{self.delay_ms:.0f} ms" + (f", {self.loss:.0%} loss" if self.loss else "")


LINES = [Line(delay, loss) for delay in (0, 30, 100) for loss in (0.0, 0.01)]


def mail_checkup(resolver: Resolver, names: Sequence[str], standings: ProcessMemory | None = None) -> Checkup:
    """The checks of those names, with nothing remembered but these standings."""
    lists = blocklist_check(CATALOGUE, {}, standings or ProcessMemory(), "line", now)
    chosen: list[tuple[str, Check]] = [(name, check) for name, check in checks(lists, True) if name in names]
    return Checkup(chosen, frozenset(), resolver, resolver.fresh(), now, special_allowed=True)


def _checkup(transport: Transport, names: Sequence[str], standings: ProcessMemory) -> Checkup:
    return mail_checkup(Resolver(transport, identity="line"), names, standings)


async def _one(transport: Transport, names: Sequence[str], at_once: int, warm: bool) -> tuple[list[float], int]:
    """The milliseconds of checks under way together, and how many of them gave a wrong verdict."""
    domain = "example.com" if "spf" in names else None
    standings = ProcessMemory()
    if warm:
        await _checkup(transport, names, standings).report(Order(Target.of(GOOD)))
    checkup = _checkup(transport, names, standings)
    gc.collect()  # of the rounds before, which is nobody's waiting

    async def timed(order: Order) -> tuple[float, bool]:
        started = time.perf_counter()
        report = await checkup.report(order)
        states = {finding.facts["state"] for finding in report.findings if finding.check == "blocklist"}
        return (time.perf_counter() - started) * 1e3, not states <= {"not_listed", "unknown"}

    orders = [Order(Target(ip_address(GOOD) + number, domain)) for number in range(at_once)]
    rows = await asyncio.gather(*map(timed, orders))
    return [took for took, _ in rows], sum(wrong for _, wrong in rows)


async def _round_trip(transport: Transport) -> float:
    times = []
    for number in range(11):
        started = time.perf_counter()
        await transport.query(f"n{number}.example", "A")
        times.append((time.perf_counter() - started) * 1e3)
    return median(times)


async def _row(
    name: str, port: int, line: Line, rounds: int, *, kind: tuple[Sequence[str], int, int, bool]
) -> list[str]:
    names, trips, at_once, warm = kind
    took, wrong = [], 0
    async with Transport([Server("127.0.0.1", port)]) as transport:
        trip = await _round_trip(transport)
        for _ in range(rounds + 1):
            times, bad = await _one(transport, names, at_once, warm)
            took.append(max(times))
            wrong += bad
    took = took[1:]
    path = trips * trip
    figures = [median(took), percentile(took, 0.95)]
    times_path = [f"{figure / path:.2f}" if line.delay_ms else "" for figure in figures]
    return [name, str(line), f"{path:.1f}", *(f"{figure:.1f}" for figure in figures), *times_path, str(wrong)]


def cold_table(rounds: int) -> Table:
    os.sched_setaffinity(0, {CLIENT_CORE})
    rows = []
    kinds: dict[str, tuple[Sequence[str], int, int, bool]] = {
        "lists, known to be good": (OF_THE_LISTS, 1, 1, True),
        "lists, cold": (OF_THE_LISTS, 1, 1, False),
        "whole, cold": (OF_MAIL, ROUND_TRIPS, 1, False),
        "the audit, cold": (OF_THE_AUDIT, ROUND_TRIPS, 1, False),
        "ten at once, cold, the slowest": (OF_MAIL, ROUND_TRIPS, 10, False),
    }
    for line in LINES:
        with line_server(audit_zone(), delay_ms=line.delay_ms, loss=line.loss) as port:
            for name, kind in kinds.items():
                rows.append(asyncio.run(_row(name, port, line, rounds, kind=kind)))
    os.sched_setaffinity(0, CORES)
    head = ["check", "line", "critical path, ms", "median ms", "p95 ms", "median ×", "p95 ×", "wrong"]
    return Table("One check over a line", head, rows)


def dead_lists_table(rounds: int) -> Table:
    """How long a person waits for a whole check where lists are dead, and how many of the others are shown."""
    rows = []
    zones = [blocklist.zone for blocklist in CATALOGUE.lists]
    for dead in (0, 1, 5):
        with line_server(mail_world(), dict.fromkeys(zones[:dead], "silent"), delay_ms=30) as port:
            times, shown = asyncio.run(_with_dead(Server("127.0.0.1", port), rounds))
        rows.append([str(dead), f"{median(times) / 1e3:.2f}", f"{max(times) / 1e3:.2f}", shown])
    return Table("A check with dead lists, 30 ms", ["dead", "median s", "longest s", "lists that answered"], rows)


async def _with_dead(server: Server, rounds: int) -> tuple[list[float], str]:
    times, shown = [], ""
    for _ in range(rounds):
        async with Transport([server]) as transport:
            started = time.perf_counter()
            report = await _checkup(transport, OF_MAIL, ProcessMemory()).report(Order(Target.of(GOOD, "example.com")))
            times.append((time.perf_counter() - started) * 1e3)
        states = [finding.facts["state"] for finding in report.findings if finding.check == "blocklist"]
        shown = f"{states.count('not_listed')} of {len(states)}"
    return times, shown


def tables(quick: bool) -> Iterator[Table]:
    yield cold_table(3 if quick else 20)
    yield dead_lists_table(1 if quick else 5)


if __name__ == "__main__":
    show(__doc__, tables)
