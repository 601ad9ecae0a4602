"""Poll schedule: spread, fairness, budgets."""

from __future__ import annotations

import heapq
from collections import Counter
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.inputs.durations import parse_duration
from bot.monitoring.schedule import (
    DAY,
    JITTER,
    BadInterval,
    Budget,
    effective_interval,
    fair_shares,
    first_due,
    interval_multipliers,
    next_due,
    validate_interval,
)
from tests.support.incident_stories import T0

HOUR = timedelta(hours=1)
BUDGETS = {"strict": Budget(2_000), "free": Budget(20_000), "tiny": Budget(50)}


def simulated(
    budget: Budget, sizes: dict[str, int], outage: timedelta = timedelta(0)
) -> tuple[list[datetime], dict[str, float]]:
    """Simulate three days of hourly watches: query times, median gap in hours per workspace."""
    multipliers = interval_multipliers({name: size * (DAY / HOUR) for name, size in sizes.items()}, budget)
    intervals = {name: effective_interval(HOUR, multiplier) for name, multiplier in multipliers.items()}
    due = [
        (first_due(f"{name}-{n}", intervals[name], T0), f"{name}-{n}")
        for name, size in sizes.items()
        for n in range(size)
    ]
    heapq.heapify(due)
    tokens, at, queries, last_query, gaps = 0.0, T0, [], {}, {name: [] for name in sizes}
    now, step = T0, timedelta(seconds=20)
    while now < T0 + 3 * DAY:
        now += step
        if timedelta(0) <= now - T0 - DAY < outage:
            continue
        tokens, at = min(budget.burst_size, tokens + (now - at).total_seconds() * budget.per_second), now
        while due and due[0][0] <= now and tokens >= 1:
            tokens -= 1
            _, name = heapq.heappop(due)
            workspace = name.rpartition("-")[0]
            gaps[workspace] += [(now - last_query[name]) / HOUR] if name in last_query else []
            last_query[name] = now
            queries.append(now)
            heapq.heappush(due, (next_due(name, now, intervals[workspace]), name))
    return queries, {name: sorted(values)[len(values) // 2] for name, values in gaps.items() if values}


def busiest_day(queries: list[datetime]) -> int:
    maximum, start = 0, 0
    for end, at in enumerate(queries):
        while at - queries[start] >= DAY:
            start += 1
        maximum = max(maximum, end - start + 1)
    return maximum


@pytest.mark.parametrize("outage", [timedelta(0), timedelta(hours=3)], ids=["no-outage", "three-hour-outage"])
@pytest.mark.parametrize("name", BUDGETS)
def test_queries_in_any_24_hours_stay_within_budget(name: str, outage: timedelta) -> None:
    budget = BUDGETS[name]
    queries, _ = simulated(budget, {"small": 20, "middle": 60, "large": 500}, outage)
    assert 0 < busiest_day(queries) <= budget.per_day_for_polls
    if outage == timedelta(0):
        assert busiest_day(queries) >= 0.9 * min(budget.per_day_for_polls, 580 * DAY / HOUR)


def test_small_workspace_beside_large_one_is_not_stretched() -> None:
    _, gaps = simulated(Budget(5_000), {"small": 10, "middle": 60, "large": 900})
    assert gaps["small"] == pytest.approx(1, rel=0.1)
    assert gaps["large"] > gaps["middle"] > gaps["small"]


@pytest.mark.parametrize(
    ("demands", "capacity", "shares"),
    [
        ({"a": 10, "b": 20}, 100, {"a": 10, "b": 20}),
        ({"a": 10, "b": 100}, 60, {"a": 10, "b": 50}),
        ({"a": 10, "b": 100, "c": 1000}, 90, {"a": 10, "b": 40, "c": 40}),
        ({"a": 50, "b": 50, "c": 50}, 60, {"a": 20, "b": 20, "c": 20}),
        ({"a": 5}, 0, {"a": 0}),
        ({}, 10, {}),
    ],
)
def test_fair_shares_are_max_min_fair(demands: dict[str, float], capacity: float, shares: dict[str, float]) -> None:
    assert fair_shares(demands, capacity) == shares


@given(st.dictionaries(st.text("abcdef", max_size=3), st.floats(0.1, 1e6), max_size=8), st.integers(0, 10**7))
def test_fair_shares_use_full_capacity_evenly(demands: dict[str, float], capacity: float) -> None:
    shares = fair_shares(demands, capacity)
    assert sum(shares.values()) == pytest.approx(min(capacity, sum(demands.values())))
    unmet = [shares[name] for name, demand in demands.items() if shares[name] < demand * 0.999]
    assert all(share <= min(unmet, default=share) * 1.001 for share in shares.values())


def test_exhausted_budget_gives_maximum_multiplier() -> None:
    multipliers = interval_multipliers({"small": 24.0, "none": 0.0}, Budget(1))
    assert multipliers == {"small": 10_000, "none": 1}
    assert effective_interval(HOUR, multipliers["small"]) > 300 * DAY


@pytest.mark.parametrize("interval", [timedelta(minutes=5), HOUR, DAY])
def test_first_polls_are_spread_evenly_and_stable(interval: timedelta) -> None:
    names = [f"203.0.113.{n}" for n in range(1000)]
    dues = {name: first_due(name, interval, T0) for name in names}
    tenths = Counter(int((due - T0) / interval * 10) for due in dues.values())
    assert min(tenths.values()) > 60
    assert set(tenths) == set(range(10))
    later = T0 + 7 * interval + interval / 3
    assert all((first_due(name, interval, later) - due) % interval == timedelta(0) for name, due in dues.items())


def test_next_poll_is_within_jitter_and_deterministic() -> None:
    dues = [next_due(f"203.0.113.{n}", T0, HOUR) - T0 for n in range(500)]
    assert HOUR * (1 - JITTER) <= min(dues) < HOUR * 0.96
    assert HOUR * 1.04 < max(dues) <= HOUR * (1 + JITTER)
    assert dues[7] == next_due("203.0.113.7", T0, HOUR) - T0


@pytest.mark.parametrize("interval", ["1s", "4m59s", "3d"])
def test_interval_out_of_range_is_refused_with_reason(interval: str) -> None:
    with pytest.raises(BadInterval, match=r"^The (shortest|longest) interval of a watch is (5m|2d).*\.$"):
        validate_interval(parse_duration(interval))
    assert validate_interval(timedelta(minutes=5)) == timedelta(minutes=5)


def test_budget_reserves_a_tenth_for_interactive_checks() -> None:
    assert Budget(1000).per_day_for_polls == 900
    assert Budget(1000, interactive_share=0.5).per_day_for_polls == 500
