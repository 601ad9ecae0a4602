"""Whether a list can be believed, as its test points showed it through one resolver, and for how long that holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

HOLDS_FOR = timedelta(minutes=15)
REFRESHED_AFTER = timedelta(minutes=10)
BAD_HOLDS_FOR = timedelta(minutes=1)  # a list that recovers is believed again soon


class Trust(StrEnum):
    GOOD = "good"
    UNKNOWN = "unknown"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the test points of a list said at `at` (with a time zone); `reason` is empty while the list is good."""

    trust: Trust
    reason: str
    at: datetime

    def holds(self, now: datetime) -> bool:
        """Whether it still says something about the list: 15 minutes, or one minute for a list found unusable."""
        if self.trust is Trust.UNKNOWN:
            return False
        return self._age(now) < (HOLDS_FOR if self.trust is Trust.GOOD else BAD_HOLDS_FOR)

    def is_fresh(self, now: datetime) -> bool:
        """Whether the test points need not be asked yet."""
        return self.holds(now) and self._age(now) < REFRESHED_AFTER

    def to_json(self) -> dict[str, str]:
        return {"trust": self.trust, "reason": self.reason, "at": self.at.isoformat()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Standing:
        """Raises ValueError or KeyError for anything that `to_json` did not write."""
        return cls(Trust(stored["trust"]), str(stored["reason"]), datetime.fromisoformat(stored["at"]))

    def _age(self, now: datetime) -> timedelta:
        return abs(now - self.at)  # the clocks of two workers differ a little, in either direction


class Memory(Protocol):
    """Standings by the id of a zone and a resolver, shared by every check. An unreachable memory recalls nothing, soon."""

    async def recall(self, ids: Collection[str], /) -> Mapping[str, Standing]: ...

    async def remember(self, standings: Mapping[str, Standing], /) -> None: ...


class ProcessMemory:
    """Remembers as long as the process lives; it cannot grow beyond one entry a list and resolver."""

    def __init__(self) -> None:
        self._standings: dict[str, Standing] = {}

    async def recall(self, ids: Collection[str], /) -> Mapping[str, Standing]:
        return {key: self._standings[key] for key in ids if key in self._standings}

    async def remember(self, standings: Mapping[str, Standing], /) -> None:
        self._standings.update(standings)
