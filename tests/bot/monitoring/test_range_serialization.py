"""Serialization of ranges: equal problems of several addresses are stored once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.dnsbl import load
from bot.checks.dnsbl.classify import Classification, ListState
from bot.checks.dnsbl.findings import list_finding
from bot.checks.dnsbl.names import QueriedName
from bot.checks.dnsbl.zones import Zone, usable_zones
from bot.models import CheckRequest, Finding, Link, Report, Role, Target
from bot.monitoring.alert_state import advance
from bot.monitoring.list_counts import ListCounts, count_listings, list_results
from bot.monitoring.models import Alert, Incident, Phase, Problem
from bot.monitoring.poll import observe_reports
from bot.monitoring.serialization import dump_incident, from_json, to_json
from bot.monitoring.stored_types import ADDRESS_PLACEHOLDER
from bot.storage.unreadable import UNREADABLE_ERRORS
from tests.support.incident_stories import T0, parse_observation
from tests.support.mail_world import listed_code as code_of
from tests.support.stored_watches import baseline, watch

OFFICE = watch("203.0.113.0/24", "example.com")
addresses = st.sampled_from(["", *map(str, ip_network("203.0.113.0/29")), *map(str, ip_network("2001:db8::/125"))])
sentences = st.sampled_from(
    ["Listed.", "{0} is listed.", "{0}0 and {0}", ADDRESS_PLACEHOLDER, f"{ADDRESS_PLACEHOLDER} at {{0}}"]
)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    address, sentence = draw(addresses), draw(sentences)
    observation = replace(
        parse_observation(draw(st.sampled_from(["a+", "b/x+"])), T0),
        address=address,
        summary=sentence.replace("{0}", address),
        links=(Link("Form", f"https://check.example/{address}"),),
    )
    return replace(Problem(observation, draw(st.sampled_from(Phase)), T0, T0, T0), notified=draw(st.booleans()))


def stored_and_read(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    return from_json(Incident, json.loads(json.dumps(to_json(Incident("w1", T0, tuple(problems)))))).problems


@given(st.lists(problems(), max_size=20, unique_by=lambda problem: problem.key))
def test_packed_problems_unpack_unchanged(original: list[Problem]) -> None:
    restored = stored_and_read(original)
    assert sorted(map(str, restored)) == sorted(map(str, original))
    assert stored_and_read(restored) == restored, "repacking is stable"


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("1 2 3 7", "203.0.113.1-203.0.113.3 203.0.113.7"),
        ("9 10 100", "203.0.113.9-203.0.113.10 203.0.113.100"),
        ("4", "203.0.113.4"),
    ],
)
def test_consecutive_addresses_are_packed_as_range(hosts: str, expected: str) -> None:
    listed_problems = tuple(
        Problem(parse_observation(f"a@203.0.113.{n}+", T0), Phase.LISTED, T0, T0, T0) for n in hosts.split()
    )
    (packed,) = to_json(Incident("w1", T0, listed_problems))["problems"]
    assert packed["at"] == expected


@pytest.mark.parametrize(
    "at", ["0.0.0.0-255.255.255.255", "203.0.113.9-203.0.113.1", "2001:db8::-203.0.113.1", "all", 5]
)
def test_damaged_range_raises(at: object) -> None:
    problem = Problem(parse_observation("a+", T0), Phase.LISTED, T0, T0, T0)
    (packed,) = to_json(Incident("w1", T0, (problem,)))["problems"]
    with pytest.raises(UNREADABLE_ERRORS):
        from_json(Incident, {"watch": "w1", "began": T0.timestamp(), "problems": [{**packed, "at": at}]})


@cache
def alert_on_every_list() -> tuple[Incident, Alert]:
    incident = baseline(OFFICE)
    for minutes in (60, 62, 64):
        observed = observe_reports(everything_listed(minutes), incident, OFFICE)
        transition = advance(incident, observed, T0 + timedelta(minutes=minutes))
        incident = transition.incident
        if transition.alerts:
            return incident, transition.alerts[0]
    raise AssertionError("no alert")


@cache
def everything_listed(minutes: int = 0) -> tuple[Report, ...]:
    """Every list of the catalog lists all 256 addresses and the domain."""
    at = T0 + timedelta(minutes=minutes)
    listing_zones = [zone for zone in usable_zones(load(), {}) if zone.blocklist.kinds & {"ip4", "domain"}]
    return tuple(
        Report(
            CheckRequest(target),
            at + timedelta(milliseconds=n),
            tuple(listed(zone, target) for zone in listing_zones),
            1,
            1,
        )
        for n, target in enumerate(OFFICE.targets)
    )


def listed(zone: Zone, target: Target) -> Finding:
    subject = str(target.domain if "domain" in zone.blocklist.kinds else target.ip)
    code = code_of(zone.blocklist)
    reading = Classification(ListState.LISTED, answers=(code,), codes=tuple(zone.blocklist.codes.find(code)))
    return list_finding(
        zone, QueriedName(subject, subject), Role.MTA, reading, [f"https://{zone.blocklist.zone}/?{subject}"]
    )


def test_range_on_every_list_is_stored_in_25_kilobytes() -> None:
    incident, alert = alert_on_every_list()
    assert len(incident.problems) > 6_000
    texts = [dump_incident(incident), json.dumps(to_json(alert), separators=(",", ":"))]
    print(f"{len(incident.problems)} problems of {OFFICE.subject}: {' and '.join(str(len(text)) for text in texts)} B")
    assert max(map(len, texts)) < 25_000
    parsed = from_json(Incident, {"watch": OFFICE.id, **json.loads(texts[0])})
    assert set(parsed.problems) == set(incident.problems)


def test_domain_listing_of_range_counts_once() -> None:
    incident, _ = alert_on_every_list()
    about_domain = [problem.last_observation for problem in incident.problems if not problem.last_observation.address]
    assert "spamhaus-dbl" in {observation.subject for observation in about_domain}
    assert len(about_domain) == len({observation.key for observation in about_domain}) < 20
    counts = count_listings(baseline(OFFICE), list_results(everything_listed(60), is_range=True))
    assert counts["spamhaus-dbl"] == ListCounts(1, 1, frozenset({str(OFFICE.domain)}))
    assert counts["spamhaus-zen"] == ListCounts(256, 256, frozenset({str(OFFICE.network)}))
