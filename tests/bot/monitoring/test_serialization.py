"""Serialization: round trips, size, compatibility between versions."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.models import Link, Role
from bot.monitoring.alert_state import acknowledge, mute
from bot.monitoring.dnsbl_quarantine import ListHealth, ListNotice, QuarantineState
from bot.monitoring.interfaces import AlertMessage, ChannelSettings, DigestMessage, FollowMessage, ListNoticeMessage
from bot.monitoring.list_counts import RoundCounts
from bot.monitoring.models import (
    Acknowledged,
    Alert,
    Channel,
    Incident,
    Muted,
    Observation,
    ObservedState,
    Phase,
    Problem,
    Severity,
    Watch,
    unique_problems,
    value_digest,
)
from bot.monitoring.serialization import STORED_KEYS, from_json, to_json
from bot.storage.unreadable import UNREADABLE_ERRORS
from tests.support.incident_stories import T0, Story, parse_observation

TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))
DURATIONS = st.timedeltas(timedelta(seconds=1), timedelta(days=3))
NETWORKS = st.sampled_from(["203.0.113.5/32", "203.0.113.0/28", "2001:db8::/120", "2001:db8::1/128"]).map(ip_network)
TEXTS = st.text(max_size=40)
ROOM = Channel("slack", "T0123ABCD", "C0456EFGH")
WATCH = Watch(
    ROOM, ip_network("203.0.113.5/32"), "mail.example.com", Role.MTA, timedelta(hours=1), "U0123ABCD", T0, "HQ egress"
)


def round_trip(value: Any) -> Any:
    return from_json(type(value), json.loads(json.dumps(to_json(value))))


@st.composite
def any_watch(draw: st.DrawFn) -> Watch:
    return Watch(
        channel=Channel(draw(st.sampled_from(["slack", "teams"])), "T1", draw(TEXTS)),
        network=draw(NETWORKS),
        domain=draw(st.one_of(st.none(), st.just("example.com"))),
        role=draw(st.sampled_from(Role)),
        interval=draw(DURATIONS),
        created_by=draw(TEXTS),
        created_at=draw(TIMES),
        name=draw(TEXTS),
    )


@given(any_watch())
def test_watch_survives_serialization(watch: Watch) -> None:
    assert round_trip(watch) == watch


@st.composite
def any_problem(draw: st.DrawFn) -> Problem:
    observation = Observation(
        check="blocklist",
        subject=draw(TEXTS),
        state=draw(st.sampled_from(ObservedState)),
        at=draw(TIMES),
        sublist=draw(TEXTS),
        sublists=tuple(draw(st.lists(TEXTS, max_size=2))),
        severity=draw(st.sampled_from(Severity)),
        summary=draw(TEXTS),
        links=tuple(draw(st.lists(st.builds(Link, TEXTS, TEXTS), max_size=2))),
        previous_value=draw(TEXTS),
        notify_once=draw(st.booleans()),
    )
    return Problem(
        last_observation=observation,
        phase=draw(st.sampled_from(Phase)),
        since=draw(TIMES),
        phase_changed_at=draw(TIMES),
        last_polled_at=draw(TIMES),
        confirmations=tuple(draw(st.lists(TIMES, max_size=3))),
        notified=draw(st.booleans()),
    )


@given(
    TIMES, st.lists(any_problem(), max_size=3), st.dictionaries(TEXTS, TEXTS, max_size=2), st.one_of(st.none(), TIMES)
)
def test_incident_survives_serialization(
    began: datetime, problems: list[Problem], config: dict[str, str], opened: datetime | None
) -> None:
    incident = Incident("w1", began, tuple(problems), config, opened, episode=2)
    incident = mute(acknowledge(incident, "U1", began), "U2", began + timedelta(days=1))
    assert round_trip(incident) == incident


def test_alert_and_list_health_survive_serialization() -> None:
    story = Story()
    for when, results in (("0s", "a- b+"), ("1h", "a+"), ("+90s", "a+")):
        story.row(when, results.split())
    (alert,) = story.alerts
    assert round_trip(alert) == alert
    assert from_json(Alert, to_json(alert)).new == alert.new
    health = ListHealth("some-list", answered=7, quarantined_since=T0, episode=1)
    assert round_trip(health) == health


def test_quiet_watch_is_stored_in_500_bytes() -> None:
    """Watch and incident together."""
    story = Story()
    story.poll("a- b- c-")
    assert story.incident is not None
    config = {
        "ptr": "mail.example.com",
        "spf": "pass",
        "spf-limits": "within the limits",
        "dmarc": "quarantine",
        "mx": "10 mx1.mail.example.com, 20 mx2.mail.example.com",
    }
    incident = Incident(WATCH.id, T0, config=config)
    texts = [json.dumps(to_json(value), separators=(",", ":")) for value in (WATCH, incident)]
    assert sum(map(len, texts)) <= 500, texts
    assert to_json(story.incident) == {"watch": "w1", "began": T0.timestamp()}


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        (Watch, "room network domain role every by since name follow first_role"),
        (
            Observation,
            "check about state at address sublist sublists severity says step links "
            "setting was value passing name text code",
        ),
        (Problem, "sight phase since turned asked clean misses opens told quiet unstable noted"),
        (Acknowledged, "by at"),
        (Muted, "by until"),
        (Incident, "watch began problems settings opened episode spoken told_at acknowledged muted"),
        (Alert, "key watch reason at began thread root loud opened new still gone lost broadcast"),
        (AlertMessage, "id room alert intent tries snapshot"),
        (ListNoticeMessage, "id room note name at intent tries"),
        (DigestMessage, "id room at intent tries"),
        (FollowMessage, "id room at intent tries follows"),
        (ChannelSettings, "updates reminder restrict lists digest follow"),
        (ListNotice, "key reason lists flipped asked"),
        (ListHealth, "list asked flipped neighborhoods held_since good silent degraded episode"),
        (RoundCounts, "list asked answered listed lists_everything"),
        (QuarantineState, "since healths heard"),
        (Link, "label url"),
    ],
)
def test_stored_keys_do_not_change(kind: Any, keys: str) -> None:
    renamed = STORED_KEYS.get(kind, {})
    assert [renamed.get(field.name, field.name) for field in fields(kind)] == keys.split()


def test_unknown_key_is_ignored() -> None:
    assert from_json(Watch, to_json(WATCH) | {"colour": "green"}) == WATCH


@pytest.mark.parametrize(
    "fault",
    [
        *({"began": None}, {"began": "yesterday"}, {"began": "2026-11-24T06:00"}, {"began": True}, {"began": 1e11}),
        *({"began": math.nan}, {"opened": "never"}, {"settings": {"spf": 1}}, {"settings": []}, {"episode": "many"}),
        *({"problems": {}}, {"problems": [1]}, {"problems": [{"at": "203.0.113.1"}]}, {"muted": {"by": "U1"}}),
    ],
    ids=str,
)
def test_stored_incident_with_fault_raises_value_error(fault: dict[str, Any]) -> None:
    good = {"watch": "w1", "began": T0.timestamp()}
    assert from_json(Incident, good) == Incident("w1", T0)
    with pytest.raises(UNREADABLE_ERRORS):
        from_json(Incident, good | fault)


@pytest.mark.parametrize(
    "fault", [{"every": "1h"}, {"network": "203.0.113.5/33"}, {"role": "boss"}, {"name": 5}], ids=str
)
def test_stored_watch_with_fault_raises_value_error(fault: dict[str, Any]) -> None:
    with pytest.raises(UNREADABLE_ERRORS):
        from_json(Watch, to_json(WATCH) | fault)


def test_text_with_lone_surrogate_survives_serialization() -> None:
    config = {"spf": "\ud800 is no character"}
    assert round_trip(Incident("w1", T0, config=config)).config == config


def test_watch_id_depends_on_channel_subject_and_role() -> None:
    others = [
        Watch(ROOM, WATCH.network, WATCH.domain, Role.MTA, timedelta(minutes=5), "U9", T0 + timedelta(days=1)),
        Watch(ROOM, WATCH.network, WATCH.domain, Role.CLIENT, WATCH.interval, WATCH.created_by, T0),
        Watch(ROOM, WATCH.network, None, Role.MTA, WATCH.interval, WATCH.created_by, T0),
        Watch(
            Channel("slack", "T0123ABCD", "C999"),
            WATCH.network,
            WATCH.domain,
            Role.MTA,
            WATCH.interval,
            WATCH.created_by,
            T0,
        ),
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
def test_watch_lists_its_targets(
    network: str | None, domain: str | None, subject: str, targets: int, several: bool
) -> None:
    parsed = ip_network(network) if network else None
    watch = Watch(ROOM, parsed, domain, Role.MTA, timedelta(hours=1), "U1", T0)
    assert (watch.subject, len(watch.targets), watch.is_range) == (subject, targets, several)


@pytest.mark.parametrize(("network", "domain"), [("203.0.112.0/23", None), ("::/0", None), (None, None)])
def test_watch_without_or_with_too_many_targets_raises(network: str | None, domain: str | None) -> None:
    with pytest.raises(ValueError, match="a watch follows"):
        Watch(ROOM, ip_network(network) if network else None, domain, Role.MTA, timedelta(hours=1), "U1", T0)


def test_sublists_with_same_summary_are_shown_once() -> None:
    story = Story()
    for when, results in (("0s", "zen- b-"), ("1h", "zen/x/y+ b+"), ("+90s", "zen/x/y+ b+")):
        story.row(when, results.split())
    (alert,) = story.alerts
    assert len(alert.new) == 3
    assert [problem.last_observation.subject for problem in unique_problems(alert.new)] == ["zen", "b"]
    assert parse_observation("zen+", T0).key == "blocklist:zen"


DIGESTS = {"spf": value_digest("v=spf1 -all"), "mx.a_#b.example": value_digest("192.0.2.1"), "ptr": "mail.example.com"}


def test_digests_of_a_config_are_stored_as_one_text() -> None:
    incident = Incident("w1", T0, config=DIGESTS)
    stored = to_json(incident)["settings"]
    assert stored.keys() == {"#", "ptr"}
    assert round_trip(incident).config == DIGESTS


@pytest.mark.parametrize("damaged", ["", "garbage", "# #", "spf", " spf#a  #b "])
def test_damaged_digests_of_a_config_are_left_out(damaged: str) -> None:
    document = to_json(Incident("w1", T0, config=DIGESTS))
    incident = from_json(Incident, {**document, "settings": {"#": damaged, "ptr": "mail.example.com"}})
    assert {key: value for key, value in incident.config.items() if key != "spf"} == {"ptr": "mail.example.com"}
