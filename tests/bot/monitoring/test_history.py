"""History of a watch: completeness, order, compaction."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.inputs.durations import parse_duration
from bot.monitoring.history import (
    ACTIONS,
    ACTIVE_PHASES,
    MAX_SPANS,
    MAX_TRACKS,
    OTHERS,
    ZERO,
    History,
    Span,
    Track,
    compact_history,
    dump_history,
    load_history,
    record_changes,
)
from bot.monitoring.models import Incident
from tests.support.incident_stories import T0, Story, read_offset

HOUR = timedelta(hours=1)
LISTS = [f"blocklist:{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]


class RecordedStory(Story):
    """A story that also records its history, serialized between polls as in the store."""

    history = History()

    def row(self, when: str, tokens: list[str]) -> list[object]:
        before = self.incident or Incident("w1", T0)
        alerts = super().row(when, tokens)
        assert self.incident is not None
        after = record_changes(self.history, before, self.incident, self.now)
        assert record_changes(after, before, self.incident, self.now) == after
        self.history = load_history(dump_history(after))
        assert self.history == after
        return list(alerts)


def recorded_story(*rows: str) -> RecordedStory:
    story = RecordedStory()
    for row in rows:
        when, _, results = row.partition(" ")
        story.row(when, results.split())
    return story


def spans_of(history: History, key: str) -> list[tuple[timedelta, timedelta | None]]:
    """Start and end of the spans, relative to T0."""
    return [(s.since - T0, s.until - T0 if s.until else None) for s in history.track(key).spans]


def at(when: str) -> timedelta:
    return read_offset(when)


def test_listing_and_acknowledgement_are_two_spans() -> None:
    story = recorded_story("0s a-", "1h a+", "+90s a+", "2h ack a+", "3h a-", "+15m a-", "+15m a-", "+15m a-")
    assert spans_of(story.history, "blocklist:a") == [(at("1h"), at("3h"))]  # first listed to first clean poll
    assert spans_of(story.history, "acknowledged") == [(at("2h"), at("3h") + parse_duration("30m"))]
    assert [span.actor for span in story.history.track("acknowledged").spans] == ["U1"]
    assert {track.key for track in story.history.tracks} == {"blocklist:a", "acknowledged"}


def test_unconfirmed_listing_is_not_recorded() -> None:
    assert recorded_story("0s a-", "1h a+", "+90s a-", "2h a-").history == History()


def test_listing_at_first_poll_is_recorded_from_then() -> None:
    assert spans_of(recorded_story("0s a+ b-").history, "blocklist:a") == [(ZERO, None)]


def test_inconclusive_polls_end_no_span() -> None:
    assert spans_of(recorded_story("0s a+", "1h a?", "2h a!", "3h a=").history, "blocklist:a") == [(ZERO, None)]


def test_sublists_and_addresses_of_list_share_a_span() -> None:
    story = recorded_story("0s a/x@192.0.2.1+ a@192.0.2.2-", "1h a/y@192.0.2.2+", "+90s a/x@192.0.2.1- a/y@192.0.2.2+")
    assert spans_of(story.history, "blocklist:a") == [(ZERO, None)]


def test_mute_span_ends_at_its_expiry() -> None:
    story = recorded_story("0s a-", "1h mute:2h a-", "9h a-")
    assert spans_of(story.history, "muted") == [(at("1h"), at("3h"))]


def test_unmute_ends_the_span() -> None:
    assert spans_of(recorded_story("0s a-", "1h mute:8h a-", "2h unmute a-").history, "muted") == [(at("1h"), at("2h"))]


def test_removed_list_span_ends_at_last_poll() -> None:
    story = recorded_story("0s a-", "1h a+", "+90s a+", "2h a+", "9d b-")
    assert spans_of(story.history, "blocklist:a") == [(at("1h"), at("2h"))]


def test_config_change_is_an_empty_span() -> None:
    before, after = (Incident("w1", T0, config={"mx": "a"}), Incident("w1", T0, config={"mx": "b"}))
    history = record_changes(History(), before, after, T0 + HOUR)
    assert spans_of(history, "mx:changed") == [(HOUR, HOUR)]
    assert record_changes(history, after, after, T0 + 2 * HOUR) == history


WORDS = st.sampled_from(["a+ b-", "a- b+", "a+ b+", "a- b-", "a? b!", "ack a+ b+", "mute:1h a+", "unmute a- b-", "ack"])
STEPS = st.lists(st.tuples(st.sampled_from(["+30s", "+2m", "+20m", "+3h", "+2d"]), WORDS), max_size=80)


@given(STEPS)
def test_random_polls_record_every_change_once(steps: list[tuple[str, str]]) -> None:
    story, openings = RecordedStory(), Counter[str]()
    story.row("0s", ["a-", "b-"])
    for when, results in steps:
        before = active_lists(story.incident)
        story.row(when, results.split())
        openings.update(active_lists(story.incident) - before)
        assert {track.key for track in story.history.tracks if track.is_open} - {*ACTIONS} == active_lists(
            story.incident
        )
        assert_in_order(story.history)
    assert {t.key: sum(s.count for s in t.spans) for t in story.history.problems} == dict(openings)


def active_lists(incident: Incident | None) -> set[str]:
    assert incident
    return {f"blocklist:{p.last_observation.subject}" for p in incident.problems if p.phase in ACTIVE_PHASES}


def assert_in_order(history: History) -> None:
    """Spans never overlap, only the last of a track may be open, and sums fit into their span."""
    for track in history.tracks:
        ends = [span.until for span in track.spans]
        assert None not in ends[:-1]
        for span, later in zip(track.spans, track.spans[1:], strict=False):
            assert span.until is not None
            assert span.since <= span.until <= later.since
        if track.key != OTHERS:
            assert all(s.longest <= s.duration <= s.until - s.since for s in track.spans if s.until)


@st.composite
def histories(draw: st.DrawFn) -> History:
    tracks = []
    for key in draw(st.lists(st.sampled_from([*LISTS, *ACTIONS, "spf:failing"]), unique=True, max_size=24)):
        now, spans = T0, []
        for gap, length in draw(st.lists(st.tuples(st.integers(0, 99_999), st.integers(0, 99_999)), max_size=12)):
            since = now + timedelta(seconds=gap)
            now = since + timedelta(seconds=length)
            spans.append(Span(since, now, 1, now - since, now - since))
        if spans and draw(st.booleans()):
            spans[-1] = Span(spans[-1].since)
        tracks += [Track(key, key, tuple(spans))] if spans else []
    return History(tuple(tracks))


@given(histories())
def test_compaction_preserves_sums_order_and_open_spans(history: History) -> None:
    now = T0 + timedelta(days=30)
    reduced = compact_history(history, now)
    assert_in_order(reduced)
    assert sums(reduced) == sums(history)
    opened = {track.key for track in history.tracks if track.is_open}
    assert {track.key for track in reduced.tracks if track.is_open} == opened
    assert len(reduced.tracks) <= max(MAX_TRACKS, len(opened) + 4)  # actions, config and others always stay
    assert sum(len(track.spans) for track in reduced.tracks) <= MAX_SPANS + len(reduced.tracks)
    assert compact_history(reduced, now) == reduced
    assert load_history(dump_history(reduced)) == reduced


def sums(history: History) -> tuple[int, timedelta, timedelta]:
    ended = [span for track in history.tracks for span in track.spans if span.until]
    longest = max((span.longest for span in ended), default=ZERO)
    return sum(span.count for span in ended), sum((span.duration for span in ended), ZERO), longest


def test_compaction_merges_old_short_spans_first() -> None:
    def day(number: float, hours: float = 1) -> Span:
        since = T0 + timedelta(days=number)
        return Span(since, since + hours * HOUR, 1, hours * HOUR, hours * HOUR)

    spans = tuple(day(number / 2) for number in range(2 * MAX_SPANS))
    (track,) = compact_history(History((Track("blocklist:a", "A", spans),)), T0 + timedelta(days=MAX_SPANS)).tracks
    assert len(track.spans) == MAX_SPANS
    assert track.spans[-1] == spans[-1]
    assert track.spans[0].count > 1
    assert track.spans[0].since == T0


def test_history_size_is_bounded() -> None:
    story, largest = RecordedStory(), 0
    story.row("0s", ["a-"])
    for index in range(400):
        result = f"a{index % 40}+"
        story.row("+3h", [result])
        story.row("+2m", [result])
        story.row("+30m", [result.replace("+", "-")] if index % 2 else [result])
        largest = max(largest, len(dump_history(story.history)))
    assert largest < 4_000, largest


def clipped(span: Span, start: timedelta, now: timedelta) -> tuple[datetime, datetime | None, timedelta] | None:
    clip = span.clip(T0 + start, T0 + now)
    return (clip.since, clip.until, clip.duration) if clip else None


def test_clipped_span_has_proportional_duration() -> None:
    span = Span(T0, T0 + 4 * HOUR, 4, 2 * HOUR, HOUR)
    assert clipped(span, 2 * HOUR, 9 * HOUR) == (T0 + 2 * HOUR, T0 + 4 * HOUR, HOUR)
    assert clipped(span, 5 * HOUR, 9 * HOUR) is None
    assert clipped(Span(T0), HOUR, 3 * HOUR) == (T0 + HOUR, T0 + 3 * HOUR, 2 * HOUR)
