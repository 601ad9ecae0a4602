"""What is kept of rooms beside their watches: what they chose, whether they rest, and who did what in their space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis

from bot.storage.lua_script import Script, answering
from bot.storage.watch_store import Place, operation

MOST_LINES = 10_000
HEARING = "mc1:hearing"  # space → its room that hears of lists


class RoomStore:
    """Every method raises StoreUnavailable where Redis does not answer. Times are seconds since 1970."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its types allow for bytes, which a client that decodes never gives
        self._note = Script(redis, "room_note.lua")

    async def settings(self, place: Place) -> str | None:
        async with answering():
            text: str | None = await self._redis.hget(f"mc1:settings:{place.space}", place.room)
        return text

    async def set_settings(self, place: Place, text: str, lists: bool, digest_at: float | None = None) -> None:
        """`lists`: of the rooms of its space this one hears of lists from now on. `digest_at`: it gets a digest, the first
        one then; one that is planned stays planned."""
        heard = await self.hears_of_lists(place)
        async with answering(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(f"mc1:settings:{place.space}", place.room, text)
            if lists:
                pipeline.hset(HEARING, place.space, place.room)
            elif heard:
                pipeline.hdel(HEARING, place.space)
            if digest_at is None:
                pipeline.zrem("mc1:digests", place.room)
            else:
                pipeline.zadd("mc1:digests", {place.room: digest_at}, nx=True)
            await pipeline.execute()

    async def hears_of_lists(self, place: Place) -> bool:
        async with answering():
            return bool(await self._redis.hget(HEARING, place.space) == place.room)

    async def hearing_of_lists(self) -> list[str]:
        """The rooms that are told when a list itself cannot be believed, at most one of each space."""
        async with answering():
            return list(await self._redis.hvals(HEARING))

    async def rest(self, place: str, until: float) -> None:
        """For a room or a whole space; one that rests already goes on resting until the time first set."""
        async with answering():
            await self._redis.hsetnx("mc1:resting", place, f"{until:.0f}")

    async def wake(self, place: str) -> bool:
        async with answering():
            return bool(await self._redis.hdel("mc1:resting", place))

    async def rests(self, place: Place) -> bool:
        """Whether the room rests, by itself or with its space."""
        async with answering():
            return any(await self._redis.hmget("mc1:resting", place.room, place.space))

    async def resting(self) -> Mapping[str, float]:
        """The rooms and spaces that rest, with the time until which they may."""
        async with answering():
            return {room: float(until) for room, until in (await self._redis.hgetall("mc1:resting")).items()}

    async def of_space(self, space: str) -> list[str]:
        """Its rooms that have watches, and those that chose something or wait for letters."""
        async with answering():
            watching = await self._redis.hkeys(f"mc1:rooms:{space}")
            chose = await self._redis.hkeys(f"mc1:settings:{space}")
            waiting = await self._redis.zrange("mc1:waiting", 0, -1)
        return sorted({*watching, *chose, *(room for room in waiting if room.startswith(f"{space}/"))})

    async def forget_room(self, place: Place) -> None:
        """All of a room but its watches, which are removed one by one."""
        room, hears = place.room, await self.hears_of_lists(place)
        async with answering():
            threads = [key async for key in self._redis.scan_iter(f"mc1:thread:{escaped(room)}:*", count=1000)]
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.delete(f"mc1:outbox:{room}", f"mc1:intent:{room}", f"mc1:history:{room}", *threads)
                pipeline.hdel(f"mc1:settings:{place.space}", room)
                pipeline.zrem("mc1:waiting", room)
                pipeline.zrem("mc1:digests", room)
                pipeline.hdel("mc1:resting", room)
                if hears:
                    pipeline.hdel(HEARING, place.space)
                await pipeline.execute()

    async def forget_space(self, space: str) -> None:
        """What is left of a space once its rooms are forgotten."""
        async with answering():
            await self._redis.delete(f"mc1:settings:{space}", f"mc1:audit:{space}")
            await self._redis.hdel("mc1:resting", space)
            await self._redis.hdel(HEARING, space)

    async def note(self, space: str, line: Mapping[str, str]) -> None:
        """One line of the audit stream of a space, which keeps the last ten thousand or so."""
        words = [word for pair in line.items() for word in pair]
        await self._note(operation(), space, MOST_LINES, *words)

    async def notes(self, space: str, most: int) -> list[dict[str, str]]:
        """The newest lines first; `at` is when."""
        async with answering():
            lines = await self._redis.xrevrange(f"mc1:audit:{space}", count=most)
        return [{**line, "at": id.partition("-")[0]} for id, line in lines]


def escaped(text: str) -> str:
    """A text that stands for itself in a pattern of Redis."""
    return "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in text)
