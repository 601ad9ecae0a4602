"""Alert state machine: tables of polls with the expected alerts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.monitoring.models import AlertPolicy
from tests.support.incident_stories import T0, Story, describe_alert, parse_observation, parse_observations, replay

TABLES = {
    "unconfirmed-listing": """
        0s   | a- |
        1h   | a+ |
        +90s | a- |
        3h   | a- |
    """,
    "confirmed-listing-opens": """
        0s   | a- |
        1h   | a+ |
        +90s | a+ | opened +a
        2h   | a+ |
    """,
    "early-second-poll-does-not-confirm": """
        0s   | a- |
        1h   | a+ |
        +5s  | a+ |
        +30s | a+ |
        +60s | a+ | opened +a
    """,
    "listed-at-first-poll-reports-reminder-and-end": """
        0s   | a+ |
        1h   | a+ |
        1d   | a+ | reminder
        2d   | a+ |
        +1h  | a- |
        +20m | a- |
        +20m | a- | eased -a
        +1h  | a+ |
        +90s | a+ | opened +a
    """,
    "acknowledged-at-first-poll-reports-only-end": """
        0s   | a+ |
        1h   | a+ |
        +1m  | ack |
        1d   | a+ |
        2d   | a+ |
        +1h  | a- |
        +20m | a- |
        +20m | a- | eased -a
    """,
    "watch-of-before-the-upgrade-is-not-reminded": """
        0s   | a+ |
        3d   | a+ |
        5d   | a+ |
    """,
    "another-reason-of-one-list-is-one-alert": """
        0s   | z- |
        1h   | z/pbl+ |
        +90s | z/pbl+ | opened +z/pbl
        3h   | z/xbl+ |
        +90s | z/xbl+ | grew +z/xbl -z/pbl
        5h   | z/xbl+ |
        +20m | z/xbl+ |
    """,
    "list-unknown-at-first-poll-opens-later": """
        0s   | a? b- |
        1h   | a+ b- |
        +90s | a+ b- | opened +a
    """,
    "incident-beside-known-listing-resolves": """
        0s   | a+ b- |
        1h   | a+ b+ |
        +90s | a+ b+ | opened +b
        2h   | a+ b- |
        +20m | a+ b- |
        +20m | a+ b- | resolved -b
        +1d  | a+ b- |
    """,
    "second-list-grows": """
        0s   | a- b- |
        1h   | a+ b- |
        +90s | a+ b- | opened +a
        2h   | a+ b+ |
        +90s | a+ b+ | grew +b
    """,
    "one-of-two-eases-last-resolves": """
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
    "clearing-needs-time-and-polls": """
        0s   | a- |
        1h   | a+ |
        +90s | a+ | opened +a
        2h   | a- |
        +9m  | a- |
        +9m  | a- |
        +9m  | a- |
        +9m  | a- | resolved -a
    """,
    "one-clean-poll-does-not-clear": """
        0s   | a- |
        1h   | a+ |
        +90s | a+ | opened +a
        2h   | a- |
        +5h  | a- |
        +5h  | a- | resolved -a
    """,
    "relisted-in-hold-down": """
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
    "no-answer-is-not-delisting": """
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
    "unverifiable-suspect-is-noted-once": """
        0s   | a- |
        1h   | a+ |
        +90s | a? |
        +90s | a? |
        +90s | a? | degraded +a
        2h   | a? |
        3h   | a? |
        4h   | a+ | opened +a
    """,
    "unusable-list-uses-no-retries": """
        0s   | a- |
        1h   | a+ |
        +90s | a! |
        +90s | a! |
        +90s | a! |
        +90s | a! |
        4h   | a- |
    """,
    "quarantine-clears-suspects": """
        0s   | a- |
        1h   | a+ |
        +90s | a= |
        2h   | a= |
        3h   | a+ |
        +90s | a+ | opened +a
        4h   | a= |
        5h   | a= |
    """,
    "grouped-listings-are-one-alert": """
        0s   | a- b- |
        1h   | a+ b- |
        +40s | b+ |
        +50s | a+ |
        +40s | b+ | opened +a +b
    """,
    "grouping-does-not-wait-for-unanswered-poll": """
        0s   | a- b- |
        1h   | a+ b- |
        +40s | b+ |
        +50s | a+ |
        +40s | b? | opened +a
    """,
    "grouping-ends-by-time": """
        0s   | a- b- |
        1h   | a+ b- |
        +40s | b+ |
        +50s | a+ |
        +60s |    | opened +a
    """,
    "thread-replies-are-merged": """
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
    "low-severity-is-a-note": """
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
    "low-severity-note-in-open-thread": """
        0s   | low- a- |
        1h   | a+ |
        +90s | a+ | opened +a
        2h   | low+ |
        +90s | low+ | noted +low
    """,
    "sublists-are-separate": """
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
    "addresses-of-range-are-one-incident": """
        0s   | a@192.0.2.0- a@192.0.2.1- a@192.0.2.2- a@192.0.2.3- |
        1h   | a@192.0.2.0+ a@192.0.2.1+ a@192.0.2.2- a@192.0.2.3+ |
        +90s | a@192.0.2.0+ a@192.0.2.1+ a@192.0.2.2- a@192.0.2.3+ | \
               opened +a@192.0.2.0 +a@192.0.2.1 +a@192.0.2.3
        2h   | a@192.0.2.0- a@192.0.2.1- a@192.0.2.3+ |
        +15m | a@192.0.2.0- a@192.0.2.1- a@192.0.2.3+ |
        +15m | a@192.0.2.0- a@192.0.2.1- a@192.0.2.3+ | eased -a@192.0.2.0 -a@192.0.2.1
    """,
    "daily-reminder-until-acknowledged": """
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
    "new-listing-ends-acknowledgement": """
        0s   | a- b- |
        1h   | a+ |
        +90s | a+ | opened +a
        2h   | a+ ack |
        +2d  | a+ b+ |
        +90s | a+ b+ | grew +b
        +1d  | a+ b+ | reminder
    """,
    "mute-end-reports-remaining": """
        0s   | a- b- |
        1h   | a- b- mute:4h |
        2h   | a+ b+ |
        +90s | a+ b+ |
        3h   | a+ b- |
        +15m | a+ b- |
        +15m | a+ b- |
        5h   | a+ b- | opened +a
    """,
    "mute-hides-reminder-and-defers-resolve": """
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
    "relisted-while-muted-sends-nothing": """
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
    "unmute-reports-at-once": """
        0s   | a- |
        1h   | a+ mute:2d |
        +90s | a+ |
        2h   | a+ unmute | opened +a
    """,
    "second-end-is-flapping": """
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
        +15m | a- | unstable +a
        5h   | a+ |
        +90s | a+ |
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
    "flapping-then-listed-for-good-is-told": """
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
        8h   | a- | unstable +a
        9h   | a+ |
        +90s | a+ |
        +13h | a+ | stable +a
        +24h | a+ | reminder
    """,
    "removed-list-is-unverified-after-a-week": """
        0s   | a- b- |
        1h   | a+ b- |
        +90s | a+ b- | opened +a
        2h   | a+ b- ack |
        6d   | b- |
        +26h | b- | resolved *a
    """,
    "unpolled-suspect-is-dropped": """
        0s   | a- b- |
        1h   | a+ b- |
        8d   | b- |
        9d   | a+ |
        +90s | a+ | opened +a
    """,
    "unpolled-known-listing-is-dropped": """
        0s   | a+ b- |
        8d   | b- | eased *a
        9d   | b- |
    """,
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_poll_table_sends_expected_alerts(table: str) -> None:
    expected, actual = replay(table)
    assert actual == expected


def test_listing_alternating_all_day_sends_few_alerts() -> None:
    for period in (timedelta(minutes=5), timedelta(minutes=45), timedelta(hours=1)):
        story = Story()
        story.poll("a-")
        end = T0 + timedelta(days=1)
        next_poll = T0
        while story.now < end:
            next_poll = next_poll + timedelta(minutes=5) if next_poll <= story.now else next_poll
            story.now = min(next_poll, max(story.recheck_at or next_poll, story.now))
            story.poll("a+" if (story.now - T0) // period % 2 else "a-")
        reasons = [str(alert.reason) for alert in story.alerts]
        assert reasons.count("unstable") <= 1
        assert reasons.count("opened") <= (1 if period < timedelta(minutes=30) else 2)
        assert len(reasons) <= 5


def test_confirmation_and_hold_down_request_early_rechecks() -> None:
    story = Story()
    story.poll("a- b-")
    story.now = T0 + timedelta(hours=1)
    story.poll("a+ b-")
    assert (story.recheck_at, story.recheck_keys) == (story.now + story.policy.confirm_after, {"blocklist:a"})
    story.now += timedelta(seconds=90)
    story.poll("a+ b-")
    assert story.recheck_at is None
    story.now += timedelta(hours=1)
    story.poll("a- b-")
    assert (story.recheck_at, story.recheck_keys) == (story.now + story.policy.clear_after / 2, {"blocklist:a"})


def test_grouping_delay_requests_recheck_without_queries() -> None:
    story = Story()
    story.poll("a- b- c-")
    for at, results in ((3600, "a+"), (3640, "b+"), (3690, "a+")):
        story.now = T0 + timedelta(seconds=at)
        assert story.poll(results) == []
    assert story.recheck_at == T0 + timedelta(seconds=3730)
    story.now = T0 + timedelta(seconds=3731)
    assert [describe_alert(alert) for alert in story.poll("b+")] == ["opened +a +b"]
    story.now += timedelta(seconds=10)
    story.poll("c+")
    assert story.recheck_keys == {"blocklist:c"}


def test_missing_confirmation_poll_is_retried_a_few_times() -> None:
    story = Story()
    story.poll("a-")
    story.now += timedelta(hours=1)
    story.poll("a+")
    polls = 0
    while story.recheck_at and polls < 100:
        story.now = story.recheck_at
        story.poll("b-")
        polls += 1
    assert polls <= story.policy.max_confirm_polls + 1


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1)], ids=["ahead", "back"])
@pytest.mark.parametrize("state", ["clean", "suspect", "listed", "clearing"])
def test_clock_jump_sends_no_extra_and_loses_no_alert(state: str, jump: timedelta) -> None:
    polls = {
        "clean": ["a-"],
        "suspect": ["a-", "a+"],
        "listed": ["a-", "a+", "a+"],
        "clearing": ["a-", "a+", "a+", "a-"],
    }
    story = Story()
    for results in polls[state]:
        story.now += timedelta(minutes=10)
        story.poll(results)
    sent_before = len(story.alerts)
    last_result = polls[state][-1]
    story.now += jump
    for _ in range(12):
        story.now += timedelta(minutes=5)
        story.poll("a-" if last_result == "a-" else "a+")
    expected = {"clean": [], "suspect": ["opened"], "listed": [], "clearing": ["resolved"]}
    assert [str(alert.reason) for alert in story.alerts[sent_before:]] == expected[state]


def test_replayed_poll_sends_nothing_and_same_state_same_key() -> None:
    story = Story()
    story.poll("a-")
    story.now += timedelta(hours=1)
    story.poll("a+")
    before = story.incident
    story.now += timedelta(seconds=90)
    (first,) = story.poll("a+")
    assert story.poll("a+") == []
    story.incident = before
    story.now += timedelta(seconds=30)
    (second,) = story.poll("a+")
    assert second.key == first.key


def test_late_report_changes_nothing() -> None:
    story = Story()
    for when, results in (("0s", "a-"), ("1h", "a+"), ("+90s", "a+"), ("2h", "a+")):
        story.row(when, results.split())
    before = story.incident
    story.observe(parse_observations("a-", story.now - timedelta(minutes=1)))
    assert story.incident == before


def test_resolved_problem_is_dropped_after_a_day() -> None:
    story = Story()
    for when, results in (("0s", "a-"), ("1h", "a+"), ("+90s", "a+"), ("2h", "a-"), ("3h", "a-"), ("4h", "a-")):
        story.row(when, results.split())
    assert story.alerts[-1].reason == "resolved"
    story.row("26h", ["a-"])
    assert story.incident is not None
    assert story.incident.problems == ()


def test_same_change_twice_in_incident_sends_two_alerts() -> None:
    story = Story()
    cycle = ("b+ a+", "b+ a+", "b+ a-", "b+ a-", "b+ a-")
    for results in ("a- b-", *cycle, *cycle):
        story.poll(results)
        story.now += timedelta(minutes=20)
    assert [describe_alert(alert) for alert in story.alerts] == ["opened +b +a", "eased -a", "grew +a", "unstable +a"]
    assert len({alert.key for alert in story.alerts}) == 4


def test_readded_watch_gets_other_alert_keys() -> None:
    keys = set()
    for day in range(3):
        story = Story(now=T0 + timedelta(days=day))
        story.poll("a-")
        story.now += timedelta(hours=1)
        story.poll("a+")
        story.now += timedelta(seconds=90)
        keys |= {alert.key for alert in story.poll("a+")}
    assert len(keys) == 3


def test_each_incident_has_its_own_thread() -> None:
    story = Story()
    for when, results in (("0s", "a- b-"), ("1h", "a+"), ("+90s", "a+"), ("2h", "b+"), ("+90s", "b+")):
        story.row(when, results.split())
    opened, grew = story.alerts
    assert (opened.is_root, grew.is_root, opened.thread_key) == (True, False, grew.thread_key)
    for when in ("3h", "4h", "5h"):
        story.row(when, ["a-", "b-"])
    assert [alert.thread_key for alert in story.alerts[2:]] == [opened.thread_key]
    for when in ("6h", "+90s"):
        story.row(when, ["a+"])
    again = story.alerts[-1]
    assert (str(again.reason), again.is_root, again.thread_key) == ("opened", False, opened.thread_key)
    for when in ("8h", "9h", "10h", "36h", "37h", "38h"):
        story.row(when, ["a-"])
    for when in ("70h", "+90s"):
        story.row(when, ["a+"])
    assert story.alerts[-1].is_root
    assert story.alerts[-1].thread_key != opened.thread_key


@pytest.mark.parametrize(("then", "end"), [("a+", "stable +a"), ("a-", "resolved -a")])
def test_six_flaps_are_one_root_and_four_messages_until_they_settle(then: str, end: str) -> None:
    story = Story()
    story.row("0s", ["a-"])
    for _ in range(6):
        for pause, result in (("1h", "a+"), ("90s", "a+"), ("1h", "a-"), ("15m", "a-"), ("15m", "a-")):
            story.row(f"+{pause}", [result])
    assert list(map(describe_alert, story.alerts)) == ["opened +a", "resolved -a", "opened +a", "unstable +a"]
    assert [alert.is_root for alert in story.alerts] == [True, False, False, False]
    for _ in range(20):
        story.row("+1h", [then])
    assert list(map(describe_alert, story.alerts[4:])) == [end]
    assert len({alert.thread_key for alert in story.alerts}) == 1


def test_high_severity_listing_after_acknowledgement_is_broadcast() -> None:
    story = Story()
    rows = [
        ("0s", "a- b- low-"),
        ("1h", "a+"),
        ("+90s", "a+"),
        ("2h", "a+ ack"),
        ("3h", "b+ low+"),
        ("+90s", "b+ low+"),
    ]
    for when, results in rows:
        story.row(when, results.split())
    assert [(describe_alert(alert), alert.is_escalation) for alert in story.alerts] == [
        ("opened +a", False),
        ("grew +b +low", True),
    ]
    assert [problem.key for problem in story.alerts[1].remaining] == ["blocklist:a"]


def test_alert_addresses_are_those_with_a_problem() -> None:
    story = Story()
    for when, signs in (("0s", "--"), ("1h", "++"), ("+90s", "++")):
        results = [f"{name}@192.0.2.{n}{sign}" for name in ("a", "b") for n, sign in enumerate(signs)]
        story.row(when, results)
    assert story.alerts[0].addresses == ("192.0.2.0", "192.0.2.1")


def test_policy_with_seconds_opens_and_resolves() -> None:
    policy = AlertPolicy(
        confirm_after=timedelta(seconds=2), clear_after=timedelta(seconds=4), group_for=timedelta(seconds=1)
    )
    story = Story(policy)
    alerts = []
    for second in range(40):
        story.now = T0 + timedelta(seconds=second)
        alerts += [(second, describe_alert(alert)) for alert in story.poll("a+" if 10 <= second < 20 else "a-")]
    assert alerts == [(12, "opened +a"), (24, "resolved -a")]


def test_domain_polled_per_address_counts_as_one_poll() -> None:
    story = Story()
    story.poll("a-")
    story.now += timedelta(hours=1)
    story.poll("a+")
    story.now += timedelta(seconds=90)
    unanswered = tuple(parse_observation("a?", story.now + timedelta(milliseconds=n)) for n in range(16))
    assert story.observe(unanswered) == []
    assert story.incident is not None
    assert story.incident.problems[0].unanswered_polls == 1
