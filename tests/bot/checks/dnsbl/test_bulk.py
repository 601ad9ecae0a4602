"""Bulk check: same findings as single checks, with list trust established once for all targets."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from bot.checks.dnsbl import InMemoryTrustCache, TrustCache, blocklist_check
from bot.checks.dnsbl.catalog import Catalog
from bot.checks.dnsbl.zones import usable_zones
from bot.models import BulkLookup, Check, CheckRequest, DnsAnswer, LookupFailed, OnAnswer, Target
from tests.bot.checks.dnsbl.lists import CATALOG, FakeClock, catalog_of, make_request
from tests.support.dns_world import World

TEST_POINTS = {zone.must_list: {"A": ["127.0.0.2"]} for zone in usable_zones(CATALOG, {}) if zone.must_list}


class FakeBulkLookup(BulkLookup):
    def __init__(self, world: World, fresh: bool = False) -> None:
        self.world = world
        self._fresh = fresh

    @property
    def fresh(self) -> bool:
        return self._fresh

    async def __call__(self, name: str, rdtype: str, /) -> DnsAnswer:
        return await self.world(name, rdtype)

    async def lookup_many(
        self, label: str, apexes: Sequence[str], /, *, on_answer: OnAnswer | None = None
    ) -> list[DnsAnswer | LookupFailed]:
        results = [await self._query(f"{label}.{apex}") for apex in apexes]
        for index, result in enumerate(results if on_answer else ()):
            on_answer(index, result)
        return results

    async def _query(self, name: str) -> DnsAnswer | LookupFailed:
        try:
            return await self.world(name, "A")
        except LookupFailed as error:
            return error


def make_check(catalog: Catalog = CATALOG, clock: FakeClock | None = None, cache: TrustCache | None = None) -> Check:
    return blocklist_check(catalog, {}, cache or InMemoryTrustCache(), "resolver", clock or FakeClock())


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
@pytest.mark.parametrize("trusted", [True, False], ids=["test points valid", "test points silent, empty or valid"])
async def test_bulk_check_findings_match_single_check(target: Target, trusted: bool) -> None:
    world = dict(TEST_POINTS)
    for index, zone in enumerate(usable_zones(CATALOG, {})):
        for label in ("5.113.0.203", "example.com"):
            answers = ANSWERS[index % len(ANSWERS)]
            if answers is not None:
                world[f"{label}.{zone.apex}"] = {"A": answers, "TXT": ["why"]}
        if not trusted and zone.must_list:
            world[zone.must_list] = [{"A": "timeout"}, {"A": ["127.0.0.2"]}, {}][index % 3]
    single = await make_check()(make_request(target), World(world))
    bulk = await make_check()(make_request(target), FakeBulkLookup(World(world)))
    assert [finding.subject for finding in bulk] == [finding.subject for finding in single]
    if trusted:
        assert bulk == single
    different = [
        (bulk_finding, single_finding)
        for bulk_finding, single_finding in zip(bulk, single, strict=True)
        if bulk_finding != single_finding
    ]
    for bulk_finding, single_finding in different:  # an untrusted list is not queried in bulk
        assert bulk_finding.verdict <= single_finding.verdict or bulk_finding.facts["state"] in ("unknown", "unusable")
        assert {bulk_finding.facts["state"], single_finding.facts["state"]} <= {"unknown", "unusable"}


async def test_bulk_test_points_are_queried_once_for_all_targets() -> None:
    world = World(TEST_POINTS)
    check, lookup = make_check(), FakeBulkLookup(world)
    requests = [CheckRequest(Target(ip_address(f"203.0.113.{n}"))) for n in range(1, 101)]
    await asyncio.gather(*(check(request, lookup) for request in requests))
    query_counts = Counter(name for name, _ in world.queries)
    assert {query_counts[name] for name in TEST_POINTS if name in query_counts} == {1}


async def test_bulk_trust_refreshes_in_background_and_survives_timeout() -> None:
    clock, world = FakeClock(), World({"2.0.0.127.bl.spamcop.net": {"A": ["127.0.0.2"]}})
    check = make_check(catalog_of("spamcop"), clock)
    point = ("2.0.0.127.bl.spamcop.net", "A")
    (finding,) = await check(make_request(), FakeBulkLookup(world))
    assert finding.facts["state"] == "not_listed"
    silent = World({"2.0.0.127.bl.spamcop.net": {"A": "timeout"}})
    clock.advance(minutes=11)
    for state in ("not_listed", "not_listed"):
        (finding,) = await check(make_request(), FakeBulkLookup(silent))
        assert finding.facts["state"] == state
        await asyncio.sleep(0.01)
    assert silent.queries.count(point) == 1
    clock.advance(minutes=5)
    await check(make_request(), FakeBulkLookup(silent))
    await asyncio.sleep(0.01)
    (finding,) = await check(make_request(), FakeBulkLookup(silent))
    assert (finding.facts["state"], finding.facts["reason"]) == ("unknown", "timeout")


async def test_bulk_list_with_unknown_trust_is_not_queried_for_a_minute() -> None:
    clock, world = FakeClock(), World({"2.0.0.127.bl.spamcop.net": {"A": "timeout"}})
    check = make_check(catalog_of("spamcop"), clock)
    for n in range(1, 20):
        (finding,) = await check(CheckRequest(Target(ip_address(f"203.0.113.{n}"))), FakeBulkLookup(world))
        assert finding.facts["state"] == "unknown"
        clock.advance(minutes=1 / 30)
    assert {name for name, _ in world.queries} == {"2.0.0.127.bl.spamcop.net", "1.0.0.127.bl.spamcop.net"}


LISTED_ZONE = {"5.113.0.203.bl.spamcop.net": {"A": ["127.0.0.2"]}, "2.0.0.127.bl.spamcop.net": {"A": ["127.0.0.2"]}}


@pytest.mark.parametrize(
    ("test_points", "expected"),
    [
        ({}, ("listed", "")),
        ({"1.0.0.127.bl.spamcop.net": {"A": ["127.0.0.2"]}}, ("unusable", "lists-everything")),
        ({"2.0.0.127.bl.spamcop.net": {}}, ("unusable", "emptied")),
        ({"1.0.0.127.bl.spamcop.net": {"A": "timeout"}}, ("unknown", "timeout")),
    ],
    ids=["valid", "lists everything", "emptied", "silent"],
)
async def test_bulk_fresh_lookup_rechecks_test_points_of_a_listing(
    test_points: dict[str, dict[str, str]], expected: tuple[str, str]
) -> None:
    """A normal lookup relies on trust up to ten minutes old; the list may have broken since."""
    clock = FakeClock()
    check = make_check(catalog_of("spamcop"), clock)
    await check(make_request(), FakeBulkLookup(World(LISTED_ZONE)))
    clock.advance(minutes=2)
    changed = World({name: kinds for name, kinds in {**LISTED_ZONE, **test_points}.items() if kinds})
    (first,) = await check(make_request(), FakeBulkLookup(changed))
    (second,) = await check(make_request(), FakeBulkLookup(changed, fresh=True))
    assert first.facts["state"] == "listed"
    assert (second.facts["state"], second.facts["reason"]) == expected


async def test_bulk_hundred_rechecks_query_test_points_once() -> None:
    clock, world = (
        FakeClock(),
        World({f"{n}.113.0.203.bl.spamcop.net": {"A": ["127.0.0.2"]} for n in range(100)} | LISTED_ZONE),
    )
    check = make_check(catalog_of("spamcop"), clock)
    requests = [CheckRequest(Target(ip_address(f"203.0.113.{n}"))) for n in range(100)]
    await asyncio.gather(*(check(request, FakeBulkLookup(world, fresh=True)) for request in requests))
    clock.advance(minutes=2)
    await asyncio.gather(*(check(request, FakeBulkLookup(world, fresh=True)) for request in requests))
    assert world.queries.count(("1.0.0.127.bl.spamcop.net", "A")) == 2
