"""Channel data beside watches: settings, pauses, list notices, and the audit log of a workspace."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from redis.asyncio import Redis

from bot.storage.lua_script import LuaScript, store_errors
from bot.storage.outbox_store import DIGESTS_KEY
from bot.storage.unreadable import UnreadableValues
from bot.storage.watch_store import ChannelLocation, new_operation_id

MAX_AUDIT_ENTRIES = 10_000
PAUSED_KEY = "mc1:resting"
LIST_NOTICES_KEY = "mc1:hearing"  # workspace → its channel for list notices


class ChannelStore:
    """Methods raise StoreUnavailable if Redis does not answer. Times are Unix timestamps."""

    def __init__(self, redis: Redis, unreadable: UnreadableValues | None = None) -> None:
        self._redis: Any = redis  # redis-py types allow bytes; this client decodes
        self._unreadable = unreadable or UnreadableValues(redis)
        self._append, self._clamp = (
            LuaScript(redis, f"{name}.lua", self._unreadable) for name in ("audit_append", "field_clamp")
        )

    async def settings(self, channel: ChannelLocation) -> str | None:
        async with store_errors():
            key = f"mc1:settings:{channel.workspace}"
            text: str | None = await self._unreadable.read(key, self._redis.hget(key, channel.channel), None)
        return text

    async def settings_of(self, channels: Collection[ChannelLocation]) -> dict[str, str]:
        """The settings of those channels that have some, in one round trip."""
        async with store_errors(), self._redis.pipeline(transaction=False) as pipeline:
            for channel in channels:
                pipeline.hget(f"mc1:settings:{channel.workspace}", channel.channel)
            texts = await pipeline.execute(raise_on_error=False)
        return {channel.channel: text for channel, text in zip(channels, texts, strict=True) if isinstance(text, str)}

    async def set_settings(
        self, channel: ChannelLocation, text: str, list_notices: bool, digest_at: float | None = None
    ) -> None:
        """Store the settings.

        `list_notices`: this channel gets the list notices of its workspace from now on.
        `digest_at`: time of its first digest, None for no digests; an earlier schedule stays.
        """
        had_notices = await self.gets_list_notices(channel)
        key = f"mc1:settings:{channel.workspace}"

        async def store() -> None:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.hset(key, channel.channel, text)
                if list_notices:
                    pipeline.hset(LIST_NOTICES_KEY, channel.workspace, channel.channel)
                elif had_notices:
                    pipeline.hdel(LIST_NOTICES_KEY, channel.workspace)
                if digest_at is None:
                    pipeline.zrem(DIGESTS_KEY, channel.channel)
                else:
                    pipeline.zadd(DIGESTS_KEY, {channel.channel: digest_at}, nx=True)
                *replies, planned = await pipeline.execute(raise_on_error=False)
            self._unreadable.usable(DIGESTS_KEY, planned, 0)  # built anew from the settings of all channels
            if error := next((reply for reply in replies if isinstance(reply, Exception)), None):
                raise error

        async with store_errors():
            await self._unreadable.write({key: "hash", LIST_NOTICES_KEY: "hash"}, store)

    async def gets_list_notices(self, channel: ChannelLocation) -> bool:
        async with store_errors():
            stored = self._redis.hget(LIST_NOTICES_KEY, channel.workspace)
            return bool(await self._unreadable.read(LIST_NOTICES_KEY, stored, None) == channel.channel)

    async def list_notice_channels(self) -> list[str]:
        """Channels that get notices about unreliable lists, at most one per workspace."""
        async with store_errors():
            return list(await self._unreadable.read(LIST_NOTICES_KEY, self._redis.hvals(LIST_NOTICES_KEY), []))

    async def pause(self, name: str, until: float) -> None:
        """Pause a channel or a whole workspace; if already paused, the earlier time stays."""
        async with store_errors():
            await self._unreadable.write(
                {PAUSED_KEY: "hash"}, lambda: self._redis.hsetnx(PAUSED_KEY, name, f"{until:.0f}")
            )

    async def resume(self, name: str) -> bool:
        async with store_errors():
            return bool(await self._unreadable.read(PAUSED_KEY, self._redis.hdel(PAUSED_KEY, name), 0))

    async def is_paused(self, channel: ChannelLocation) -> bool:
        """Whether the channel is paused, by itself or with its workspace."""
        async with store_errors():
            times = self._redis.hmget(PAUSED_KEY, channel.channel, channel.workspace)
            return any(await self._unreadable.read(PAUSED_KEY, times, ()))

    async def paused(self, latest: float) -> Mapping[str, float]:
        """Paused channels and workspaces, with the time at which they may be purged, at the latest `latest`."""
        async with store_errors():
            times = await self._unreadable.read(PAUSED_KEY, self._redis.hgetall(PAUSED_KEY), {})
        parsed = {name: self._unreadable.parse(PAUSED_KEY, name, float, t) for name, t in times.items()}
        pauses = {name: until for name, until in parsed.items() if until is not None}
        for name in [name for name, until in pauses.items() if until > latest + 1]:  # stored in whole seconds
            await self._clamp(PAUSED_KEY, name, f"{latest + 1:.0f}", f"{latest:.0f}")
            pauses[name] = latest
        return pauses

    async def list_channels(self, workspace: str) -> list[str]:
        """Channels of a workspace that have watches, settings or outbox messages."""
        async with store_errors():
            watched, configured, pending = [
                await self._unreadable.read(key, reply, [])
                for key, reply in (
                    (f"mc1:rooms:{workspace}", self._redis.hkeys(f"mc1:rooms:{workspace}")),
                    (f"mc1:settings:{workspace}", self._redis.hkeys(f"mc1:settings:{workspace}")),
                    ("mc1:waiting", self._redis.zrange("mc1:waiting", 0, -1)),
                )
            ]
        return sorted({*watched, *configured, *(channel for channel in pending if channel.startswith(f"{workspace}/"))})

    async def delete_channel(self, channel: ChannelLocation) -> None:
        """Delete everything of a channel except its watches, which are removed one by one."""
        name, gets_notices = channel.channel, await self.gets_list_notices(channel)
        async with store_errors():
            threads = [key async for key in self._redis.scan_iter(f"mc1:thread:{escape_glob(name)}:*", count=1000)]
            async with self._redis.pipeline(transaction=True) as pipeline:
                keys = (f"mc1:{part}:{name}" for part in ("outbox", "intent", "history", "removed"))
                pipeline.delete(*keys, *threads)
                pipeline.hdel(f"mc1:settings:{channel.workspace}", name)
                pipeline.hdel(f"mc1:announced:{channel.workspace}", name)
                pipeline.zrem("mc1:waiting", name)
                pipeline.zrem(DIGESTS_KEY, name)
                pipeline.hdel(PAUSED_KEY, name)
                if gets_notices:
                    pipeline.hdel(LIST_NOTICES_KEY, channel.workspace)
                for reply in await pipeline.execute(raise_on_error=False):
                    self._unreadable.usable(f"mc1:settings:{channel.workspace}", reply, 0)

    async def delete_workspace(self, workspace: str) -> None:
        """Delete what is left of a workspace after its channels."""
        async with store_errors():
            await self._redis.delete(*(f"mc1:{part}:{workspace}" for part in ("settings", "announced", "audit")))
            for key in (PAUSED_KEY, LIST_NOTICES_KEY):
                await self._unreadable.read(key, self._redis.hdel(key, workspace), 0)

    async def append_audit(self, workspace: str, entry: Mapping[str, str]) -> None:
        """Add an entry to the audit stream of a workspace, trimmed to about 10,000 entries."""
        arguments = [value for pair in entry.items() for value in pair]
        await self._append(new_operation_id(), workspace, MAX_AUDIT_ENTRIES, *arguments)


def escape_glob(text: str) -> str:
    """Escape the glob characters of a Redis pattern."""
    return "".join(f"\\{char}" if char in "*?[]\\" else char for char in text)
