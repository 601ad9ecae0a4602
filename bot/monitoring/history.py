"""History of a watch: when each list or config value was a problem, and who acknowledged it. Pure.

Its size is bounded: old spans that are close together are merged into one that counts them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from bot.monitoring.check_schedule import RAN_AT
from bot.monitoring.domain_answers import UNANSWERED_SINCE
from bot.monitoring.models import Incident, Phase, Problem
from bot.monitoring.observations import BLOCKLIST, FOLLOWED, LISTS_ARE_NEW, SELECTORS
from bot.monitoring.stored_types import DIGEST_MARK

MEMORY_KEYS = (FOLLOWED, LISTS_ARE_NEW, SELECTORS, RAN_AT, UNANSWERED_SINCE)  # of the config; all others are records
MAX_SPANS = 64
MAX_TRACKS = 16
ACKNOWLEDGED, MUTED, OTHERS = "acknowledged", "muted", "others"
ACTIONS = (ACKNOWLEDGED, MUTED)  # actions of people, not problems
ZERO = timedelta(0)
ACTIVE_PHASES = (Phase.LISTED, Phase.CLEARING)


@dataclass(frozen=True, slots=True)
class Span:
    """A period of one track; `until` is None while it is open.

    A span merged from several keeps their `count`, their total `duration` and the `longest`.
    `actor` is the user, for acknowledgements and mutes.
    """

    since: datetime
    until: datetime | None = None
    count: int = 1
    duration: timedelta = ZERO
    longest: timedelta = ZERO
    actor: str = ""

    def clip(self, start: datetime, now: datetime) -> Span | None:
        """Clip to `start`..`now`; a merged span gets a proportional share. None if outside."""
        until = min(self.until or now, now)
        if until < start or self.since > now:
            return None
        since = min(max(self.since, start), until)
        whole, share = (self.until or now) - self.since, until - since
        part = share / whole if whole else 1.0
        count = max(1, round(self.count * part))
        if self.count == 1:
            return replace(self, since=since, until=until, duration=share, longest=share)
        return replace(self, since=since, until=until, count=count, duration=self.duration * part)


@dataclass(frozen=True, slots=True)
class Track:
    """Spans of one key, in order and without overlap.

    Keys: `blocklist:spamhaus-zen`, `spf:failing`, `mx:changed`, `acknowledged`, `muted`, and
    `others` for the lists whose last span ended longest ago.
    """

    key: str
    name: str = ""
    spans: tuple[Span, ...] = ()

    @property
    def is_open(self) -> bool:
        return bool(self.spans) and self.spans[-1].until is None


@dataclass(frozen=True, slots=True)
class History:
    """All tracks of a watch."""

    tracks: tuple[Track, ...] = ()

    @property
    def problems(self) -> tuple[Track, ...]:
        return tuple(track for track in self.tracks if track.key not in ACTIONS)

    def track(self, key: str) -> Track:
        return next((track for track in self.tracks if track.key == key), Track(key))


@dataclass(frozen=True, slots=True)
class _Current:
    """A state that holds now."""

    name: str
    since: datetime
    actor: str = ""


def record_changes(history: History, before: Incident, after: Incident, now: datetime) -> History:
    """Record the change from one incident to the next. Idempotent, so a replay changes nothing."""
    tracks = {track.key: track for track in history.tracks}
    current_states = _current_states(after, now)
    for track in history.tracks:
        if track.is_open and (
            track.key not in current_states or current_states[track.key].actor != track.spans[-1].actor
        ):
            tracks[track.key] = _close_span(track, _ended_at(before, track.key, now))
    for key, current in current_states.items():
        track = tracks.get(key, Track(key))
        if not track.is_open:
            tracks[key] = _open_span(track, current)
    for key in _changed_config(before, after):
        track = tracks.get(key, Track(key))
        tracks[key] = _close_span(_open_span(track, _Current("", now)), now)
    return compact_history(History(tuple(tracks.values())), now)


def compact_history(history: History, now: datetime) -> History:
    """Reduce to MAX_TRACKS tracks and MAX_SPANS spans; open spans stay."""
    tracks = {track.key: track for track in history.tracks}
    while len(tracks) > MAX_TRACKS and (oldest := _least_recent_list(tracks.values())):
        others = tracks.get(OTHERS, Track(OTHERS))
        del tracks[oldest.key]
        tracks[OTHERS] = replace(others, spans=_merge_overlaps((*others.spans, *oldest.spans)))
    while sum(len(track.spans) for track in tracks.values()) > MAX_SPANS:
        pairs = [pair for track in tracks.values() for pair in _mergeable_pairs(track, now)]
        if not pairs:
            break
        _, key, index = min(pairs)
        spans = tracks[key].spans
        spans_after = (*spans[:index], _merge(spans[index], spans[index + 1]), *spans[index + 2 :])
        tracks[key] = replace(tracks[key], spans=spans_after)
    return History(tuple(tracks.values()))


def dump_history(history: History) -> str:
    """Serialize as compact JSON rows; times are whole seconds since 1970."""
    rows = {track.key: [track.name, *map(_span_to_row, track.spans)] for track in history.tracks}
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=False) if rows else ""


def load_history(text: str) -> History:
    """Parse `dump_history`. Raises ValueError, TypeError, KeyError or IndexError."""
    text.isascii() or text.encode()  # bytes that are not UTF-8 are decoded to surrogates
    rows: Mapping[str, Any] = json.loads(text) if text else {}
    return History(tuple(_track_from_row(key, row) for key, row in rows.items()))


def _current_states(incident: Incident, now: datetime) -> dict[str, _Current]:
    current_states: dict[str, _Current] = {}
    for problem in incident.problems:
        if problem.phase in ACTIVE_PHASES and not problem.last_observation.notify_once:
            key, earlier = _key(problem), current_states.get(_key(problem))
            current_states[key] = _Current(
                problem.last_observation.name, min(problem.since, earlier.since if earlier else now)
            )
    if acknowledged := incident.acknowledged:
        current_states[ACKNOWLEDGED] = _Current("", acknowledged.at, acknowledged.actor)
    if incident.muted:
        current_states[MUTED] = _Current("", now, incident.muted.actor)
    return current_states


def _key(problem: Problem) -> str:
    """Key of a track: all addresses and sublists of one list share it."""
    return f"{problem.last_observation.check}:{problem.last_observation.subject}"


def _ended_at(before: Incident, key: str, now: datetime) -> datetime:
    """Time of the first clean poll, or of the last poll of a list that is no longer polled."""
    if key == MUTED and before.muted:
        return min(before.muted.until, now)
    ends = [
        p.phase_changed_at if p.phase is Phase.CLEARING else p.last_polled_at for p in before.problems if _key(p) == key
    ]
    return min(max(ends, default=now), now)


def _changed_config(before: Incident, after: Incident) -> Iterable[str]:
    """Track keys of records that changed: a point in time, not a state."""
    for name, value in after.config.items():
        previous = before.config.get(name, "")
        is_same_form = previous.startswith(DIGEST_MARK) == value.startswith(DIGEST_MARK)
        if is_same_form and previous not in ("", value) and name not in MEMORY_KEYS:
            yield f"{name.partition('@')[0]}:changed"


def _open_span(track: Track, current: _Current) -> Track:
    start = current.since.replace(microsecond=0)
    since = max(start, track.spans[-1].until or start) if track.spans else start
    return replace(track, name=current.name or track.name, spans=(*track.spans, Span(since, actor=current.actor)))


def _close_span(track: Track, at: datetime) -> Track:
    last = track.spans[-1]
    until = max(last.since, at.replace(microsecond=0))
    lasted = until - last.since
    return replace(track, spans=(*track.spans[:-1], replace(last, until=until, duration=lasted, longest=lasted)))


def _least_recent_list(tracks: Iterable[Track]) -> Track | None:
    ended = {
        track.key: track.spans[-1].until
        for track in tracks
        if track.key.startswith(f"{BLOCKLIST}:") and track.spans and track.spans[-1].until
    }
    key = min(ended, key=lambda key: (ended[key], key), default=None)
    return next((track for track in tracks if track.key == key), None)


def _merge_overlaps(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sort the spans and merge those that overlap."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: span.since):
        last = merged[-1].until if merged else None
        if last is not None and span.since < last:
            merged[-1] = _merge(merged[-1], span)
        else:
            merged.append(span)
    return tuple(merged)


def _mergeable_pairs(track: Track, now: datetime) -> Iterable[tuple[float, str, int]]:
    """Neighbors that can be merged with their cost: the merged length relative to its age."""
    for index, (left, right) in enumerate(pairwise(track.spans)):
        if right.until is not None:
            age = max((now - left.since).total_seconds(), 1.0)
            yield (right.until - left.since).total_seconds() / age, track.key, index


def _merge(left: Span, right: Span) -> Span:
    assert left.until is not None
    assert right.until is not None
    return Span(
        min(left.since, right.since),
        max(left.until, right.until),
        left.count + right.count,
        left.duration + right.duration,
        max(left.longest, right.longest),
        left.actor if left.actor == right.actor else "",
    )


def _span_to_row(span: Span) -> list[int | str]:
    since = int(span.since.timestamp())
    numbers: list[int | str] = [since]
    if span.until is not None:
        numbers.append(int(span.until.timestamp()) - since)
    if span.count > 1:
        numbers += [span.count, int(span.duration.total_seconds()), int(span.longest.total_seconds())]
    return [*numbers, span.actor] if span.actor else numbers


def _track_from_row(key: str, row: list[Any]) -> Track:
    if not isinstance(row, list) or not isinstance(row[0], str):
        raise TypeError("not a track")
    return Track(key, row[0], tuple(map(_span_from_row, row[1:])))


def _span_from_row(row: list[Any]) -> Span:
    actor = row.pop() if isinstance(row[-1], str) else ""
    since = datetime.fromtimestamp(row[0], UTC)
    if len(row) == 1:
        return Span(since, actor=actor)
    length = timedelta(seconds=row[1])
    count, lasted, longest = (
        (row[2], *(timedelta(seconds=s) for s in row[3:5])) if len(row) > 2 else (1, length, length)
    )
    return Span(since, since + length, count, lasted, longest, actor)
