"""When the rooms that want a digest get their next one.

mc1:digests  room → due; written with the room's settings, and moved on in the same step that puts the letter into its outbox
"""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis

from bot.store.script import Script, answering
from bot.store.watches import score


class DigestStore:
    """Every method raises StoreUnavailable where Redis does not answer. Times are seconds since 1970."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its types allow for bytes, which a client that decodes never gives
        self._post = Script(redis, "digest_post.lua")

    async def due(self, now: float, most: int) -> list[tuple[str, float]]:
        """The rooms, those that wait longest first, with when their digest was due."""
        async with answering():
            found = await self._redis.zrangebyscore("mc1:digests", "-inf", score(now), 0, most, withscores=True)
        return [(room, float(due)) for room, due in found]

    async def post(self, room: str, due: float, again_at: float, letter: tuple[str, str] | None) -> bool:
        """Puts the letter, an id with its text, into the room's outbox; False where that was done, or is not wanted, any
        more."""
        return bool(await self._post(room, score(due), score(again_at), "\n".join(letter or ())))
