"""What became of a watch over time: which list or setting was wrong from when to when, and who had it in hand. Pure.

A history is bounded however long a watch lives: spells that are old and close together become one that counts them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from bot.monitoring.models import Incident, Phase, Problem
from bot.monitoring.observations import BLOCKLIST

MOST_SPANS = 64
MOST_TRACKS = 16
ACKNOWLEDGED, MUTED, OTHERS = "acknowledged", "muted", "others"
HANDS = (ACKNOWLEDGED, MUTED)  # what people did, and not what happened to mail
NEVER = timedelta(0)
THERE = (Phase.LISTED, Phase.CLEARING)


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which something was so; `until` is None while it still is.

    Several spells that became one span keep their number, the time they `lasted` together, and the `longest` of them.
    `by` is who did it, where somebody did.
    """

    since: datetime
    until: datetime | None = None
    times: int = 1
    lasted: timedelta = NEVER
    longest: timedelta = NEVER
    by: str = ""

    def within(self, start: datetime, now: datetime) -> Span | None:
        """The part of it from `start` to `now`, with its end; of several spells a share. None where there is none."""
        until = min(self.until or now, now)
        if until < start or self.since > now:
            return None
        since = min(max(self.since, start), until)
        whole, share = (self.until or now) - self.since, until - since
        part = share / whole if whole else 1.0
        times = max(1, round(self.times * part))
        if self.times == 1:
            return replace(self, since=since, until=until, lasted=share, longest=share)
        return replace(self, since=since, until=until, times=times, lasted=self.lasted * part)


@dataclass(frozen=True, slots=True)
class Track:
    """One thing over time: `blocklist:spamhaus-zen`, `spf:failing`, `mx:changed`, `acknowledged`, `muted`, or `others`,
    which holds the lists that were left longest ago. Spans are in order and do not overlap."""

    key: str
    name: str = ""
    spans: tuple[Span, ...] = ()

    @property
    def open(self) -> bool:
        return bool(self.spans) and self.spans[-1].until is None


@dataclass(frozen=True, slots=True)
class History:
    tracks: tuple[Track, ...] = ()

    @property
    def problems(self) -> tuple[Track, ...]:
        return tuple(track for track in self.tracks if track.key not in HANDS)

    def track(self, key: str) -> Track:
        return next((track for track in self.tracks if track.key == key), Track(key))


@dataclass(frozen=True, slots=True)
class _Spell:
    """What is so now, by whom, and since when."""

    name: str
    since: datetime
    by: str = ""


def recorded(history: History, before: Incident, after: Incident, now: datetime) -> History:
    """The history once an incident became another. What is so twice is written once, so a replay changes nothing."""
    tracks = {track.key: track for track in history.tracks}
    spells = _spells(after, now)
    for track in history.tracks:
        if track.open and (track.key not in spells or spells[track.key].by != track.spans[-1].by):
            tracks[track.key] = _closed(track, _ended(before, track.key, now))
    for key, spell in spells.items():
        track = tracks.get(key, Track(key))
        if not track.open:
            tracks[key] = _opened(track, spell)
    for key in _changes(before, after):
        track = tracks.get(key, Track(key))
        tracks[key] = _closed(_opened(track, _Spell("", now)), now)
    return compacted(History(tuple(tracks.values())), now)


def compacted(history: History, now: datetime) -> History:
    """At most MOST_TRACKS tracks and MOST_SPANS spans beside those that are open."""
    tracks = {track.key: track for track in history.tracks}
    while len(tracks) > MOST_TRACKS and (stale := _stalest(tracks.values())):
        others = tracks.get(OTHERS, Track(OTHERS))
        del tracks[stale.key]
        tracks[OTHERS] = replace(others, spans=_united((*others.spans, *stale.spans)))
    while sum(len(track.spans) for track in tracks.values()) > MOST_SPANS:
        pairs = [pair for track in tracks.values() for pair in _pairs(track, now)]
        if not pairs:
            break
        _, key, at = min(pairs)
        spans = tracks[key].spans
        joined = (*spans[:at], _joined(spans[at], spans[at + 1]), *spans[at + 2 :])
        tracks[key] = replace(tracks[key], spans=joined)
    return History(tuple(tracks.values()))


def to_text(history: History) -> str:
    """As small as JSON can be: there are as many of these as watches. Times are whole seconds since 1970."""
    rows = {track.key: [track.name, *map(_numbers, track.spans)] for track in history.tracks}
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=False) if rows else ""


def from_text(text: str) -> History:
    """Raises ValueError, TypeError or an error of look-up for a text that is no history."""
    rows: Mapping[str, Any] = json.loads(text) if text else {}
    return History(tuple(Track(key, name, tuple(map(_span, spans))) for key, (name, *spans) in rows.items()))


def _spells(incident: Incident, now: datetime) -> dict[str, _Spell]:
    spells: dict[str, _Spell] = {}
    for problem in incident.problems:
        if problem.phase in THERE and not problem.sight.passing:
            key, had = _key(problem), spells.get(_key(problem))
            spells[key] = _Spell(problem.sight.name, min(problem.since, had.since if had else now))
    if hand := incident.acknowledged:
        spells[ACKNOWLEDGED] = _Spell("", hand.at, hand.by)
    if incident.muted:
        spells[MUTED] = _Spell("", now, incident.muted.by)
    return spells


def _key(problem: Problem) -> str:
    """Addresses and sublists of one list are one thing: it lists the watch while it lists any of them."""
    return f"{problem.sight.check}:{problem.sight.about}"


def _ended(before: Incident, key: str, now: datetime) -> datetime:
    """The first look that found it gone, or the last that knew anything of it where no look asked any more."""
    if key == MUTED and before.muted:
        return min(before.muted.until, now)
    ends = [p.turned if p.phase is Phase.CLEARING else p.asked for p in before.problems if _key(p) == key]
    return min(max(ends, default=now), now)


def _changes(before: Incident, after: Incident) -> Iterable[str]:
    """Settings with another value than before: a moment, and no state."""
    for name, value in after.settings.items():
        was = before.settings.get(name)
        if was and value and was != value:
            yield f"{name.partition('@')[0]}:changed"


def _opened(track: Track, spell: _Spell) -> Track:
    start = spell.since.replace(microsecond=0)
    since = max(start, track.spans[-1].until or start) if track.spans else start
    return replace(track, name=spell.name or track.name, spans=(*track.spans, Span(since, by=spell.by)))


def _closed(track: Track, at: datetime) -> Track:
    last = track.spans[-1]
    until = max(last.since, at.replace(microsecond=0))
    lasted = until - last.since
    return replace(track, spans=(*track.spans[:-1], replace(last, until=until, lasted=lasted, longest=lasted)))


def _stalest(tracks: Iterable[Track]) -> Track | None:
    ended = {
        track.key: track.spans[-1].until
        for track in tracks
        if track.key.startswith(f"{BLOCKLIST}:") and track.spans and track.spans[-1].until
    }
    key = min(ended, key=lambda key: (ended[key], key), default=None)
    return next((track for track in tracks if track.key == key), None)


def _united(spans: Iterable[Span]) -> tuple[Span, ...]:
    """In order, and what overlaps as one."""
    united: list[Span] = []
    for span in sorted(spans, key=lambda span: span.since):
        last = united[-1].until if united else None
        if last is not None and span.since < last:
            united[-1] = _joined(united[-1], span)
        else:
            united.append(span)
    return tuple(united)


def _pairs(track: Track, now: datetime) -> Iterable[tuple[float, str, int]]:
    """Neighbours that could become one, with what that costs: little where they are short for their age."""
    for at, (one, other) in enumerate(pairwise(track.spans)):
        if other.until is not None:
            age = max((now - one.since).total_seconds(), 1.0)
            yield (other.until - one.since).total_seconds() / age, track.key, at


def _joined(one: Span, other: Span) -> Span:
    assert one.until is not None
    assert other.until is not None
    return Span(
        min(one.since, other.since),
        max(one.until, other.until),
        one.times + other.times,
        one.lasted + other.lasted,
        max(one.longest, other.longest),
        one.by if one.by == other.by else "",
    )


def _numbers(span: Span) -> list[int | str]:
    since = int(span.since.timestamp())
    numbers: list[int | str] = [since]
    if span.until is not None:
        numbers.append(int(span.until.timestamp()) - since)
    if span.times > 1:
        numbers += [span.times, int(span.lasted.total_seconds()), int(span.longest.total_seconds())]
    return [*numbers, span.by] if span.by else numbers


def _span(row: list[Any]) -> Span:
    by = row.pop() if isinstance(row[-1], str) else ""
    since = datetime.fromtimestamp(row[0], UTC)
    if len(row) == 1:
        return Span(since, by=by)
    length = timedelta(seconds=row[1])
    times, lasted, longest = (
        (row[2], *(timedelta(seconds=s) for s in row[3:5])) if len(row) > 2 else (1, length, length)
    )
    return Span(since, since + length, times, lasted, longest, by)
