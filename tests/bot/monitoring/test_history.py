"""What is kept of a watch's past: every change once, in the order it came, within a bound and with its sums."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.inputs.durations import read_duration
from bot.monitoring.history import (
    HANDS,
    MOST_SPANS,
    MOST_TRACKS,
    NEVER,
    OTHERS,
    THERE,
    History,
    Span,
    Track,
    compacted,
    from_text,
    recorded,
    to_text,
)
from bot.monitoring.models import Incident
from tests.support.incident_stories import T0, Story, seconds

HOUR = timedelta(hours=1)
LISTS = [f"blocklist:{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]


class Remembering(Story):
    """A story that also keeps its history, which goes through text as it does in the store."""

    history = History()

    def row(self, when: str, words: list[str]) -> list[object]:
        before = self.incident or Incident("w1", T0)
        told = super().row(when, words)
        assert self.incident is not None
        after = recorded(self.history, before, self.incident, self.now)
        assert recorded(after, before, self.incident, self.now) == after
        self.history = from_text(to_text(after))
        assert self.history == after
        return list(told)


def remembered(*rows: str) -> Remembering:
    story = Remembering()
    for row in rows:
        when, _, words = row.partition(" ")
        story.row(when, words.split())
    return story


def spells(history: History, key: str) -> list[tuple[timedelta, timedelta | None]]:
    """From when to when, counted from the beginning of the story."""
    return [(s.since - T0, s.until - T0 if s.until else None) for s in history.track(key).spans]


def at(when: str) -> timedelta:
    return seconds(when)


def test_listed_acknowledged_and_cleared_is_a_history_of_two_spells() -> None:
    story = remembered("0s a-", "1h a+", "+90s a+", "2h ack a+", "3h a-", "+15m a-", "+15m a-", "+15m a-")
    assert spells(story.history, "blocklist:a") == [
        (at("1h"), at("3h"))
    ]  # from the first sight to the first look without
    assert spells(story.history, "acknowledged") == [(at("2h"), at("3h") + read_duration("30m"))]
    assert [span.by for span in story.history.track("acknowledged").spans] == ["U1"]
    assert {track.key for track in story.history.tracks} == {"blocklist:a", "acknowledged"}


def test_a_suspicion_that_was_not_confirmed_leaves_no_trace() -> None:
    assert remembered("0s a-", "1h a+", "+90s a-", "2h a-").history == History()


def test_what_was_there_at_the_first_look_is_written_from_then_on() -> None:
    assert spells(remembered("0s a+ b-").history, "blocklist:a") == [(NEVER, None)]


def test_silence_ends_nothing() -> None:
    assert spells(remembered("0s a+", "1h a?", "2h a!", "3h a=").history, "blocklist:a") == [(NEVER, None)]


def test_sublists_and_addresses_of_one_list_are_one_spell() -> None:
    story = remembered("0s a/x@192.0.2.1+ a@192.0.2.2-", "1h a/y@192.0.2.2+", "+90s a/x@192.0.2.1- a/y@192.0.2.2+")
    assert spells(story.history, "blocklist:a") == [(NEVER, None)]


def test_a_mute_ends_when_it_was_to_end_and_not_when_somebody_looked() -> None:
    story = remembered("0s a-", "1h mute:2h a-", "9h a-")
    assert spells(story.history, "muted") == [(at("1h"), at("3h"))]


def test_a_mute_that_is_taken_back_ends_there() -> None:
    assert spells(remembered("0s a-", "1h mute:8h a-", "2h unmute a-").history, "muted") == [(at("1h"), at("2h"))]


def test_a_list_that_no_look_asks_any_more_ends_when_it_was_last_known() -> None:
    story = remembered("0s a-", "1h a+", "+90s a+", "2h a+", "9d b-")
    assert spells(story.history, "blocklist:a") == [(at("1h"), at("2h"))]


def test_settings_with_another_value_are_a_moment() -> None:
    before, after = Incident("w1", T0, settings={"mx": "a"}), Incident("w1", T0, settings={"mx": "b"})
    history = recorded(History(), before, after, T0 + HOUR)
    assert spells(history, "mx:changed") == [(HOUR, HOUR)]
    assert recorded(history, after, after, T0 + 2 * HOUR) == history


WORDS = st.sampled_from(["a+ b-", "a- b+", "a+ b+", "a- b-", "a? b!", "ack a+ b+", "mute:1h a+", "unmute a- b-", "ack"])
STEPS = st.lists(st.tuples(st.sampled_from(["+30s", "+2m", "+20m", "+3h", "+2d"]), WORDS), max_size=80)


@given(STEPS)
def test_every_change_is_in_the_history_once(steps: list[tuple[str, str]]) -> None:
    story, openings = Remembering(), Counter[str]()
    story.row("0s", ["a-", "b-"])
    for when, words in steps:
        before = there(story.incident)
        story.row(when, words.split())
        openings.update(there(story.incident) - before)
        assert {track.key for track in story.history.tracks if track.open} - {*HANDS} == there(story.incident)
        in_order(story.history)
    assert {t.key: sum(s.times for s in t.spans) for t in story.history.problems} == dict(openings)


def there(incident: Incident | None) -> set[str]:
    assert incident
    return {f"blocklist:{p.sight.about}" for p in incident.problems if p.phase in THERE}


def in_order(history: History) -> None:
    """Spans never overlap, only the last of a track may be open, and sums fit into their span."""
    for track in history.tracks:
        ends = [span.until for span in track.spans]
        assert None not in ends[:-1]
        for span, later in zip(track.spans, track.spans[1:], strict=False):
            assert span.until is not None
            assert span.since <= span.until <= later.since
        if track.key != OTHERS:
            assert all(s.longest <= s.lasted <= s.until - s.since for s in track.spans if s.until)


@st.composite
def histories(draw: st.DrawFn) -> History:
    tracks = []
    for key in draw(st.lists(st.sampled_from([*LISTS, *HANDS, "spf:failing"]), unique=True, max_size=24)):
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
def test_compacting_keeps_sums_and_order_and_what_is_open(history: History) -> None:
    now = T0 + timedelta(days=30)
    small = compacted(history, now)
    in_order(small)
    assert sums(small) == sums(history)
    opened = {track.key for track in history.tracks if track.open}
    assert {track.key for track in small.tracks if track.open} == opened
    assert len(small.tracks) <= max(MOST_TRACKS, len(opened) + 4)  # hands, settings and the others are always kept
    assert sum(len(track.spans) for track in small.tracks) <= MOST_SPANS + len(small.tracks)
    assert compacted(small, now) == small
    assert from_text(to_text(small)) == small


def sums(history: History) -> tuple[int, timedelta, timedelta]:
    ended = [span for track in history.tracks for span in track.spans if span.until]
    longest = max((span.longest for span in ended), default=NEVER)
    return sum(span.times for span in ended), sum((span.lasted for span in ended), NEVER), longest


def test_what_is_old_and_short_becomes_one_first() -> None:
    def day(number: float, hours: float = 1) -> Span:
        since = T0 + timedelta(days=number)
        return Span(since, since + hours * HOUR, 1, hours * HOUR, hours * HOUR)

    spans = tuple(day(number / 2) for number in range(2 * MOST_SPANS))
    (track,) = compacted(History((Track("blocklist:a", "A", spans),)), T0 + timedelta(days=MOST_SPANS)).tracks
    assert len(track.spans) == MOST_SPANS
    assert track.spans[-1] == spans[-1]
    assert track.spans[0].times > 1
    assert track.spans[0].since == T0


def test_a_history_stays_small_however_long_it_gets() -> None:
    story, largest = Remembering(), 0
    story.row("0s", ["a-"])
    for number in range(400):
        letters = f"a{number % 40}+"
        story.row("+3h", [letters])
        story.row("+2m", [letters])
        story.row("+30m", [letters.replace("+", "-")] if number % 2 else [letters])
        largest = max(largest, len(to_text(story.history)))
    assert largest < 4_000, largest


def clipped(span: Span, start: timedelta, now: timedelta) -> tuple[datetime, datetime | None, timedelta] | None:
    part = span.within(T0 + start, T0 + now)
    return (part.since, part.until, part.lasted) if part else None


def test_a_part_of_a_span_has_its_share_of_the_time() -> None:
    span = Span(T0, T0 + 4 * HOUR, 4, 2 * HOUR, HOUR)
    assert clipped(span, 2 * HOUR, 9 * HOUR) == (T0 + 2 * HOUR, T0 + 4 * HOUR, HOUR)
    assert clipped(span, 5 * HOUR, 9 * HOUR) is None
    assert clipped(Span(T0), HOUR, 3 * HOUR) == (T0 + HOUR, T0 + 3 * HOUR, 2 * HOUR)
