"""Letters as the machine writes them: whole incidents of watches, from the first look to the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from bot.inputs.durations import read_duration
from bot.monitoring.alert_state import advance
from bot.monitoring.interfaces import Letter
from bot.monitoring.models import Incident, Reason, Room, Watch
from tests.support.incident_stories import T0, sights
from tests.support.stored_watches import baseline

# Opened, grew, eased, resolved.
LOOKS = (
    *(("1h", "a+"), ("61m30s", "a+"), ("2h", "a+ b+"), ("122m", "a+ b+"), ("3h", "a+ b-"), ("200m", "a+ b-")),
    *(("4h", "a+ b-"), ("5h", "a-"), ("320m", "a-"), ("6h", "a-")),
)
REASONS = (Reason.OPENED, Reason.GREW, Reason.EASED, Reason.RESOLVED)


def letters_of(watch: Watch, looks: Sequence[tuple[str, str]] = LOOKS) -> list[Letter]:
    """What the looks (since the first one, and what they saw) tell the watch's room."""
    incident = baseline(watch)
    letters: list[Letter] = []
    for when, words in looks:
        at = T0 + read_duration(when)
        outcome = advance(incident, sights(words, at), at)
        incident = outcome.incident
        letters += [Letter(alert.key, watch.room, watch, incident, alert) for alert in outcome.alerts]
    return letters


def story(watch: Watch) -> list[Letter]:
    letters = letters_of(watch)
    assert tuple(letter.alert.reason for letter in letters) == REASONS
    return letters


def elsewhere(letter: Letter, watch: Watch) -> Letter:
    """The same letter of another watch: much faster than to live through its story again."""
    before, after = letter.watch.id, watch.id
    thread, key = letter.alert.thread.replace(before, after), letter.alert.key.replace(before, after)
    alert = replace(letter.alert, watch=after, thread=thread, key=key)
    return Letter(key, watch.room, watch, replace(letter.incident, watch=after), alert)


def after_the_story(letters: Sequence[Letter]) -> Incident:
    return letters[-1].incident


def rooms(number: int) -> list[Room]:
    return [Room("slack", "T0123ABCD", f"C{n:04}") for n in range(number)]


LATER = T0 + timedelta(hours=7)
