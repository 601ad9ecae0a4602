"""People's use of the daily limits of lists: in Redis, shared by all, or in a file of this host.

mc1:day:LIST   day, total, used by each workspace
"""

from __future__ import annotations

import fcntl
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from redis.asyncio import Redis

from bot.storage.lua_script import LuaScript, store_errors
from bot.storage.unreadable import UnreadableValues
from bot.storage.watch_store import format_timestamp, new_operation_id

DAY_S = 86_400
# Of what the operator of a list allows in a day: never used; and of what people may use, kept for
# other workspaces than the one that uses most.
DAY_SHARE, WORKSPACE_SHARE, WATCH_SHARE = 0.98, 0.9, 0.9


class Demand(NamedTuple):
    """Queries that are wanted of a list, whose operator allows `per_day`."""

    list_id: str
    per_day: int
    queries: int


class DayBudgetStore:
    """Methods raise StoreUnavailable if Redis does not answer. Times are Unix timestamps."""

    def __init__(self, redis: Redis, unreadable: UnreadableValues | None = None) -> None:
        self._redis: Any = redis
        self._unreadable = unreadable or UnreadableValues(redis)
        self._charge = LuaScript(redis, "day_charge.lua", self._unreadable)

    async def charge(self, workspace: str, demands: Sequence[Demand], now: float, whole: bool) -> list[int]:
        """Charge the demands to the workspace; returns what was granted: with `whole` all or nothing."""
        lists = [value for demand in demands for value in demand]
        shares = (DAY_SHARE, WORKSPACE_SHARE, WATCH_SHARE)
        operation, time = new_operation_id(), format_timestamp(now)
        return [int(count) for count in await self._charge(operation, time, workspace, int(whole), *shares, *lists)]

    async def used_today(self, lists: Sequence[str], now: float) -> list[int]:
        """Queries of people to each list since midnight UTC."""
        async with store_errors(), self._redis.pipeline(transaction=False) as pipeline:
            for list_id in lists:
                pipeline.hmget(f"mc1:day:{list_id}", "day", "total")
            rows = await pipeline.execute(raise_on_error=False)
        today, counts = str(int(now // DAY_S)), []
        for list_id, row in zip(lists, rows, strict=True):
            day, total = self._unreadable.usable(f"mc1:day:{list_id}", row, (None, None))
            counts.append(int(total) if day == today and str(total).isdigit() else 0)
        return counts


class DayFile:
    """The same for the programs of one host without a store, which count as one workspace."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def charge(self, demands: Sequence[Demand], now: float, whole: bool) -> list[int]:
        """Charge the demands; returns what was granted. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            used = _read_day(file, int(now // DAY_S))
            granted = [_grant(demand, used.get(demand.list_id, 0), whole) for demand in demands]
            for demand, count in zip(demands, granted, strict=True):
                used[demand.list_id] = used.get(demand.list_id, 0) + count
            file.seek(0)
            file.truncate()
            json.dump({"day": int(now // DAY_S), "used": used}, file)
        return granted


def _grant(demand: Demand, used: int, whole: bool) -> int:
    left = math.floor(demand.per_day * DAY_SHARE * WORKSPACE_SHARE) - used
    granted = max(0, min(demand.queries, left))
    return 0 if whole and granted < demand.queries else granted


def _read_day(file: IO[str], today: int) -> dict[str, int]:
    """What was used today; a file of another day, or one that cannot be read, counts nothing."""
    file.seek(0)
    try:
        document = json.load(file)
        used = document["used"] if document["day"] == today else {}
        return {str(list_id): max(0, int(count)) for list_id, count in used.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}
