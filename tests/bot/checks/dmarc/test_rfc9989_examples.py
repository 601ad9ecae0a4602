"""Examples of RFC 9989, appendix B: alignment (B.1), owner records (B.2), tree walks (B.4)."""

from __future__ import annotations

import pytest

from bot.checks import dmarc
from bot.checks.dmarc import discover
from bot.models import CheckRequest, Target
from tests.support.dns_world import World, Zone

RECORD = "v=DMARC1; p=none"
FEEDBACK = "rua=mailto:dmarc-feedback@example.com"
SEVERAL = f"{FEEDBACK},mailto:tld-test@thirdparty.example.net"
AUTHORIZED: Zone = {
    f"{domain}._report._dmarc.thirdparty.example.net": {"TXT": ["v=DMARC1;"]}
    for domain in ("example.com", "test.example.com")
}


def published(**records: str) -> Zone:
    """Build a zone: `com_example="…"` is the record of example.com."""
    return {"_dmarc." + ".".join(reversed(name.split("_"))): {"TXT": [text]} for name, text in records.items()}


@pytest.mark.parametrize(
    ("author", "identifier", "strict", "relaxed"),
    [
        ("example.com", "example.com", True, True),  # B.1.1 and B.1.2, example 1
        ("example.com", "child.example.com", False, True),  # B.1.1, example 2
        ("child.example.com", "example.com", False, True),  # B.1.2, example 2
        ("child.example.com", "example.net", False, False),  # example 3 of both
        ("example.com", "mail.example.com", False, True),  # B.3.1
    ],
)
async def test_alignment_relaxed_by_same_organizational_domain(
    author: str, identifier: str, strict: bool, relaxed: bool
) -> None:
    world = World(published(com_example=RECORD, net_example=RECORD))
    author_org, identifier_org = [(await discover(domain, world)).org_domain for domain in (author, identifier)]
    assert (author == identifier, author_org == identifier_org) == (strict, relaxed)


@pytest.mark.parametrize(
    ("domain", "zone", "policy", "effective"),
    [
        ("example.com", published(com_example=f"{RECORD}; {FEEDBACK}"), "none", "none"),  # B.2.1
        (
            "example.com",
            published(com_example=f"{RECORD}; {FEEDBACK}; ruf=mailto:auth-reports@example.com"),
            "none",
            "none",
        ),  # B.2.2
        (
            "test.example.com",
            published(com_example_test=f"v=DMARC1; p=quarantine; {SEVERAL}; t=y"),
            "quarantine",
            "none",
        ),  # B.2.5, first step
        ("test.example.com", published(com_example_test=f"v=DMARC1; p=reject; {SEVERAL}"), "reject", "reject"),
    ],
)
async def test_discover_owner_record_gives_policy(domain: str, zone: Zone, policy: str, effective: str) -> None:
    discovery = await discover(domain, World({domain: {"A": ["203.0.113.5"]}, **zone}))
    assert (discovery.policy, discovery.effective) == (policy, effective)


@pytest.mark.parametrize(
    ("domain", "record"),
    [
        ("example.com", f"{RECORD}; {FEEDBACK}; ruf=mailto:auth-reports@thirdparty.example.net"),  # B.2.3
        ("test.example.com", f"v=DMARC1; p=reject; {SEVERAL}"),  # B.2.5
    ],
)
async def test_dmarc_third_party_reports_need_authorization(domain: str, record: str) -> None:
    request = CheckRequest(Target(domain=domain))
    hosts = {name: {"A": ["203.0.113.5"]} for name in (domain, "example.com", "thirdparty.example.net")}
    zone: Zone = {**hosts, f"_dmarc.{domain}": {"TXT": [record]}}
    unauthorized, authorized = [
        {finding.code for finding in await dmarc.check(request, World({**zone, **extra_zone}))}
        for extra_zone in ({}, AUTHORIZED)
    ]
    assert unauthorized - authorized == {"dmarc.report-unauthorised"}


SIMPLE = published(com_example=RECORD, com_example_signing=RECORD)
BANK = published(example_bank=f"{RECORD}; psd=y", example_bank_giant=RECORD)


@pytest.mark.parametrize(
    ("domain", "zone", "org_domain", "record_at"),
    [
        ("example.com", SIMPLE, "example.com", "example.com"),  # B.4.1
        ("signing.example.com", SIMPLE, "example.com", "signing.example.com"),
        ("a.b.c.d.e.f.g.h.i.j.k.example.com", SIMPLE, "example.com", "example.com"),  # B.4.2
        ("giant.bank.example", BANK, "giant.bank.example", "giant.bank.example"),  # B.4.3
        ("mail.giant.bank.example", BANK, "giant.bank.example", "giant.bank.example"),
        ("mail.mega.bank.example", BANK, "mega.bank.example", "bank.example"),
    ],
)
async def test_discover_walk_finds_org_domain_and_record(
    domain: str, zone: Zone, org_domain: str, record_at: str
) -> None:
    discovery = (await discover(domain, World({domain: {"A": ["203.0.113.5"]}, **zone}))).to_json()
    assert (discovery["org_domain"], discovery["record_at"]) == (org_domain, f"_dmarc.{record_at}")


async def test_discover_deep_name_queries_the_names_of_the_example() -> None:
    """B.4.2: after the full name the walk skips to seven labels."""
    discovery = await discover("a.b.c.d.e.f.g.h.i.j.k.example.com", World(SIMPLE))
    names = ("a.b.c.d.e.f.g.h.i.j.k", "g.h.i.j.k", "h.i.j.k", "i.j.k", "j.k", "k")
    assert discovery.to_json()["queries"] == [
        *(f"_dmarc.{name}.example.com" for name in names),
        "_dmarc.example.com",
        "_dmarc.com",
    ]
