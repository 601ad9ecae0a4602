"""Small records that must outlive a restart, and can be dropped by what they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from redis.asyncio import Redis


class Directory:
    """Records under a key, each in some groups; nothing here expires. Redis' own errors are raised as they are.

    `redis` decodes its answers. Every write may be sent twice without harm.
    """

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis, self._name = redis, f"mc1:{name}"

    async def put(self, key: str, record: Mapping[str, str], groups: Iterable[str]) -> None:
        """Adds to what is known under the key; a field that is empty now keeps what it was."""
        given: dict[Any, Any] = {field: value for field, value in record.items() if value}
        async with self._redis.pipeline(transaction=True) as together:
            together.hset(self._record(key), mapping=given)
            for group in groups:
                together.sadd(self._group(group), key)
            await together.execute()

    async def get(self, key: str) -> Mapping[str, str] | None:
        found = await self._redis.hgetall(self._record(key))
        return {str(field): str(value) for field, value in found.items()} or None

    async def drop(self, group: str) -> list[str]:
        """Forgets every record of a group; returns their keys."""
        keys = sorted(map(str, await self._redis.smembers(self._group(group))))
        async with self._redis.pipeline(transaction=True) as together:
            together.delete(self._group(group), *map(self._record, keys))
            await together.execute()
        return keys

    def _record(self, key: str) -> str:
        return f"{self._name}:record:{key}"

    def _group(self, group: str) -> str:
        return f"{self._name}:group:{group}"
