"""A sweep says of every list what a single check says, and proves the lists once for all its targets."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from bot.checks.dnsbl import ProcessMemory, blocklist_check
from bot.checks.dnsbl.zones import zones
from bot.models import Answer, Heard, LookupFailed, Order, SweepLookup, Target
from tests.bot.checks.dnsbl.lists import CATALOGUE, Clock, only, order
from tests.support.dns_world import World

POINTS = {zone.must_list: {"A": ["127.0.0.2"]} for zone in zones(CATALOGUE, {}) if zone.must_list}


class Sweep(SweepLookup):
    def __init__(self, world: World, fresh: bool = False) -> None:
        self.world = world
        self._fresh = fresh

    @property
    def fresh(self) -> bool:
        return self._fresh

    async def __call__(self, name: str, kind: str, /) -> Answer:
        return await self.world(name, kind)

    async def ask_all(
        self, label: str, apexes: Sequence[str], /, *, heard: Heard | None = None
    ) -> list[Answer | LookupFailed]:
        outcomes = [await self._ask(f"{label}.{apex}") for apex in apexes]
        for place, outcome in enumerate(outcomes if heard else ()):
            heard(place, outcome)
        return outcomes

    async def _ask(self, name: str) -> Answer | LookupFailed:
        try:
            return await self.world(name, "A")
        except LookupFailed as failed:
            return failed


def check_of(catalogue=CATALOGUE, clock=None, memory=None):
    return blocklist_check(catalogue, {}, memory or ProcessMemory(), "resolver", clock or Clock())


TARGETS = [
    Target(ip_address("203.0.113.5"), "example.com"),
    Target(ip_address("2001:db8::5")),
    Target(domain="example.com"),
]
ANSWERS = [
    ["127.0.0.2"],
    ["127.0.0.4", "127.0.0.10"],
    ["127.255.255.254"],
    ["192.0.2.80"],
    [],
    "servfail",
    "timeout",
    None,
]


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize("proved", [True, False], ids=["test points right", "test points silent, empty or right"])
async def test_a_sweep_says_what_a_single_check_says(target: Target, proved: bool) -> None:
    world = dict(POINTS)
    for number, zone in enumerate(zones(CATALOGUE, {})):
        for label in ("5.113.0.203", "example.com"):
            answers = ANSWERS[number % len(ANSWERS)]
            if answers is not None:
                world[f"{label}.{zone.apex}"] = {"A": answers, "TXT": ["why"]}
        if not proved and zone.must_list:
            world[zone.must_list] = [{"A": "timeout"}, {"A": ["127.0.0.2"]}, {}][number % 3]
    alone = await check_of()(order(target), World(world))
    swept = await check_of()(order(target), Sweep(World(world)))
    assert [finding.about for finding in swept] == [finding.about for finding in alone]
    if proved:
        assert swept == alone
    different = [(one, other) for one, other in zip(swept, alone, strict=True) if one != other]
    for one, other in different:  # a list that is not believed is not asked, so what it would have said is not shown
        assert one.verdict <= other.verdict or one.facts["state"] in ("unknown", "unusable")
        assert {one.facts["state"], other.facts["state"]} <= {"unknown", "unusable"}


async def test_the_lists_are_proved_once_for_all_targets() -> None:
    world = World(POINTS)
    check, sweep = check_of(), Sweep(world)
    orders = [Order(Target(ip_address(f"203.0.113.{n}"))) for n in range(1, 101)]
    await asyncio.gather(*(check(one, sweep) for one in orders))
    asked = Counter(name for name, _ in world.asked)
    assert {asked[point] for point in POINTS if point in asked} == {1}


async def test_they_are_proved_again_beside_the_sweep_and_silence_does_not_undo_them() -> None:
    clock, world = Clock(), World({"2.0.0.127.bl.spamcop.net": {"A": ["127.0.0.2"]}})
    check = check_of(only("spamcop"), clock)
    point = ("2.0.0.127.bl.spamcop.net", "A")
    (finding,) = await check(order(), Sweep(world))
    assert finding.facts["state"] == "not_listed"
    silent = World({"2.0.0.127.bl.spamcop.net": {"A": "timeout"}})
    clock.move(minutes=11)
    for state in ("not_listed", "not_listed"):
        (finding,) = await check(order(), Sweep(silent))
        assert finding.facts["state"] == state
        await asyncio.sleep(0.01)
    assert silent.asked.count(point) == 1
    clock.move(minutes=5)
    await check(order(), Sweep(silent))
    await asyncio.sleep(0.01)
    (finding,) = await check(order(), Sweep(silent))
    assert (finding.facts["state"], finding.facts["reason"]) == ("unknown", "timeout")


async def test_a_list_that_could_not_be_proved_is_not_asked_for_a_minute() -> None:
    clock, world = Clock(), World({"2.0.0.127.bl.spamcop.net": {"A": "timeout"}})
    check = check_of(only("spamcop"), clock)
    for n in range(1, 20):
        (finding,) = await check(Order(Target(ip_address(f"203.0.113.{n}"))), Sweep(world))
        assert finding.facts["state"] == "unknown"
        clock.move(minutes=1 / 30)
    assert {name for name, _ in world.asked} == {"2.0.0.127.bl.spamcop.net", "1.0.0.127.bl.spamcop.net"}


HERE = {"5.113.0.203.bl.spamcop.net": {"A": ["127.0.0.2"]}, "2.0.0.127.bl.spamcop.net": {"A": ["127.0.0.2"]}}


@pytest.mark.parametrize(
    ("points", "told"),
    [
        ({}, ("listed", "")),
        ({"1.0.0.127.bl.spamcop.net": {"A": ["127.0.0.2"]}}, ("unusable", "lists-everything")),
        ({"2.0.0.127.bl.spamcop.net": {}}, ("unusable", "emptied")),
        ({"1.0.0.127.bl.spamcop.net": {"A": "timeout"}}, ("unknown", "timeout")),
    ],
    ids=["right", "lists everything", "emptied", "silent"],
)
async def test_a_second_look_believes_a_listing_only_with_test_points_that_are_right_now(
    points: dict[str, dict[str, str]], told: tuple[str, str]
) -> None:
    """A first look goes by what held until ten minutes ago, in which a list can have broken."""
    clock = Clock()
    check = check_of(only("spamcop"), clock)
    await check(order(), Sweep(World(HERE)))
    clock.move(minutes=2)
    changed = World({name: kinds for name, kinds in {**HERE, **points}.items() if kinds})
    (first,) = await check(order(), Sweep(changed))
    (second,) = await check(order(), Sweep(changed, fresh=True))
    assert first.facts["state"] == "listed"
    assert (second.facts["state"], second.facts["reason"]) == told


async def test_a_hundred_second_looks_prove_a_list_once() -> None:
    clock, world = Clock(), World({f"{n}.113.0.203.bl.spamcop.net": {"A": ["127.0.0.2"]} for n in range(100)} | HERE)
    check = check_of(only("spamcop"), clock)
    orders = [Order(Target(ip_address(f"203.0.113.{n}"))) for n in range(100)]
    await asyncio.gather(*(check(one, Sweep(world, fresh=True)) for one in orders))
    clock.move(minutes=2)
    await asyncio.gather(*(check(one, Sweep(world, fresh=True)) for one in orders))
    assert world.asked.count(("1.0.0.127.bl.spamcop.net", "A")) == 2
