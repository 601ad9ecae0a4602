"""What is kept: small, readable by the version before, and the same when it comes back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.models import Link, Role
from bot.monitoring.alert_state import acknowledge, mute
from bot.monitoring.dnsbl_quarantine import ListHealth
from bot.monitoring.models import (
    Alert,
    Incident,
    Observation,
    Phase,
    Policy,
    Problem,
    Room,
    Severity,
    State,
    Watch,
    each_once,
)
from bot.monitoring.serialization import from_json, to_json
from tests.support.incident_stories import T0, Story, sight

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))
LENGTHS = st.timedeltas(timedelta(seconds=1), timedelta(days=3))
NETWORKS = st.sampled_from(["203.0.113.5/32", "203.0.113.0/28", "2001:db8::/120", "2001:db8::1/128"]).map(ip_network)
WORDS = st.text(max_size=40)
ROOM = Room("slack", "T0123ABCD", "C0456EFGH")
WATCH = Watch(
    ROOM, ip_network("203.0.113.5/32"), "mail.example.com", Role.MTA, timedelta(hours=1), "U0123ABCD", T0, "HQ egress"
)


def there_and_back(value: Any) -> Any:
    return from_json(type(value), json.loads(json.dumps(to_json(value))))


@given(
    st.builds(
        Watch,
        room=st.builds(Room, platform=st.sampled_from(["slack", "teams"]), space=st.just("T1"), channel=WORDS),
        network=NETWORKS,
        domain=st.one_of(st.none(), st.just("example.com")),
        role=st.sampled_from(Role),
        every=LENGTHS,
        by=WORDS,
        since=MOMENTS,
        name=WORDS,
    )
)
def test_a_watch_comes_back_as_it_was(watch: Watch) -> None:
    assert there_and_back(watch) == watch


OBSERVATIONS = st.builds(
    Observation,
    check=st.just("blocklist"),
    about=WORDS,
    state=st.sampled_from(State),
    at=MOMENTS,
    sublist=WORDS,
    sublists=st.lists(WORDS, max_size=2).map(tuple),
    severity=st.sampled_from(Severity),
    says=WORDS,
    links=st.lists(st.builds(Link, WORDS, WORDS), max_size=2).map(tuple),
    was=WORDS,
    passing=st.booleans(),
)
PROBLEMS = st.builds(
    Problem,
    sight=OBSERVATIONS,
    phase=st.sampled_from(Phase),
    since=MOMENTS,
    turned=MOMENTS,
    asked=MOMENTS,
    opens=st.lists(MOMENTS, max_size=3).map(tuple),
    told=st.booleans(),
)


@given(
    MOMENTS, st.lists(PROBLEMS, max_size=3), st.dictionaries(WORDS, WORDS, max_size=2), st.one_of(st.none(), MOMENTS)
)
def test_an_incident_comes_back_as_it_was(
    began: datetime, problems: list[Problem], settings: dict[str, str], opened: datetime | None
) -> None:
    incident = Incident("w1", began, tuple(problems), settings, opened, episode=2)
    incident = mute(acknowledge(incident, "U1", began), "U2", began + timedelta(days=1))
    assert there_and_back(incident) == incident


def test_an_alert_and_a_list_come_back_as_they_were() -> None:
    story = Story()
    for when, words in (("0s", "a- b+"), ("1h", "a+"), ("+90s", "a+")):
        story.row(when, words.split())
    (alert,) = story.alerts
    assert there_and_back(alert) == alert
    assert from_json(Alert, to_json(alert)).new == alert.new
    health = ListHealth("some-list", asked=7, held_since=T0, episode=1)
    assert there_and_back(health) == health
    assert there_and_back(Policy(tries=4)) == Policy(tries=4)


def test_a_quiet_watch_is_small() -> None:
    """Watch and incident together, as the store keeps them for each of 100,000."""
    story = Story()
    story.look("a- b- c-")
    assert story.incident is not None
    settings = {
        "ptr": "mail.example.com",
        "spf": "pass",
        "spf-limits": "within the limits",
        "dmarc": "quarantine",
        "mx": "10 mx1.mail.example.com, 20 mx2.mail.example.com",
    }
    incident = Incident(WATCH.id, T0, settings=settings)
    written = [json.dumps(to_json(value), separators=(",", ":")) for value in (WATCH, incident)]
    assert sum(map(len, written)) <= 500, written
    assert to_json(story.incident) == {"watch": "w1", "began": T0.timestamp()}


def test_what_a_later_version_adds_is_passed_over() -> None:
    assert from_json(Watch, to_json(WATCH) | {"colour": "green"}) == WATCH


@pytest.mark.parametrize("document", [{}, {"watch": "w1"}, {"watch": "w1", "began": "yesterday"}])
def test_a_document_that_is_none_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        from_json(Incident, document)


def test_the_same_subject_in_the_same_room_is_the_same_watch() -> None:
    others = [
        Watch(ROOM, WATCH.network, WATCH.domain, Role.MTA, timedelta(minutes=5), "U9", T0 + timedelta(days=1)),
        Watch(ROOM, WATCH.network, WATCH.domain, Role.CLIENT, WATCH.every, WATCH.by, T0),
        Watch(ROOM, WATCH.network, None, Role.MTA, WATCH.every, WATCH.by, T0),
        Watch(Room("slack", "T0123ABCD", "C999"), WATCH.network, WATCH.domain, Role.MTA, WATCH.every, WATCH.by, T0),
    ]
    assert [watch.id == WATCH.id for watch in others] == [True, False, False, False]


@pytest.mark.parametrize(
    ("network", "domain", "subject", "targets", "several"),
    [
        ("203.0.113.5/32", None, "203.0.113.5", 1, False),
        ("203.0.113.0/28", "example.com", "203.0.113.0/28 example.com", 16, True),
        ("2001:db8::1/128", None, "2001:db8::1", 1, False),
        (None, "example.com", "example.com", 1, False),
    ],
)
def test_a_watch_knows_its_targets(
    network: str | None, domain: str | None, subject: str, targets: int, several: bool
) -> None:
    followed = ip_network(network) if network else None
    watch = Watch(ROOM, followed, domain, Role.MTA, timedelta(hours=1), "U1", T0)
    assert (watch.subject, len(watch.targets), watch.several) == (subject, targets, several)


@pytest.mark.parametrize(("network", "domain"), [("203.0.112.0/23", None), ("::/0", None), (None, None)])
def test_a_watch_of_nothing_or_of_the_world_cannot_be(network: str | None, domain: str | None) -> None:
    with pytest.raises(ValueError, match="a watch follows"):
        Watch(ROOM, ip_network(network) if network else None, domain, Role.MTA, timedelta(hours=1), "U1", T0)


def test_sublists_that_share_a_sentence_are_printed_once() -> None:
    story = Story()
    for when, words in (("0s", "zen- b-"), ("1h", "zen/x/y+ b+"), ("+90s", "zen/x/y+ b+")):
        story.row(when, words.split())
    (alert,) = story.alerts
    assert len(alert.new) == 3
    assert [problem.sight.about for problem in each_once(alert.new)] == ["zen", "b"]
    assert sight("zen+", T0).key == "blocklist:zen"
