"""Observations of findings."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.checks.registry import CHECKS
from bot.models import CheckRequest, Finding, Report, Target, Verdict
from bot.monitoring.models import ObservedState, Severity
from bot.monitoring.observations import observe, split_by_sublist
from tests.support.incident_stories import T0, Story, describe_alert, parse_observations
from tests.support.reports import AT, HALF_UNKNOWN, LISTED, PBL_ON_A_CLIENT, finding, listing, report


def test_listing_has_summary_remediation_and_links() -> None:
    (observation,) = observe(report(listing("Spamhaus ZEN", sublists=["spamhaus-xbl"])))
    assert (observation.key, observation.state, observation.at) == ("blocklist:spamhaus-zen", ObservedState.LISTED, AT)
    assert (observation.severity, observation.sublists) == (Severity.HIGH, ("spamhaus-xbl",))
    assert all((observation.summary, observation.remediation, observation.links))


@pytest.mark.parametrize("state", ["listed", "not_listed", "unknown", "unusable"])
def test_list_states_are_observed_unchanged(state: str) -> None:
    verdict = {"listed": Verdict.FAIL, "not_listed": Verdict.PASS}.get(state, Verdict.UNKNOWN)
    (observation,) = observe(report(listing("Some list", verdict, state)))
    assert observation.state == state


def test_expected_or_harmless_listing_is_not_listed() -> None:
    lists = [observation for observation in observe(PBL_ON_A_CLIENT) if observation.check == "blocklist"]
    assert {observation.state for observation in lists} == {ObservedState.NOT_LISTED}
    (observation,) = observe(report(listing("Some list", Verdict.WARN, severity="none")))
    assert observation.state is ObservedState.NOT_LISTED


def test_exploit_listing_beside_policy_listing_alerts() -> None:
    story = Story()
    pbl = ("Spamhaus ZEN", Verdict.PASS, "listed")
    exploit = listing("Spamhaus ZEN", Verdict.FAIL, sublists=["spamhaus-xbl", "spamhaus-pbl"])
    alerts = []
    for listing_, seconds in ((listing(*pbl, sublists=["spamhaus-pbl"]), 3600),) * 3 + ((exploit, 3600), (exploit, 90)):
        story.now += timedelta(seconds=seconds)
        alerts += story.observe(observe(replace(report(listing_), at=story.now)))
    assert [describe_alert(alert) for alert in alerts] == [
        "opened +spamhaus-zen/spamhaus-xbl +spamhaus-zen/spamhaus-pbl"
    ]


def test_range_observation_has_address_unless_about_domain() -> None:
    request = CheckRequest(Target.of("192.0.2.25", "example.com"))
    about_domain = listing("Domain list", holds="domains")
    document = report(
        listing("Some list", holds="addresses"), about_domain, finding("dmarc", Verdict.UNKNOWN), request=request
    )
    keys = [observation.key for observation in observe(document, is_range=True)]
    assert keys == ["blocklist:some-list@192.0.2.25", "blocklist:domain-list", "dmarc:", "ran:"]
    assert all("@" not in observation.key for observation in observe(document))


def domain_listing(state: str, hit: str | None, typed: bool = True) -> Finding:
    names = (["example.com"] if typed else []) + ["mx.example.net"]
    verdict = Verdict.FAIL if state == "listed" else Verdict.PASS
    return listing("DBL", verdict, state, holds="domains", names=names, address_names=["mx.example.net"], hit=hit)


@pytest.mark.parametrize(
    ("state", "hit", "typed", "expected"),
    [
        ("not_listed", None, True, {"": "not_listed", "192.0.2.25": "not_listed"}),
        ("listed", "example.com", True, {"": "listed", "192.0.2.25": "unknown"}),
        ("listed", "mx.example.net", True, {"": "not_listed", "192.0.2.25": "listed"}),
        ("unknown", None, True, {"": "unknown", "192.0.2.25": "unknown"}),
        ("listed", "mx.example.net", False, {"192.0.2.25": "listed"}),
        ("not_listed", None, False, {"192.0.2.25": "not_listed"}),
    ],
)
def test_range_observes_typed_domain_and_ptr_name_apart(state, hit, typed, expected) -> None:
    request = CheckRequest(Target.of("192.0.2.25", "example.com" if typed else None))
    document = report(domain_listing(state, hit, typed), request=request)
    assert {part.address: part.state for part in observe(document, is_range=True)} == expected
    (single,) = observe(document)
    assert (single.address, single.state) == ("", state)


NOT_CHECKED_CODES = [
    (spec.id, code) for spec in CHECKS if spec.watched for code in spec.codes if code.endswith(".not-checked")
]


@pytest.mark.parametrize(("check", "code"), NOT_CHECKED_CODES)
def test_check_that_was_not_carried_out_clears_nothing(check: str, code: str) -> None:
    passed = Finding(check, "example.com", Verdict.PASS, code, "Not checked.")
    polled = Report(CheckRequest(Target(domain="example.com")), AT, (passed,), 1, 1)
    assert [o.state for o in observe(polled) if o.check == check] == [ObservedState.UNKNOWN]


def test_timed_out_check_is_unknown() -> None:
    timed_out = finding("blocklist", Verdict.UNKNOWN, "This check did not end within 9 seconds.")
    assert [observation.state for observation in observe(report(timed_out))] == [ObservedState.UNKNOWN]


@pytest.mark.parametrize(
    ("results", "known", "parts"),
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
def test_observation_is_split_by_sublist(results: str, known: str, parts: list[str]) -> None:
    stored = [part for observation in parse_observations(known, T0) for part in split_by_sublist([observation], ())]
    actual = [
        f"{observation.key.removeprefix('blocklist:')} {observation.state}"
        for observation in split_by_sublist(parse_observations(results, T0), stored)
    ]
    assert actual == parts


@pytest.mark.parametrize("document", [LISTED, HALF_UNKNOWN], ids=["listed", "half-unknown"])
def test_each_list_of_report_is_observed_once(document: Report) -> None:
    lists = [observation.subject for observation in observe(document) if observation.check == "blocklist"]
    assert lists == [finding.subject for finding in document.findings if finding.check == "blocklist"]
