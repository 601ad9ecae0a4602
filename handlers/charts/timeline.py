"""What a timeline shows, before anybody has drawn it: rows of bars over one stretch of time.

From a timeline to shapes: the only place that knows where something stands.

A timeline in characters of one width, for terminals and for chats that take no picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from handlers.charts.scene import Anchor, Box, Ink, Scene, Words
from handlers.sanitize import inert


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


WIDTH = 700.0  # of a message in a chat
PADDING = 18.0
LABELS, TOTALS = 168.0, 132.0  # the columns on both sides of the lanes
LEFT = PADDING + LABELS
LANE = WIDTH - 2 * PADDING - LABELS - TOTALS
TOP, ROW, BAR = 50.0, 28.0, 14.0
NARROWEST = 3.0  # of a bar, so that a short one is seen
MOST_ROWS = 16
LABEL_LETTERS, TOTAL_LETTERS, TITLE_LETTERS, NOTE_LETTERS = 25, 24, 80, 110
SMALL = 11.5
MOST_TICKS = 6

INKS = {
    Kind.LISTED: (Ink.LISTED, Ink.LISTED_PALE),
    Kind.SETTING: (Ink.SETTING, Ink.SETTING_PALE),
    Kind.IN_HAND: (Ink.IN_HAND, Ink.IN_HAND_PALE),
    Kind.MUTED: (Ink.MUTED, Ink.MUTED_PALE),
}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STEPS = (HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY, 91 * DAY, 182 * DAY, 364 * DAY)
EPOCH = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday, so that steps of weeks begin with one


def laid_out(timeline: Timeline) -> Scene:
    rows = timeline.rows[:MOST_ROWS]
    more = len(timeline.rows) - len(rows)
    bottom = TOP + ROW * max(len(rows), 1)
    note = " ".join(filter(None, (f"{more} more not shown." if more else "", timeline.note)))
    height = bottom + 34 + (18 if note else 0)
    return Scene(
        WIDTH,
        height,
        (
            Box(0, 0, WIDTH, height, Ink.EDGE, 10),
            Box(1, 1, WIDTH - 2, height - 2, Ink.PAPER, 9),
            Words(PADDING, 30, inert(timeline.title, TITLE_LETTERS), size=15),
            *(box for number in range(len(rows)) for box in _lane(number)),
            *_ticks(timeline, bottom),
            *(shape for number, row in enumerate(rows) for shape in _row(timeline, row, TOP + ROW * number)),
            *([Words(PADDING, height - 14, inert(note, NOTE_LETTERS), Ink.FAINT, SMALL)] if note else []),
        ),
    )


def _lane(number: int) -> Iterator[Box]:
    yield Box(LEFT, TOP + ROW * number + (ROW - BAR) / 2, LANE, BAR, Ink.LANE, 3)


def _row(timeline: Timeline, row: Row, top: float) -> Iterator[Box | Words]:
    baseline = top + ROW / 2 + 4.5
    yield Words(PADDING, baseline, inert(row.label, LABEL_LETTERS))
    # What is paler lies below, so that no short bar is hidden.
    for bar in sorted(row.bars, key=lambda bar: not bar.several):
        yield _bar(timeline, bar, row.kind, top + (ROW - BAR) / 2)
    if row.total:
        yield Words(WIDTH - PADDING, baseline, inert(row.total, TOTAL_LETTERS), Ink.FAINT, SMALL, Anchor.END)


def _bar(timeline: Timeline, bar: Bar, kind: Kind, top: float) -> Box:
    start, end = LANE * timeline.place(bar.since), LANE * timeline.place(bar.until)
    width = max(end - start, NARROWEST)
    full, pale = INKS[kind]
    return Box(LEFT + min(start, LANE - width), top, width, BAR, pale if bar.several else full, min(3.0, width / 2))


def _ticks(timeline: Timeline, bottom: float) -> Iterator[Box | Words]:
    step = tick_step(timeline.until - timeline.since)
    at = timeline.since - (timeline.since - EPOCH) % step + step
    while at <= timeline.until:
        x = LEFT + LANE * timeline.place(at)
        yield Box(x - 0.5, TOP, 1, bottom - TOP + 4, Ink.GRID)
        yield Words(x, bottom + 18, tick_text(at, step), Ink.FAINT, SMALL, Anchor.MIDDLE)
        at += step


def tick_step(length: timedelta) -> timedelta:
    """The smallest step that gives no more ticks than can be read."""
    return next((step for step in STEPS if length <= step * MOST_TICKS), length / MOST_TICKS)


def tick_text(at: datetime, step: timedelta) -> str:
    """`06:00` inside a day, `24 Nov` at its beginning, and the year where only years matter."""
    utc = at.astimezone(UTC)
    if step < DAY and (utc.hour or utc.minute):
        return f"{utc:%H:%M}"
    return f"{utc:%b %Y}" if step > 90 * DAY else f"{utc.day} {utc:%b}"


CELLS = 40
NOTHING, SOME, SEVERAL, ALL = "·", "▌", "▒", "█"


def in_characters(timeline: Timeline) -> tuple[str, ...]:
    """A line for each row, and the dates at both ends under them: a full cell was so all the time, a half one in part."""
    rows = timeline.rows[:MOST_ROWS]
    label = max((len(inert(row.label, LABEL_LETTERS)) for row in rows), default=0)
    drawn = [
        f"{inert(row.label, LABEL_LETTERS):{label}}  {_cells(timeline, row)}  {inert(row.total, TOTAL_LETTERS)}".rstrip()
        for row in rows
    ]
    step = tick_step(timeline.until - timeline.since)
    ends = tick_text(timeline.since, step), tick_text(timeline.until, step)
    return (*drawn, f"{'':{label}}  {ends[0]}{ends[1]:>{CELLS - len(ends[0])}}")


def _cells(timeline: Timeline, row: Row) -> str:
    cells = [NOTHING] * CELLS
    for bar in sorted(row.bars, key=lambda bar: not bar.several):
        start, end = CELLS * timeline.place(bar.since), CELLS * timeline.place(bar.until)
        first = min(int(start), CELLS - 1)
        for cell in range(first, max(math.ceil(end), first + 1)):
            covered = min(end, cell + 1) - max(start, cell)
            cells[cell] = SEVERAL if bar.several else ALL if covered > 0.75 or cells[cell] == ALL else SOME
    return "".join(cells)
