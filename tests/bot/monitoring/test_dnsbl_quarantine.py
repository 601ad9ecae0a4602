"""Quarantine of lists that list everything, and lists that fall silent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from ipaddress import ip_address

import pytest

from bot.monitoring.dnsbl_quarantine import (
    ListHealth,
    ListNotice,
    QuarantinePolicy,
    QuarantineState,
    RoundResult,
    apply_proofs,
    apply_quarantine,
    cap_sample,
    finish_list_round,
    lists_much,
    lists_to_prove,
    merge_notices,
    quarantined_ids,
    record_counts,
    record_polls,
)
from bot.monitoring.list_counts import ListCounts, ListResult, RoundCounts, count_listings, neighborhood
from bot.monitoring.models import Observation, ObservedState
from tests.support.incident_stories import T0, Story, describe_alert, networks, parse_observations

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
    broken: frozenset[str] = frozenset({"a"})
    healths: dict[str, ListHealth] = field(default_factory=dict)
    notices: list[ListNotice] = field(default_factory=list)

    def poll(self, story: Story, results: str) -> list[str]:
        observations = parse_observations(results, story.now)
        for name, counts in count_listings(story.incident, self.results(story, observations)).items():
            health = record_counts(self.healths.get(name, ListHealth(name)), counts)
            if health.newly_listed and not health.quarantined_since:
                state, notices = apply_proofs(
                    QuarantineState(T0, (health,)), {name: name in self.broken}, frozenset(), story.now, LIMITS
                )
                self.notices += notices
                (health,) = state.healths
            self.healths[name] = health
        return [
            describe_alert(alert)
            for alert in story.observe(apply_quarantine(observations, quarantined_ids(self.healths)))
        ]

    def results(self, story: Story, observations: Sequence[Observation]) -> list[ListResult]:
        network = f"network {self.stories.index(story)}"
        return [
            ListResult(item.subject, item.address, network, item.state is ObservedState.LISTED)
            for item in observations
            if item.state in (ObservedState.LISTED, ObservedState.NOT_LISTED)
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
    fleet.broken = frozenset()
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
    ("answered", "newly_listed", "much"),
    [(4, 4, False), (5, 5, True), (25, 5, True), (26, 5, False), (1000, 199, False), (1000, 200, True), (10, 4, False)],
)
def test_much_is_five_networks_and_a_fifth_of_targets(answered: int, newly_listed: int, much: bool) -> None:
    counts = ListCounts(answered, newly_listed, networks(newly_listed))
    assert lists_much(record_counts(ListHealth("a"), counts), LIMITS) is much


def test_quiet_day_does_not_mask_new_listings() -> None:
    health = ListHealth("a")
    for _ in range(5000):
        health = cap_sample(record_counts(health, ListCounts(1)), LIMITS)
    newly_listed = 0
    while not lists_much(health, LIMITS) and newly_listed < 100:
        newly_listed += 1
        health = cap_sample(record_counts(health, ListCounts(1, 1, frozenset({str(newly_listed)}))), LIMITS)
    assert newly_listed <= 10


def test_occasional_listings_are_not_much() -> None:
    health = ListHealth("a")
    for index in range(10_000):
        counts = ListCounts(1, 1, frozenset({str(index)})) if index % 10 == 0 else ListCounts(1)
        health = record_counts(health, counts)
        assert not lists_much(health, LIMITS)
        health = cap_sample(health, LIMITS)
        assert len(health.neighborhoods) <= LIMITS.sample_size


APART = ListCounts(20, 20, networks(20))  # listed in networks far from each other
TOGETHER = ListCounts(256, 256, networks(1))


@pytest.mark.parametrize("has_test_point", [True, False])
@pytest.mark.parametrize("counts", [APART, TOGETHER])
@pytest.mark.parametrize("proof", [True, False, None])
def test_proof_decides_and_without_one_the_test_point(
    has_test_point: bool, counts: ListCounts, proof: bool | None
) -> None:
    without = frozenset() if has_test_point else frozenset({"a"})
    state, _ = record_polls(QuarantineState(T0), {"a": counts}, (), T0)
    assert lists_to_prove(state, without, T0, LIMITS) == {"a"}
    state, notices = apply_proofs(state, {"a": proof}, without, T0, LIMITS)
    broken = (not has_test_point and counts == APART) if proof is None else proof
    assert bool(state.quarantined) is bool(notices) is broken


def test_every_new_listing_needs_a_proof() -> None:
    state = QuarantineState(T0)
    for _ in range(2):
        state, _notices = record_polls(state, {"a": ListCounts(1000, 1, networks(1)), "b": ListCounts(1000)}, (), T0)
        assert lists_to_prove(state, frozenset(), T0, LIMITS) == {"a"}
        state, _notices = apply_proofs(state, {"a": False}, frozenset(), T0, LIMITS)
        assert lists_to_prove(state, frozenset(), T0, LIMITS) == frozenset()


def test_list_proven_clean_is_believed_and_its_listings_alert() -> None:
    fleet = watches(30)
    fleet.broken = frozenset()
    assert fleet.poll_all("a+ b-") == ["opened +a"] * 30
    assert fleet.notices == []


def test_negative_test_point_quarantines_with_single_watch() -> None:
    fleet = watches(1)
    assert fleet.finish_round("a", FALSE_POSITIVE) == ["quarantined"]
    assert fleet.finish_round("a", FALSE_POSITIVE) == []
    assert fleet.poll_all("a+ b-") == []


def test_first_poll_has_no_newly_listed() -> None:
    story, results = Story(), [ListResult("a", "", "10.0.0.0/24", True), ListResult("b", "", "10.0.0.0/24", False)]
    assert count_listings(None, results) == {"a": ListCounts(1), "b": ListCounts(1)}
    story.poll("a+ b-")
    again = [replace(result, listed=True) for result in results]
    assert count_listings(story.incident, again) == {
        "a": ListCounts(1),
        "b": ListCounts(1, 1, frozenset({"10.0.0.0/24"})),
    }


@pytest.mark.parametrize(
    ("addresses", "networks_counted"),
    [
        ([f"203.0.113.{n}" for n in range(16)], 1),
        (["203.0.113.1", "203.0.112.1"], 2),
        ([f"2001:db8:0:{n:x}::1" for n in range(16)], 1),
        (["2001:db8:1::1", "2001:db8:2::1"], 2),
    ],
)
def test_neighbors_count_as_one(addresses: list[str], networks_counted: int) -> None:
    assert len({neighborhood(ip_address(text)) for text in addresses}) == networks_counted


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


@pytest.mark.parametrize(("quarantined", "merged"), [(29, 29), (30, 1)])
def test_lists_that_all_list_everything_at_once_are_one_notice(quarantined: int, merged: int) -> None:
    """That is a resolver which answers everything alike, so no channel hears of it."""
    everything = [RoundCounts(f"list-{n:02}", 1, 0, lists_everything=True) for n in range(quarantined)]
    state, notices = record_polls(QuarantineState(T0), {}, everything, T0)
    assert len(state.quarantined) == quarantined
    assert len(merge_notices(notices, list_count=60)) == merged
