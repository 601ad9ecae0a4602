"""The weekly digest: what became of all watches of a channel, worst first, with one picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.durations import write_duration
from bot.watching.history import NEVER, History
from bot.watching.kept import Kept
from bot.watching.model import Watch
from handlers.card import Card, Line, Picture, Tone
from handlers.messages.history import Past, bars_of, in_short, name_of, pasts_of, total_of
from handlers.messages.subjects import subject_of, when
from handlers.messages.words import count
from handlers.pictures import Kind, Row, Timeline

TOLD = 10
STOP = "Type `settings digest off`, and this comes no more."


@dataclass(frozen=True, slots=True)
class Week:
    """What happened to one watch, without what people did about it."""

    watch: Watch
    pasts: tuple[Past, ...]

    @property
    def open(self) -> bool:
        return any(past.track.open for past in self.pasts)

    @property
    def weight(self) -> tuple[bool, float]:
        return self.open, sum((past.lasted for past in self.pasts), NEVER).total_seconds()


def digest_card(kept: Sequence[Kept], histories: Mapping[str, History], start: datetime, end: datetime) -> Card:
    """`histories` are by the id of the watch."""
    weeks = sorted(weeks_of(kept, histories, start, end), key=lambda week: week.weight, reverse=True)
    watched = count(len(kept), "watch")
    if not weeks:
        return Card(f"A quiet week: {watched} in this channel, and nothing happened", Tone.GOOD, footnote=STOP)
    said = in_short([past for week in weeks for past in week.pasts])
    is_open = sum(week.open for week in weeks)
    now = f"{is_open} of {watched} with a problem now" if is_open else f"{watched}, none with a problem now"
    lines = tuple(line_of(week) for week in weeks[:TOLD])
    more = (Line(f"And {len(weeks) - TOLD} more; `history` tells of each."),) if len(weeks) > TOLD else ()
    alt = " ".join([f"Timeline of the week since {when(start)}.", *(f"{line.text}: {line.detail}." for line in lines)])
    rows = tuple(row_of(week) for week in weeks)
    return Card(
        f"The week in this channel: {said}",
        Tone.WARN if is_open else Tone.GOOD,
        lines=(Line(f"{now}."), *lines, *more),
        picture=Picture(Timeline(f"The week since {when(start)}", start, end, rows), alt),
        footnote=STOP,
    )


def weeks_of(kept: Sequence[Kept], histories: Mapping[str, History], start: datetime, end: datetime) -> Iterator[Week]:
    """Of the watches to which something happened."""
    for one in kept:
        found = pasts_of(histories.get(one.watch.id, History()), start, end)
        if pasts := tuple(past for past in found if not past.by_hand):
            yield Week(one.watch, pasts)


def line_of(week: Week) -> Line:
    """Which lists and settings, and for how long."""
    each = ", ".join(f"{name_of(past.track)} ({total_of(past)})" for past in week.pasts)
    return Line(subject_of(week.watch), Tone.WARN if week.open else Tone.PLAIN, detail=each)


def row_of(week: Week) -> Row:
    """When it was on any list; only where it was on none, when something else was wrong."""
    lists = [past for past in week.pasts if past.is_list]
    shown = lists or week.pasts
    return Row(
        week.watch.name or week.watch.subject,
        Kind.LISTED if lists else Kind.SETTING,
        tuple(bar for past in shown for bar in bars_of(past.spans)),
        f"longest {write_duration(max(past.longest for past in shown))}",
    )
