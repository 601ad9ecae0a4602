"""A timeline in characters of one width, for terminals and for chats that take no picture."""

from __future__ import annotations

import math

from handlers.inert import inert
from handlers.pictures.layout import LABEL_LETTERS, MOST_ROWS, TOTAL_LETTERS, tick_step, tick_text
from handlers.pictures.timeline import Row, Timeline

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
