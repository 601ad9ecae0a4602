"""The worked examples of RFC 9989, appendix B: alignment (B.1), records of a domain's owner (B.2), tree walks (B.4)."""

from __future__ import annotations

import pytest

from bot.checks import dmarc
from bot.checks.dmarc import discover
from bot.models import Order, Target
from tests.support.dns_world import World, Zone

RECORD = "v=DMARC1; p=none"
FEEDBACK = "rua=mailto:dmarc-feedback@example.com"
SEVERAL = f"{FEEDBACK},mailto:tld-test@thirdparty.example.net"
AUTHORISED: Zone = {
    f"{domain}._report._dmarc.thirdparty.example.net": {"TXT": ["v=DMARC1;"]}
    for domain in ("example.com", "test.example.com")
}


def published(**records: str) -> Zone:
    """`com_example="…"` is the record of example.com."""
    return {"_dmarc." + ".".join(reversed(name.split("_"))): {"TXT": [text]} for name, text in records.items()}


@pytest.mark.parametrize(
    ("author", "other", "strict", "relaxed"),
    [
        ("example.com", "example.com", True, True),  # B.1.1 and B.1.2, example 1
        ("example.com", "child.example.com", False, True),  # B.1.1, example 2
        ("child.example.com", "example.com", False, True),  # B.1.2, example 2
        ("child.example.com", "example.net", False, False),  # example 3 of both
        ("example.com", "mail.example.com", False, True),  # B.3.1
    ],
)
async def test_identifiers_are_aligned_where_their_organisation_is_the_same(
    author: str, other: str, strict: bool, relaxed: bool
) -> None:
    world = World(published(com_example=RECORD, net_example=RECORD))
    of_author, of_other = [(await discover(domain, world)).org_domain for domain in (author, other)]
    assert (author == other, of_author == of_other) == (strict, relaxed)


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
async def test_a_record_means_what_its_owner_wants(domain: str, zone: Zone, policy: str, effective: str) -> None:
    found = await discover(domain, World({domain: {"A": ["203.0.113.5"]}, **zone}))
    assert (found.policy, found.effective) == (policy, effective)


@pytest.mark.parametrize(
    ("domain", "record"),
    [
        ("example.com", f"{RECORD}; {FEEDBACK}; ruf=mailto:auth-reports@thirdparty.example.net"),  # B.2.3
        ("test.example.com", f"v=DMARC1; p=reject; {SEVERAL}"),  # B.2.5
    ],
)
async def test_a_third_party_gets_reports_only_where_it_says_that_it_takes_them(domain: str, record: str) -> None:
    order = Order(Target(domain=domain))
    zone: Zone = {domain: {"A": ["203.0.113.5"]}, f"_dmarc.{domain}": {"TXT": [record]}}
    without, with_it = [
        {finding.code for finding in await dmarc.check(order, World({**zone, **more}))} for more in ({}, AUTHORISED)
    ]
    assert without - with_it == {"dmarc.report-unauthorised"}


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
async def test_the_walk_finds_the_organisation_and_the_record(
    domain: str, zone: Zone, org_domain: str, record_at: str
) -> None:
    found = (await discover(domain, World({domain: {"A": ["203.0.113.5"]}, **zone}))).to_json()
    assert (found["org_domain"], found["record_at"]) == (org_domain, f"_dmarc.{record_at}")


async def test_a_deep_name_is_walked_by_the_names_of_the_example() -> None:
    """B.4.2: after the name itself the walk jumps to seven labels."""
    found = await discover("a.b.c.d.e.f.g.h.i.j.k.example.com", World(SIMPLE))
    names = ("a.b.c.d.e.f.g.h.i.j.k", "g.h.i.j.k", "h.i.j.k", "i.j.k", "j.k", "k")
    assert found.to_json()["queries"] == [
        *(f"_dmarc.{name}.example.com" for name in names),
        "_dmarc.example.com",
        "_dmarc.com",
    ]
