"""The incident machine, told as stories."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.monitoring.models import Policy
from tests.support.incident_stories import T0, Story, play, sight, sights, told

STORIES = {
    "one sighting is no alert": """
        0s   | a- |
        1h   | a+ |
        +90s | a- |
        3h   | a- |
    """,
    "a second look opens": """
        0s   | a- |
        1h   | a+ |
        +90s | a+ | opened +a
        2h   | a+ |
    """,
    "a second look that comes too soon confirms nothing": """
        0s   | a- |
        1h   | a+ |
        +5s  | a+ |
        +30s | a+ |
        +60s | a+ | opened +a
    """,
    "what was there at the first look is not told, its end is": """
        0s   | a+ |
        1h   | a+ |
        1d   | a+ |
        2d   | a+ |
        +1h  | a- |
        +20m | a- |
        +20m | a- | eased -a
        +1h  | a+ |
        +90s | a+ | opened +a
    """,
    "a list that was silent at the first look is told when it answers": """
        0s   | a? b- |
        1h   | a+ b- |
        +90s | a+ b- | opened +a
    """,
    "an incident beside an old listing ends by itself": """
        0s   | a+ b- |
        1h   | a+ b+ |
        +90s | a+ b+ | opened +b
        2h   | a+ b- |
        +20m | a+ b- |
        +20m | a+ b- | resolved -b
        +1d  | a+ b- |
    """,
    "another list joins the thread": """
        0s   | a- b- |
        1h   | a+ b- |
        +90s | a+ b- | opened +a
        2h   | a+ b+ |
        +90s | a+ b+ | grew +b
    """,
    "one of two gone eases, the last one resolves": """
        0s   | a- b- |
        1h   | a+ b+ |
        +90s | a+ b+ | opened +a +b
        2h   | a- b+ |
        +15m | a- b+ |
        +15m | a- b+ | eased -a
        4h   | a- b- |
        5h   | a- b- |
        6h   | a- b- | resolved -b
    """,
    "cleared needs the time and the looks": """
        0s   | a- |
        1h   | a+ |
        +90s | a+ | opened +a
        2h   | a- |
        +9m  | a- |
        +9m  | a- |
        +9m  | a- |
        +9m  | a- | resolved -a
    """,
    "one clean look after a long silence clears nothing": """
        0s   | a- |
        1h   | a+ |
        +90s | a+ | opened +a
        2h   | a- |
        +5h  | a- |
        +5h  | a- | resolved -a
    """,
    "listed again inside the hold-down is silent": """
        0s   | a- |
        1h   | a+ |
        +90s | a+ | opened +a
        2h   | a- |
        +15m | a+ |
        3h   | a- |
        +15m | a- |
        +10m | a+ |
        5h   | a+ |
    """,
    "silence is not delisting": """
        0s   | a- b- |
        1h   | a+ b- |
        +90s | a+ b- | opened +a
        2h   | a? b- |
        3h   | a! b- |
        4h   | b- |
        5h   | a? b- |
        6h   | b- |
        7h   | a- |
        8h   | a? |
        9h   | a- |
        10h  | a! |
        11h  | a- | resolved -a
    """,
    "a suspect that nobody can verify is noted once": """
        0s   | a- |
        1h   | a+ |
        +90s | a? |
        +90s | a? |
        +90s | a? | degraded +a
        2h   | a? |
        3h   | a? |
        4h   | a+ | opened +a
    """,
    "an unusable list does not use up the tries": """
        0s   | a- |
        1h   | a+ |
        +90s | a! |
        +90s | a! |
        +90s | a! |
        +90s | a! |
        4h   | a- |
    """,
    "a list in quarantine takes its sightings back": """
        0s   | a- |
        1h   | a+ |
        +90s | a= |
        2h   | a= |
        3h   | a+ |
        +90s | a+ | opened +a
        4h   | a= |
        5h   | a= |
    """,
    "first seen within the grouping time is one message": """
        0s   | a- b- |
        1h   | a+ b- |
        +40s | b+ |
        +50s | a+ |
        +40s | b+ | opened +a +b
    """,
    "the grouping does not wait for a second look in vain": """
        0s   | a- b- |
        1h   | a+ b- |
        +40s | b+ |
        +50s | a+ |
        +40s | b? | opened +a
    """,
    "the grouping ends by itself": """
        0s   | a- b- |
        1h   | a+ b- |
        +40s | b+ |
        +50s | a+ |
        +60s |    | opened +a
    """,
    "replies in a thread are merged": """
        0s   | a- b- c- d- |
        1h   | a+ |
        +65s | b+ |
        +20s | c+ |
        +5s  | a+ | opened +a
        +20s | d+ |
        +45s | b+ | grew +b
        +20s | c+ |
        +25s | d+ |
        +15s |    | grew +c +d
    """,
    "a minor listing is a note and opens nothing": """
        0s   | low- a- |
        1h   | low+ a- |
        +90s | low+ a- | noted +low
        2d   | low+ a- |
        +1h  | low+ a+ |
        +90s | low+ a+ | opened +a
        +1h  | low+ a- |
        +15m | low+ a- |
        +15m | low+ a- | resolved -a
        +1h  | low- a- |
        +15m | low- a- |
        +15m | low- a- | eased -low
    """,
    "a minor listing in an open thread is a note there": """
        0s   | low- a- |
        1h   | a+ |
        +90s | a+ | opened +a
        2h   | low+ |
        +90s | low+ | noted +low
    """,
    "another sublist of the same list is another cause": """
        0s   | zen/pbl+ |
        1h   | zen/pbl/xbl+ |
        +90s | zen/pbl/xbl+ | opened +zen/xbl
        2h   | zen/pbl+ |
        +15m | zen/pbl+ |
        +15m | zen/pbl+ | resolved -zen/xbl
        3h   | zen- |
        +15m | zen- |
        +15m | zen- | eased -zen/pbl
    """,
    "three of sixteen addresses are one incident": """
        0s   | a@192.0.2.0- a@192.0.2.1- a@192.0.2.2- a@192.0.2.3- |
        1h   | a@192.0.2.0+ a@192.0.2.1+ a@192.0.2.2- a@192.0.2.3+ |
        +90s | a@192.0.2.0+ a@192.0.2.1+ a@192.0.2.2- a@192.0.2.3+ | opened +a@192.0.2.0 +a@192.0.2.1 +a@192.0.2.3
        2h   | a@192.0.2.0- a@192.0.2.1- a@192.0.2.3+ |
        +15m | a@192.0.2.0- a@192.0.2.1- a@192.0.2.3+ |
        +15m | a@192.0.2.0- a@192.0.2.1- a@192.0.2.3+ | eased -a@192.0.2.0 -a@192.0.2.1
    """,
    "a reminder comes once a day while nobody has it in hand": """
        0s   | a- |
        1h   | a+ |
        +90s | a+ | opened +a
        +23h | a+ |
        +1h  | a+ | reminder
        +1h  | a+ |
        +23h | a+ | reminder
        +1h  | a+ ack |
        +2d  | a+ |
    """,
    "a new listing that alerts lifts the acknowledgement": """
        0s   | a- b- |
        1h   | a+ |
        +90s | a+ | opened +a
        2h   | a+ ack |
        +2d  | a+ b+ |
        +90s | a+ b+ | grew +b
        +1d  | a+ b+ | reminder
    """,
    "a mute tells at its end what is still so": """
        0s   | a- b- |
        1h   | a- b- mute:4h |
        2h   | a+ b+ |
        +90s | a+ b+ |
        3h   | a+ b- |
        +15m | a+ b- |
        +15m | a+ b- |
        5h   | a+ b- | opened +a
    """,
    "a mute hides the reminder and keeps the end for later": """
        0s   | a- |
        1h   | a+ |
        +90s | a+ | opened +a
        2h   | a+ mute:2d |
        1d   | a+ |
        +2h  | a- |
        +1h  | a- |
        +1h  | a- |
        3d   | a- | resolved -a
    """,
    "listed again before its end was told, it never was gone": """
        0s   | a- |
        1h   | a+ |
        +90s | a+ | opened +a
        2h   | a- mute:4h |
        +15m | a- |
        +15m | a- |
        4h   | a+ |
        5h   | a- |
        7h   | a- |
        8h   | a- | resolved -a
    """,
    "unmuting tells at once": """
        0s   | a- |
        1h   | a+ mute:2d |
        +90s | a+ |
        2h   | a+ unmute | opened +a
    """,
    "the third opening in a day is called unstable, and then there is silence": """
        0s   | a- |
        1h   | a+ |
        +90s | a+ | opened +a
        2h   | a- |
        +15m | a- |
        +15m | a- | resolved -a
        3h   | a+ |
        +90s | a+ | opened +a
        4h   | a- |
        +15m | a- |
        +15m | a- | resolved -a
        5h   | a+ |
        +90s | a+ | unstable +a
        6h   | a- |
        +15m | a- |
        +15m | a- |
        7h   | a+ |
        +90s | a+ |
        8h   | a- |
        +15m | a- |
        +15m | a- |
        +11h | a- |
        +1h  | a- | resolved -a
        +1h  | a+ |
        +90s | a+ | opened +a
    """,
    "what was unstable and stayed listed is not told again": """
        0s   | a- b- |
        1h   | a+ |
        +90s | a+ | opened +a
        2h   | a- |
        3h   | a- |
        4h   | a- | resolved -a
        5h   | a+ |
        +90s | a+ | opened +a
        6h   | a- |
        7h   | a- |
        8h   | a- | resolved -a
        9h   | a+ |
        +90s | a+ | unstable +a
        +13h | a+ |
        +11h | a+ | reminder
    """,
    "a list that left the catalogue is let go after a week": """
        0s   | a- b- |
        1h   | a+ b- |
        +90s | a+ b- | opened +a
        2h   | a+ b- ack |
        6d   | b- |
        +26h | b- | resolved *a
    """,
    "a suspicion that nobody asks about again is dropped without a word": """
        0s   | a- b- |
        1h   | a+ b- |
        8d   | b- |
        9d   | a+ |
        +90s | a+ | opened +a
    """,
    "a listing that was known and is no longer asked about is let go": """
        0s   | a+ b- |
        8d   | b- | eased *a
        9d   | b- |
    """,
}


@pytest.mark.parametrize("table", STORIES.values(), ids=STORIES.keys())
def test_story(table: str) -> None:
    wanted, got = play(table)
    assert got == wanted


def test_a_day_of_a_listing_that_alternates_every_five_minutes_is_at_most_two_messages() -> None:
    for period in (timedelta(minutes=5), timedelta(minutes=45), timedelta(hours=1)):
        story = Story()
        story.look("a-")
        end = T0 + timedelta(days=1)
        regular = T0
        while story.now < end:
            regular = regular + timedelta(minutes=5) if regular <= story.now else regular
            story.now = min(regular, max(story.again_at or regular, story.now))
            story.look("a+" if (story.now - T0) // period % 2 else "a-")
        reasons = [str(alert.reason) for alert in story.alerts]
        assert reasons.count("unstable") <= 1
        assert reasons.count("opened") <= (1 if period < timedelta(minutes=30) else 2)
        assert len(reasons) <= 5


def test_the_second_look_and_the_hold_down_are_asked_for_early() -> None:
    story = Story()
    story.look("a- b-")
    story.now = T0 + timedelta(hours=1)
    story.look("a+ b-")
    assert (story.again_at, story.ask) == (story.now + story.policy.confirm_after, {"blocklist:a"})
    story.now += timedelta(seconds=90)
    story.look("a+ b-")
    assert story.again_at is None
    story.now += timedelta(hours=1)
    story.look("a- b-")
    assert (story.again_at, story.ask) == (story.now + story.policy.clear_after / 2, {"blocklist:a"})


def test_what_the_grouping_holds_back_needs_no_question() -> None:
    story = Story()
    story.look("a- b- c-")
    for at, words in ((3600, "a+"), (3640, "b+"), (3690, "a+")):
        story.now = T0 + timedelta(seconds=at)
        assert story.look(words) == []
    assert story.again_at == T0 + timedelta(seconds=3730)
    story.now = T0 + timedelta(seconds=3731)
    assert [told(alert) for alert in story.look("b+")] == ["opened +a +b"]
    story.now += timedelta(seconds=10)
    story.look("c+")
    assert story.ask == {"blocklist:c"}


def test_a_second_look_that_never_comes_is_not_chased_for_ever() -> None:
    story = Story()
    story.look("a-")
    story.now += timedelta(hours=1)
    story.look("a+")
    looks = 0
    while story.again_at and looks < 100:
        story.now = story.again_at
        story.look("b-")
        looks += 1
    assert looks <= story.policy.tries + 1


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1)], ids=["ahead", "back"])
@pytest.mark.parametrize("state", ["clean", "suspect", "listed", "clearing"])
def test_a_clock_that_jumps_makes_no_storm_and_no_gap(state: str, jump: timedelta) -> None:
    looks = {
        "clean": ["a-"],
        "suspect": ["a-", "a+"],
        "listed": ["a-", "a+", "a+"],
        "clearing": ["a-", "a+", "a+", "a-"],
    }
    story = Story()
    for words in looks[state]:
        story.now += timedelta(minutes=10)
        story.look(words)
    told_before = len(story.alerts)
    last = looks[state][-1]
    story.now += jump
    for _ in range(12):
        story.now += timedelta(minutes=5)
        story.look("a-" if last == "a-" else "a+")
    expected = {"clean": [], "suspect": ["opened"], "listed": [], "clearing": ["resolved"]}
    assert [str(alert.reason) for alert in story.alerts[told_before:]] == expected[state]


def test_a_replayed_look_says_nothing_new_and_a_repeated_state_says_the_same() -> None:
    story = Story()
    story.look("a-")
    story.now += timedelta(hours=1)
    story.look("a+")
    before = story.incident
    story.now += timedelta(seconds=90)
    (first,) = story.look("a+")
    assert story.look("a+") == []
    story.incident = before
    story.now += timedelta(seconds=30)
    (again,) = story.look("a+")
    assert again.key == first.key


def test_a_report_that_arrives_late_moves_nothing() -> None:
    story = Story()
    for when, words in (("0s", "a-"), ("1h", "a+"), ("+90s", "a+"), ("2h", "a+")):
        story.row(when, words.split())
    before = story.incident
    story.see(sights("a-", story.now - timedelta(minutes=1)))
    assert story.incident == before


def test_what_is_over_is_forgotten_in_a_day() -> None:
    story = Story()
    for when, words in (("0s", "a-"), ("1h", "a+"), ("+90s", "a+"), ("2h", "a-"), ("3h", "a-"), ("4h", "a-")):
        story.row(when, words.split())
    assert story.alerts[-1].reason == "resolved"
    story.row("26h", ["a-"])
    assert story.incident is not None
    assert story.incident.problems == ()


def test_the_same_news_twice_in_one_incident_are_two_messages() -> None:
    story = Story()
    once = ("b+ a+", "b+ a+", "b+ a-", "b+ a-", "b+ a-")
    for words in ("a- b-", *once, *once):
        story.look(words)
        story.now += timedelta(minutes=20)
    assert [told(alert) for alert in story.alerts] == ["opened +b +a", "eased -a", "grew +a", "eased -a"]
    assert len({alert.key for alert in story.alerts}) == 4


def test_a_watch_set_again_never_shares_a_key_with_its_former_life() -> None:
    keys = set()
    for day in range(3):
        story = Story(now=T0 + timedelta(days=day))
        story.look("a-")
        story.now += timedelta(hours=1)
        story.look("a+")
        story.now += timedelta(seconds=90)
        keys |= {alert.key for alert in story.look("a+")}
    assert len(keys) == 3


def test_one_thread_for_an_incident_and_another_for_the_next() -> None:
    story = Story()
    for when, words in (("0s", "a- b-"), ("1h", "a+"), ("+90s", "a+"), ("2h", "b+"), ("+90s", "b+")):
        story.row(when, words.split())
    opened, grew = story.alerts
    assert (opened.root, grew.root, opened.thread) == (True, False, grew.thread)
    for when in ("3h", "4h", "5h"):
        story.row(when, ["a-", "b-"])
    assert [alert.thread for alert in story.alerts[2:]] == [opened.thread]
    for when in ("6h", "+90s"):
        story.row(when, ["a+"])
    assert story.alerts[-1].root
    assert story.alerts[-1].thread != opened.thread


def test_a_critical_listing_on_top_of_an_acknowledged_one_is_shown_to_the_room() -> None:
    story = Story()
    rows = [
        ("0s", "a- b- low-"),
        ("1h", "a+"),
        ("+90s", "a+"),
        ("2h", "a+ ack"),
        ("3h", "b+ low+"),
        ("+90s", "b+ low+"),
    ]
    for when, words in rows:
        story.row(when, words.split())
    assert [(told(alert), alert.broadcast) for alert in story.alerts] == [("opened +a", False), ("grew +b +low", True)]
    assert [problem.key for problem in story.alerts[1].still] == ["blocklist:a"]


def test_the_addresses_of_an_alert_are_those_with_a_problem_now() -> None:
    story = Story()
    for when, signs in (("0s", "--"), ("1h", "++"), ("+90s", "++")):
        words = [f"{name}@192.0.2.{n}{sign}" for name in ("a", "b") for n, sign in enumerate(signs)]
        story.row(when, words)
    assert story.alerts[0].addresses == ("192.0.2.0", "192.0.2.1")


def test_settings_of_a_test_run_may_be_short() -> None:
    policy = Policy(
        confirm_after=timedelta(seconds=2), clear_after=timedelta(seconds=4), group_for=timedelta(seconds=1)
    )
    story = Story(policy)
    heard = []
    for second in range(40):
        story.now = T0 + timedelta(seconds=second)
        heard += [(second, told(a)) for a in story.look("a+" if 10 <= second < 20 else "a-")]
    assert heard == [(12, "opened +a"), (24, "resolved -a")]


def test_a_domain_asked_for_every_address_counts_as_one_look() -> None:
    story = Story()
    story.look("a-")
    story.now += timedelta(hours=1)
    story.look("a+")
    story.now += timedelta(seconds=90)
    unanswered = tuple(sight("a?", story.now + timedelta(milliseconds=n)) for n in range(16))
    assert story.see(unanswered) == []
    assert story.incident is not None
    assert story.incident.problems[0].misses == 1
