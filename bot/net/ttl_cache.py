"""Answers kept for as long as they are true: a bounded cache in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from bot.models import Answer


class Memory:
    """The least recently used answers go first when `size` is reached; nothing is kept longer than `longest` seconds.

    An answer comes back with the TTL it has left. A TTL of 0 is not kept.
    """

    def __init__(self, clock: Callable[[], float], size: int, longest: float) -> None:
        self._clock = clock
        self._size = size
        self._longest = longest
        self._kept: OrderedDict[tuple[str, str], tuple[Answer, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def recall(self, name: str, kind: str) -> Answer | None:
        kept = self._kept.get((name, kind))
        if kept is None:
            return None
        answer, until = kept
        left = until - self._clock()
        if left <= 0:
            del self._kept[name, kind]
            return None
        self._kept.move_to_end((name, kind))
        return replace(answer, ttl=int(left))

    def keep(self, answer: Answer) -> None:
        if answer.ttl <= 0:
            return
        key = (answer.name, answer.kind)
        self._kept[key] = (answer, self._clock() + min(answer.ttl, self._longest))
        self._kept.move_to_end(key)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
