"""DMARC tree walk: examples of RFC 9989 §4.10, and a table for every tag that steers it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.dmarc import discover
from bot.checks.dmarc.discovery import walk_domains
from tests.support.dns_world import World, Zone

NONE, QUARANTINE, REJECT = ("v=DMARC1; p=none", "v=DMARC1; p=quarantine", "v=DMARC1; p=reject")


def world(records: dict[str, str | list[str]], exists: tuple[str, ...] = ("example.com",)) -> World:
    """Build a world from `records` by domain: a text, several texts, or a failure keyword."""
    failures = ("timeout", "servfail")
    zone: Zone = {
        f"_dmarc.{domain}": {"TXT": text if text in failures or isinstance(text, list) else [text]}
        for domain, text in records.items()
    }
    return World({name: {"A": ["203.0.113.5"]} for name in exists} | dict(zone))


def test_walk_domains_long_name_has_eight_steps() -> None:
    assert walk_domains("a.b.c.d.e.f.g.h.i.j.mail.example.com") == (
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    )


@pytest.mark.parametrize(
    ("domain", "count"), [("com", 1), ("example.com", 2), ("a.b.c.d.e.example.com", 7), ("a.b.c.d.e.f.example.com", 8)]
)
def test_walk_domains_up_to_eight_labels_includes_every_name(domain: str, count: int) -> None:
    assert len(walk_domains(domain)) == count


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=120).map(".".join))
def test_walk_domains_has_at_most_eight_names(domain: str) -> None:
    names = walk_domains(domain)
    assert names[0] == domain
    assert names[-1] == domain.rpartition(".")[2]
    assert len(names) == len(set(names)) <= 8


# domain, records by domain, organizational domain, domain of the applied record, policy
RFC_EXAMPLES = [
    ("a.mail.example.com", {"mail.example.com": NONE, "example.com": REJECT}, "example.com", "example.com", "reject"),
    ("a.mail.example.com", {"mail.example.com": f"{REJECT}; psd=n"}, "mail.example.com", "mail.example.com", "reject"),
    ("a.mail.example.com", {"com": f"{REJECT}; psd=y"}, "example.com", "com", "reject"),
    ("mail.example.com", {"example.com": f"{REJECT}; psd=y"}, "mail.example.com", "example.com", "reject"),
]
OWN_EXAMPLES = [
    ("example.com", {}, "example.com", None, None),
    ("example.com", {"example.com": REJECT}, "example.com", "example.com", "reject"),
    ("a.example.com", {"a.example.com": NONE, "example.com": REJECT}, "example.com", "a.example.com", "none"),
    (
        "a.example.com",
        {"a.example.com": f"{NONE}; psd=n", "example.com": REJECT},
        "a.example.com",
        "a.example.com",
        "none",
    ),
    ("example.com", {"example.com": f"{REJECT}; psd=y", "com": NONE}, "example.com", "example.com", "reject"),
    ("example.com", {"example.com": REJECT, "com": f"{NONE}; psd=y"}, "example.com", "example.com", "reject"),
    ("a.mail.example.com", {"mail.example.com": REJECT, "com": f"{NONE}; psd=y"}, "example.com", "com", "none"),
    ("example.com", {"com": REJECT}, "com", "com", "reject"),
    ("a.example.com", {"a.example.com": "v=spf1 -all", "example.com": REJECT}, "example.com", "example.com", "reject"),
    ("a.example.com", {"a.example.com": [NONE, NONE], "example.com": REJECT}, "example.com", "example.com", "reject"),
    ("example.com", {"example.com": [NONE, REJECT]}, "example.com", None, None),
    ("example.com", {"example.com": ["v=spf1 -all", REJECT]}, "example.com", "example.com", "reject"),
    ("example.com", {"example.com": "v=DMARC1; p=foo"}, "example.com", "example.com", None),
    ("example.com", {"example.com": "v=DMARC1; rua=mailto:a@example.com"}, "example.com", "example.com", "none"),
    (
        "b.a.example.com",
        {"a.example.com": f"{REJECT}; psd=u", "example.com": NONE},
        "example.com",
        "example.com",
        "none",
    ),
]


@pytest.mark.parametrize(("domain", "records", "org_domain", "record_at", "policy"), RFC_EXAMPLES + OWN_EXAMPLES)
async def test_discover_finds_the_applicable_record(
    domain: str, records: dict[str, Any], org_domain: str, record_at: str | None, policy: str | None
) -> None:
    discovery = await discover(domain, world(records, exists=(domain,)))
    assert discovery.org_domain == org_domain
    assert discovery.to_json()["record_at"] == (f"_dmarc.{record_at}" if record_at else None)
    assert discovery.policy == policy
    assert discovery.unanswered is None


@pytest.mark.parametrize(
    ("domain", "record", "exists", "tag", "policy"),
    [
        ("example.com", "p=reject; sp=none; np=quarantine", True, "p", "reject"),
        ("a.example.com", "p=reject; sp=none; np=quarantine", True, "sp", "none"),
        ("a.example.com", "p=reject; sp=none; np=quarantine", False, "np", "quarantine"),
        ("a.example.com", "p=reject; sp=none", False, "sp", "none"),
        ("a.example.com", "p=reject; np=none", True, "p", "reject"),
        ("a.example.com", "p=reject; np=none", False, "np", "none"),
        ("a.example.com", "p=reject", False, "p", "reject"),
    ],
)
async def test_discover_sp_for_existing_np_for_missing_subdomain(
    domain: str, record: str, exists: bool, tag: str, policy: str
) -> None:
    dns = world({"example.com": f"v=DMARC1; {record}"}, exists=("example.com", domain) if exists else ("example.com",))
    discovery = await discover(domain, dns)
    assert (discovery.tag, discovery.policy) == (tag, policy)


async def test_discover_existence_timeout_counts_as_existing() -> None:
    zone = {"_dmarc.example.com": {"TXT": ["v=DMARC1; p=reject; np=none"]}, "a.example.com": {"*": "timeout"}}
    assert (await discover("a.example.com", World(zone))).tag == "p"


@pytest.mark.parametrize(
    ("record", "policy", "effective"),
    [
        (f"{REJECT}; t=y", "reject", "quarantine"),
        (f"{QUARANTINE}; t=y", "quarantine", "none"),
        (f"{NONE}; t=y", "none", "none"),
        (f"{REJECT}; t=n", "reject", "reject"),
        (f"{REJECT}; t=maybe", "reject", "reject"),
        (f"{REJECT}; pct=0", "reject", "reject"),
    ],
)
async def test_discover_test_mode_lowers_effective_policy(record: str, policy: str, effective: str) -> None:
    discovery = await discover("example.com", world({"example.com": record}))
    assert (discovery.policy, discovery.effective) == (policy, effective)


@pytest.mark.parametrize(
    ("records", "policy", "unanswered"),
    [
        ({"a.example.com": "timeout", "example.com": REJECT}, None, "timeout"),
        ({"a.example.com": REJECT, "example.com": "timeout"}, "reject", None),
        ({"example.com": REJECT, "com": "servfail"}, "reject", None),
        ({"com": "servfail"}, None, "servfail"),
    ],
)
async def test_discover_timeout_before_the_record_is_unknown(
    records: dict[str, Any], policy: str | None, unanswered: str | None
) -> None:
    discovery = await discover("a.example.com", world(records))
    assert (discovery.policy, discovery.unanswered) == (policy, unanswered)


@pytest.mark.parametrize(
    ("records", "queries"),
    [
        ({}, ["_dmarc.a.example.com", "_dmarc.example.com", "_dmarc.com"]),
        ({"example.com": f"{NONE}; psd=n"}, ["_dmarc.a.example.com", "_dmarc.example.com"]),
        ({"a.example.com": f"{NONE}; psd=y"}, ["_dmarc.a.example.com"]),
    ],
)
async def test_discover_walk_stops_at_psd_y_or_n(records: dict[str, Any], queries: list[str]) -> None:
    assert (await discover("a.example.com", world(records))).to_json()["queries"] == queries


async def test_discover_queries_the_whole_walk_at_once() -> None:
    dns = world({"a.example.com": f"{REJECT}; psd=n"})
    await discover("a.example.com", dns)
    assert [name for name, rdtype in dns.queries if rdtype == "TXT"] == [
        f"_dmarc.{name}" for name in walk_domains("a.example.com")
    ]


async def test_discovery_json_has_documented_keys() -> None:
    discovery = await discover(
        "a.example.com", world({"example.com": f"{REJECT}; sp=quarantine; t=y"}, ("a.example.com",))
    )
    assert json.loads(json.dumps(discovery.to_json())) == {
        "domain": "a.example.com",
        "record_at": "_dmarc.example.com",
        "org_domain": "example.com",
        "record": "v=DMARC1; p=reject; sp=quarantine; t=y",
        "policy": "quarantine",
        "effective": "none",
        "queries": ["_dmarc.a.example.com", "_dmarc.example.com", "_dmarc.com"],
    }
