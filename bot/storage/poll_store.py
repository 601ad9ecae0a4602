"""State of polling shared by all workers, beside the watches.

mc1:bucket:LIST        tokens, at, by, had
mc1:lists, mc1:notes   quarantine state and notices of the lists
mc1:stretched          workspace → interval multipliers
mc1:turn:WORK          the worker that runs the task now
mc1:swept              time of the last poll round
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis

from bot.storage.lua_script import LuaScript, store_errors
from bot.storage.watch_store import format_timestamp, new_operation_id

MAX_NOTICES = 1000
POLLED_TTL_S = 3600
DAY_S = 86_400


class PollStore:
    """Methods raise StoreUnavailable if Redis does not answer. Times are Unix timestamps."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # redis-py types allow bytes; this client decodes
        self._take_script = LuaScript(redis, "bucket_take.lua")
        self._swap_script = LuaScript(redis, "quarantine_swap.lua")

    async def take_tokens(self, bucket: str, now: float, wanted: int, rate: float, capacity: float) -> int:
        """Take up to `wanted` tokens; the bucket refills at `rate` a second up to `capacity`."""
        return int(await self._take_script(new_operation_id(), bucket, format_timestamp(now), wanted, rate, capacity))

    async def used_today(self, buckets: Sequence[str], now: float) -> list[int]:
        """Tokens taken from each bucket since midnight UTC."""
        async with store_errors(), self._redis.pipeline(transaction=False) as pipeline:
            for bucket in buckets:
                pipeline.hmget(f"mc1:bucket:{bucket}", "day", "used")
            rows = await pipeline.execute()
        today = str(int(now // DAY_S))
        return [int(used) if day == today else 0 for day, used in rows]

    async def quarantine_state(self) -> tuple[str, str]:
        """Version (last operation) and text of the quarantine state; both empty at first."""
        async with store_errors():
            version, _, text = (await self._redis.get("mc1:lists") or "").partition(" ")
        return version, text

    async def replace_quarantine_state(
        self, expected: str, text: str, notices: Sequence[str], messages: Sequence[tuple[str, str, str]] = ()
    ) -> bool:
        """Replace the quarantine state if its version still is `expected`; False otherwise.

        `messages` to enqueue are channel, id and text.
        """
        arguments = [argument for channel, id, text in messages for argument in (channel, f"{id}\n{text}")]
        return bool(
            await self._swap_script(new_operation_id(), expected, text, MAX_NOTICES, len(notices), *notices, *arguments)
        )

    async def interval_multipliers(self) -> dict[str, str]:
        async with store_errors():
            return dict(await self._redis.hgetall("mc1:stretched"))

    async def workspace_multipliers(self, workspace: str) -> str:
        async with store_errors():
            return str(await self._redis.hget("mc1:stretched", workspace) or "")

    async def set_interval_multipliers(self, multipliers: Mapping[str, str]) -> None:
        async with store_errors(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.delete("mc1:stretched")
            if multipliers:
                pipeline.hset("mc1:stretched", mapping=multipliers)
            await pipeline.execute()

    async def claim_task(self, task: str, interval_s: float) -> bool:
        """Whether this worker runs the task now: one worker per `interval_s`."""
        async with store_errors():
            return bool(await self._redis.set(f"mc1:turn:{task}", "1", nx=True, px=int(interval_s * 1000)))

    async def mark_polled(self, now: float) -> None:
        async with store_errors():
            await self._redis.set("mc1:swept", format_timestamp(now), ex=POLLED_TTL_S)

    async def last_poll_at(self) -> float | None:
        """Time of the last poll round of any worker; None if more than an hour ago."""
        async with store_errors():
            at = await self._redis.get("mc1:swept")
        return None if at is None else float(at)
