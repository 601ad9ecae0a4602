"""Trust in a list, as shown by its test points through one resolver, and how long it is valid."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

GOOD_TTL = timedelta(minutes=15)
REFRESH_AFTER = timedelta(minutes=10)
UNUSABLE_TTL = timedelta(minutes=1)  # short, so that a list that recovers is used again soon


class TrustLevel(StrEnum):
    """Whether the answers of a list count."""

    GOOD = "good"
    UNKNOWN = "unknown"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class ListTrust:
    """What the test points of a list showed.

    `checked_at` has a time zone; `reason` is empty while the list is good.
    """

    level: TrustLevel
    reason: str
    checked_at: datetime

    def is_valid(self, now: datetime) -> bool:
        """Return whether the result is still valid: 15 minutes, or 1 minute if unusable."""
        if self.level is TrustLevel.UNKNOWN:
            return False
        return self._age(now) < (GOOD_TTL if self.level is TrustLevel.GOOD else UNUSABLE_TTL)

    def is_fresh(self, now: datetime) -> bool:
        """Return whether the test points need no new query yet."""
        return self.is_valid(now) and self._age(now) < REFRESH_AFTER

    def to_json(self) -> dict[str, str]:
        return {"trust": self.level, "reason": self.reason, "at": self.checked_at.isoformat()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ListTrust:
        """Raises ValueError or KeyError for anything that `to_json` did not write."""
        return cls(TrustLevel(stored["trust"]), str(stored["reason"]), datetime.fromisoformat(stored["at"]))

    def _age(self, now: datetime) -> timedelta:
        return abs(now - self.checked_at)  # the clocks of two workers may differ


class TrustCache(Protocol):
    """Cache of list trust, keyed by resolver and zone and shared by all checks.

    An unavailable cache returns nothing, without delay.
    """

    async def get_many(self, keys: Collection[str], /) -> Mapping[str, ListTrust]: ...

    async def set_many(self, entries: Mapping[str, ListTrust], /) -> None: ...


class InMemoryTrustCache:
    """In-process trust cache; bounded by one entry per list and resolver."""

    def __init__(self) -> None:
        self._entries: dict[str, ListTrust] = {}

    async def get_many(self, keys: Collection[str], /) -> Mapping[str, ListTrust]:
        return {key: self._entries[key] for key in keys if key in self._entries}

    async def set_many(self, entries: Mapping[str, ListTrust], /) -> None:
        self._entries.update(entries)
