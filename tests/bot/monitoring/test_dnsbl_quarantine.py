"""Quarantine of lists that list everything, and lists that fall silent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from bot.monitoring.dnsbl_quarantine import (
    ListCounts,
    ListHealth,
    ListNotice,
    QuarantinePolicy,
    RoundResult,
    apply_quarantine,
    count_listings,
    finish_list_round,
    merge_notices,
    quarantined_ids,
    record_counts,
)
from tests.support.incident_stories import T0, Story, describe_alert, parse_observations

GOOD, FALSE_POSITIVE, SILENT = (
    RoundResult(answered=True),
    RoundResult(answered=True, must_not_listed=True),
    RoundResult(answered=False),
)
LIMITS = QuarantinePolicy()
HOUR = timedelta(hours=1)


@dataclass
class Fleet:
    """Many watches of the same lists, polled one after another when due."""

    stories: list[Story]
    healths: dict[str, ListHealth] = field(default_factory=dict)
    notices: list[ListNotice] = field(default_factory=list)

    def poll(self, story: Story, results: str) -> list[str]:
        observations = parse_observations(results, story.now)
        for name, tally in count_listings(story.incident, observations).items():
            health = self.healths.setdefault(name, ListHealth(name))
            self.healths[name], notice = record_counts(health, tally, story.now, LIMITS)
            self.notices += [notice] if notice else []
        return [
            describe_alert(alert)
            for alert in story.observe(apply_quarantine(observations, quarantined_ids(self.healths)))
        ]

    def poll_all(self, results: str, confirm: bool = True) -> list[str]:
        """Poll every watch once in one interval, with its confirmation poll if requested."""
        started = max(story.now for story in self.stories) + HOUR
        due = [(started + n * HOUR / len(self.stories), story) for n, story in enumerate(self.stories)]
        alerts = []
        while due:
            at, story = due.pop(min(range(len(due)), key=lambda n: due[n][0]))
            story.now = at
            alerts += self.poll(story, results)
            if confirm and story.recheck_at and story.recheck_at < at + HOUR / 2:
                due.append((story.recheck_at, story))
        return alerts

    def finish_round(self, name: str, result: RoundResult) -> list[str]:
        now = max(story.now for story in self.stories)
        self.healths[name], notices = finish_list_round(self.healths.get(name, ListHealth(name)), result, now, LIMITS)
        self.notices += notices
        return [str(notice.reason) for notice in notices]


def watches(number: int, results: str = "a- b-") -> Fleet:
    stories = [Story() for _ in range(number)]
    fleet = Fleet(stories)
    for story in stories:
        fleet.poll(story, results)
    return fleet


def test_list_listing_everything_sends_one_notice_and_no_alert() -> None:
    fleet = watches(1000)
    assert fleet.poll_all("a- b-") == []
    assert fleet.poll_all("a+ b-") == []
    assert fleet.poll_all("a+ b-") == []
    assert [(str(notice.reason), notice.list_ids) for notice in fleet.notices] == [("quarantined", ("a",))]


def test_listing_alerts_after_three_good_rounds() -> None:
    fleet = watches(300)
    fleet.poll_all("a+ b-")
    assert [
        fleet.finish_round("a", result) for result in (GOOD, GOOD, FALSE_POSITIVE, GOOD, GOOD, SILENT, GOOD, GOOD)
    ] == [[]] * 8
    assert fleet.poll_all("a+ b-") == []
    assert fleet.finish_round("a", GOOD) == ["trusted"]
    alerts = fleet.poll_all("a+ b-")
    assert alerts == ["opened +a"] * 300
    assert [str(notice.reason) for notice in fleet.notices] == ["quarantined", "trusted"]


def test_quarantine_clears_no_earlier_listing() -> None:
    fleet = watches(30)
    first = fleet.stories[0]
    for when, results in (("1h", "a+ b-"), ("+90s", "a+ b-")):
        first.row(when, results.split())
    assert fleet.finish_round("a", FALSE_POSITIVE) == ["quarantined"]
    alerts = [line for _ in range(4) for line in fleet.poll_all("a- b-")]
    assert alerts == []


def test_resolver_stripping_answers_clears_nothing() -> None:
    fleet = watches(50)
    alerts = [
        line
        for story in fleet.stories[:4]
        for when in ("1h", "+90s")
        for line in map(describe_alert, story.row(when, ["a+"]))
    ]
    assert alerts == ["opened +a"] * 4
    for _ in range(30):
        assert [line for line in fleet.poll_all("a? b?", confirm=False) if "reminder" not in line] == []
        fleet.finish_round("a", SILENT)
        fleet.finish_round("b", SILENT)
    assert [str(notice.reason) for notice in merge_notices(fleet.notices, list_count=2)] == ["degraded"]


@pytest.mark.parametrize(
    ("answered", "newly_listed", "enters"),
    [(4, 4, False), (5, 5, True), (25, 5, True), (26, 5, False), (1000, 199, False), (1000, 200, True), (10, 4, False)],
)
def test_quarantine_needs_five_newly_listed_and_a_fifth(answered: int, newly_listed: int, enters: bool) -> None:
    health, notice = record_counts(ListHealth("a"), ListCounts(answered, newly_listed), T0, LIMITS)
    assert bool(notice) is bool(health.quarantined_since) is enters


def test_quiet_day_does_not_mask_new_listings() -> None:
    health = ListHealth("a")
    for _ in range(5000):
        health, _notice = record_counts(health, ListCounts(1, 0), T0, LIMITS)
    newly_listed = 0
    while not health.quarantined_since and newly_listed < 100:
        health, _notice = record_counts(health, ListCounts(1, 1), T0, LIMITS)
        newly_listed += 1
    assert newly_listed <= 10


def test_occasional_listings_cause_no_quarantine() -> None:
    health = ListHealth("a")
    for index in range(10_000):
        health, notice = record_counts(health, ListCounts(1, int(index % 10 == 0)), T0, LIMITS)
        assert notice is None


def test_negative_test_point_quarantines_with_single_watch() -> None:
    fleet = watches(1)
    assert fleet.finish_round("a", FALSE_POSITIVE) == ["quarantined"]
    assert fleet.finish_round("a", FALSE_POSITIVE) == []
    assert fleet.poll_all("a+ b-") == []


def test_trusted_list_is_quarantined_by_test_point_only() -> None:
    trusted = ListHealth("a", trusted_until=T0 + HOUR)
    health, notice = record_counts(trusted, ListCounts(100, 100), T0, LIMITS)
    assert notice is None
    health, notices = finish_list_round(health, FALSE_POSITIVE, T0, LIMITS)
    assert [str(item.reason) for item in notices] == ["quarantined"]
    health, notice = record_counts(ListHealth("a", trusted_until=T0), ListCounts(100, 100), T0, LIMITS)
    assert notice is not None


def test_first_poll_has_no_newly_listed() -> None:
    assert count_listings(None, parse_observations("a+ b- c?", T0)) == {"a": ListCounts(1, 0), "b": ListCounts(1, 0)}
    story = Story()
    story.poll("a+ b-")
    assert count_listings(story.incident, parse_observations("a+ b+ c!", T0)) == {
        "a": ListCounts(1, 0),
        "b": ListCounts(1, 1),
    }


def test_silent_list_sends_one_notice_and_one_on_return() -> None:
    fleet = watches(3)
    rounds = [SILENT, SILENT, SILENT, SILENT, SILENT, GOOD, GOOD, SILENT, SILENT, GOOD]
    reasons = [fleet.finish_round("a", result) for result in rounds]
    assert reasons == [[], [], ["degraded"], [], [], ["answering"], [], [], [], []]


def test_half_of_lists_silent_sends_one_merged_notice() -> None:
    fleet = watches(1)
    for _ in range(2):
        for n in range(40):
            fleet.finish_round(f"list-{n}", SILENT)
    fleet.notices.clear()
    for n in range(40):
        fleet.finish_round(f"list-{n}", SILENT)
    merged = merge_notices(fleet.notices, list_count=60)
    assert [(str(notice.reason), len(notice.list_ids)) for notice in merged] == [("degraded", 40)]
    separate = merge_notices(fleet.notices[:3], list_count=60)
    assert [len(notice.list_ids) for notice in separate] == [1, 1, 1]
    assert merge_notices(fleet.notices[:1], list_count=2) == tuple(fleet.notices[:1])


def test_notice_keys_are_unique() -> None:
    fleet = watches(1)
    for _ in range(3):
        for result in (FALSE_POSITIVE, GOOD, GOOD, GOOD, SILENT, SILENT, SILENT, GOOD):
            fleet.finish_round("a", result)
    keys = [notice.key for notice in fleet.notices]
    assert len(set(keys)) == len(keys) == 12
