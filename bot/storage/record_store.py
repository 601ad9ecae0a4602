"""Small records without expiry, deleted by group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from redis.asyncio import Redis


class RecordStore:
    """Records by key, each in some groups. Redis errors are raised as they are.

    `redis` decodes responses. Every write is idempotent.
    """

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis, self._name = redis, f"mc1:{name}"

    async def put(self, key: str, record: Mapping[str, str], groups: Iterable[str]) -> None:
        """Merge a record; fields that are empty leave the stored value."""
        fields: dict[Any, Any] = {name: value for name, value in record.items() if value}
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(self._record(key), mapping=fields)
            for group in groups:
                pipeline.sadd(self._group(group), key)
            await pipeline.execute()

    async def get(self, key: str) -> Mapping[str, str] | None:
        fields = await self._redis.hgetall(self._record(key))
        return {str(name): str(value) for name, value in fields.items()} or None

    async def delete_group(self, group: str) -> list[str]:
        """Delete every record of a group; returns their keys."""
        keys = sorted(map(str, await self._redis.smembers(self._group(group))))
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.delete(self._group(group), *map(self._record, keys))
            await pipeline.execute()
        return keys

    def _record(self, key: str) -> str:
        return f"{self._name}:record:{key}"

    def _group(self, group: str) -> str:
        return f"{self._name}:group:{group}"
