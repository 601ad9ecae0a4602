"""`history` command: parser, chart and text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from bot.inputs.durations import BadDuration
from bot.models import Report
from bot.monitoring.alert_state import acknowledge
from bot.monitoring.history import History
from bot.monitoring.models import Watch
from handlers.commands import WatchCommands
from handlers.commands.parser import BadCommand
from handlers.commands.watch_parser import DEFAULT_RANGE, FULL_RANGE, history_start, read_history
from handlers.message import Card, Tone
from handlers.messages.history import history_card
from handlers.ports import ChatRequest
from handlers.verbs import Command
from tests.handlers.charts.timelines import DAY, NOW, busy, ordinary
from tests.support.dns_world import World
from tests.support.incident_stories import T0
from tests.support.memory_repository import InMemoryRepository
from tests.support.stored_watches import CHANNEL, OTHER_CHANNEL, Clock, baseline, open_incident, watch

WATCH = watch(name="HQ egress")


def card_of(history: History, lookback: timedelta = 30 * DAY, now: datetime = NOW) -> Card:
    return history_card(WATCH, history, history_start(WATCH, history, lookback, now), now)


def test_history_card_states_its_numbers_in_text() -> None:
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
        "acknowledged": "2 times, 3d 1h so far, since 22 Dec, 20:24 UTC by Bo",
        "muted": "1d, last until 9 Dec, 06:00 UTC by Ada",
    }
    assert card.tone is Tone.WARN  # it is listed now


def test_chart_alt_text_contains_all_facts() -> None:
    card = card_of(ordinary())
    assert card.chart
    assert all(f"{fact.label}: {fact.value}" in card.chart.alt for fact in card.facts)


def test_history_card_is_limited_to_requested_range() -> None:
    card = card_of(ordinary(), 7 * DAY)
    assert card.chart
    assert [row.label for row in card.chart.timeline.rows] == ["Spamhaus ZEN", "MX changed", "acknowledged"]
    assert card.chart.timeline.start == NOW - 7 * DAY


def test_problem_without_listings_is_not_called_other() -> None:
    history = History(tuple(track for track in ordinary().tracks if track.key == "spf:failing"))
    assert ": 1 problem since " in card_of(history).title


def test_empty_history_has_no_chart() -> None:
    card = card_of(History())
    assert (card.title, card.chart) == ("HQ egress (203.0.113.5): no problems since 24 Nov, 06:00 UTC", None)
    assert card.tone is Tone.GOOD


def test_history_card_names_limited_number_of_lists() -> None:
    facts = {fact.label: fact.value for fact in card_of(busy()).facts}
    assert facts["Lists"].endswith(" and 6 more")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("203.0.113.5", ("203.0.113.5", DEFAULT_RANGE)),
        ("203.0.113.5 7d", ("203.0.113.5", timedelta(days=7))),
        ("203.0.113.5 example.com all", ("203.0.113.5 example.com", None)),
        ("203.0.113.5 example.com", ("203.0.113.5 example.com", DEFAULT_RANGE)),
        ("example.com 203.0.113.5", ("example.com 203.0.113.5", DEFAULT_RANGE)),
        ("HQ egress", ("HQ egress", DEFAULT_RANGE)),
        ("HQ egress 12h", ("HQ egress", timedelta(hours=12))),
    ],
)
def test_history_range_after_watch_is_parsed(typed: str, expected: tuple[str, timedelta | None]) -> None:
    options = read_history(typed)
    assert (options.watch.text, options.lookback) == expected


def test_invalid_history_range_is_refused() -> None:
    with pytest.raises(BadDuration):
        read_history("203.0.113.5 7x")
    with pytest.raises(BadCommand):
        read_history(" ")


def test_history_starts_no_earlier_than_watch() -> None:
    assert history_start(WATCH, History(), None, NOW) == T0
    assert history_start(WATCH, ordinary(), 90 * DAY, NOW) == T0
    assert history_start(WATCH, ordinary(), DAY, NOW) == NOW - DAY


async def no_poll(_: Watch) -> Sequence[Report]:
    return ()


def watch_commands(store: InMemoryRepository) -> WatchCommands:
    return WatchCommands(store, store, no_poll, World({}), {}, store.clock)


def request(verb: str) -> ChatRequest:
    return ChatRequest(CHANNEL, "U1", Command(verb), name="Ada")


async def test_history_command_shows_listing_and_acknowledgement() -> None:
    store = InMemoryRepository(Clock())
    initial = baseline(WATCH)
    await store.add(WATCH, initial, T0)
    incident, _ = open_incident(initial, at=T0 + timedelta(hours=1))
    store.clock.now = T0 + timedelta(hours=2)
    await store.update_incident(CHANNEL, WATCH.id, incident, initial)
    await store.update_incident(CHANNEL, WATCH.id, acknowledge(incident, "Ada", store.clock()), incident)
    store.clock.now = T0 + timedelta(hours=5)
    card = await watch_commands(store).history(request("history"), read_history("HQ egress all"))
    assert [(fact.label, fact.value) for fact in card.facts] == [
        ("Lists", "a"),
        ("Listed", "4h, each list counted by itself"),
        ("Longest", "4h on a"),
        ("Last", "a, since 24 Nov, 07:00 UTC"),
        ("acknowledged", "3h so far, since 24 Nov, 08:00 UTC by Ada"),
    ]


async def test_history_of_other_channels_watch_is_not_found() -> None:
    store = InMemoryRepository(Clock())
    await store.add(watch(channel=OTHER_CHANNEL), baseline(watch(channel=OTHER_CHANNEL), "a+"), T0)
    with pytest.raises(BadCommand, match="not watched in this channel"):
        await watch_commands(store).history(request("history"), read_history(watch(channel=OTHER_CHANNEL).id))


def test_range_button_commands_are_parsed() -> None:
    for button in card_of(ordinary()).buttons:
        verb, _, arguments = button.command.partition(" ")
        options = read_history(arguments)
        assert (verb, options.watch.text) == ("history", WATCH.id)
        assert options.lookback is None if arguments.endswith(FULL_RANGE) else options.lookback
