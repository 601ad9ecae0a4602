"""What a room reads: each reason in its words, the one next step, the right buttons, and nothing that a stranger wrote live."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.models import Link, Role
from bot.monitoring.alert_state import acknowledge, begin, mute
from bot.monitoring.dnsbl_quarantine import ListNote, NoteReason
from bot.monitoring.interfaces import Kept, RoomSettings
from bot.monitoring.models import Alert, Incident, Observation, Phase, Problem, Reason, Severity, State, Watch
from handlers.commands.parser import split_verb
from handlers.message import Card, Tone
from handlers.messages import alerts, watches
from handlers.messages.blocklists import list_note_card
from handlers.slack.block_kit import message
from tests.bot.monitoring.test_range_serialization import OFFICE, told_of_everything
from tests.handlers.slack.hostile import HOSTILE
from tests.support.incident_stories import T0
from tests.support.outbox_messages import letters_of, story
from tests.support.slack_validator import faults
from tests.support.stored_watches import watch

FORM = "https://check.example/results/?query=203.0.113.5"


def seen(name: str, address: str = "", severity: Severity = Severity.HIGH, **more: str) -> Problem:
    sight = Observation(
        *("blocklist", name.lower(), State.LISTED, T0),
        address=address,
        severity=severity,
        says=f"{address or '203.0.113.5'} is on {name}: spam was seen; most receivers refuse its mail.",
        step=more.get("step", f"Fix the cause, then ask {name} for removal."),
        links=(Link("Removal form", FORM),),
        name=name,
        text=more.get("text", ""),
    )
    return Problem(sight, Phase.LISTED, T0, T0, T0, told=True)


def alert(reason: Reason, of: Watch, *new: Problem, opened: bool = True, **more: tuple[Problem, ...]) -> Alert:
    at = T0 + timedelta(hours=3)
    root = reason is Reason.OPENED or not opened
    return Alert("k", of.id, reason, at, "t", root, True, T0 if opened else None, new=new, **more)


WATCH = watch("203.0.113.5/32", "example.com", name="HQ egress")
ZEN, BARRACUDA = seen("Spamhaus ZEN", text="https://check.example/ip/203.0.113.5"), seen("Barracuda")
INCIDENT = replace(begin(WATCH.id, (), T0), opened=T0, episode=1, problems=(ZEN,))


def words(card: Card) -> str:
    return "\n".join((card.title, card.step, *(f"{line.text} {line.detail}" for line in card.lines)))


def test_the_root_says_where_since_when_what_it_means_and_the_one_next_step() -> None:
    card = alerts.root_card(WATCH, INCIDENT, alert(Reason.OPENED, WATCH, ZEN))
    assert card.title == "HQ egress (203.0.113.5 · example.com): on Spamhaus ZEN"
    assert (card.tone, card.step) == (Tone.BAD, "Fix the cause, then ask Spamhaus ZEN for removal.")
    assert card.facts[0].value == "24 Nov, 06:00 UTC"
    assert "most receivers refuse its mail" in card.lines[0].text
    assert card.lines[0].quote == "https://check.example/ip/203.0.113.5"


def test_the_root_has_four_buttons_that_are_commands() -> None:
    card = alerts.root_card(WATCH, INCIDENT, alert(Reason.OPENED, WATCH, ZEN))
    assert [button.label for button in card.buttons] == [
        *("Spamhaus ZEN: removal form", "Acknowledge", "Mute…", "Check again")
    ]
    assert card.buttons[0].url == FORM
    assert [split_verb(button.command) for button in card.buttons[1:]] == [
        ("ack", WATCH.id),
        ("mute", WATCH.id),
        ("check", "203.0.113.5 example.com as mta fresh"),
    ]


def test_once_clear_only_checking_again_is_left() -> None:
    card = alerts.root_card(WATCH, INCIDENT, alert(Reason.RESOLVED, WATCH, gone=(ZEN, BARRACUDA)))
    assert (card.tone, card.title) == (Tone.GOOD, "HQ egress (203.0.113.5 · example.com): clear again after 3h")
    assert [button.label for button in card.buttons] == ["Check again"]
    assert card.lines[0].text == "No longer: Spamhaus ZEN, Barracuda."


@pytest.mark.parametrize(
    ("turn", "tone", "gone", "fact"),
    [
        (lambda i: i, Tone.BAD, "", ""),
        (lambda i: acknowledge(i, "ada", T0), Tone.WARN, "Acknowledge", "by ada, 24 Nov, 06:00 UTC"),
        (lambda i: mute(i, "ada", T0 + timedelta(days=1)), Tone.UNSURE, "Mute…", "by ada, until 25 Nov, 06:00 UTC"),
    ],
)
def test_the_colour_is_the_state(turn: Callable[[Incident], Incident], tone: Tone, gone: str, fact: str) -> None:
    card = alerts.standing_card(WATCH, turn(INCIDENT))
    assert card.tone is tone
    assert gone not in [button.label for button in card.buttons]
    assert fact in [one.value for one in card.facts] or not fact


def test_a_range_is_one_root_with_a_table() -> None:
    office = watch("203.0.113.0/28")
    listed = (seen("Spamhaus ZEN", f"203.0.113.{n}") for n in (1, 2, 3))
    news = alert(Reason.OPENED, office, *listed, seen("Barracuda", "203.0.113.1"))
    card = alerts.root_card(office, replace(INCIDENT, watch=office.id), news)
    assert card.title == "203.0.113.0/28: 3 of 16 addresses listed"
    assert card.table is not None
    assert [row[:2] for row in card.table.rows] == [
        ("203.0.113.1", "Spamhaus ZEN, Barracuda"),
        ("203.0.113.2 – 203.0.113.3", "Spamhaus ZEN"),
    ]
    assert len(card.lines) == 2, "one example for each list"


def test_a_range_that_is_listed_everywhere_is_a_card_that_slack_takes_and_a_person_reads() -> None:
    incident, news = told_of_everything()
    card = alerts.root_card(OFFICE, incident, news)
    assert card.title == "203.0.113.0/24 · example.com: 256 of 256 addresses listed"
    assert card.table is not None
    (row,) = card.table.rows
    assert row[:2] == ("203.0.113.0 – 203.0.113.255", "Spamhaus ZEN, Barracuda, SpamCop, 23 more")
    assert faults(message(card)) == []
    assert "not shown" not in str(message(card))


def test_a_large_range_checks_again_what_was_listed() -> None:
    office = watch("203.0.113.0/24", "example.com")
    card = alerts.root_card(office, INCIDENT, alert(Reason.OPENED, office, seen("A", "203.0.113.9")))
    assert card.buttons[-1].command == "check 203.0.113.9 example.com as mta fresh"


@pytest.mark.parametrize(
    ("told", "title"),
    [
        (alert(Reason.GREW, WATCH, BARRACUDA, still=(ZEN,)), "now also on Barracuda"),
        (alert(Reason.EASED, WATCH, gone=(ZEN,), still=(BARRACUDA,)), "better"),
        (alert(Reason.RESOLVED, WATCH, gone=(ZEN,)), "clear again after 3h"),
        (alert(Reason.REMINDER, WATCH, still=(ZEN,)), "still on Spamhaus ZEN after 3h"),
        (alert(Reason.UNSTABLE, WATCH, ZEN), "Spamhaus ZEN comes and goes"),
        (alert(Reason.DEGRADED, WATCH, ZEN), "perhaps on Spamhaus ZEN"),
        (alert(Reason.NOTED, WATCH, ZEN), "on Spamhaus ZEN"),
    ],
    ids=lambda told: str(getattr(told, "reason", "")),
)
def test_each_reason_has_its_words_and_names_its_target(told: Alert, title: str) -> None:
    assert alerts.reply_card(WATCH, told).title == f"HQ egress (203.0.113.5 · example.com): {title}"


def test_a_change_shows_both_values_and_a_note_without_a_thread_can_be_checked() -> None:
    changed = replace(ZEN.sight, check="ptr", was="mail.example.com", value="host.example.net", passing=True, text="")
    card = alerts.root_card(WATCH, INCIDENT, alert(Reason.NOTED, WATCH, replace(ZEN, sight=changed), opened=False))
    assert card.title.endswith(": reverse name changed")
    assert card.lines[0].quote == "mail.example.com → host.example.net"
    assert [button.label for button in card.buttons] == ["Check again"]


@pytest.mark.parametrize(
    ("note", "said"),
    [
        (
            ListNote("a.1.quarantined", NoteReason.QUARANTINED, ("a",), 5, 25),
            "5 of the last 25 targets turned to listed",
        ),
        (ListNote("a.1.quarantined", NoteReason.QUARANTINED, ("a",)), "its own test entry that must never be listed"),
        (ListNote("a.1.trusted", NoteReason.TRUSTED, ("a",)), "counts again"),
    ],
)
def test_a_note_about_a_list_says_why_it_is_not_believed_and_when_it_is_again(note: ListNote, said: str) -> None:
    card = list_note_card(note, "Spamhaus ZEN")
    assert card.title.startswith("Spamhaus ZEN")
    assert said in words(card)


# Whatever an alert holds, Slack takes its cards, and nothing in them is live

hostile = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=400))
fields = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=20))  # many are drawn for one alert
observations = st.builds(
    Observation,
    check=st.sampled_from(["blocklist", "ptr", "spf", "dmarc", "mx"]),
    about=fields,
    state=st.just(State.LISTED),
    at=st.just(T0),
    address=st.sampled_from(["", "203.0.113.1", "203.0.113.2", "2001:db8::1"]),
    sublist=st.sampled_from(["", "xbl"]),
    severity=st.sampled_from(Severity),
    says=fields,
    step=fields,
    links=st.lists(st.builds(Link, fields, st.one_of(fields, st.just(FORM))), max_size=1).map(tuple),
    was=fields,
    value=fields,
    passing=st.booleans(),
    name=fields,
    text=fields,
)
times = st.integers(0, 10**7).map(lambda s: T0 + timedelta(seconds=s))
problems = st.lists(
    st.builds(Problem, observations, st.sampled_from(Phase), times, times, times, told=st.booleans()), max_size=4
).map(tuple)
watched = st.builds(
    watch,
    network=st.sampled_from(["203.0.113.5/32", "203.0.113.0/24", "2001:db8::/124", None]),
    domain=st.just("example.com"),
    role=st.sampled_from(Role),
    name=hostile,
)
any_alert = st.builds(
    *(Alert, hostile, hostile, st.sampled_from(Reason), times, hostile, st.booleans(), st.booleans()),
    opened=st.one_of(st.none(), st.just(T0)),
    **dict.fromkeys(("new", "still", "gone", "lost"), problems),
)


@given(watched, any_alert, hostile)
def test_slack_takes_the_cards_of_any_alert(of: Watch, told: Alert, by: str) -> None:
    incident = mute(acknowledge(replace(INCIDENT, problems=told.still), by, T0), by, told.at)
    cards = [
        alerts.root_card(of, incident, told),
        alerts.standing_card(of, incident),
        alerts.reply_card(of, told),
        alerts.silenced_card(of, by),
        watches.added_card([watches.Added(of, incident, of.every)] * (1 + len(told.new) % 3), (by,)),
        watches.watches_card([Kept(of, incident)]),
        watches.removed_card(of, by),
        watches.settings_card(RoomSettings(), by),
        watches.mute_choice_card(of),
    ]
    assert [faults(message(card)) for card in cards] == [[]] * len(cards)


def test_every_button_of_every_card_is_a_command_that_is_read() -> None:
    letters = story(WATCH) + letters_of(WATCH, (("1h", "low+"), ("61m30s", "low+")))
    cards = [alerts.root_card(WATCH, letter.incident, letter.alert) for letter in letters]
    cards += [watches.removed_card(WATCH, "ada"), watches.mute_choice_card(WATCH)]
    commands = [button.command for card in cards for button in card.buttons if button.command]
    assert {split_verb(command)[0] for command in commands} == {"ack", "mute", "check", "watch"}
