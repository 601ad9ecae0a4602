"""What lists and resolvers do at their worst, seen by the real sweep: a real DNS server, a real store, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from benchmarks.world import write_catalogue
from bot.check_runner import Checkup
from bot.checks.dnsbl import ProcessMemory, blocklist_check, load
from bot.checks.dnsbl.zones import zones
from bot.monitoring.interfaces import Letter
from bot.monitoring.models import Room
from bot.monitoring.poll import for_watching
from bot.monitoring.poller import Rules, Sweep
from bot.monitoring.query_budget import unproven
from bot.monitoring.repository import Register
from bot.net.dns_client import Transport
from bot.net.dns_resolver import Resolver
from bot.net.nameservers import Server
from bot.storage.watch_store import ASKS, LOOKS, TELLS
from tests.support.dns_server import DnsServer, serve
from tests.support.stored_watches import Clock, baseline, numbered

LISTS = ("wild.example", "other.example")
POINTS = {f"2.0.0.127.{zone}": {"A": ["127.0.0.2"]} for zone in LISTS}
HOUR = timedelta(hours=1)


@dataclass
class Watched:
    """Watches with the lists that they are looked up in; `lies` is what a zone says to every question from now on."""

    dns: DnsServer
    register: Register
    sweep: Sweep
    clock: Clock

    async def add(self, number: int) -> None:
        for n in range(number):
            watch = numbered(n, Room("slack", f"T{n // 500}", f"C{n // 50}"))
            due = self.clock() + n * HOUR / number
            assert await self.register.add(watch, baseline(watch, now=self.clock()), due)

    def lies(self, word: str, *lists: str) -> None:
        self.dns.faults.update(dict.fromkeys(lists, word))

    async def pass_by(self, length: timedelta, step: float = 60.0) -> list[Letter]:
        """The letters that rooms got meanwhile."""
        until, told = self.clock() + length, []
        while self.clock() < until:
            self.clock.add(step)
            for schedule in (LOOKS, ASKS, TELLS):
                while await self.sweep.round(schedule):
                    pass
            for room in await self.register.rooms():
                while letter := await self.register.first(room):
                    told.append(letter)
                    await self.register.sent(letter, f"{len(told)}.0")
        return told

    async def notes(self) -> list[str]:
        return [f"{note.reason} {' '.join(note.lists)}" for note in await self.register.list_notes()]


@asynccontextmanager
async def watching(redis: Redis, folder: Path) -> AsyncIterator[Watched]:
    clock = Clock()
    write_catalogue(folder / "lists.toml", LISTS, severity="high")
    catalogue = load(folder / "lists.toml")
    async with serve(POINTS) as dns, Transport([Server(dns.host, dns.port)]) as transport:
        resolver = Resolver(transport, identity="here")
        lists = blocklist_check(catalogue, {}, ProcessMemory(), "here", clock)
        checkup = Checkup((("blocklist", lists),), frozenset(), resolver, resolver.fresh(), clock, special_allowed=True)
        looks = for_watching(checkup, resolver.sweeping(), resolver.sweeping(fresh=True))
        register = Register(redis, clock)
        rules = Rules(unproven=unproven(zones(catalogue, {})))
        yield Watched(dns, register, Sweep(register, looks, clock, rules), clock)


@pytest.mark.parametrize("number", [1, 10, 1000])
async def test_a_list_that_lists_the_world_is_one_note_and_no_alert(number: int, redis: Redis, tmp_path: Path) -> None:
    """Few watches are looked at one by one, and many break the list before the first second look."""
    async with watching(redis, tmp_path) as here:
        await here.add(number)
        assert await here.pass_by(timedelta(minutes=10)) == []
        here.lies("lie", "wild.example")
        assert await here.pass_by(1.2 * HOUR) == []
        assert await here.notes() == ["quarantined wild-example"]


async def test_a_list_that_is_right_again_is_believed_again(redis: Redis, tmp_path: Path) -> None:
    async with watching(redis, tmp_path) as here:
        await here.add(20)
        await here.pass_by(HOUR)
        here.lies("lie", "wild.example")
        assert await here.pass_by(HOUR) == []
        here.dns.faults.clear()
        assert await here.pass_by(HOUR) == []
        here.dns.change({"7.0.0.10.wild.example": {"A": ["127.0.0.2"]}})
        (letter,) = await here.pass_by(1.2 * HOUR)
        assert (letter.watch.subject, letter.alert.reason) == ("10.0.0.7", "opened")
        assert await here.notes() == ["trusted wild-example", "quarantined wild-example"]


async def test_a_resolver_that_strips_loopback_answers_clears_nothing(redis: Redis, tmp_path: Path) -> None:
    """As unbound (`private-address: 127.0.0.0/8`) and dnsmasq (`--stop-dns-rebind`) do."""
    async with watching(redis, tmp_path) as here:
        await here.add(20)
        listed = [5 * n for n in range(4)]
        here.dns.change({f"{n}.0.0.10.{zone}": {"A": ["127.0.0.2"]} for n in listed for zone in LISTS})
        opened = await here.pass_by(1.2 * HOUR)
        assert [letter.alert.reason for letter in opened] == ["opened"] * 4
        here.lies("nodata", *LISTS)
        assert await here.pass_by(6 * HOUR, step=300) == []
        assert await here.notes() == ["degraded other-example wild-example"]
