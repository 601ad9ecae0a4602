"""What is left after a great many questions, what forgers achieve, and how a person fares beside a sweep in the same process."""

from __future__ import annotations

import asyncio
import os
import time
from itertools import count
from statistics import median

from benchmarks.cold_check import OF_MAIL, mail_checkup
from benchmarks.running import line_server, list_server
from benchmarks.tables import Table, percentile
from benchmarks.world import addresses, zone_names
from bot.model import Answer, Order, Target
from bot.net.resolver import Resolver
from bot.net.servers import Server
from bot.net.transport import Transport
from tests.dns_replies import FORGERIES
from tests.dns_server import serve
from tests.mail_world import GOOD, mail_world

AT_ONCE = 64
TICK_S = 0.005


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
    """Each true answer comes behind a forged one: wrong id, question, letter case or sender, garbage, cut."""
    rows = asyncio.run(_forged(questions))
    return Table("Forged packets", ["questions", "forged packets seen", "believed"], [rows])


async def _forged(questions: int) -> list[str]:
    words = [f"{word}-first" for word in FORGERIES]
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
    """A person's whole check over and over, alone and beside a sweep of 40 lists, two of which fail; 30 ms to the server."""
    zones = zone_names(40)
    faults = {zones[0]: "silent", zones[1]: "servfail"}
    with line_server(mail_world(), faults, delay_ms=30) as port:
        rows = asyncio.run(_beside(port, count_of_addresses, zones))
    head = ["", "person's check, median ms", "p95 ms", "loop lag, p99 ms", "largest ms"]
    return Table(f"A person beside a sweep of {count_of_addresses:,} × 40", head, rows)


async def _beside(port: int, sweep: int, zones: list[str]) -> list[list[str]]:
    rows = []
    async with Transport([Server("127.0.0.1", port)]) as transport:
        for name, labels in {
            "alone": [],
            "beside a sweep": [f"{n % 250}.{n // 250}.0.10" for n in range(sweep)],
        }.items():
            lags: list[float] = []
            watching = asyncio.create_task(_watch(lags))
            sweeping = asyncio.create_task(_sweep(transport, labels, zones))
            times = []
            for number in count():
                if (labels and sweeping.done()) or (not labels and number == 20):
                    break
                checkup = mail_checkup(Resolver(transport, identity="line"), OF_MAIL)
                started = time.perf_counter()
                await checkup.report(Order(Target.of(GOOD, "example.com")))
                times.append((time.perf_counter() - started) * 1e3)
            await sweeping
            watching.cancel()
            figures = [median(times), percentile(times, 0.95), percentile(lags, 0.99), max(lags)]
            rows.append([name, *(f"{figure:.1f}" for figure in figures)])
    return rows


async def _watch(lags: list[float]) -> None:
    """How much later than wanted the loop comes back, in milliseconds."""
    while True:
        started = time.perf_counter()
        await asyncio.sleep(TICK_S)
        lags.append((time.perf_counter() - started - TICK_S) * 1e3)
