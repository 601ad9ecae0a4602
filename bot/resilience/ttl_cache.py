"""In-memory cache, bounded by size and time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class TtlCache(Generic[K, V]):
    """LRU cache of at most `size` values, each for its own TTL in seconds.

    Expired values are dropped when they are read, or pushed out by newer ones.
    """

    def __init__(self, size: int, clock: Callable[[], float]) -> None:
        self._size = size
        self._clock = clock
        self._entries: OrderedDict[K, tuple[V, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> tuple[V, float] | None:
        """The value and its remaining TTL in seconds."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, expires_at = entry
        remaining_s = expires_at - self._clock()
        if remaining_s <= 0:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return value, remaining_s

    def put(self, key: K, value: V, ttl_s: float) -> None:
        """Store a value; with a TTL of 0, nothing is stored."""
        if ttl_s <= 0:
            return
        self._entries[key] = (value, self._clock() + ttl_s)
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def remove(self, key: K) -> None:
        self._entries.pop(key, None)

    def values(self) -> list[V]:
        """The values that have not expired."""
        now = self._clock()
        return [value for value, expires_at in self._entries.values() if expires_at > now]
