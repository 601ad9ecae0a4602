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
from bot.storage.unreadable import UnreadableValues
from bot.storage.watch_store import format_timestamp, new_operation_id

MAX_NOTICES = 1000
POLLED_TTL_S = 3600
DAY_S = 86_400
NO_EXPIRY = -1  # reply of PTTL


class PollStore:
    """Methods raise StoreUnavailable if Redis does not answer. Times are Unix timestamps."""

    def __init__(self, redis: Redis, unreadable: UnreadableValues | None = None) -> None:
        self._redis: Any = redis  # redis-py types allow bytes; this client decodes
        self._unreadable = unreadable or UnreadableValues(redis)
        self._take_script, self._swap_script = (
            LuaScript(redis, f"{name}.lua", self._unreadable) for name in ("bucket_take", "quarantine_swap")
        )

    async def take_tokens(self, bucket: str, now: float, wanted: int, rate: float, capacity: float) -> int:
        """Take up to `wanted` tokens; the bucket refills at `rate` a second up to `capacity`."""
        return int(await self._take_script(new_operation_id(), bucket, format_timestamp(now), wanted, rate, capacity))

    async def used_today(self, buckets: Sequence[str], now: float) -> list[int]:
        """Tokens taken from each bucket since midnight UTC."""
        async with store_errors(), self._redis.pipeline(transaction=False) as pipeline:
            for bucket in buckets:
                pipeline.hmget(f"mc1:bucket:{bucket}", "day", "used")
            rows = await pipeline.execute(raise_on_error=False)
        today, counts = str(int(now // DAY_S)), []
        for bucket, row in zip(buckets, rows, strict=True):
            key = f"mc1:bucket:{bucket}"
            day, used = self._unreadable.usable(key, row, (None, None))
            counts.append(self._unreadable.parse(key, "used", int, used) or 0 if day == today else 0)
        return counts

    async def quarantine_state(self) -> tuple[str, str]:
        """Version (last operation) and text of the quarantine state; both empty at first."""
        async with store_errors():
            stored = await self._unreadable.read("mc1:lists", self._redis.get("mc1:lists"), None)
        version, _, text = (stored or "").partition(" ")
        return version, text

    async def set_aside_quarantine_state(self, version: str, text: str) -> None:
        """Move a state that cannot be read out of the way."""
        for stored in (f"{version} {text}", version) if not text else (f"{version} {text}",):
            if stored:
                await self._unreadable.set_aside("mc1:lists", "string", stored)

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
            stored = self._redis.hgetall("mc1:stretched")
            return dict(await self._unreadable.read("mc1:stretched", stored, {}))

    async def workspace_multipliers(self, workspace: str) -> str:
        async with store_errors():
            stored = self._redis.hget("mc1:stretched", workspace)
            return str(await self._unreadable.read("mc1:stretched", stored, None) or "")

    async def set_interval_multipliers(self, multipliers: Mapping[str, str]) -> None:
        async with store_errors(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.delete("mc1:stretched")
            if multipliers:
                pipeline.hset("mc1:stretched", mapping=multipliers)
            await pipeline.execute()

    async def claim_task(self, task: str, interval_s: float) -> bool:
        """Whether this worker runs the task now: one worker per `interval_s`."""
        async with store_errors():
            key, interval_ms = f"mc1:turn:{task}", int(interval_s * 1000)
            if await self._redis.set(key, "1", nx=True, px=interval_ms):
                return True
            if await self._redis.pttl(key) == NO_EXPIRY:  # not of our making; nobody would run the task again
                await self._redis.pexpire(key, interval_ms)
            return False

    async def mark_polled(self, now: float) -> None:
        async with store_errors():
            await self._redis.set("mc1:swept", format_timestamp(now), ex=POLLED_TTL_S)

    async def last_poll_at(self) -> float | None:
        """Time of the last poll round of any worker; None if more than an hour ago."""
        async with store_errors():
            at = await self._unreadable.read("mc1:swept", self._redis.get("mc1:swept"), None)
        return None if at is None else self._unreadable.parse("mc1:swept", "", float, at)
