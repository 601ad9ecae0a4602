"""What is left after a great many questions, what forgers achieve, and how a person fares beside a sweep in the same process.

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

from benchmarks.cold_check import OF_MAIL, mail_checkup
from benchmarks.running import line_server, list_server
from benchmarks.tables import Table, percentile, ratio, show
from benchmarks.world import addresses, write_catalogue, zone_names
from bot.app import checks, now
from bot.check_runner import Checkup
from bot.checks.dnsbl import ProcessMemory, blocklist_check, load
from bot.checks.dnsbl.catalog import Catalogue
from bot.models import Answer, Order, Target
from bot.net.dns_client import Transport
from bot.net.dns_resolver import Resolver
from bot.net.nameservers import Server
from handlers.cli.bulk_check import Line, sweep
from tests.support.dns_replies import FORGERIES
from tests.support.dns_server import serve
from tests.support.mail_world import GOOD, mail_world

AT_ONCE = 64
TICK_S = 0.005
LEAST_CHECKS = 20
OPENED_AFTER = 200  # addresses


async def _sweep(transport: Transport, labels: list[str], zones: list[str]) -> list[Answer]:
    """The answers of all rounds that hold a record."""
    waiting, found = iter(labels), []

    async def work() -> None:
        for label in waiting:
            for outcome in await transport.ask_all(label, zones):
                if isinstance(outcome, Answer) and outcome.records:
                    found.append(outcome)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return found


def left_behind_table(questions: int) -> Table:
    """In flight, open files and tasks after so many questions."""
    with list_server(2_000) as port:
        row = asyncio.run(_left_behind(port, questions))
    return Table("Left behind", ["questions", "still in flight", "files more than at the start", "tasks"], [row])


async def _left_behind(port: int, questions: int) -> list[str]:
    before, zones = len(os.listdir("/proc/self/fd")), zone_names()
    labels = [".".join(reversed(address.split("."))) for address in addresses(questions // len(zones))]
    async with Transport([Server("127.0.0.1", port)]) as transport:
        await _sweep(transport, labels, zones)
        in_flight = transport.in_flight
    files, tasks = len(os.listdir("/proc/self/fd")) - before, len(asyncio.all_tasks()) - 1
    return [f"{questions:,}", str(in_flight), str(files), str(tasks)]


def forgeries_table(questions: int) -> Table:
    """Each true answer comes behind a forged one (wrong id, question, letter case or sender, garbage, cut) or out of turn."""
    rows = asyncio.run(_forged(questions))
    return Table("Forged and reordered packets", ["questions", "forged packets seen", "wrong answers"], [rows])


async def _forged(questions: int) -> list[str]:
    words = [*(f"{word}-first" for word in FORGERIES), "shuffled"]
    zones = [f"{word}.example" for word in words]
    labels = [str(number) for number in range(questions // len(zones))]
    truth = {f"{label}.{zone}": {"A": ["127.0.0.2"]} for label in labels[::2] for zone in zones}
    async with (
        serve(truth, faults=dict(zip(zones, words, strict=True))) as server,
        Transport([Server(server.host, server.port)]) as transport,
    ):
        await transport.query("t.example", "A")
        found = await _sweep(transport, labels, zones)
        seen = transport.upstreams[0].counters
    wrong = [answer for answer in found if answer.records != ("127.0.0.2",)]
    dropped = seen.unexpected + seen.mismatched + seen.miscased + seen.garbled
    return [f"{questions:,}", f"{dropped:,}", str(len(wrong) + abs(len(truth) - len(found)))]


def beside_table(count_of_addresses: int) -> Table:
    """A person's whole check over and over, alone and beside a sweep at 40 lists, two of which fail; 30 ms to the server."""
    zones = zone_names(40)
    faults = {zones[0]: "silent", zones[1]: "servfail"}
    points = {f"2.0.0.127.{zone}": {"A": ["127.0.0.2"]} for zone in zones}
    with tempfile.TemporaryDirectory() as folder, line_server({**mail_world(), **points}, faults, delay_ms=30) as port:
        write_catalogue(Path(folder) / "lists.toml", zones)
        rows = asyncio.run(_beside(port, count_of_addresses, load(Path(folder) / "lists.toml")))
    head = ["", "person's check, median ms", "p95 ms", "× alone", "loop lag, p99 ms", "largest ms"]
    return Table(f"A person beside a sweep of {count_of_addresses:,} × 40", head, rows)


async def _beside(port: int, count_of_addresses: int, swept: Catalogue) -> list[list[str]]:
    """The sweep makes its reports as `mailcheck check --file` does, in the process that answers the person."""
    rows = []
    alone = 0.0
    async with Transport([Server("127.0.0.1", port)]) as transport:
        for name, number in (("alone", 0), ("beside a sweep", count_of_addresses)):
            lags: list[float] = []
            watching = asyncio.create_task(_watch(lags))
            sweeping = asyncio.create_task(_reports(transport, swept, number))
            times: list[float] = []
            while not sweeping.done() or len(times) < LEAST_CHECKS:
                checkup = mail_checkup(Resolver(transport, identity="line"), OF_MAIL)
                started = time.perf_counter()
                await checkup.report(Order(Target.of(GOOD, "example.com")))
                times.append((time.perf_counter() - started) * 1e3)
            assert await sweeping == number
            watching.cancel()
            alone = alone or median(times)
            times_alone = f"{median(times) / alone:.2f}"
            lag = [f"{percentile(lags, 0.99):.1f}", f"{max(lags):.1f}"]
            rows.append([name, f"{median(times):.1f}", f"{percentile(times, 0.95):.1f}", times_alone, *lag])
    return rows


async def _reports(transport: Transport, swept: Catalogue, number: int) -> int:
    """Sweeps that many addresses; returns how many reports there were."""
    lookup = Resolver(transport, identity="line").sweeping()
    lists = blocklist_check(swept, {}, ProcessMemory(), "line", now)
    checkup = Checkup(checks(lists, True)[:3], frozenset(), lookup, lookup, now, special_allowed=True)
    lines = (Line(n, (Order(Target.of(address)),)) for n, address in enumerate(addresses(number)))
    return len([report async for _, reports in sweep(checkup, lines, fresh=False) for report in reports])


async def _watch(lags: list[float]) -> None:
    """How much later than wanted the loop comes back, in milliseconds."""
    while True:
        started = time.perf_counter()
        await asyncio.sleep(TICK_S)
        lags.append((time.perf_counter() - started - TICK_S) * 1e3)


def breaker_table(count_of_addresses: int, rounds: int) -> Table:
    """What a dead list of fifty still costs a sweep that has noticed."""
    zones = zone_names()
    walls: dict[bool, list[float]] = {False: [], True: []}
    asked = 0
    with line_server({}, {zones[-1]: "silent"}) as port:
        for _ in range(rounds):
            for dead in (False, True):
                wall, sent = asyncio.run(_after_opening(port, zones if dead else zones[:-1], count_of_addresses))
                walls[dead].append(wall)
                asked = sent - count_of_addresses * (len(zones) - 1) if dead else asked
    row = [*(f"{median(walls[dead]):.2f}" for dead in (False, True)), ratio(walls[True], walls[False]), str(asked)]
    head = ["without it, wall s", "with it, wall s", "ratio", "datagrams to the dead list"]
    return Table(f"A dead list of fifty once it is given up, {count_of_addresses:,} addresses", head, [row])


async def _after_opening(port: int, zones: list[str], count_of_addresses: int) -> tuple[float, int]:
    """Seconds and datagrams of a sweep, after a first part in which silence is found out."""
    labels = [".".join(reversed(address.split("."))) for address in addresses(OPENED_AFTER + count_of_addresses)]
    async with Transport([Server("127.0.0.1", port)]) as transport:
        counters = transport.upstreams[0].counters
        await _sweep(transport, labels[:OPENED_AFTER], zones)
        started, before = time.perf_counter(), counters.sent + counters.resent
        await _sweep(transport, labels[OPENED_AFTER:], zones)
        return time.perf_counter() - started, counters.sent + counters.resent - before


def tables(quick: bool) -> Iterator[Table]:
    yield beside_table(1_000)
    yield breaker_table(1_000 if quick else 5_000, 1 if quick else 5)
    yield forgeries_table(10_000 if quick else 100_000)
    yield left_behind_table(100_000 if quick else 1_000_000)


if __name__ == "__main__":
    show(__doc__, tables)
