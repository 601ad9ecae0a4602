"""History of a watch and weekly digest of a channel, each with a timeline chart and its text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.checks.registry import CHECK_NAMES
from bot.inputs.durations import format_duration
from bot.monitoring.history import ACKNOWLEDGED, ACTIONS, MUTED, OTHERS, ZERO, History, Span, Track
from bot.monitoring.interfaces import StoredWatch
from bot.monitoring.models import Watch
from bot.monitoring.observations import BLOCKLIST
from handlers.charts import Bar, Row, RowKind, Timeline
from handlers.message import Button, Card, Chart, Fact, Line, Tone
from handlers.messages.formatting import pluralize
from handlers.messages.problems import format_time, watch_label

MIN_RANGE = timedelta(hours=1)  # shortest range of a chart
MAX_NAMED = 4
NAME_SERVERS = "name servers"
RANGE_BUTTONS = (("7 days", "7d"), ("30 days", "30d"), ("Everything", "all"))
MERGED_NOTE = "Paler: several short times with pauses between them."


@dataclass(frozen=True, slots=True)
class TrackInRange:
    """A track with its spans within the requested range."""

    track: Track
    spans: tuple[Span, ...]

    @property
    def count(self) -> int:
        return sum(span.count for span in self.spans)

    @property
    def duration(self) -> timedelta:
        return sum((span.duration for span in self.spans), ZERO)

    @property
    def longest(self) -> timedelta:
        return max(span.longest for span in self.spans)

    @property
    def is_user_action(self) -> bool:
        return self.track.key in ACTIONS

    @property
    def is_list(self) -> bool:
        return self.track.key == OTHERS or self.track.key.startswith(f"{BLOCKLIST}:")

    @property
    def is_instant(self) -> bool:
        """A config change has no duration."""
        return self.track.key.endswith(":changed")


def history_card(watch: Watch, history: History, start: datetime, now: datetime) -> Card:
    """History of a watch from `start` to `now`, worst first."""
    tracks = tracks_in_range(history, start, now)
    subject, summary = watch_label(watch), short_summary(tracks)
    facts = tuple(history_facts(tracks))
    buttons = tuple(Button(label, f"history {watch.id} {word}", in_place=True) for label, word in RANGE_BUTTONS)
    card = Card(
        f"{subject}: {summary} since {format_time(start)}", Tone.GOOD, buttons=buttons, footnote=f"Watch {watch.id}"
    )
    if not tracks:
        return card
    timeline = build_timeline(f"{subject}, since {format_time(start)}", tracks, start, now)
    alt = f"Timeline of {subject} since {format_time(start)}: {summary}. {facts_text(facts)}"
    is_open = any(past.track.is_open for past in tracks if not past.is_user_action)
    return Card(
        card.title,
        Tone.WARN if is_open else Tone.GOOD,
        facts=facts,
        chart=Chart(timeline, alt),
        buttons=buttons,
        footnote=card.footnote,
    )


def tracks_in_range(history: History, start: datetime, now: datetime) -> list[TrackInRange]:
    """Tracks within the range: lists by duration, then config, then user actions."""
    tracks = []
    for track in history.tracks:
        spans = tuple(part for span in track.spans if (part := span.clip(start, now)))
        tracks += [TrackInRange(track, spans)] if spans else []
    return sorted(tracks, key=lambda past: (past.is_user_action, not past.is_list, -past.duration, past.track.key))


def build_timeline(title: str, tracks: Sequence[TrackInRange], start: datetime, now: datetime) -> Timeline:
    rows = tuple(
        Row(track_name(track.track), row_kind(track), span_bars(track.spans), track_summary(track)) for track in tracks
    )
    paler = any(bar.merged for row in rows for bar in row.bars)
    return Timeline(title, min(start, now - MIN_RANGE), now, rows, MERGED_NOTE if paler else "")


def span_bars(spans: Sequence[Span]) -> tuple[Bar, ...]:
    return tuple(Bar(span.since, span.until or span.since, span.count > 1) for span in spans)


def row_kind(track: TrackInRange) -> RowKind:
    if track.is_user_action:
        return RowKind.ACKNOWLEDGED if track.track.key == ACKNOWLEDGED else RowKind.MUTED
    return RowKind.LISTED if track.is_list else RowKind.CONFIG


def track_name(track: Track) -> str:
    """Label of a track: the list's name, `PTR`, `MX changed`, `acknowledged`."""
    check, _, subject = track.key.partition(":")
    if track.key in ACTIONS:
        return "muted" if track.key == MUTED else "acknowledged"
    if track.key == OTHERS:
        return "other lists"
    if check == BLOCKLIST:
        return track.name or subject
    kind, _, detail = check.partition(".")
    name = CHECK_NAMES.get(kind, NAME_SERVERS if kind == "ns" else kind)
    return f"{f'{name} {detail}'.strip()} changed" if subject == "changed" else name


def track_summary(track: TrackInRange) -> str:
    """Summary of a track, such as `3 times, 2d 4h so far`."""
    times = f"{track.count} times" if track.count > 1 else "once" if track.is_instant else ""
    lasted = "" if track.is_instant else f"{format_duration(track.duration)}{' so far' if track.track.is_open else ''}"
    return ", ".join(filter(None, (times, lasted)))


def short_summary(tracks: Sequence[TrackInRange]) -> str:
    """`5 listings on 2 lists, 1 other problem, 2 changed settings`."""
    lists = [track for track in tracks if track.is_list]
    numbers = {
        "listing": sum(track.count for track in lists),
        "other problem" if lists else "problem": sum(
            track.count for track in tracks if not (track.is_list or track.is_instant or track.is_user_action)
        ),
        "changed setting": sum(track.count for track in tracks if track.is_instant),
    }
    parts = [pluralize(number, noun) for noun, number in numbers.items() if number]
    if lists:
        parts[0] += f" on {pluralize(len({track.track.key for track in lists}), 'list')}"
    return ", ".join(parts) or "no problems"


def history_facts(tracks: Sequence[TrackInRange]) -> Iterator[Fact]:
    """Facts: lists with total, longest and last listing, then the other tracks."""
    lists = [track for track in tracks if track.is_list]
    if lists:
        longest = max(lists, key=lambda track: track.longest)
        last = max(lists, key=lambda track: track.spans[-1].since)
        yield Fact("Lists", join_track_names(lists))
        yield Fact("Listed", f"{format_duration(sum((p.duration for p in lists), ZERO))}, each list counted by itself")
        yield Fact("Longest", f"{format_duration(longest.longest)} on {track_name(longest.track)}")
        yield Fact("Last", f"{track_name(last.track)}, {last_active_text(last)}")
    for track in tracks:
        if not track.is_list:
            by = f" by {track.spans[-1].actor}" if track.spans[-1].actor else ""
            yield Fact(track_name(track.track), f"{track_summary(track)}, {last_active_text(track)}{by}")


def facts_text(facts: Sequence[Fact]) -> str:
    return " ".join(f"{fact.label}: {fact.value}." for fact in facts)


def join_track_names(tracks: Sequence[TrackInRange]) -> str:
    """`Spamhaus ZEN (3 times), PSBL and 2 more`."""
    named = [f"{track_name(p.track)} ({p.count} times)" if p.count > 1 else track_name(p.track) for p in tracks]
    more = f" and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
    return ", ".join(named[:MAX_NAMED]) + more


def last_active_text(track: TrackInRange) -> str:
    last = track.spans[-1]
    if track.is_instant:
        return f"last on {format_time(last.since)}"
    if track.track.is_open:
        return f"since {format_time(last.since)}"
    return f"last until {format_time(last.until or last.since)}"


MAX_WATCHES_SHOWN = 10
DIGEST_FOOTNOTE = "Type `settings digest off` to stop this digest."


@dataclass(frozen=True, slots=True)
class WatchWeek:
    """One watch with its tracks of the week, without user actions."""

    watch: Watch
    tracks: tuple[TrackInRange, ...]

    @property
    def is_open(self) -> bool:
        return any(past.track.is_open for past in self.tracks)

    @property
    def sort_key(self) -> tuple[bool, float]:
        return self.is_open, sum((past.duration for past in self.tracks), ZERO).total_seconds()


def digest_card(
    watches: Sequence[StoredWatch], histories: Mapping[str, History], start: datetime, end: datetime
) -> Card:
    """Weekly digest; `histories` are by watch id."""
    weeks = sorted(watch_weeks(watches, histories, start, end), key=lambda week: week.sort_key, reverse=True)
    watched = pluralize(len(watches), "watch")
    if not weeks:
        return Card(
            f"A quiet week: {watched} in this channel, and nothing happened", Tone.GOOD, footnote=DIGEST_FOOTNOTE
        )
    summary = short_summary([track for week in weeks for track in week.tracks])
    is_open = sum(week.is_open for week in weeks)
    now = f"{is_open} of {watched} with a problem now" if is_open else f"{watched}, none with a problem now"
    lines = tuple(week_line(week) for week in weeks[:MAX_WATCHES_SHOWN])
    more = (
        (Line(f"And {len(weeks) - MAX_WATCHES_SHOWN} more; `history` shows each."),)
        if len(weeks) > MAX_WATCHES_SHOWN
        else ()
    )
    alt = " ".join(
        [f"Timeline of the week since {format_time(start)}.", *(f"{line.text}: {line.detail}." for line in lines)]
    )
    rows = tuple(week_row(week) for week in weeks)
    return Card(
        f"The week in this channel: {summary}",
        Tone.WARN if is_open else Tone.GOOD,
        lines=(Line(f"{now}."), *lines, *more),
        chart=Chart(Timeline(f"The week since {format_time(start)}", start, end, rows), alt),
        footnote=DIGEST_FOOTNOTE,
    )


def watch_weeks(
    watches: Sequence[StoredWatch], histories: Mapping[str, History], start: datetime, end: datetime
) -> Iterator[WatchWeek]:
    """Watches with events in the week."""
    for stored in watches:
        tracks = tracks_in_range(histories.get(stored.watch.id, History()), start, end)
        if system_tracks := tuple(track for track in tracks if not track.is_user_action):
            yield WatchWeek(stored.watch, system_tracks)


def week_line(week: WatchWeek) -> Line:
    """Lists and config problems of a watch, with durations."""
    details = ", ".join(f"{track_name(track.track)} ({track_summary(track)})" for track in week.tracks)
    return Line(watch_label(week.watch), Tone.WARN if week.is_open else Tone.PLAIN, detail=details)


def week_row(week: WatchWeek) -> Row:
    """Chart row of a watch: its listings or, if there were none, its other problems."""
    lists = [track for track in week.tracks if track.is_list]
    shown = lists or week.tracks
    return Row(
        week.watch.name or week.watch.subject,
        RowKind.LISTED if lists else RowKind.CONFIG,
        tuple(bar for track in shown for bar in span_bars(track.spans)),
        f"longest {format_duration(max(track.longest for track in shown))}",
    )
