"""Daily limits of lists for people: shares of workspaces, room for watches, and a file where no store is."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis.asyncio import Redis

from bot.storage.day_budget import DAY_S, DayBudgetStore, DayFile, Demand
from bot.storage.poll_store import PollStore

MIDNIGHT = 20_789 * DAY_S
NOON = MIDNIGHT + DAY_S / 2


async def charge(
    redis: Redis, workspace: str, queries: int, now: float = NOON, whole: bool = False, per_day: int = 1000
) -> int:
    (granted,) = await DayBudgetStore(redis).charge(workspace, [Demand("zen", per_day, queries)], now, whole)
    return granted


async def test_one_workspace_cannot_use_the_last_tenth(redis: Redis) -> None:
    assert await charge(redis, "slack/A", 5000) == 882  # 90 % of 98 %
    assert await charge(redis, "slack/A", 1) == 0
    assert await charge(redis, "slack/B", 5000) == 98
    assert await charge(redis, "slack/C", 1) == 0
    assert await DayBudgetStore(redis).used_today(["zen", "other"], NOON) == [980, 0]


async def test_workspaces_that_begin_together_have_equal_shares(redis: Redis) -> None:
    assert [await charge(redis, workspace, 1) for workspace in "ABCD"] == [1] * 4
    assert [await charge(redis, workspace, 5000) for workspace in "ABC"] == [219] * 3  # 882 / 4, less the first


async def test_whole_demand_is_granted_or_nothing(redis: Redis) -> None:
    assert await charge(redis, "A", 880, whole=True) == 880
    assert await charge(redis, "A", 3, whole=True) == 0
    assert await charge(redis, "A", 2, whole=True) == 2


async def test_each_list_has_its_own_day(redis: Redis) -> None:
    store = DayBudgetStore(redis)
    demands = [Demand("small", 10, 20), Demand("large", 100_000, 20)]
    assert await store.charge("A", demands, NOON, False) == [8, 20]


async def test_day_begins_anew_at_midnight(redis: Redis) -> None:
    assert await charge(redis, "A", 5000) == 882
    assert await charge(redis, "A", 5000, now=MIDNIGHT + DAY_S) == 882
    assert await DayBudgetStore(redis).used_today(["zen"], NOON) == [0]


@pytest.mark.parametrize(
    ("watched", "now", "granted"),
    [
        (0, NOON, 882),
        (200, NOON, 522),  # 400 by the end of the day
        (450, NOON, 72),
        (100, MIDNIGHT + 600, 72),  # early in the day the most is expected: 90 %
    ],
)
async def test_people_leave_what_watches_need_for_the_day(redis: Redis, watched: int, now: float, granted: int) -> None:
    await PollStore(redis).take_tokens("zen", now, watched, 0.01, 1000)
    assert await charge(redis, "A", 5000, now=now) == granted


async def test_watches_and_people_together_stay_below_the_limit(redis: Redis) -> None:
    assert await charge(redis, "A", 5000) == 882
    taken = await PollStore(redis).take_tokens("zen", NOON + 1, 500, 0.01, 1000, day_limit=980)
    assert taken == 98
    assert await PollStore(redis).take_tokens("zen", NOON + 2, 500, 0.01, 1000, day_limit=980) == 0
    assert await PollStore(redis).take_tokens("zen", NOON + 2, 500, 0.01, 1000) == 500  # a bucket without a limit


async def test_values_that_cannot_be_read_count_nothing(redis: Redis) -> None:
    await redis.set("mc1:day:zen", "a text")
    assert await charge(redis, "A", 5000) == 882
    await redis.hset("mc1:day:zen", mapping={"total": "many", "w:A": "-5", "workspaces": "x"})
    assert await charge(redis, "A", 1) == 1


def test_day_file_is_shared_by_programs_and_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "state" / "day.json"
    demand = [Demand("zen", 1000, 500)]
    assert DayFile(path).charge(demand, NOON, False) == [500]
    assert DayFile(path).charge(demand, NOON, True) == [0]
    assert DayFile(path).charge(demand, NOON, False) == [382]
    assert DayFile(path).charge(demand, NOON + DAY_S, True) == [500]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"day": 20789}', '{"day": 20789, "used": {"zen": "x"}}'])
def test_day_file_that_cannot_be_read_is_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "day.json"
    path.write_text(text, encoding="utf-8")
    assert DayFile(path).charge([Demand("zen", 1000, 5000)], NOON, False) == [882]
    assert DayFile(path).charge([Demand("zen", 1000, 1)], NOON, False) == [0]
