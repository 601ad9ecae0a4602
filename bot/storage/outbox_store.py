"""Letters that rooms must get, in order by room: a letter leaves only when its sending has ended one way or the other.

mc1:outbox:ROOM  list of "letter id, line break, text"   mc1:waiting  room → when its first letter may be sent
mc1:intent:ROOM  of the first letter: at, tries, by      mc1:thread:ROOM:THREAD  message, for 90 days after its last use

When the rooms that want a digest get their next one.

mc1:digests  room → due; written with the room's settings, and moved on in the same step that puts the letter into its outbox
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis

from bot.storage.lua_script import Script, answering
from bot.storage.watch_store import operation, score

THREADS_S = int(timedelta(days=90).total_seconds())


@dataclass(frozen=True, slots=True)
class First:
    """The first letter of a room; `intent` is when its sending was begun last, if that has not ended."""

    id: str
    text: str
    intent: float | None
    tries: int


class OutboxStore:
    """Every method raises StoreUnavailable where Redis does not answer. Times are seconds since 1970."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its types allow for bytes, which a client that decodes never gives
        self._step = Script(redis, "outbox_step.lua")

    async def rooms(self, now: float) -> list[str]:
        async with answering():
            return list(await self._redis.zrangebyscore("mc1:waiting", "-inf", score(now)))

    async def first(self, room: str) -> First | None:
        async with answering(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.lindex(f"mc1:outbox:{room}", 0)
            pipeline.hgetall(f"mc1:intent:{room}")
            letter, intent = await pipeline.execute()
        if letter is None:
            return None
        id, _, text = letter.partition("\n")
        return First(id, text, float(intent["at"]) if "at" in intent else None, int(intent.get("tries", 0)))

    async def sending(self, room: str, letter: str, now: float, tries: int) -> bool:
        """Marks the intent; False where the letter has gone, or was begun by another since it had so many tries."""
        return await self._stepped("sending", room, letter, score(now), tries)

    async def held(self, room: str, letter: str, until: float, tries: int) -> bool:
        """Takes an intent back; False where another has begun since, so that it has more tries."""
        return await self._stepped("held", room, letter, score(until), tries)

    async def waits(self, room: str, letter: str, until: float) -> bool:
        return await self._stepped("waits", room, letter, score(until))

    async def sent(self, room: str, letter: str, thread: str, message: str) -> bool:
        """Takes the letter out; a thread that it begins (empty: none) is from now on found under this message."""
        return await self._stepped("sent", room, letter, "", 0, thread, message)

    async def dropped(self, room: str, letter: str) -> bool:
        return await self._stepped("dropped", room, letter)

    async def thread(self, room: str, thread: str) -> str | None:
        async with answering():
            message: str | None = await self._redis.getex(f"mc1:thread:{room}:{thread}", ex=THREADS_S)
        return message

    async def hasten(self, rooms: Sequence[str]) -> None:
        """Rooms with letters need not wait any longer."""
        if rooms:
            async with answering():
                await self._redis.zadd("mc1:waiting", dict.fromkeys(rooms, 0), xx=True)

    async def uptime_s(self) -> int:
        """How long the server has been running."""
        async with answering():
            return int((await self._redis.info("server"))["uptime_in_seconds"])

    async def _stepped(self, step: str, room: str, letter: str, *more: str | int) -> bool:
        words = [*more, *("", 0, "", "")[len(more) :]]
        return bool(await self._step(operation(), step, room, letter, *words, THREADS_S))


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
