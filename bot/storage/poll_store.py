"""State of polling shared by all workers, beside the watches.

mc1:bucket:LIST        tokens, at, by, had
mc1:lists, mc1:notes   quarantine state and notices of the lists
mc1:stretched          workspace → interval multipliers
mc1:records:DOMAIN     texts of the records of a domain, compressed; expires
mc1:turn:WORK          the worker that runs the task now
mc1:swept              time of the last poll round
mc1:polled             time of the last finished poll, or of the first one of a watch
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis

from bot.storage.lua_script import LuaScript, store_errors
from bot.storage.unreadable import UnreadableValues
from bot.storage.watch_store import MAX_CLOCK_SKEW_S, format_timestamp, new_operation_id

RECORDS_PREFIX = "mc1:records:"
MAX_NOTICES = 1000
POLLED_TTL_S = 3600
FINISHED_TTL_S = 30 * 86_400  # far longer than any interval
DAY_S = 86_400
NO_EXPIRY = -1  # reply of PTTL
MAX_COUNT = 2**53  # where the numbers of a script end


class PollStore:
    """Methods raise StoreUnavailable if Redis does not answer. Times are Unix timestamps."""

    def __init__(self, redis: Redis, unreadable: UnreadableValues | None = None) -> None:
        self._redis: Any = redis  # redis-py types allow bytes; this client decodes
        self._unreadable = unreadable or UnreadableValues(redis)
        self._take_script, self._swap_script = (
            LuaScript(redis, f"{name}.lua", self._unreadable) for name in ("bucket_take", "quarantine_swap")
        )

    async def take_tokens(
        self, bucket: str, now: float, wanted: int, rate: float, capacity: float, *, day_limit: int = 0
    ) -> int:
        """Take up to `wanted` tokens; the bucket refills at `rate` a second up to `capacity`.

        With a `day_limit`, tokens and people's queries (`day_budget`) together stay below it.
        """
        limits = (rate, capacity, MAX_CLOCK_SKEW_S, day_limit)
        return int(await self._take_script(new_operation_id(), bucket, format_timestamp(now), wanted, *limits))

    async def take_token(self, bucket: str, now: float, per_minute: int) -> float:
        """Take a token of a bucket of one minute; returns the seconds to wait if there is none, else 0."""
        return 0.0 if await self.take_tokens(bucket, now, 1, per_minute / 60, per_minute) else 60 / per_minute

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
            counts.append(self._unreadable.parse(key, "used", parse_count, used) or 0 if day == today else 0)
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

    async def domain_records(self, domains: Sequence[str]) -> dict[str, bytes]:
        """Compressed texts of those domains that have some."""
        if not domains:
            return {}
        async with store_errors():
            texts = await self._redis.mget([f"{RECORDS_PREFIX}{domain}" for domain in domains])
        stored = zip(domains, texts, strict=True)
        return {domain: text.encode("utf-8", "surrogateescape") for domain, text in stored if text is not None}

    async def set_domain_records(self, records: Mapping[str, bytes], ttl_s: float) -> None:
        if not records:
            return
        async with store_errors(), self._redis.pipeline(transaction=False) as pipeline:
            for domain, packed in records.items():
                pipeline.set(f"{RECORDS_PREFIX}{domain}", packed, ex=int(ttl_s))
            await pipeline.execute()

    async def claim_task(self, task: str, interval_s: float) -> bool:
        """Whether this worker runs the task now: one worker per `interval_s`.

        The store ends a turn by its own clock; one that lasts longer than it can is cut.
        """
        key, interval_ms = f"mc1:turn:{task}", int(interval_s * 1000)
        async with store_errors(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.set(key, "1", nx=True, px=interval_ms)
            pipeline.pttl(key)
            claimed, remaining_ms = await pipeline.execute()
            if remaining_ms > interval_ms or remaining_ms == NO_EXPIRY:
                await self._redis.pexpire(key, interval_ms)
        return bool(claimed)

    async def mark_polled(self, now: float) -> None:
        async with store_errors():
            await self._redis.set("mc1:swept", format_timestamp(now), ex=POLLED_TTL_S)

    async def last_poll_at(self, now: float) -> float | None:
        """Time of the last poll round of any worker; None if more than an hour ago."""
        return await self._past_time("mc1:swept", now)

    async def mark_finished(self, now: float) -> None:
        async with store_errors():
            await self._redis.set("mc1:polled", format_timestamp(now), ex=FINISHED_TTL_S)

    async def last_finished_at(self, now: float) -> float | None:
        """Time of the last finished poll of any worker, or of the first poll of a new watch; None if not known."""
        return await self._past_time("mc1:polled", now)

    async def _past_time(self, key: str, now: float) -> float | None:
        """A stored time; one that lies ahead was written by a wrong clock and says nothing."""
        async with store_errors():
            text = await self._unreadable.read(key, self._redis.get(key), None)
        at = None if text is None else self._unreadable.parse(key, "", float, text)
        return min(at, now) if at is not None and at <= now + MAX_CLOCK_SKEW_S else None


def parse_count(text: str) -> int:
    """Raises ValueError for what no counting gives."""
    count = int(text)
    if not 0 <= count <= MAX_COUNT:
        raise ValueError("out of range")
    return count
