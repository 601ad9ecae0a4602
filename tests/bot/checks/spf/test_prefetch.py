"""Asking ahead saves round trips. It never changes a result, and never costs a legal record its result."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, TypeVar

import pytest

from bot.checks.spf import check
from bot.checks.spf.check_host import check_host
from bot.checks.spf.dns_session import OURS, Limits
from bot.checks.spf.result import Evaluation, Result
from bot.models import Answer, Order, Target
from tests.bot.checks.spf.zones import question
from tests.support.dns_world import World

SERIAL = Limits(ahead=0)
SEEDS = range(40_000, 40_400)


Outcome = TypeVar("Outcome")


class RoundTrips:
    """A resolver whose answers all arrive together, one round trip after the questions; counts the round trips."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.waiting: list[asyncio.Future[None]] = []
        self.passed = 0

    async def __call__(self, name: str, kind: str, /) -> Answer:
        turn = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        await turn
        return await self.world(name, kind)

    async def during(self, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        task = asyncio.create_task(work)
        while not task.done():
            for _ in range(200):  # let everything that can go on go on
                await asyncio.sleep(0)
            arrived, self.waiting = self.waiting, []
            self.passed += bool(arrived)
            for turn in arrived:
                turn.set_result(None)
        return task.result()


def tree() -> Mapping[str, Mapping[str, Any]]:
    """Three includes with two more under each, an mx with three hosts: ten terms, four round trips deep."""
    zone: dict[str, Mapping[str, Any]] = {
        "example.com": {"TXT": ["v=spf1 mx include:a.example include:b.example include:c.example -all"], "MX": []},
    }
    zone["example.com"] = {**zone["example.com"], "MX": [f"10 mx{number}.example" for number in range(3)]}
    for number in range(3):
        zone[f"mx{number}.example"] = {"A": ["192.0.2.25"]}
    for top in "abc":
        zone[f"{top}.example"] = {"TXT": [f"v=spf1 include:{top}1.example include:{top}2.example ~all"]}
        for number in "12":
            zone[f"{top}{number}.example"] = {"TXT": ["v=spf1 ip4:192.0.2.0/28 ~all"]}
    return zone


async def round_trips(limits: Limits) -> tuple[int, Evaluation]:
    resolver = RoundTrips(World(tree()))
    ip = ip_address("203.0.113.5")
    evaluation = await resolver.during(check_host(ip, "x@example.com", "example.com", resolver, limits))
    return resolver.passed, evaluation


async def test_a_check_lasts_about_as_long_as_its_deepest_chain_of_answers() -> None:
    ahead, evaluation = await round_trips(OURS)
    serial, same = await round_trips(SERIAL)
    print(
        f"\n10 terms, 3 answers deep: {ahead} round trips, {serial} without asking ahead; {evaluation.queries} questions"
    )
    assert evaluation == same
    assert (evaluation.result, evaluation.lookups) == (Result.FAIL, 10)
    assert (ahead, serial) == (4, 12)


@pytest.mark.parametrize("ip", ["203.0.113.5", "192.0.2.1", "192.0.2.25", None])
async def test_the_whole_check_takes_one_round_trip_more_than_its_deepest_chain(ip: str | None) -> None:
    resolver = RoundTrips(World(tree()))
    await resolver.during(check(Order(Target(ip_address(ip) if ip else None, "example.com")), resolver))
    assert resolver.passed <= 5


async def test_asking_ahead_never_changes_a_result_and_wastes_at_most_seven_questions() -> None:
    wasted = 0
    for seed in SEEDS:
        asked = question(seed)
        early, serial = [
            await check_host(asked.ip, asked.sender, asked.helo, asked.world, limits) for limits in (OURS, SERIAL)
        ]
        assert replace(early, queries=0) == replace(serial, queries=0), f"seed {seed}"
        assert 0 <= early.queries - serial.queries <= OURS.ahead, f"seed {seed}"
        wasted += early.queries - serial.queries
    print(f"\nseeds {SEEDS}: {wasted} questions asked in vain over {len(SEEDS)} checks")


def costly(mx_terms: int, bait: str = "") -> World:
    """Near the most that RFC 7208 allows: mx terms of ten hosts, a reverse name with ten names, and exp=, behind a bait."""
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


async def answer(world: World, limits: Limits = OURS) -> Evaluation:
    return await check_host(ip_address("203.0.113.5"), "x@example.com", "example.com", world, limits)


async def test_the_costliest_legal_record_is_answered_within_130_questions() -> None:
    evaluation = await answer(costly(10))
    assert (evaluation.result, evaluation.lookups, evaluation.queries) == (Result.FAIL, 10, 123)


@pytest.mark.parametrize(
    ("bait", "mx_terms"), [("-ip4:203.0.113.5", 9), ("-a:hit.example", 8), ("-exists:hit.example", 8)]
)
async def test_questions_asked_in_vain_do_not_eat_the_budget(bait: str, mx_terms: int) -> None:
    """The terms of the bait are asked about early, then skipped by a match that is no pass."""
    evaluation = await answer(costly(mx_terms, bait))
    serial = await answer(costly(mx_terms, bait), SERIAL)
    assert (evaluation.result, evaluation.mechanism, evaluation.lookups) == (Result.FAIL, "-all", 10)
    assert serial.queries <= evaluation.queries <= OURS.queries
    assert evaluation == replace(serial, queries=evaluation.queries)
