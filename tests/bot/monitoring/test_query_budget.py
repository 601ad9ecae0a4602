"""Query budgets: token bucket on real Redis, budgeted lookup, and interval planning."""

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

from bot.checks.dnsbl.catalog import Kind
from bot.checks.dnsbl.zones import Zone, usable_zones
from bot.models import BulkLookup, DnsAnswer, LookupFailed, OnAnswer
from bot.monitoring.query_budget import MAX_LOCAL_TOKENS, BudgetedLookup, QueryBudget, published_budgets
from bot.monitoring.schedule import DAY, MAX_MULTIPLIER, Budget, KindBudget, demand_of, plan_intervals, watch_interval
from bot.storage.poll_store import PollStore
from tests.support.builtin_catalog import CATALOG
from tests.support.redis_server import RedisServer
from tests.support.stored_watches import Clock, numbered_watch, watch

ALL = usable_zones(CATALOG, {})


class RecordingLookup(BulkLookup):
    def __init__(self) -> None:
        self.queries: list[str] = []

    async def __call__(self, name: str, rdtype: str, /) -> DnsAnswer:
        self.queries.append(name)
        return DnsAnswer(name, rdtype)

    async def lookup_many(
        self, label: str, apexes: Sequence[str], /, *, on_answer: OnAnswer | None = None
    ) -> Sequence[DnsAnswer | LookupFailed]:
        results = [await self(f"{label}.{apex}", "A") for apex in apexes]
        for position, result in enumerate(results):
            if on_answer:
                on_answer(position, result)
        return results


def limited(per_day: int) -> list[Zone]:
    """One list with a budget, and one without."""
    limited_zone, free_zone = ALL[:2]
    return [
        replace(limited_zone, blocklist=replace(limited_zone.blocklist, per_day=per_day)),
        replace(free_zone, blocklist=replace(free_zone.blocklist, per_day=None)),
    ]


@pytest.mark.parametrize("per_day", [1_000, 100_000, 300_000])
async def test_bucket_over_any_day_stays_within_budget(redis: Redis, per_day: int) -> None:
    """Thirty hours with an outage of three hours, after which all missed queries are due."""
    budget, clock, rng = Budget(per_day), Clock(), random.Random(7)
    store, spent = PollStore(redis), [(0.0, 0)]
    began = clock().timestamp()
    while (elapsed_s := clock().timestamp() - began) < 30 * 3600:
        clock.add(rng.expovariate(1 / 40))
        if not 30_000 < elapsed_s < 40_800:
            taken = await store.take_tokens("zen", clock().timestamp(), per_day, budget.per_second, budget.burst_size)
            spent.append((elapsed_s, taken))
    for start in range(0, 6 * 3600, 1800):
        assert sum(taken for at, taken in spent if start <= at < start + 86_400) <= per_day * 0.9
    assert sum(taken for _, taken in spent) > 0.7 * per_day


async def test_bulk_lookup_with_empty_bucket_fails_with_budget(redis: Redis) -> None:
    clock, recorder, (first, second) = Clock(), RecordingLookup(), limited(14_400)
    lookup = BudgetedLookup(recorder, QueryBudget(PollStore(redis), [first, second], clock))
    apexes = [first.apex, second.apex]
    reported: list[tuple[int, DnsAnswer | LookupFailed]] = []
    results = [
        await lookup.lookup_many(
            f"label{n}", apexes, on_answer=lambda position, limited_result: reported.append((position, limited_result))
        )
        for n in range(20)
    ]
    refused = [
        isinstance(limited_result, LookupFailed) and limited_result.reason == "budget" for limited_result, _ in results
    ]
    assert refused == [False] * 9 + [True] * 11  # one minute of 90%
    assert all(isinstance(free_result, DnsAnswer) for _, free_result in results)
    assert len([name for name in recorder.queries if name.endswith(first.apex)]) == 9
    assert sorted(reported, key=lambda limited_result: limited_result[0]) == [
        (position, result[position]) for position in (0, 1) for result in results
    ]


async def test_test_points_and_txt_queries_use_tokens(redis: Redis) -> None:
    clock, recorder, (first, second) = Clock(), RecordingLookup(), limited(1_440)
    lookup = BudgetedLookup(recorder, QueryBudget(PollStore(redis), [first, second], clock))
    assert await lookup(f"2.0.0.127.{first.apex.upper()}", "A")
    with pytest.raises(LookupFailed, match="budget"):
        await lookup(f"2.0.0.127.{first.apex}", "TXT")
    assert [await lookup("example.com", "MX"), await lookup(second.apex, "NS")]


async def test_two_processes_share_one_refilling_bucket(redis: Redis) -> None:
    clock, (first, second) = Clock(), limited(14_400)
    budgets = [QueryBudget(PollStore(redis), [first, second], clock, lambda: clock().timestamp()) for _ in range(2)]
    apex = first.apex.lower()
    assert sum([await budget.try_take(apex) for budget in budgets for _ in range(20)]) == 9
    clock.add(30)
    assert sum([await budget.try_take(apex) for budget in budgets for _ in range(20)]) in (4, 5)


async def test_concurrent_queries_use_one_token_each(redis: Redis) -> None:
    budget = QueryBudget(PollStore(redis), limited(144_000), Clock())
    apex = ALL[0].apex.lower()
    allowed = await asyncio.gather(*(budget.try_take(apex) for _ in range(200)))
    assert sum(allowed) == 90
    assert sum(allowed) > MAX_LOCAL_TOKENS


async def test_query_without_store_is_refused(redis: Redis, redis_server: RedisServer) -> None:
    budget = QueryBudget(PollStore(redis), limited(144_000), Clock())
    redis_server.kill()
    try:
        assert not await budget.try_take(ALL[0].apex.lower())
    finally:
        redis_server.start()


# Interval planning


def test_catalog_budgets_have_kinds_and_limits() -> None:
    budgets = published_budgets(ALL)
    assert len(budgets) >= 10
    assert all(item.kinds <= {str(kind) for kind in Kind} and item.budget.per_day > 0 for item in budgets)


def test_plan_stretches_only_the_large_workspace() -> None:
    budgets = [KindBudget(frozenset({"ip4"}), Budget(100_000))]
    demand = {"slack/SMALL ip4 3600": 100, "slack/LARGE ip4 3600": 10_000, "slack/LARGE domain 3600": 50}
    multipliers = plan_intervals(demand, budgets)
    assert set(multipliers) == {"slack/LARGE"}
    assert 2.5 < multipliers["slack/LARGE"]["ip4"] < 3
    assert "domain" not in multipliers["slack/LARGE"]


def test_interval_uses_largest_multiplier_of_its_kinds() -> None:
    watched = watch("203.0.113.0/28", "example.com")
    assert watch_interval(watched, {}) == watched.interval
    assert watch_interval(watched, {"ip4": 2.0, "domain": 3.0, "ip6": 9.0}) == 3 * watched.interval
    assert demand_of(watched) == {"slack/T0123ABCD ip4 3600": 16, "slack/T0123ABCD domain 3600": 1}


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
def test_planned_intervals_fit_the_budget(demand: dict[tuple[str, str, int], int], per_day: int) -> None:
    kinds = frozenset({"ip4", "ip6"})
    multipliers = plan_intervals(
        {f"slack/{s} {k} {e}": n for (s, k, e), n in demand.items()}, [KindBudget(kinds, Budget(per_day))]
    )
    spent = sum(
        number * (DAY / timedelta(seconds=interval_s)) / multipliers.get(f"slack/{workspace}", {}).get(kind, 1.0)
        for (workspace, kind, interval_s), number in demand.items()
        if kind in kinds
    )
    requested = sum(number * (DAY / timedelta(seconds=interval_s)) for (_, _, interval_s), number in demand.items())
    assert spent <= per_day * 0.9 + requested / MAX_MULTIPLIER  # the largest multiplier


def test_demand_key_has_workspace_kind_and_interval() -> None:
    assert demand_of(numbered_watch(3)) == {"slack/T0123ABCD ip4 3600": 1}


async def test_usage_is_shared_and_resets_at_midnight_utc(redis: Redis) -> None:
    """Another process reads the same usage; an unused bucket reports zero."""
    clock, (first, second) = Clock(), limited(14_400)
    store, elapsed = PollStore(redis), lambda: clock().timestamp()
    budget, other_process = (QueryBudget(store, [first, second], clock, elapsed) for _ in range(2))
    assert [(usage.list_id, usage.per_day, usage.used) for usage in await other_process.usage()] == [
        (first.blocklist.id, 14_400, 0)
    ]
    for _ in range(20):
        await budget.try_take(first.apex.lower())
    assert [usage.used for usage in await other_process.usage()] == [9]
    clock.add(18 * 3600 - 1)  # the last second of the day
    assert [usage.used for usage in await other_process.usage()] == [9]
    clock.add(1)
    assert [usage.used for usage in await other_process.usage()] == [0]
    await budget.try_take(first.apex.lower())
    assert [usage.used for usage in await other_process.usage()] == [2]
