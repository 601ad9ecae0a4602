"""Prefetching saves round trips, never changes a result, and stays within the query budget."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, TypeVar

import pytest

from bot.checks.spf import check
from bot.checks.spf.check_host import check_host
from bot.checks.spf.dns_session import DEFAULT_LIMITS, Limits
from bot.checks.spf.result import ResultCode, SpfResult
from bot.models import CheckRequest, DnsAnswer, Target
from tests.bot.checks.spf.zones import random_call
from tests.support.dns_world import World

SERIAL = Limits(max_prefetched=0)
SEEDS = range(40_000, 40_400)


T = TypeVar("T")


class RoundTrips:
    """A lookup whose answers arrive together, one round trip later; counts the round trips."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.waiting: list[asyncio.Future[None]] = []
        self.count = 0

    async def __call__(self, name: str, rdtype: str, /) -> DnsAnswer:
        future = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        await future
        return await self.world(name, rdtype)

    async def during(self, coroutine: Coroutine[Any, Any, T]) -> T:
        task = asyncio.create_task(coroutine)
        while not task.done():
            for _ in range(200):  # let all ready tasks run
                await asyncio.sleep(0)
            arrived, self.waiting = self.waiting, []
            self.count += bool(arrived)
            for future in arrived:
                future.set_result(None)
        return task.result()


def tree() -> Mapping[str, Mapping[str, Any]]:
    """Three includes with two more under each, an mx with three hosts: ten terms."""
    zone: dict[str, Mapping[str, Any]] = {
        "example.com": {"TXT": ["v=spf1 mx include:a.example include:b.example include:c.example -all"], "MX": []}
    }
    zone["example.com"] = {**zone["example.com"], "MX": [f"10 mx{number}.example" for number in range(3)]}
    for number in range(3):
        zone[f"mx{number}.example"] = {"A": ["192.0.2.25"]}
    for top in "abc":
        zone[f"{top}.example"] = {"TXT": [f"v=spf1 include:{top}1.example include:{top}2.example ~all"]}
        for number in "12":
            zone[f"{top}{number}.example"] = {"TXT": ["v=spf1 ip4:192.0.2.0/28 ~all"]}
    return zone


async def round_trips(limits: Limits) -> tuple[int, SpfResult]:
    lookup = RoundTrips(World(tree()))
    ip = ip_address("203.0.113.5")
    result = await lookup.during(check_host(ip, "x@example.com", "example.com", lookup, limits))
    return lookup.count, result


async def test_prefetch_round_trips_match_deepest_chain() -> None:
    prefetched, result = await round_trips(DEFAULT_LIMITS)
    serial_trips, serial_result = await round_trips(SERIAL)
    print(
        f"\n10 terms, 3 answers deep: {prefetched} round trips, {serial_trips} without prefetch; "
        f"{result.queries} questions"
    )
    assert result == serial_result
    assert (result.code, result.lookups) == (ResultCode.FAIL, 10)
    assert (prefetched, serial_trips) == (4, 12)


@pytest.mark.parametrize("ip", ["203.0.113.5", "192.0.2.1", "192.0.2.25", None])
async def test_spf_check_takes_one_more_round_trip_than_deepest_chain(ip: str | None) -> None:
    resolver = RoundTrips(World(tree()))
    await resolver.during(check(CheckRequest(Target(ip_address(ip) if ip else None, "example.com")), resolver))
    assert resolver.count <= 5


async def test_prefetch_same_result_with_at_most_seven_extra_queries() -> None:
    wasted = 0
    for seed in SEEDS:
        call = random_call(seed)
        prefetched, serial = [
            await check_host(call.ip, call.sender, call.helo, call.world, limits) for limits in (DEFAULT_LIMITS, SERIAL)
        ]
        assert replace(prefetched, queries=0) == replace(serial, queries=0), f"seed {seed}"
        assert 0 <= prefetched.queries - serial.queries <= DEFAULT_LIMITS.max_prefetched, f"seed {seed}"
        wasted += prefetched.queries - serial.queries
    print(f"\nseeds {SEEDS}: {wasted} questions asked in vain over {len(SEEDS)} checks")


def costly(mx_terms: int, bait: str = "") -> World:
    """A record near the limits of RFC 7208, behind an optional `bait` include.

    It has mx terms of ten hosts, a PTR with ten names, and exp=.
    """
    first = " include:bait.example" if bait else ""
    terms = "".join(f" mx:m{n}.example" for n in range(mx_terms))
    zone: dict[str, dict[str, Any]] = {
        "example.com": {"TXT": [f"v=spf1{first}{terms} -all exp=%{{p}}.why.example"]},
        "5.113.0.203.in-addr.arpa": {"PTR": [f"r{n}.example" for n in range(10)]},
        "bait.example": {"TXT": [f"v=spf1 {bait} " + " ".join(f"a:b{n}.example" for n in range(9))]},
        "hit.example": {"A": ["203.0.113.5"]},
    }
    for n in range(10):
        zone[f"m{n}.example"] = {"MX": [f"{h} h{n}-{h}.example" for h in range(10)]}
        zone[f"r{n}.example"] = {"A": ["192.0.2.1"]}
        zone |= {f"h{n}-{h}.example": {"A": ["192.0.2.1"]} for h in range(10)}
    return World(zone)


async def evaluate(world: World, limits: Limits = DEFAULT_LIMITS) -> SpfResult:
    return await check_host(ip_address("203.0.113.5"), "x@example.com", "example.com", world, limits)


async def test_check_host_costliest_legal_record_needs_123_queries() -> None:
    result = await evaluate(costly(10))
    assert (result.code, result.lookups, result.queries) == (ResultCode.FAIL, 10, 123)


@pytest.mark.parametrize(
    ("bait", "mx_terms"), [("-ip4:203.0.113.5", 9), ("-a:hit.example", 8), ("-exists:hit.example", 8)]
)
async def test_prefetch_wasted_queries_do_not_exhaust_the_budget(bait: str, mx_terms: int) -> None:
    """The terms of the bait are prefetched, then skipped by a match that is not a pass."""
    result = await evaluate(costly(mx_terms, bait))
    serial = await evaluate(costly(mx_terms, bait), SERIAL)
    assert (result.code, result.mechanism, result.lookups) == (ResultCode.FAIL, "-all", 10)
    assert serial.queries <= result.queries <= DEFAULT_LIMITS.max_queries
    assert result == replace(serial, queries=result.queries)
