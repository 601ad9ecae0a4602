"""What became of a watch: the timeline as a picture, and the same in words.

The weekly digest: what became of all watches of a channel, worst first, with one picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.inputs.durations import write_duration
from bot.monitoring.history import ACKNOWLEDGED, HANDS, MUTED, NEVER, OTHERS, History, Span, Track
from bot.monitoring.interfaces import Kept
from bot.monitoring.models import Watch
from bot.monitoring.observations import BLOCKLIST
from handlers.charts import Bar, Kind, Row, Timeline
from handlers.message import Button, Card, Fact, Line, Picture, Tone
from handlers.messages.formatting import NAMES, count
from handlers.messages.problems import subject_of, when

LEAST = timedelta(hours=1)  # of time in a picture
NAMED = 4
RANGES = (("7 days", "7d"), ("30 days", "30d"), ("Everything", "all"))
PALE = "Paler: several short times with pauses between them."


@dataclass(frozen=True, slots=True)
class Past:
    """One thing, with what of it lies in the time that was asked for."""

    track: Track
    spans: tuple[Span, ...]

    @property
    def times(self) -> int:
        return sum(span.times for span in self.spans)

    @property
    def lasted(self) -> timedelta:
        return sum((span.lasted for span in self.spans), NEVER)

    @property
    def longest(self) -> timedelta:
        return max(span.longest for span in self.spans)

    @property
    def by_hand(self) -> bool:
        return self.track.key in HANDS

    @property
    def is_list(self) -> bool:
        return self.track.key == OTHERS or self.track.key.startswith(f"{BLOCKLIST}:")

    @property
    def moment(self) -> bool:
        """A change of a setting has no length."""
        return self.track.key.endswith(":changed")


def history_card(watch: Watch, history: History, start: datetime, now: datetime) -> Card:
    """What happened from `start` on, worst first."""
    pasts = pasts_of(history, start, now)
    subject, said = subject_of(watch), in_short(pasts)
    facts = tuple(facts_of(pasts))
    buttons = tuple(Button(label, f"history {watch.id} {word}", in_place=True) for label, word in RANGES)
    card = Card(f"{subject}: {said} since {when(start)}", Tone.GOOD, buttons=buttons, footnote=f"Watch {watch.id}")
    if not pasts:
        return card
    timeline = timeline_of(f"{subject}, since {when(start)}", pasts, start, now)
    alt = f"Timeline of {subject} since {when(start)}: {said}. {in_words(facts)}"
    is_open = any(past.track.open for past in pasts if not past.by_hand)
    return Card(
        card.title,
        Tone.WARN if is_open else Tone.GOOD,
        facts=facts,
        picture=Picture(timeline, alt),
        buttons=buttons,
        footnote=card.footnote,
    )


def pasts_of(history: History, start: datetime, now: datetime) -> list[Past]:
    """What happened in that time: lists first, the one that listed longest above; then settings; then what people did."""
    found = []
    for track in history.tracks:
        spans = tuple(part for span in track.spans if (part := span.within(start, now)))
        found += [Past(track, spans)] if spans else []
    return sorted(found, key=lambda past: (past.by_hand, not past.is_list, -past.lasted, past.track.key))


def timeline_of(title: str, pasts: Sequence[Past], start: datetime, now: datetime) -> Timeline:
    rows = tuple(Row(name_of(past.track), kind_of(past), bars_of(past.spans), total_of(past)) for past in pasts)
    paler = any(bar.several for row in rows for bar in row.bars)
    return Timeline(title, min(start, now - LEAST), now, rows, PALE if paler else "")


def bars_of(spans: Sequence[Span]) -> tuple[Bar, ...]:
    return tuple(Bar(span.since, span.until or span.since, span.times > 1) for span in spans)


def kind_of(past: Past) -> Kind:
    if past.by_hand:
        return Kind.IN_HAND if past.track.key == ACKNOWLEDGED else Kind.MUTED
    return Kind.LISTED if past.is_list else Kind.SETTING


def name_of(track: Track) -> str:
    """The list's name, `reverse name`, `MX changed`, `in hand`."""
    check, _, about = track.key.partition(":")
    if track.key in HANDS:
        return "muted" if track.key == MUTED else "in hand"
    if track.key == OTHERS:
        return "other lists"
    if check == BLOCKLIST:
        return track.name or about
    name = NAMES.get(check, check)
    return f"{name} changed" if about == "changed" else name


def total_of(past: Past) -> str:
    """`3 times, 2d 4h`, and whether it still is so; a change has no length, and one time needs no number."""
    times = f"{past.times} times" if past.times > 1 else "once" if past.moment else ""
    lasted = "" if past.moment else f"{write_duration(past.lasted)}{' so far' if past.track.open else ''}"
    return ", ".join(filter(None, (times, lasted)))


def in_short(pasts: Sequence[Past]) -> str:
    """`5 listings on 2 lists, 1 other problem, 2 changed settings`."""
    lists = [past for past in pasts if past.is_list]
    numbers = {
        "listing": sum(past.times for past in lists),
        "other problem" if lists else "problem": sum(
            past.times for past in pasts if not (past.is_list or past.moment or past.by_hand)
        ),
        "changed setting": sum(past.times for past in pasts if past.moment),
    }
    said = [count(number, noun) for noun, number in numbers.items() if number]
    if lists:
        said[0] += f" on {count(len({past.track.key for past in lists}), 'list')}"
    return ", ".join(said) or "nothing wrong"


def facts_of(pasts: Sequence[Past]) -> Iterator[Fact]:
    """The numbers in words: which lists, for how long, the longest, the last; and then the rest."""
    lists = [past for past in pasts if past.is_list]
    if lists:
        longest = max(lists, key=lambda past: past.longest)
        last = max(lists, key=lambda past: past.spans[-1].since)
        yield Fact("Lists", names_of(lists))
        yield Fact("Listed", f"{write_duration(sum((p.lasted for p in lists), NEVER))}, each list counted by itself")
        yield Fact("Longest", f"{write_duration(longest.longest)} on {name_of(longest.track)}")
        yield Fact("Last", f"{name_of(last.track)}, {when_last(last)}")
    for past in pasts:
        if not past.is_list:
            by = f" by {past.spans[-1].by}" if past.spans[-1].by else ""
            yield Fact(name_of(past.track), f"{total_of(past)}, {when_last(past)}{by}")


def in_words(facts: Sequence[Fact]) -> str:
    return " ".join(f"{fact.label}: {fact.value}." for fact in facts)


def names_of(pasts: Sequence[Past]) -> str:
    """`Spamhaus ZEN (3 times), PSBL and 2 more`."""
    named = [f"{name_of(p.track)} ({p.times} times)" if p.times > 1 else name_of(p.track) for p in pasts]
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return ", ".join(named[:NAMED]) + more


def when_last(past: Past) -> str:
    last = past.spans[-1]
    if past.moment:
        return f"last on {when(last.since)}"
    if past.track.open:
        return f"since {when(last.since)}"
    return f"last until {when(last.until or last.since)}"


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
