"""In-memory cache of DNS answers, bounded by size and TTL."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from bot.models import DnsAnswer


class TtlCache:
    """LRU cache of at most `size` answers, each for its TTL and at most `max_ttl_s` seconds.

    Answers are returned with their remaining TTL. A TTL of 0 is not stored.
    """

    def __init__(self, clock: Callable[[], float], size: int, max_ttl_s: float) -> None:
        self._clock = clock
        self._size = size
        self._max_ttl_s = max_ttl_s
        self._entries: OrderedDict[tuple[str, str], tuple[DnsAnswer, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, name: str, rdtype: str) -> DnsAnswer | None:
        entry = self._entries.get((name, rdtype))
        if entry is None:
            return None
        answer, expires_at = entry
        remaining_s = expires_at - self._clock()
        if remaining_s <= 0:
            del self._entries[name, rdtype]
            return None
        self._entries.move_to_end((name, rdtype))
        return replace(answer, ttl=int(remaining_s))

    def put(self, answer: DnsAnswer) -> None:
        if answer.ttl <= 0:
            return
        key = (answer.name, answer.rdtype)
        self._entries[key] = (answer, self._clock() + min(answer.ttl, self._max_ttl_s))
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)
