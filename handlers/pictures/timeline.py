"""What a timeline shows, before anybody has drawn it: rows of bars over one stretch of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What the bars of a row stand for; each has a colour of its own."""

    LISTED = "listed"
    SETTING = "setting"
    IN_HAND = "in hand"
    MUTED = "muted"


@dataclass(frozen=True, slots=True)
class Bar:
    """From when to when; `several` short times with pauses between them are drawn paler."""

    since: datetime
    until: datetime
    several: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One thing over time; `total` says it in a few words, such as `3 times, 2 d 4 h`."""

    label: str
    kind: Kind
    bars: tuple[Bar, ...] = ()
    total: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Rows over the time from `since` to `until`; `note` is small text under them."""

    title: str
    since: datetime
    until: datetime
    rows: tuple[Row, ...] = ()
    note: str = ""

    def place(self, at: datetime) -> float:
        """Where a moment stands: 0 at the left edge, 1 at the right."""
        whole = (self.until - self.since).total_seconds()
        share = (at - self.since).total_seconds() / whole if whole > 0 else 1.0
        return min(max(share, 0.0), 1.0)
