"""When each target is looked at: spread, fair, inside the budgets."""

from __future__ import annotations

import heapq
from collections import Counter
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.monitoring.schedule import (
    DAY,
    JITTER,
    BadInterval,
    Bucket,
    Budget,
    effective_interval,
    fair_shares,
    first_due,
    next_due,
    people_interval,
    stretches,
)
from tests.support.incident_stories import T0

HOUR = timedelta(hours=1)
BUDGETS = {"strict": Budget(2_000), "free": Budget(20_000), "tiny": Budget(50)}


def simulated(
    budget: Budget, sizes: dict[str, int], outage: timedelta = timedelta(0)
) -> tuple[list[datetime], dict[str, float]]:
    """Three days of watches that wish an hour; what was asked when, and the median gap of each workspace in hours."""
    stretched = stretches({name: size * (DAY / HOUR) for name, size in sizes.items()}, budget)
    every = {name: effective_interval(HOUR, factor) for name, factor in stretched.items()}
    due = [
        (first_due(f"{name}-{n}", every[name], T0), f"{name}-{n}") for name, size in sizes.items() for n in range(size)
    ]
    heapq.heapify(due)
    bucket, asked, last, gaps = Bucket(0, T0), [], {}, {name: [] for name in sizes}
    now, step = T0, timedelta(seconds=20)
    while now < T0 + 3 * DAY:
        now += step
        if timedelta(0) <= now - T0 - DAY < outage:
            continue
        bucket = bucket.filled(now, budget)
        while due and due[0][0] <= now:
            bucket, taken = bucket.take(1)
            if not taken:
                break
            _, name = heapq.heappop(due)
            workspace = name.rpartition("-")[0]
            gaps[workspace] += [(now - last[name]) / HOUR] if name in last else []
            last[name] = now
            asked.append(now)
            heapq.heappush(due, (next_due(name, now, every[workspace]), name))
    return asked, {name: sorted(found)[len(found) // 2] for name, found in gaps.items() if found}


def busiest_day(asked: list[datetime]) -> int:
    most, start = 0, 0
    for end, at in enumerate(asked):
        while at - asked[start] >= DAY:
            start += 1
        most = max(most, end - start + 1)
    return most


@pytest.mark.parametrize("outage", [timedelta(0), timedelta(hours=3)], ids=["calm", "three hours away"])
@pytest.mark.parametrize("name", BUDGETS)
def test_no_day_however_it_is_cut_exceeds_the_budget(name: str, outage: timedelta) -> None:
    budget = BUDGETS[name]
    asked, _ = simulated(budget, {"small": 20, "middle": 60, "large": 500}, outage)
    assert 0 < busiest_day(asked) <= budget.for_watches
    if outage == timedelta(0):
        assert busiest_day(asked) >= 0.9 * min(budget.for_watches, 580 * DAY / HOUR)


def test_a_small_workspace_does_not_pay_for_a_large_one() -> None:
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
def test_the_small_get_what_they_want_and_the_large_share_the_rest(
    demands: dict[str, float], capacity: float, shares: dict[str, float]
) -> None:
    assert fair_shares(demands, capacity) == shares


@given(st.dictionaries(st.text("abcdef", max_size=3), st.floats(0.1, 1e6), max_size=8), st.integers(0, 10**7))
def test_shares_waste_nothing_and_favour_nobody(demands: dict[str, float], capacity: float) -> None:
    shares = fair_shares(demands, capacity)
    assert sum(shares.values()) == pytest.approx(min(capacity, sum(demands.values())))
    unmet = [shares[name] for name, wanted in demands.items() if shares[name] < wanted * 0.999]
    assert all(share <= min(unmet, default=share) * 1.001 for share in shares.values())


def test_a_budget_of_nothing_stretches_and_breaks_nothing() -> None:
    stretched = stretches({"small": 24.0, "none": 0.0}, Budget(1))
    assert stretched == {"small": 10_000, "none": 1}
    assert effective_interval(HOUR, stretched["small"]) > 300 * DAY


@pytest.mark.parametrize("every", [timedelta(minutes=5), HOUR, DAY])
def test_first_looks_are_spread_over_the_interval_and_stay_where_they_are(every: timedelta) -> None:
    names = [f"203.0.113.{n}" for n in range(1000)]
    dues = {name: first_due(name, every, T0) for name in names}
    tenths = Counter(int((due - T0) / every * 10) for due in dues.values())
    assert min(tenths.values()) > 60
    assert set(tenths) == set(range(10))
    later = T0 + 7 * every + every / 3
    assert all((first_due(name, every, later) - due) % every == timedelta(0) for name, due in dues.items())


def test_the_next_look_is_within_a_twentieth_of_the_interval_and_the_same_in_every_process() -> None:
    dues = [next_due(f"203.0.113.{n}", T0, HOUR) - T0 for n in range(500)]
    assert HOUR * (1 - JITTER) <= min(dues) < HOUR * 0.96
    assert HOUR * 1.04 < max(dues) <= HOUR * (1 + JITTER)
    assert dues[7] == next_due("203.0.113.7", T0, HOUR) - T0


def test_no_look_before_the_last_answer_can_have_changed() -> None:
    assert next_due("203.0.113.5", T0, timedelta(minutes=5), ttl=HOUR) == T0 + HOUR
    assert next_due("203.0.113.5", T0, HOUR, ttl=timedelta(minutes=5)) < T0 + 2 * HOUR


@pytest.mark.parametrize("every", ["1s", "4m59s", "3d"])
def test_an_interval_that_makes_no_sense_is_refused_with_the_reason(every: str) -> None:
    from bot.inputs.durations import read_duration

    with pytest.raises(BadInterval, match=r"^A watch looks at (most every 5m|least every 2d).*\.$"):
        people_interval(read_duration(every))
    assert people_interval(timedelta(minutes=5)) == timedelta(minutes=5)


def test_after_a_pause_a_bucket_holds_one_burst() -> None:
    budget = Budget(100_000)
    bucket = Bucket(0, T0).filled(T0 + 10 * DAY, budget)
    assert bucket.tokens == budget.most_at_once
    bucket, taken = bucket.take(1_000_000)
    assert taken == int(budget.most_at_once)
    assert bucket.filled(T0, budget).take(1)[1] == 0


def test_a_tenth_is_kept_for_people_who_wait() -> None:
    assert Budget(1000).for_watches == 900
    assert Budget(1000, for_people=0.5).for_watches == 500
