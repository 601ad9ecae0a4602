"""What the rounds of all workers share beside the watches: the buckets of the lists, what is known of the lists, the
plan of each minute, and whose turn it is to make it.

    mc1:bucket:LIST  tokens, at, by, had    mc1:lists, mc1:notes   of the lists
    mc1:stretched    space → factors        mc1:turn:WORK, mc1:swept
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis

from bot.storage.lua_script import Script, answering
from bot.storage.watch_store import operation, score

MOST_NOTES = 1000
SWEPT_S = 3600
DAY_S = 86_400


class SweepStore:
    """Every method raises StoreUnavailable where Redis does not answer. Times are seconds since 1970."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its types allow for bytes, which a client that decodes never gives
        self._take = Script(redis, "bucket_take.lua")
        self._swap = Script(redis, "lists_swap.lua")

    async def take(self, bucket: str, now: float, wanted: int, pace: float, most: float) -> int:
        """As many questions as the bucket holds, at most `wanted`; it gains `pace` a second, up to `most`."""
        return int(await self._take(operation(), bucket, score(now), wanted, pace, most))

    async def used(self, buckets: Sequence[str], now: float) -> list[int]:
        """How many questions each bucket has given since midnight UTC."""
        async with answering(), self._redis.pipeline(transaction=False) as pipeline:
            for bucket in buckets:
                pipeline.hmget(f"mc1:bucket:{bucket}", "day", "used")
            found = await pipeline.execute()
        today = str(int(now // DAY_S))
        return [int(used) if day == today else 0 for day, used in found]

    async def lists(self) -> tuple[str, str]:
        """Which operation wrote what is known of the lists, and the text; both empty at first."""
        async with answering():
            by, _, text = (await self._redis.get("mc1:lists") or "").partition(" ")
        return by, text

    async def replace_lists(
        self, was: str, text: str, notes: Sequence[str], letters: Sequence[tuple[str, str, str]] = ()
    ) -> bool:
        """`letters` are what rooms are told of it: room, id and text."""
        words = [word for room, id, text in letters for word in (room, f"{id}\n{text}")]
        return bool(await self._swap(operation(), was, text, MOST_NOTES, len(notes), *notes, *words))

    async def notes(self, most: int) -> list[str]:
        """The newest notes about lists first."""
        async with answering():
            return [line["note"] for _, line in await self._redis.xrevrange("mc1:notes", count=most)]

    async def stretched(self) -> dict[str, str]:
        async with answering():
            return dict(await self._redis.hgetall("mc1:stretched"))

    async def stretched_in(self, space: str) -> str:
        async with answering():
            return str(await self._redis.hget("mc1:stretched", space) or "")

    async def set_stretched(self, factors: Mapping[str, str]) -> None:
        async with answering(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.delete("mc1:stretched")
            if factors:
                pipeline.hset("mc1:stretched", mapping=factors)
            await pipeline.execute()

    async def turn(self, work: str, every_s: float) -> bool:
        """Whether this caller does the work now: of all workers, one in that time."""
        async with answering():
            return bool(await self._redis.set(f"mc1:turn:{work}", "1", nx=True, px=int(every_s * 1000)))

    async def mark_swept(self, now: float) -> None:
        async with answering():
            await self._redis.set("mc1:swept", score(now), ex=SWEPT_S)

    async def swept_at(self) -> float | None:
        """When any worker last looked for what is due."""
        async with answering():
            at = await self._redis.get("mc1:swept")
        return None if at is None else float(at)
