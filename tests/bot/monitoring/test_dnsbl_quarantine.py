"""One list that lists the world is one note, and a silent one never clears anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from bot.monitoring.dnsbl_quarantine import (
    Limits,
    ListHealth,
    ListNote,
    Round,
    Tally,
    count,
    hold,
    quarantined,
    round_ended,
    tallies,
    together,
)
from tests.support.incident_stories import T0, Story, sights, told

GOOD, WILD, SILENT = Round(answered=True), Round(answered=True, must_not_listed=True), Round(answered=False)
LIMITS = Limits()
HOUR = timedelta(hours=1)


@dataclass
class Sweeps:
    """Many watches of the same lists, looked at one after another, each when it is due."""

    stories: list[Story]
    healths: dict[str, ListHealth] = field(default_factory=dict)
    notes: list[ListNote] = field(default_factory=list)

    def look(self, story: Story, words: str) -> list[str]:
        seen = sights(words, story.now)
        for name, tally in tallies(story.incident, seen).items():
            health = self.healths.setdefault(name, ListHealth(name))
            self.healths[name], note = count(health, tally, story.now, LIMITS)
            self.notes += [note] if note else []
        return [told(alert) for alert in story.see(hold(seen, quarantined(self.healths)))]

    def sweep(self, words: str, again: bool = True) -> list[str]:
        """One interval: every watch in its turn, and its second look where it wants one before the next interval."""
        started = max(story.now for story in self.stories) + HOUR
        due = [(started + n * HOUR / len(self.stories), story) for n, story in enumerate(self.stories)]
        heard = []
        while due:
            at, story = due.pop(min(range(len(due)), key=lambda n: due[n][0]))
            story.now = at
            heard += self.look(story, words)
            if again and story.again_at and story.again_at < at + HOUR / 2:
                due.append((story.again_at, story))
        return heard

    def round(self, name: str, seen: Round) -> list[str]:
        now = max(story.now for story in self.stories)
        self.healths[name], notes = round_ended(self.healths.get(name, ListHealth(name)), seen, now, LIMITS)
        self.notes += notes
        return [str(note.reason) for note in notes]


def watches(number: int, words: str = "a- b-") -> Sweeps:
    stories = [Story() for _ in range(number)]
    sweeps = Sweeps(stories)
    for story in stories:
        sweeps.look(story, words)
    return sweeps


def test_a_list_that_lists_the_world_is_one_note_and_no_alert() -> None:
    sweeps = watches(1000)
    assert sweeps.sweep("a- b-") == []
    assert sweeps.sweep("a+ b-") == []
    assert sweeps.sweep("a+ b-") == []
    assert [(str(note.reason), note.lists) for note in sweeps.notes] == [("quarantined", ("a",))]


def test_after_three_good_rounds_a_real_listing_alerts_again() -> None:
    sweeps = watches(300)
    sweeps.sweep("a+ b-")
    assert [sweeps.round("a", seen) for seen in (GOOD, GOOD, WILD, GOOD, GOOD, SILENT, GOOD, GOOD)] == [[]] * 8
    assert sweeps.sweep("a+ b-") == []
    assert sweeps.round("a", GOOD) == ["trusted"]
    heard = sweeps.sweep("a+ b-")
    assert heard == ["opened +a"] * 300
    assert [str(note.reason) for note in sweeps.notes] == ["quarantined", "trusted"]


def test_what_was_listed_before_the_quarantine_stays_listed_in_it() -> None:
    sweeps = watches(30)
    first = sweeps.stories[0]
    for when, words in (("1h", "a+ b-"), ("+90s", "a+ b-")):
        first.row(when, words.split())
    assert sweeps.round("a", WILD) == ["quarantined"]
    heard = [line for _ in range(4) for line in sweeps.sweep("a- b-")]
    assert heard == []


def test_a_resolver_that_strips_the_answers_clears_nothing() -> None:
    sweeps = watches(50)
    heard = [
        line for story in sweeps.stories[:4] for when in ("1h", "+90s") for line in map(told, story.row(when, ["a+"]))
    ]
    assert heard == ["opened +a"] * 4
    for _ in range(30):
        assert [line for line in sweeps.sweep("a? b?", again=False) if "reminder" not in line] == []
        sweeps.round("a", SILENT)
        sweeps.round("b", SILENT)
    assert [str(note.reason) for note in together(sweeps.notes, lists=2)] == ["degraded"]


@pytest.mark.parametrize(
    ("asked", "flipped", "breaks"),
    [(4, 4, False), (5, 5, True), (25, 5, True), (26, 5, False), (1000, 199, False), (1000, 200, True), (10, 4, False)],
)
def test_five_flips_and_a_fifth_of_the_targets_break_a_list(asked: int, flipped: int, breaks: bool) -> None:
    health, note = count(ListHealth("a"), Tally(asked, flipped), T0, LIMITS)
    assert bool(note) is bool(health.held_since) is breaks


def test_a_quiet_day_hides_no_bad_minute() -> None:
    health = ListHealth("a")
    for _ in range(5000):
        health, _note = count(health, Tally(1, 0), T0, LIMITS)
    flips = 0
    while not health.held_since and flips < 100:
        health, _note = count(health, Tally(1, 1), T0, LIMITS)
        flips += 1
    assert flips <= 10


def test_real_listings_here_and_there_break_nothing() -> None:
    health = ListHealth("a")
    for look in range(10_000):
        health, note = count(health, Tally(1, int(look % 10 == 0)), T0, LIMITS)
        assert note is None


def test_its_own_never_listed_entry_breaks_a_list_of_a_single_watch() -> None:
    sweeps = watches(1)
    assert sweeps.round("a", WILD) == ["quarantined"]
    assert sweeps.round("a", WILD) == []
    assert sweeps.sweep("a+ b-") == []


def test_a_trusted_list_breaks_again_by_its_test_entry_only() -> None:
    trusted = ListHealth("a", trusted_until=T0 + HOUR)
    health, note = count(trusted, Tally(100, 100), T0, LIMITS)
    assert note is None
    health, notes = round_ended(health, WILD, T0, LIMITS)
    assert [str(one.reason) for one in notes] == ["quarantined"]
    health, note = count(ListHealth("a", trusted_until=T0), Tally(100, 100), T0, LIMITS)
    assert note is not None


def test_a_first_look_flips_nothing() -> None:
    assert tallies(None, sights("a+ b- c?", T0)) == {"a": Tally(1, 0), "b": Tally(1, 0)}
    story = Story()
    story.look("a+ b-")
    assert tallies(story.incident, sights("a+ b+ c!", T0)) == {"a": Tally(1, 0), "b": Tally(1, 1)}


def test_a_list_that_falls_silent_is_one_note_and_so_is_its_return() -> None:
    sweeps = watches(3)
    rounds = [SILENT, SILENT, SILENT, SILENT, SILENT, GOOD, GOOD, SILENT, SILENT, GOOD]
    heard = [sweeps.round("a", seen) for seen in rounds]
    assert heard == [[], [], ["degraded"], [], [], ["answering"], [], [], [], []]


def test_when_half_of_the_lists_fall_silent_it_is_dns_and_one_note() -> None:
    sweeps = watches(1)
    for _ in range(2):
        for n in range(40):
            sweeps.round(f"list-{n}", SILENT)
    sweeps.notes.clear()
    for n in range(40):
        sweeps.round(f"list-{n}", SILENT)
    merged = together(sweeps.notes, lists=60)
    assert [(str(note.reason), len(note.lists)) for note in merged] == [("degraded", 40)]
    few = together(sweeps.notes[:3], lists=60)
    assert [len(note.lists) for note in few] == [1, 1, 1]
    assert together(sweeps.notes[:1], lists=2) == tuple(sweeps.notes[:1])


def test_every_note_has_a_key_of_its_own() -> None:
    sweeps = watches(1)
    for _ in range(3):
        for seen in (WILD, GOOD, GOOD, GOOD, SILENT, SILENT, SILENT, GOOD):
            sweeps.round("a", seen)
    keys = [note.key for note in sweeps.notes]
    assert len(set(keys)) == len(keys) == 12
