"""From findings to what a watch follows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.models import Order, Report, Target, Verdict
from bot.monitoring.models import Severity, State
from bot.monitoring.observations import observe, per_sublist
from tests.support.incident_stories import T0, Story, sights, told
from tests.support.reports import AT, HALF_UNKNOWN, LISTED, PBL_ON_A_CLIENT, finding, listing, report


def test_a_listing_keeps_its_sentence_its_step_and_its_way_out() -> None:
    (seen,) = observe(report(listing("Spamhaus ZEN", sublists=["spamhaus-xbl"])))
    assert (seen.key, seen.state, seen.at) == ("blocklist:spamhaus-zen", State.LISTED, AT)
    assert (seen.severity, seen.sublists) == (Severity.HIGH, ("spamhaus-xbl",))
    assert all((seen.says, seen.step, seen.links))


@pytest.mark.parametrize("state", ["listed", "not_listed", "unknown", "unusable"])
def test_the_four_states_are_kept(state: str) -> None:
    verdict = {"listed": Verdict.FAIL, "not_listed": Verdict.PASS}.get(state, Verdict.UNKNOWN)
    (seen,) = observe(report(listing("Some list", verdict, state)))
    assert seen.state == state


def test_a_listing_that_is_expected_or_means_nothing_is_no_problem() -> None:
    lists = [seen for seen in observe(PBL_ON_A_CLIENT) if seen.check == "blocklist"]
    assert {seen.state for seen in lists} == {State.NOT_LISTED}
    (seen,) = observe(report(listing("Some list", Verdict.WARN, severity="none")))
    assert seen.state is State.NOT_LISTED


def test_a_policy_listing_of_a_client_never_alerts_and_an_exploit_listing_beside_it_does() -> None:
    story = Story()
    pbl = ("Spamhaus ZEN", Verdict.PASS, "listed")
    both = listing("Spamhaus ZEN", Verdict.FAIL, sublists=["spamhaus-xbl", "spamhaus-pbl"])
    heard = []
    for finding_, seconds in ((listing(*pbl, sublists=["spamhaus-pbl"]), 3600),) * 3 + ((both, 3600), (both, 90)):
        story.now += timedelta(seconds=seconds)
        heard += story.see(observe(replace(report(finding_), at=story.now)))
    assert [told(alert) for alert in heard] == ["opened +spamhaus-zen/spamhaus-xbl +spamhaus-zen/spamhaus-pbl"]


def test_a_range_names_the_address_and_what_is_about_the_domain_does_not() -> None:
    order = Order(Target.of("192.0.2.25", "example.com"))
    about_domain = listing("Domain list", holds="domains")
    found = report(
        listing("Some list", holds="addresses"), about_domain, finding("dmarc", Verdict.UNKNOWN), order=order
    )
    keys = [seen.key for seen in observe(found, several=True)]
    assert keys == ["blocklist:some-list@192.0.2.25", "blocklist:domain-list", "dmarc:gone", "dmarc:weakened"]
    assert all("@" not in seen.key for seen in observe(found))


def test_a_check_that_did_not_end_says_nothing_about_any_list() -> None:
    late = finding("blocklist", Verdict.UNKNOWN, "This check did not end within 9 seconds.")
    assert [seen.state for seen in observe(report(late))] == [State.UNKNOWN]


@pytest.mark.parametrize(
    ("seen", "known", "parts"),
    [
        ("zen/x/y+", "", ["zen/x listed", "zen/y listed"]),
        ("zen/x+", "zen/x+ zen/y+", ["zen/x listed", "zen/y not_listed"]),
        ("zen-", "zen/x+ zen/y+", ["zen/x not_listed", "zen/y not_listed"]),
        ("zen?", "zen/x+", ["zen/x unknown"]),
        ("zen=", "zen/x+", ["zen/x held"]),
        ("zen+", "zen/x+", ["zen listed", "zen/x not_listed"]),
        ("zen/x+", "zen+", ["zen/x listed", "zen not_listed"]),
        ("zen-", "other/x+", ["zen not_listed"]),
        ("zen@192.0.2.1-", "zen/x@192.0.2.1+ zen/y@192.0.2.2+", ["zen/x@192.0.2.1 not_listed"]),
    ],
)
def test_every_sublist_is_followed_by_itself(seen: str, known: str, parts: list[str]) -> None:
    remembered = [part for one in sights(known, T0) for part in per_sublist([one], ())]
    got = [f"{one.key.removeprefix('blocklist:')} {one.state}" for one in per_sublist(sights(seen, T0), remembered)]
    assert got == parts


@pytest.mark.parametrize("document", [LISTED, HALF_UNKNOWN], ids=["listed", "half unknown"])
def test_every_list_of_a_report_is_observed_once(document: Report) -> None:
    lists = [one.about for one in observe(document) if one.check == "blocklist"]
    assert lists == [f.about for f in document.findings if f.check == "blocklist"]
