"""Timelines: rows of bars over a time range, laid out as a scene or as monospaced text.

The text form is for terminals and for chats that show no images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from handlers.charts.scene import Anchor, Box, ColorRole, Label, Scene
from handlers.sanitize import sanitize


class RowKind(StrEnum):
    """What the bars of a row show; each kind has its own color."""

    LISTED = "listed"
    CONFIG = "setting"
    ACKNOWLEDGED = "acknowledged"
    MUTED = "muted"


@dataclass(frozen=True, slots=True)
class Bar:
    """A time span; `merged` bars stand for several short ones and are rendered paler."""

    start: datetime
    end: datetime
    merged: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A labeled row; `summary` is its summary, such as `3 times, 2 d 4 h`."""

    label: str
    kind: RowKind
    bars: tuple[Bar, ...] = ()
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Rows over the range from `start` to `end`; `note` is small text below them."""

    title: str
    start: datetime
    end: datetime
    rows: tuple[Row, ...] = ()
    note: str = ""

    def position(self, time: datetime) -> float:
        """Horizontal position of a time: 0 at the left edge, 1 at the right, clamped."""
        whole = (self.end - self.start).total_seconds()
        share = (time - self.start).total_seconds() / whole if whole > 0 else 1.0
        return min(max(share, 0.0), 1.0)


WIDTH = 700.0  # of a message in a chat
PADDING = 18.0
LABEL_WIDTH, SUMMARY_WIDTH = 168.0, 132.0  # columns left and right of the tracks
LEFT = PADDING + LABEL_WIDTH
TRACK_WIDTH = WIDTH - 2 * PADDING - LABEL_WIDTH - SUMMARY_WIDTH
TOP, ROW_HEIGHT, BAR_HEIGHT = 50.0, 28.0, 14.0
MIN_BAR_WIDTH = 3.0  # so that a short bar is visible
MAX_ROWS = 16
MAX_LABEL_LENGTH, MAX_SUMMARY_LENGTH, MAX_TITLE_LENGTH, MAX_NOTE_LENGTH = 25, 24, 80, 110
SMALL_FONT_SIZE = 11.5
MAX_TICKS = 6

ROW_COLORS = {
    RowKind.LISTED: (ColorRole.LISTED, ColorRole.LISTED_PALE),
    RowKind.CONFIG: (ColorRole.CONFIG, ColorRole.CONFIG_PALE),
    RowKind.ACKNOWLEDGED: (ColorRole.ACKNOWLEDGED, ColorRole.ACKNOWLEDGED_PALE),
    RowKind.MUTED: (ColorRole.MUTED, ColorRole.MUTED_PALE),
}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TICK_STEPS = (
    HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
    91 * DAY,
    182 * DAY,
    364 * DAY,
)
TICK_EPOCH = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday, so that weekly ticks are Mondays


def layout_timeline(timeline: Timeline) -> Scene:
    """Lay out a timeline; rows beyond MAX_ROWS are only counted."""
    rows = timeline.rows[:MAX_ROWS]
    more = len(timeline.rows) - len(rows)
    bottom = TOP + ROW_HEIGHT * max(len(rows), 1)
    note = " ".join(filter(None, (f"{more} more not shown." if more else "", timeline.note)))
    height = bottom + 34 + (18 if note else 0)
    return Scene(
        WIDTH,
        height,
        (
            Box(0, 0, WIDTH, height, ColorRole.BORDER, 10),
            Box(1, 1, WIDTH - 2, height - 2, ColorRole.BACKGROUND, 9),
            Label(PADDING, 30, sanitize(timeline.title, MAX_TITLE_LENGTH), size=15),
            *(box for number in range(len(rows)) for box in _track_box(number)),
            *_ticks(timeline, bottom),
            *(shape for number, row in enumerate(rows) for shape in _row(timeline, row, TOP + ROW_HEIGHT * number)),
            *(
                [
                    Label(
                        PADDING, height - 14, sanitize(note, MAX_NOTE_LENGTH), ColorRole.SECONDARY_TEXT, SMALL_FONT_SIZE
                    )
                ]
                if note
                else []
            ),
        ),
    )


def _track_box(number: int) -> Iterator[Box]:
    yield Box(
        LEFT, TOP + ROW_HEIGHT * number + (ROW_HEIGHT - BAR_HEIGHT) / 2, TRACK_WIDTH, BAR_HEIGHT, ColorRole.TRACK, 3
    )


def _row(timeline: Timeline, row: Row, top: float) -> Iterator[Box | Label]:
    baseline = top + ROW_HEIGHT / 2 + 4.5
    yield Label(PADDING, baseline, sanitize(row.label, MAX_LABEL_LENGTH))
    # Merged bars first, so that they hide no short bar.
    for bar in sorted(row.bars, key=lambda bar: not bar.merged):
        yield _bar(timeline, bar, row.kind, top + (ROW_HEIGHT - BAR_HEIGHT) / 2)
    if row.summary:
        yield Label(
            WIDTH - PADDING,
            baseline,
            sanitize(row.summary, MAX_SUMMARY_LENGTH),
            ColorRole.SECONDARY_TEXT,
            SMALL_FONT_SIZE,
            Anchor.END,
        )


def _bar(timeline: Timeline, bar: Bar, kind: RowKind, top: float) -> Box:
    start, end = (TRACK_WIDTH * timeline.position(bar.start), TRACK_WIDTH * timeline.position(bar.end))
    width = max(end - start, MIN_BAR_WIDTH)
    full, pale = ROW_COLORS[kind]
    return Box(
        LEFT + min(start, TRACK_WIDTH - width),
        top,
        width,
        BAR_HEIGHT,
        pale if bar.merged else full,
        min(3.0, width / 2),
    )


def _ticks(timeline: Timeline, bottom: float) -> Iterator[Box | Label]:
    step = tick_step(timeline.end - timeline.start)
    at = timeline.start - (timeline.start - TICK_EPOCH) % step + step
    while at <= timeline.end:
        x = LEFT + TRACK_WIDTH * timeline.position(at)
        yield Box(x - 0.5, TOP, 1, bottom - TOP + 4, ColorRole.GRID)
        yield Label(x, bottom + 18, tick_label(at, step), ColorRole.SECONDARY_TEXT, SMALL_FONT_SIZE, Anchor.MIDDLE)
        at += step


def tick_step(length: timedelta) -> timedelta:
    """The smallest step with at most MAX_TICKS ticks over that length."""
    return next((step for step in TICK_STEPS if length <= step * MAX_TICKS), length / MAX_TICKS)


def tick_label(at: datetime, step: timedelta) -> str:
    """`06:00` within a day, `24 Nov` at its start, `Nov 2026` for steps over 90 days."""
    utc = at.astimezone(UTC)
    if step < DAY and (utc.hour or utc.minute):
        return f"{utc:%H:%M}"
    return f"{utc:%b %Y}" if step > 90 * DAY else f"{utc.day} {utc:%b}"


TEXT_COLUMNS = 40
EMPTY_CELL, PARTIAL_CELL, MERGED_CELL, FULL_CELL = "·", "▌", "▒", "█"


def render_text(timeline: Timeline) -> tuple[str, ...]:
    """One line per row and a line of dates; a cell is full, partial, merged or empty."""
    rows = timeline.rows[:MAX_ROWS]
    label_width = max((len(sanitize(row.label, MAX_LABEL_LENGTH)) for row in rows), default=0)
    lines = []
    for row in rows:
        label, total = (sanitize(row.label, MAX_LABEL_LENGTH), sanitize(row.summary, MAX_SUMMARY_LENGTH))
        lines.append(f"{label:{label_width}}  {_cells(timeline, row)}  {total}".rstrip())
    step = tick_step(timeline.end - timeline.start)
    ends = tick_label(timeline.start, step), tick_label(timeline.end, step)
    return (*lines, f"{'':{label_width}}  {ends[0]}{ends[1]:>{TEXT_COLUMNS - len(ends[0])}}")


def _cells(timeline: Timeline, row: Row) -> str:
    cells = [EMPTY_CELL] * TEXT_COLUMNS
    for bar in sorted(row.bars, key=lambda bar: not bar.merged):
        start, end = (TEXT_COLUMNS * timeline.position(bar.start), TEXT_COLUMNS * timeline.position(bar.end))
        first = min(int(start), TEXT_COLUMNS - 1)
        for index in range(first, max(math.ceil(end), first + 1)):
            covered = min(end, index + 1) - max(start, index)
            cells[index] = (
                MERGED_CELL
                if bar.merged
                else FULL_CELL
                if covered > 0.75 or cells[index] == FULL_CELL
                else PARTIAL_CELL
            )
    return "".join(cells)
