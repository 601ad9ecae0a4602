"""What is kept of a range: each thing once, and the same when it comes back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from functools import cache
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.dnsbl import load
from bot.checks.dnsbl.classify import Reading, State
from bot.checks.dnsbl.findings import finding_of
from bot.checks.dnsbl.zones import Zone, zones
from bot.models import Finding, Link, Order, Report, Role, Target
from bot.monitoring.alert_state import advance
from bot.monitoring.dnsbl_quarantine import Tally, tallies
from bot.monitoring.models import Alert, Incident, Phase, Problem
from bot.monitoring.poll import observations
from bot.monitoring.serialization import HERE, from_json, incident_text, packed, to_json, unpacked
from tests.support.incident_stories import T0, sight
from tests.support.mail_world import test_code as code_of
from tests.support.stored_watches import baseline, watch

OFFICE = watch("203.0.113.0/24", "example.com")
addresses = st.sampled_from(["", *map(str, ip_network("203.0.113.0/29")), *map(str, ip_network("2001:db8::/125"))])
sentences = st.sampled_from(["Listed.", "{0} is listed.", "{0}0 and {0}", HERE, f"{HERE} at {{0}}"])


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    address, sentence = draw(addresses), draw(sentences)
    seen = replace(
        sight(draw(st.sampled_from(["a+", "b/x+"])), T0),
        address=address,
        says=sentence.replace("{0}", address),
        links=(Link("Form", f"https://check.example/{address}"),),
    )
    return replace(Problem(seen, draw(st.sampled_from(Phase)), T0, T0, T0), told=draw(st.booleans()))


@given(st.lists(problems(), max_size=20, unique_by=lambda problem: problem.key))
def test_problems_come_back_as_they_were(some: list[Problem]) -> None:
    back = [one for common, at in packed(some) for one in unpacked(common, at)]
    assert sorted(map(str, back)) == sorted(map(str, some))
    again = [one for common, at in packed(back) for one in unpacked(common, at)]
    assert again == back, "what is written back unchanged is the same text"


@pytest.mark.parametrize(
    ("found", "written"),
    [
        ("1 2 3 7", "203.0.113.1-203.0.113.3 203.0.113.7"),
        ("9 10 100", "203.0.113.9-203.0.113.10 203.0.113.100"),
        ("4", "203.0.113.4"),
    ],
)
def test_addresses_that_follow_each_other_are_first_and_last(found: str, written: str) -> None:
    seen = [Problem(sight(f"a@203.0.113.{n}+", T0), Phase.LISTED, T0, T0, T0) for n in found.split()]
    assert [at for _, at in packed(seen)] == [written]


@cache
def told_of_everything() -> tuple[Incident, Alert]:
    incident = baseline(OFFICE)
    for minutes in (60, 62, 64):
        seen = observations(everything_listed(minutes), incident, OFFICE)
        outcome = advance(incident, seen, T0 + timedelta(minutes=minutes))
        incident = outcome.incident
        if outcome.alerts:
            return incident, outcome.alerts[0]
    raise AssertionError("nothing was told")


@cache
def everything_listed(minutes: int = 0) -> tuple[Report, ...]:
    """Every list of the catalogue lists all 256 addresses, and the domain that goes with them."""
    at = T0 + timedelta(minutes=minutes)
    asked = [zone for zone in zones(load(), {}) if zone.blocklist.kinds & {"ip4", "domain"}]
    return tuple(
        Report(Order(target), at + timedelta(milliseconds=n), tuple(listed(zone, target) for zone in asked), 1, 1)
        for n, target in enumerate(OFFICE.targets)
    )


def listed(zone: Zone, target: Target) -> Finding:
    subject = str(target.domain if "domain" in zone.blocklist.kinds else target.ip)
    code = code_of(zone.blocklist)
    reading = Reading(State.LISTED, answers=(code,), codes=tuple(zone.blocklist.codes.find(code)))
    return finding_of(zone, subject, Role.MTA, reading, [f"https://{zone.blocklist.zone}/?{subject}"])


def test_a_range_that_is_listed_everywhere_is_kept_in_some_kilobytes() -> None:
    incident, alert = told_of_everything()
    assert len(incident.problems) > 6_000
    written = [incident_text(incident), json.dumps(to_json(alert), separators=(",", ":"))]
    print(
        f"{len(incident.problems)} problems of {OFFICE.subject}: {' and '.join(str(len(text)) for text in written)} B"
    )
    assert max(map(len, written)) < 25_000
    back = from_json(Incident, {"watch": OFFICE.id, **json.loads(written[0])})
    assert set(back.problems) == set(incident.problems)


def test_what_is_listed_is_the_domain_counts_once_for_a_range() -> None:
    incident, _ = told_of_everything()
    about_domain = [problem.sight for problem in incident.problems if not problem.sight.address]
    assert "spamhaus-dbl" in {sight.about for sight in about_domain}
    assert len(about_domain) == len({sight.key for sight in about_domain}) < 20
    counted = tallies(baseline(OFFICE), observations(everything_listed(60), incident, OFFICE))
    assert counted["spamhaus-dbl"] == Tally(1, 1)
    assert counted["spamhaus-zen"] == Tally(256, 256)
