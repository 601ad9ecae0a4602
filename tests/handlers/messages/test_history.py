"""`history`: what a channel hears of the past of its own watches, as a picture and in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from bot.inputs.durations import BadDuration
from bot.models import Report
from bot.monitoring.alert_state import acknowledge
from bot.monitoring.history import History
from bot.monitoring.models import Watch
from handlers.commands import Watching
from handlers.commands.parser import BadCommand
from handlers.commands.watch_parser import EVERYTHING, USUAL, beginning, read_history
from handlers.message import Card, Tone
from handlers.messages.history import history_card
from handlers.ports import Ask
from tests.handlers.charts.timelines import DAY, NOW, busy, ordinary
from tests.support.dns_world import World
from tests.support.incident_stories import T0
from tests.support.memory_repository import KeptInMemory
from tests.support.stored_watches import ELSEWHERE, ROOM, Clock, baseline, opened, watch

WATCH = watch(name="HQ egress")


def card_of(history: History, back: timedelta = 30 * DAY, now: datetime = NOW) -> Card:
    return history_card(WATCH, history, beginning(WATCH, history, back, now), now)


def test_the_numbers_are_told_in_words() -> None:
    card = card_of(ordinary())
    assert card.title.endswith(": 17 listings on 4 lists, 1 other problem, 2 changed settings since 24 Nov, 06:00 UTC")
    facts = {fact.label: fact.value for fact in card.facts}
    assert facts == {
        "Lists": "UCEPROTECT Level 2 (11 times), Spamhaus ZEN (3 times), Barracuda (2 times), PSBL",
        "Listed": "16d 8h, each list counted by itself",
        "Longest": "3d 18h on UCEPROTECT Level 2",
        "Last": "Spamhaus ZEN, since 22 Dec, 10:48 UTC",
        "SPF": "2d 1h, last until 2 Dec, 07:00 UTC",
        "MX changed": "2 times, last on 17 Dec, 06:00 UTC",
        "in hand": "2 times, 3d 1h so far, since 22 Dec, 20:24 UTC by Bo",
        "muted": "1d, last until 9 Dec, 06:00 UTC by Ada",
    }
    assert card.tone is Tone.WARN  # it is listed now


def test_the_words_of_the_picture_say_all_that_the_card_says() -> None:
    card = card_of(ordinary())
    assert card.picture
    assert all(f"{fact.label}: {fact.value}" in card.picture.alt for fact in card.facts)


def test_only_the_time_that_was_asked_for_is_told() -> None:
    card = card_of(ordinary(), 7 * DAY)
    assert card.picture
    assert [row.label for row in card.picture.timeline.rows] == ["Spamhaus ZEN", "MX changed", "in hand"]
    assert card.picture.timeline.since == NOW - 7 * DAY


def test_a_problem_beside_no_listing_is_no_other_one() -> None:
    history = History(tuple(track for track in ordinary().tracks if track.key == "spf:failing"))
    assert ": 1 problem since " in card_of(history).title


def test_a_quiet_time_needs_no_picture() -> None:
    card = card_of(History())
    assert (card.title, card.picture) == ("HQ egress (203.0.113.5): nothing wrong since 24 Nov, 06:00 UTC", None)
    assert card.tone is Tone.GOOD


def test_many_lists_are_named_in_part() -> None:
    facts = {fact.label: fact.value for fact in card_of(busy()).facts}
    assert facts["Lists"].endswith(" and 6 more")


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("203.0.113.5", ("203.0.113.5", USUAL)),
        ("203.0.113.5 7d", ("203.0.113.5", timedelta(days=7))),
        ("203.0.113.5 example.com all", ("203.0.113.5 example.com", None)),
        ("203.0.113.5 example.com", ("203.0.113.5 example.com", USUAL)),
        ("example.com 203.0.113.5", ("example.com 203.0.113.5", USUAL)),
        ("HQ egress", ("HQ egress", USUAL)),
        ("HQ egress 12h", ("HQ egress", timedelta(hours=12))),
    ],
)
def test_a_range_may_stand_behind_the_watch(typed: str, read: tuple[str, timedelta | None]) -> None:
    assert read_history(typed) == read


def test_what_is_no_range_is_said() -> None:
    with pytest.raises(BadDuration):
        read_history("203.0.113.5 7x")
    with pytest.raises(BadCommand):
        read_history(" ")


def test_nothing_is_known_from_before_the_watch() -> None:
    assert beginning(WATCH, History(), None, NOW) == T0
    assert beginning(WATCH, ordinary(), 90 * DAY, NOW) == T0
    assert beginning(WATCH, ordinary(), DAY, NOW) == NOW - DAY


async def no_look(_: Watch) -> Sequence[Report]:
    return ()


def watching(kept: KeptInMemory) -> Watching:
    return Watching(kept, kept, no_look, World({}), {}, kept.clock)


def asked(text: str) -> Ask:
    return Ask(ROOM, "U1", text, name="Ada")


async def test_listed_and_acknowledged_is_what_the_channel_reads() -> None:
    kept = KeptInMemory(Clock())
    begun = baseline(WATCH)
    await kept.add(WATCH, begun, T0)
    incident, _ = opened(begun, at=T0 + timedelta(hours=1))
    kept.clock.now = T0 + timedelta(hours=2)
    await kept.change(ROOM, WATCH.id, incident, begun)
    await kept.change(ROOM, WATCH.id, acknowledge(incident, "Ada", kept.clock()), incident)
    kept.clock.now = T0 + timedelta(hours=5)
    card = await watching(kept).history(asked("history"), "HQ egress all")
    assert [(fact.label, fact.value) for fact in card.facts] == [
        ("Lists", "a"),
        ("Listed", "4h, each list counted by itself"),
        ("Longest", "4h on a"),
        ("Last", "a, since 24 Nov, 07:00 UTC"),
        ("in hand", "3h so far, since 24 Nov, 08:00 UTC by Ada"),
    ]


async def test_what_another_channel_watches_has_no_history_here() -> None:
    kept = KeptInMemory(Clock())
    await kept.add(watch(room=ELSEWHERE), baseline(watch(room=ELSEWHERE), "a+"), T0)
    with pytest.raises(BadCommand, match="not watched in this channel"):
        await watching(kept).history(asked("history"), watch(room=ELSEWHERE).id)


def test_words_for_the_range_buttons_can_be_typed() -> None:
    for button in card_of(ordinary()).buttons:
        verb, _, rest = button.command.partition(" ")
        name, back = read_history(rest)
        assert (verb, name) == ("history", WATCH.id)
        assert back is None if rest.endswith(EVERYTHING) else back
