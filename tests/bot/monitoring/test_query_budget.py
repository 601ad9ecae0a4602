"""Budgets hold: a simulated day on the real script, the lookup that stops at them, and the plan that keeps clear of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.checks.dnsbl import load
from bot.checks.dnsbl.catalog import Kind
from bot.checks.dnsbl.zones import Zone, zones
from bot.models import Answer, Heard, LookupFailed, SweepLookup
from bot.monitoring.query_budget import MOST_IN_HAND, Rationed, Rations, demanded
from bot.monitoring.schedule import DAY, MOST_STRETCHED, Budget, Demanded, interval_of, planned, wishes_of
from bot.storage.poll_store import SweepStore
from tests.support.redis_server import RedisServer
from tests.support.stored_watches import Clock, numbered, watch

ALL = zones(load(), {})


class Counting(SweepLookup):
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, name: str, kind: str, /) -> Answer:
        self.asked.append(name)
        return Answer(name, kind)

    async def ask_all(
        self, label: str, apexes: Sequence[str], /, *, heard: Heard | None = None
    ) -> Sequence[Answer | LookupFailed]:
        outcomes = [await self(f"{label}.{apex}", "A") for apex in apexes]
        for place, outcome in enumerate(outcomes):
            if heard:
                heard(place, outcome)
        return outcomes


def limited(per_day: int) -> list[Zone]:
    """One list with a budget, and one without."""
    first, second = ALL[:2]
    return [
        replace(first, blocklist=replace(first.blocklist, per_day=per_day)),
        replace(second, blocklist=replace(second.blocklist, per_day=None)),
    ]


@pytest.mark.parametrize("per_day", [1_000, 100_000, 300_000])
async def test_no_day_spends_more_than_the_budget(redis: Redis, per_day: int) -> None:
    """Thirty hours with a pause of three hours in them, after which all that was missed is wanted at once."""
    budget, clock, random_ = Budget(per_day), Clock(), random.Random(7)
    store, spent = SweepStore(redis), [(0.0, 0)]
    began = clock().timestamp()
    while (passed := clock().timestamp() - began) < 30 * 3600:
        clock.add(random_.expovariate(1 / 40))
        if not 30_000 < passed < 40_800:
            taken = await store.take("zen", clock().timestamp(), per_day, budget.per_second, budget.most_at_once)
            spent.append((passed, taken))
    for start in range(0, 6 * 3600, 1800):
        assert sum(taken for at, taken in spent if start <= at < start + 86_400) <= per_day * 0.9
    assert sum(taken for _, taken in spent) > 0.7 * per_day


async def test_a_list_is_asked_no_more_than_its_bucket_holds(redis: Redis) -> None:
    clock, asked, (first, second) = Clock(), Counting(), limited(14_400)
    lookup = Rationed(asked, Rations(SweepStore(redis), [first, second], clock))
    apexes = [first.apex, second.apex]
    arrived: list[tuple[int, Answer | LookupFailed]] = []
    outcomes = [
        await lookup.ask_all(f"label{n}", apexes, heard=lambda place, one: arrived.append((place, one)))
        for n in range(20)
    ]
    refused = [isinstance(one, LookupFailed) and one.reason == "budget" for one, _ in outcomes]
    assert refused == [False] * 9 + [True] * 11  # a minute's worth of 90 %
    assert all(isinstance(other, Answer) for _, other in outcomes)
    assert len([name for name in asked.asked if name.endswith(first.apex)]) == 9
    assert sorted(arrived, key=lambda one: one[0]) == [(place, each[place]) for place in (0, 1) for each in outcomes]


async def test_test_entries_and_texts_count_too(redis: Redis) -> None:
    clock, asked, (first, second) = Clock(), Counting(), limited(1_440)
    lookup = Rationed(asked, Rations(SweepStore(redis), [first, second], clock))
    assert await lookup(f"2.0.0.127.{first.apex.upper()}", "A")
    with pytest.raises(LookupFailed, match="budget"):
        await lookup(f"2.0.0.127.{first.apex}", "TXT")
    assert [await lookup("example.com", "MX"), await lookup(second.apex, "NS")]


async def test_two_processes_share_a_bucket_that_fills_again(redis: Redis) -> None:
    clock, (first, second) = Clock(), limited(14_400)
    both = [Rations(SweepStore(redis), [first, second], clock) for _ in range(2)]
    apex = first.apex.lower()
    assert sum([await one.allow(apex) for one in both for _ in range(20)]) == 9
    clock.add(30)
    assert sum([await one.allow(apex) for one in both for _ in range(20)]) in (4, 5)


async def test_at_once_asked_is_counted_once_each(redis: Redis) -> None:
    rations = Rations(SweepStore(redis), limited(144_000), Clock())
    apex = ALL[0].apex.lower()
    allowed = await asyncio.gather(*(rations.allow(apex) for _ in range(200)))
    assert sum(allowed) == 90
    assert sum(allowed) > MOST_IN_HAND


async def test_who_cannot_count_does_not_ask(redis: Redis, redis_server: RedisServer) -> None:
    rations = Rations(SweepStore(redis), limited(144_000), Clock())
    redis_server.kill()
    try:
        assert not await rations.allow(ALL[0].apex.lower())
    finally:
        redis_server.start()


# The plan


def test_the_catalogue_budgets_are_planned_for() -> None:
    budgets = demanded(ALL)
    assert len(budgets) >= 10
    assert all(one.kinds <= {str(kind) for kind in Kind} and one.budget.per_day > 0 for one in budgets)


def test_small_workspaces_get_what_they_wish_and_the_large_one_is_stretched() -> None:
    lists = [Demanded(frozenset({"ip4"}), Budget(100_000))]
    wishes = {"slack/SMALL ip4 3600": 100, "slack/LARGE ip4 3600": 10_000, "slack/LARGE domain 3600": 50}
    factors = planned(wishes, lists)
    assert set(factors) == {"slack/LARGE"}
    assert 2.5 < factors["slack/LARGE"]["ip4"] < 3
    assert "domain" not in factors["slack/LARGE"]


def test_a_watch_gets_the_interval_of_its_tightest_list() -> None:
    one = watch("203.0.113.0/28", "example.com")
    assert interval_of(one, {}) == one.every
    assert interval_of(one, {"ip4": 2.0, "domain": 3.0, "ip6": 9.0}) == 3 * one.every
    assert wishes_of(one) == {"slack/T0123ABCD ip4 3600": 16, "slack/T0123ABCD domain 3600": 1}


@given(
    st.dictionaries(
        st.tuples(
            st.sampled_from("ABCDE"), st.sampled_from(["ip4", "ip6", "domain"]), st.sampled_from([300, 3600, 86400])
        ),
        st.integers(1, 100_000),
        max_size=12,
    ),
    st.integers(100, 10_000_000),
)
def test_what_is_planned_fits_the_budget(wished: dict[tuple[str, str, int], int], per_day: int) -> None:
    kinds = frozenset({"ip4", "ip6"})
    factors = planned({f"slack/{s} {k} {e}": n for (s, k, e), n in wished.items()}, [Demanded(kinds, Budget(per_day))])
    spent = sum(
        number * (DAY / timedelta(seconds=every)) / factors.get(f"slack/{space}", {}).get(kind, 1.0)
        for (space, kind, every), number in wished.items()
        if kind in kinds
    )
    wishes = sum(number * (DAY / timedelta(seconds=every)) for (_, _, every), number in wished.items())
    assert spent <= per_day * 0.9 + wishes / MOST_STRETCHED  # beyond that no interval grows


def test_a_plan_names_addresses_as_the_register_counts_them() -> None:
    assert wishes_of(numbered(3)) == {"slack/T0123ABCD ip4 3600": 1}


async def test_what_was_used_is_counted_by_day_for_whoever_looks(redis: Redis) -> None:
    """Also by another process, and a bucket that nobody has asked yet has used nothing."""
    clock, (first, second) = Clock(), limited(14_400)
    rations, other = (Rations(SweepStore(redis), [first, second], clock) for _ in range(2))
    assert [(one.list, one.per_day, one.used) for one in await other.used()] == [(first.blocklist.id, 14_400, 0)]
    for _ in range(20):
        await rations.allow(first.apex.lower())
    assert [one.used for one in await other.used()] == [9]
    clock.add(18 * 3600 - 1)  # the last second of the day
    assert [one.used for one in await other.used()] == [9]
    clock.add(1)
    assert [one.used for one in await other.used()] == [0]
    await rations.allow(first.apex.lower())
    assert [one.used for one in await other.used()] == [2]
