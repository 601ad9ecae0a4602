"""Small records without expiry, deleted by group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from redis.asyncio import Redis

from bot.storage.unreadable import UnreadableValues, is_text


class UnreadableRecord(Exception):
    """A stored record cannot be read; the store itself answers."""


class RecordStore:
    """Records by key, each in some groups. Redis errors are raised as they are.

    `redis` decodes responses. Every write is idempotent.
    """

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis: Any = redis  # redis-py types allow bytes; this client decodes
        self._name, self._unreadable = f"mc1:{name}", UnreadableValues(redis)

    async def put(self, key: str, record: Mapping[str, str], groups: Iterable[str]) -> None:
        """Merge a record; fields that are empty leave the stored value."""
        fields: dict[Any, Any] = {name: value for name, value in record.items() if value}
        sets = [self._group(group) for group in groups]

        async def store() -> None:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.hset(self._record(key), mapping=fields)
                for name in sets:
                    pipeline.sadd(name, key)
                await pipeline.execute()

        await self._unreadable.write({self._record(key): "hash", **dict.fromkeys(sets, "set")}, store)

    async def get(self, key: str) -> Mapping[str, str] | None:
        """Raises UnreadableRecord."""
        name = self._record(key)
        fields = await self._unreadable.read(name, self._redis.hgetall(name), None)
        if fields is None or not all(map(is_text, (*fields, *fields.values()))):
            raise self.unreadable(key, "not a hash of texts")
        return {str(name): str(value) for name, value in fields.items()} or None

    def unreadable(self, key: str, reason: str) -> UnreadableRecord:
        """Report a record; returns the error to raise."""
        self._unreadable.report(self._record(key), "", reason)
        return UnreadableRecord(reason)

    async def delete_group(self, group: str) -> list[str]:
        """Delete every record of a group; returns their keys."""
        members = self._redis.smembers(self._group(group))
        keys = sorted(map(str, await self._unreadable.read(self._group(group), members, ())))
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.delete(self._group(group), *map(self._record, keys))
            await pipeline.execute()
        return keys

    def _record(self, key: str) -> str:
        return f"{self._name}:record:{key}"

    def _group(self, group: str) -> str:
        return f"{self._name}:group:{group}"
