"""Watches in the embedded server: what each costs in memory, how fast they are claimed and stored, and how long people wait.

`python -m benchmarks.watches [--watches 100000]`. Every watch is a subject of its own, with the settings of a domain
remembered, and every look is due at once. The goals: at most 700 bytes a watch, 10,000 claimed and applied a second by one
process, and at most 50 ms to add, list or remove.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from bot.models import Order, Report, Role
from bot.monitoring.models import Incident, Room, Watch
from bot.monitoring.poller import AT_A_TIME, LEASES_S, Rules, Sweep
from bot.monitoring.repository import Register
from bot.monitoring.serialization import entry_of
from bot.storage.embedded_valkey import Embedded
from bot.storage.redis_client import client
from bot.storage.watch_store import Change, Ended

AT_ONCE = 50
NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
NORMAL = {
    "ptr": "mail.example.com",
    "spf": "pass",
    "spf-limits": "within the limits",
    "dmarc": "quarantine",
    "mx": "10 mx1.example.com, 20 mx2.example.com",
}


@dataclass(frozen=True, slots=True)
class Figures:
    bytes_each: float
    applied_per_s: float  # claimed and applied, as texts
    swept_per_s: float  # by whole rounds, with nothing to ask
    slowest_ms: dict[str, float]

    @property
    def good(self) -> bool:
        return self.bytes_each <= 700 and self.applied_per_s >= 10_000 and max(self.slowest_ms.values()) <= 50


class Quiet:
    """A checkup that finds nothing, in no time."""

    async def report(self, order: Order, fresh: bool = False) -> Report:
        return Report(order, NOW + timedelta(hours=2), (), 0, int(fresh))


def watch(number: int) -> Watch:
    """50 watches in a room, 500 in a workspace."""
    room = Room("slack", f"T0{number // 500:07d}", f"C0{number // 50:08d}")
    network = ip_network(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}/32")
    return Watch(room, network, "mail.example.com", Role.MTA, timedelta(hours=1), "U0123ABCD", NOW, "HQ egress")


async def measure(redis: Redis, watches: int) -> Figures:
    register = Register(redis, lambda: NOW + timedelta(hours=2))
    await asyncio.gather(*(redis.ping() for _ in range(AT_ONCE)))  # connections have buffers, watches need none of them
    empty = await used(redis)
    for start in range(0, watches, AT_ONCE):
        await asyncio.gather(*(add(register, watch(n)) for n in range(start, min(start + AT_ONCE, watches))))
    bytes_each = (await used(redis) - empty) / watches
    slowest = await waits(register, watches)
    applied_per_s = watches / await timed(lambda: apply_all(register, watches))
    sweep = Sweep(Register(redis, lambda: NOW + timedelta(hours=5)), Quiet(), lambda: NOW + timedelta(hours=5), Rules())
    swept_per_s = watches / await timed(lambda: sweep_all(sweep))
    return Figures(bytes_each, applied_per_s, swept_per_s, slowest)


async def add(register: Register, one: Watch) -> None:
    assert await register.add(one, Incident(one.id, NOW, settings=NORMAL), NOW + timedelta(hours=1))


async def apply_all(register: Register, watches: int) -> None:
    """Looks that find nothing new, but for one in fifty: there the incident changes and a letter is written."""
    now, done = (NOW + timedelta(hours=2)).timestamp(), 0
    while claimed := await register.watches.claim(now, LEASES_S, AT_A_TIME):
        ends = []
        for one in claimed:
            done += 1
            kept = one.watches[0]
            changes = [Change(kept, kept.incident, [(f"letter-{done}", kept.watch)])] if done % 50 == 0 else []
            ends.append(Ended(one, changes, look_at=now + 3600))
        assert set(await register.watches.apply(ends, now)) == {"done"}
    assert done == watches


async def sweep_all(sweep: Sweep) -> None:
    while await sweep.round():
        pass


async def waits(register: Register, watches: int) -> dict[str, float]:
    """The slowest of twenty times that a person adds, lists and removes in a full room, in milliseconds."""
    slowest = {"add": 0.0, "list": 0.0, "remove": 0.0}
    for turn in range(20):
        room = watch(turn * watches // 20).room
        kept = await register.of_room(room)
        other = replace(kept[0].watch, domain=f"n{turn}.example.net")
        await register.watches.remove(entry_of(kept[0].watch))
        steps: dict[str, Callable[[], Awaitable[Any]]] = {
            "add": partial(register.add, other, kept[0].incident, NOW),
            "list": partial(register.of_room, room),
            "remove": partial(register.remove, room, other.id),
        }
        for name, step in steps.items():
            slowest[name] = max(slowest[name], 1000 * await timed(step))
        await register.add(kept[0].watch, kept[0].incident, NOW + timedelta(hours=1))
    return slowest


async def timed(work: Callable[[], Awaitable[Any]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


async def used(redis: Redis) -> int:
    return int((await redis.info("memory"))["used_memory"])


async def main(watches: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        async with Embedded(Path(folder)) as server, client(server.url, 5.0) as redis:
            figures = await measure(redis, watches)
    waited = ", ".join(f"{name} {ms:.1f} ms" for name, ms in figures.slowest_ms.items())
    print(f"{watches} watches: {figures.bytes_each:.0f} bytes each (goal: at most 700)")
    print(f"claimed and applied: {figures.applied_per_s:.0f} a second from one process (goal: at least 10000)")
    print(f"whole rounds without the questions: {figures.swept_per_s:.0f} a second")
    print(f"slowest of twenty: {waited} (goal: at most 50 ms)")
    return 0 if figures.good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--watches", type=int, default=100_000)
    sys.exit(asyncio.run(main(parser.parse_args().watches)))
