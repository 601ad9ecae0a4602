"""Alert cards: texts by reason, next step, buttons, and sanitized foreign text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.models import Link, Role
from bot.monitoring.alert_state import acknowledge, initial_incident, mute
from bot.monitoring.dnsbl_quarantine import ListNotice, NoticeReason
from bot.monitoring.interfaces import ChannelSettings, StoredWatch
from bot.monitoring.models import (
    Alert,
    AlertReason,
    Incident,
    Observation,
    ObservedState,
    Phase,
    Problem,
    Severity,
    Watch,
)
from handlers.commands import VERBS
from handlers.message import Card, Tone
from handlers.messages import alerts, watches
from handlers.messages.blocklists import list_notice_card
from handlers.slack.block_kit import render_message
from tests.bot.monitoring.test_range_serialization import OFFICE, alert_on_every_list
from tests.handlers.slack.hostile import HOSTILE
from tests.support.incident_stories import T0
from tests.support.outbox_messages import messages_of, messages_of_incident
from tests.support.slack_validator import message_faults
from tests.support.stored_watches import watch

FORM = "https://check.example/results/?query=203.0.113.5"


def listing_problem(name: str, address: str = "", severity: Severity = Severity.HIGH, **more: str) -> Problem:
    observation = Observation(
        *("blocklist", name.lower(), ObservedState.LISTED, T0),
        address=address,
        severity=severity,
        summary=(f"{address or '203.0.113.5'} is on {name}: spam was seen; most receivers refuse its mail."),
        remediation=more.get("step", f"Fix the cause, then ask {name} for removal."),
        links=(Link("Removal form", FORM),),
        name=name,
        text=more.get("text", ""),
    )
    return Problem(observation, Phase.LISTED, T0, T0, T0, notified=True)


def alert(
    reason: AlertReason, watched_by: Watch, *new: Problem, opened: bool = True, **more: tuple[Problem, ...]
) -> Alert:
    at = T0 + timedelta(hours=3)
    root = reason is AlertReason.OPENED or not opened
    return Alert("k", watched_by.id, reason, at, T0, "t", root, True, T0 if opened else None, new=new, **more)


WATCH = watch("203.0.113.5/32", "example.com", name="HQ egress")
ZEN, BARRACUDA = (
    listing_problem("Spamhaus ZEN", text="https://check.example/ip/203.0.113.5"),
    listing_problem("Barracuda"),
)
INCIDENT = replace(initial_incident(WATCH.id, (), T0), opened_at=T0, episode=1, problems=(ZEN,))


def words(card: Card) -> str:
    return "\n".join((card.title, card.step, *(f"{line.text} {line.detail}" for line in card.lines)))


def test_root_shows_list_time_meaning_and_next_step() -> None:
    card = alerts.root_card(WATCH, alert(AlertReason.OPENED, WATCH, ZEN))
    assert card.title == "HQ egress (203.0.113.5 · example.com): on Spamhaus ZEN"
    assert (card.tone, card.step) == (Tone.BAD, "Fix the cause, then ask Spamhaus ZEN for removal.")
    assert card.facts[0].value == "24 Nov, 06:00 UTC"
    assert "most receivers refuse its mail" in card.lines[0].text
    assert card.lines[0].quote == "https://check.example/ip/203.0.113.5"


def test_root_has_four_buttons_with_commands() -> None:
    card = alerts.root_card(WATCH, alert(AlertReason.OPENED, WATCH, ZEN))
    assert [button.label for button in card.buttons] == [
        *("Spamhaus ZEN: removal form", "Acknowledge", "Mute…", "Check again")
    ]
    assert card.buttons[0].url == FORM
    assert [button.command for button in card.buttons[1:]] == [
        f"ack {WATCH.id}",
        f"mute {WATCH.id}",
        "check 203.0.113.5 example.com as mta fresh",
    ]


def test_resolved_root_has_only_check_again() -> None:
    card = alerts.root_card(WATCH, alert(AlertReason.RESOLVED, WATCH, cleared=(ZEN, BARRACUDA)))
    assert (card.tone, card.title) == (Tone.GOOD, "HQ egress (203.0.113.5 · example.com): clear again after 3h")
    assert [button.label for button in card.buttons] == ["Check again"]
    assert card.lines[0].text == "No longer: Spamhaus ZEN, Barracuda."


@pytest.mark.parametrize(
    ("transition", "tone", "missing_button", "fact"),
    [
        (lambda i: i, Tone.BAD, "", ""),
        (lambda i: acknowledge(i, "ada", T0), Tone.WARN, "Acknowledge", "by ada, 24 Nov, 06:00 UTC"),
        (lambda i: mute(i, "ada", T0 + timedelta(days=1)), Tone.UNSURE, "Mute…", "by ada, until 25 Nov, 06:00 UTC"),
    ],
)
def test_root_tone_follows_incident_state(
    transition: Callable[[Incident], Incident], tone: Tone, missing_button: str, fact: str
) -> None:
    card = alerts.current_root_card(WATCH, transition(INCIDENT))
    assert card.tone is tone
    assert missing_button not in [button.label for button in card.buttons]
    assert fact in [item.value for item in card.facts] or not fact


def test_end_with_a_listing_left_names_it_and_is_not_green() -> None:
    ended = alert(AlertReason.RESOLVED, WATCH, cleared=(ZEN,), remaining=(BARRACUDA,))
    for card in (alerts.root_card(WATCH, ended), alerts.reply_card(WATCH, ended)):
        assert card.title.endswith("Spamhaus ZEN cleared; still on Barracuda")
        assert card.tone is not Tone.GOOD


def test_another_reason_of_one_list_is_named_by_sublists() -> None:
    pbl, xbl = (
        replace(ZEN, last_observation=replace(ZEN.last_observation, sublist=sublist, severity=severity))
        for sublist, severity in (("spamhaus-pbl", Severity.LOW), ("spamhaus-xbl", Severity.HIGH))
    )
    worse = alerts.reply_card(WATCH, alert(AlertReason.GREW, WATCH, xbl, cleared=(pbl,)))
    assert worse.title.endswith("Spamhaus ZEN: PBL → XBL, which is worse")
    better = alerts.reply_card(WATCH, alert(AlertReason.RESOLVED, WATCH, pbl, cleared=(xbl,)))
    assert better.title.endswith("Spamhaus ZEN: XBL → PBL, which is better")
    assert "No longer" not in str(worse.lines), "one change, not an end and a beginning"


def test_root_explains_an_unstable_problem() -> None:
    flapping = replace(ZEN, flapping=True, confirmations=(T0,))
    card = alerts.root_card(WATCH, alert(AlertReason.FLAPPING, WATCH, flapping))
    assert any("is unstable since 24 Nov, 06:00 UTC" in line.text for line in card.lines)


def test_root_of_a_removed_watch_has_no_buttons() -> None:
    card = alerts.ended_root_card(WATCH, INCIDENT, "ada")
    assert card.title.endswith("watch removed by ada")
    assert card.buttons == ()
    assert card.tone is Tone.PLAIN


def test_range_alert_is_one_root_with_table() -> None:
    office_watch = watch("203.0.113.0/28")
    problems = (listing_problem("Spamhaus ZEN", f"203.0.113.{n}") for n in (1, 2, 3))
    opened = alert(AlertReason.OPENED, office_watch, *problems, listing_problem("Barracuda", "203.0.113.1"))
    card = alerts.root_card(office_watch, opened)
    assert card.title == "203.0.113.0/28: 3 of 16 addresses listed"
    assert card.table is not None
    assert [row[:2] for row in card.table.rows] == [
        ("203.0.113.1", "Spamhaus ZEN, Barracuda"),
        ("203.0.113.2 – 203.0.113.3", "Spamhaus ZEN"),
    ]
    assert len(card.lines) == 2, "one example for each list"


def test_range_on_every_list_fits_slack_limits() -> None:
    _, opened = alert_on_every_list()
    card = alerts.root_card(OFFICE, opened)
    assert card.title == "203.0.113.0/24 · example.com: 256 of 256 addresses listed"
    assert card.table is not None
    (row,) = card.table.rows
    assert row[:2] == ("203.0.113.0 – 203.0.113.255", "Spamhaus ZEN, Barracuda, SpamCop, 23 more")
    assert message_faults(render_message(card)) == []
    assert "not shown" not in str(render_message(card))


def test_check_again_of_large_range_uses_listed_addresses() -> None:
    office_watch = watch("203.0.113.0/24", "example.com")
    card = alerts.root_card(office_watch, alert(AlertReason.OPENED, office_watch, listing_problem("A", "203.0.113.9")))
    assert card.buttons[-1].command == "check 203.0.113.9 example.com as mta fresh"


@pytest.mark.parametrize(
    ("sent_alert", "title"),
    [
        (alert(AlertReason.GREW, WATCH, BARRACUDA, remaining=(ZEN,)), "now also on Barracuda"),
        (
            alert(AlertReason.EASED, WATCH, cleared=(ZEN,), remaining=(BARRACUDA,)),
            "Spamhaus ZEN cleared; still on Barracuda",
        ),
        (alert(AlertReason.RESOLVED, WATCH, cleared=(ZEN,)), "clear again after 3h"),
        (alert(AlertReason.REMINDER, WATCH, remaining=(ZEN,)), "still on Spamhaus ZEN after 3h"),
        (alert(AlertReason.FLAPPING, WATCH, ZEN), "Spamhaus ZEN is unstable"),
        (alert(AlertReason.DEGRADED, WATCH, ZEN), "not confirmed: on Spamhaus ZEN"),
        (alert(AlertReason.NOTED, WATCH, ZEN), "on Spamhaus ZEN"),
    ],
    ids=lambda sent_alert: str(getattr(sent_alert, "reason", "")),
)
def test_reply_of_each_reason_names_its_target(sent_alert: Alert, title: str) -> None:
    assert alerts.reply_card(WATCH, sent_alert).title == f"HQ egress (203.0.113.5 · example.com): {title}"


def test_config_change_shows_both_values_and_check_again() -> None:
    changed = replace(
        ZEN.last_observation,
        check="ptr",
        previous_value="mail.example.com",
        value="host.example.net",
        notify_once=True,
        text="",
    )
    card = alerts.root_card(
        WATCH, alert(AlertReason.NOTED, WATCH, replace(ZEN, last_observation=changed), opened=False)
    )
    assert card.title.endswith(": PTR record changed")
    assert card.lines[0].quote == "mail.example.com → host.example.net"
    assert card.buttons[-1].label == "Check again"


@pytest.mark.parametrize(
    ("notice", "sentence"),
    [
        (
            ListNotice("a.1.quarantined", NoticeReason.QUARANTINED, ("a",), 5, 25),
            "5 of the last 25 targets became listed",
        ),
        (
            ListNotice("a.1.quarantined", NoticeReason.QUARANTINED, ("a",)),
            "its own test point that must never be listed",
        ),
        (ListNotice("a.1.trusted", NoticeReason.TRUSTED, ("a",)), "count again"),
    ],
)
def test_list_notice_explains_quarantine_and_its_end(notice: ListNotice, sentence: str) -> None:
    card = list_notice_card(notice, "Spamhaus ZEN")
    assert card.title.startswith("Spamhaus ZEN")
    assert sentence in words(card)


# Any alert: its cards are valid in Slack, and foreign text is not active.

hostile = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=400))
fields = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=20))  # short: an alert has many
observations = st.builds(
    Observation,
    check=st.sampled_from(["blocklist", "ptr", "spf", "dmarc", "mx"]),
    subject=fields,
    state=st.just(ObservedState.LISTED),
    at=st.just(T0),
    address=st.sampled_from(["", "203.0.113.1", "203.0.113.2", "2001:db8::1"]),
    sublist=st.sampled_from(["", "xbl"]),
    severity=st.sampled_from(Severity),
    summary=fields,
    remediation=fields,
    links=st.lists(st.builds(Link, fields, st.one_of(fields, st.just(FORM))), max_size=1).map(tuple),
    previous_value=fields,
    value=fields,
    notify_once=st.booleans(),
    name=fields,
    text=fields,
)
times = st.integers(0, 10**7).map(lambda s: T0 + timedelta(seconds=s))
problems = st.lists(
    st.builds(Problem, observations, st.sampled_from(Phase), times, times, times, notified=st.booleans()), max_size=4
).map(tuple)
watched = st.builds(
    watch,
    network=st.sampled_from(["203.0.113.5/32", "203.0.113.0/24", "2001:db8::/124", None]),
    domain=st.just("example.com"),
    role=st.sampled_from(Role),
    name=hostile,
)
any_alert = st.builds(
    *(Alert, hostile, hostile, st.sampled_from(AlertReason), times, times, hostile, st.booleans(), st.booleans()),
    opened_at=st.one_of(st.none(), st.just(T0)),
    **dict.fromkeys(("new", "remaining", "cleared", "unverified"), problems),
)


@given(watched, any_alert, hostile)
def test_cards_of_any_alert_are_valid_in_slack(any_watch: Watch, sent_alert: Alert, actor: str) -> None:
    incident = mute(acknowledge(replace(INCIDENT, problems=sent_alert.remaining), actor, T0), actor, sent_alert.at)
    cards = [
        alerts.root_card(any_watch, sent_alert, incident),
        alerts.current_root_card(any_watch, incident),
        alerts.reply_card(any_watch, sent_alert),
        alerts.undeliverable_card(any_watch, actor),
        watches.added_card(
            [watches.AddedWatch(any_watch, incident, any_watch.interval)] * (1 + len(sent_alert.new) % 3), (actor,)
        ),
        watches.watches_card([StoredWatch(any_watch, incident)]),
        watches.removed_card(any_watch, actor),
        watches.settings_card(ChannelSettings(), actor),
        watches.mute_duration_card(any_watch),
    ]
    assert [message_faults(render_message(card)) for card in cards] == [[]] * len(cards)


def test_every_button_command_has_a_known_verb() -> None:
    messages = messages_of_incident(WATCH) + messages_of(WATCH, (("1h", "low+"), ("61m30s", "low+")))
    cards = [alerts.root_card(WATCH, message.alert) for message in messages]
    cards += [watches.removed_card(WATCH, "ada"), watches.mute_duration_card(WATCH)]
    commands = [button.command for card in cards for button in card.buttons if button.command]
    assert {VERBS.parse(command).verb for command in commands} == {"ack", "mute", "check", "watch"}


@pytest.mark.parametrize(
    ("reason", "title", "step"),
    [
        ("is_archived", "their channel is archived", "Unarchive"),
        ("not_in_channel", "removed from their channel", "Add mailcheck"),
        ("403 Forbidden", "refuses its messages", "Add mailcheck"),
    ],
)
def test_undeliverable_card_names_the_state_of_the_channel(reason: str, title: str, step: str) -> None:
    card = alerts.undeliverable_card(WATCH, reason)
    assert card.title.endswith(title)
    assert card.step.startswith(step)
    assert ("The platform answered" in card.footnote) == (reason == "403 Forbidden")
