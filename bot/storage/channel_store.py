"""Channel data beside watches: settings, pauses, list notices, and the audit log of a workspace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis

from bot.storage.lua_script import Script, answering
from bot.storage.watch_store import Place, operation

MOST_LINES = 10_000
HEARING = "mc1:hearing"  # workspace → its channel for list notices


class RoomStore:
    """Methods raise StoreUnavailable if Redis does not answer. Times are Unix timestamps."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # redis-py types allow bytes; this client decodes
        self._append = Script(redis, "audit_append.lua")

    async def settings(self, channel: Place) -> str | None:
        async with answering():
            text: str | None = await self._redis.hget(f"mc1:settings:{channel.space}", channel.room)
        return text

    async def set_settings(
        self, channel: Place, text: str, list_notices: bool, digest_at: float | None = None
    ) -> None:
        """Store the settings.

        `list_notices`: this channel gets the list notices of its workspace from now on.
        `digest_at`: time of its first digest, None for no digests; an earlier schedule stays.
        """
        had_notices = await self.hears_of_lists(channel)
        async with answering(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(f"mc1:settings:{channel.space}", channel.room, text)
            if list_notices:
                pipeline.hset(HEARING, channel.space, channel.room)
            elif had_notices:
                pipeline.hdel(HEARING, channel.space)
            if digest_at is None:
                pipeline.zrem("mc1:digests", channel.room)
            else:
                pipeline.zadd("mc1:digests", {channel.room: digest_at}, nx=True)
            await pipeline.execute()

    async def hears_of_lists(self, channel: Place) -> bool:
        async with answering():
            return bool(await self._redis.hget(HEARING, channel.space) == channel.room)

    async def hearing_of_lists(self) -> list[str]:
        """Channels that get notices about unreliable lists, at most one per workspace."""
        async with answering():
            return list(await self._redis.hvals(HEARING))

    async def rest(self, name: str, until: float) -> None:
        """Pause a channel or a whole workspace; if already paused, the earlier time stays."""
        async with answering():
            await self._redis.hsetnx("mc1:resting", name, f"{until:.0f}")

    async def wake(self, name: str) -> bool:
        async with answering():
            return bool(await self._redis.hdel("mc1:resting", name))

    async def rests(self, channel: Place) -> bool:
        """Whether the channel is paused, by itself or with its workspace."""
        async with answering():
            return any(await self._redis.hmget("mc1:resting", channel.room, channel.space))

    async def resting(self) -> Mapping[str, float]:
        """Paused channels and workspaces, with the time at which they may be purged."""
        async with answering():
            return {
                name: float(until)
                for name, until in (await self._redis.hgetall("mc1:resting")).items()
            }

    async def of_space(self, workspace: str) -> list[str]:
        """Channels of a workspace that have watches, settings or outbox messages."""
        async with answering():
            watched = await self._redis.hkeys(f"mc1:rooms:{workspace}")
            configured = await self._redis.hkeys(f"mc1:settings:{workspace}")
            pending = await self._redis.zrange("mc1:waiting", 0, -1)
        return sorted(
            {
                *watched,
                *configured,
                *(channel for channel in pending if channel.startswith(f"{workspace}/")),
            }
        )

    async def forget_room(self, channel: Place) -> None:
        """Delete everything of a channel except its watches, which are removed one by one."""
        name, gets_notices = channel.room, await self.hears_of_lists(channel)
        async with answering():
            threads = [
                key
                async for key in self._redis.scan_iter(f"mc1:thread:{escaped(name)}:*", count=1000)
            ]
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.delete(
                    f"mc1:outbox:{name}", f"mc1:intent:{name}", f"mc1:history:{name}", *threads
                )
                pipeline.hdel(f"mc1:settings:{channel.space}", name)
                pipeline.zrem("mc1:waiting", name)
                pipeline.zrem("mc1:digests", name)
                pipeline.hdel("mc1:resting", name)
                if gets_notices:
                    pipeline.hdel(HEARING, channel.space)
                await pipeline.execute()

    async def forget_space(self, workspace: str) -> None:
        """Delete what is left of a workspace after its channels."""
        async with answering():
            await self._redis.delete(f"mc1:settings:{workspace}", f"mc1:audit:{workspace}")
            await self._redis.hdel("mc1:resting", workspace)
            await self._redis.hdel(HEARING, workspace)

    async def note(self, workspace: str, entry: Mapping[str, str]) -> None:
        """Add an entry to the audit stream of a workspace, trimmed to about 10,000 entries."""
        arguments = [value for pair in entry.items() for value in pair]
        await self._append(operation(), workspace, MOST_LINES, *arguments)

    async def notes(self, workspace: str, limit: int) -> list[dict[str, str]]:
        """Audit entries, newest first; `at` is the time."""
        async with answering():
            entries = await self._redis.xrevrange(f"mc1:audit:{workspace}", count=limit)
        return [{**entry, "at": id.partition("-")[0]} for id, entry in entries]


def escaped(text: str) -> str:
    """Escape the glob characters of a Redis pattern."""
    return "".join(f"\\{char}" if char in "*?[]\\" else char for char in text)
