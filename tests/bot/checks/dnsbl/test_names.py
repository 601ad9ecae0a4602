"""Names that receivers look up: which ones are asked, and what a listing of each of them counts."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

import pytest

from bot.checks.dnsbl import InMemoryTrustCache, blocklist_check
from bot.checks.dnsbl.catalog import Kind, MailboxHash
from bot.checks.dnsbl.names import canonical_mailbox, mailbox_label, names_by_kind, ptr_name_of
from bot.checks.lookups import reverse_name
from bot.models import CheckRequest, Finding, Target, Verdict
from tests.bot.checks.dnsbl.lists import FakeClock, catalog_of
from tests.bot.checks.dnsbl.test_bulk import FakeBulkLookup
from tests.support.dns_world import World

IP = ip_address("203.0.113.5")
DBL = "dbl.spamhaus.org"
SPAM = {"A": ["127.0.1.2"]}
WORKING: Mapping[str, Mapping[str, list[str]]] = {
    f"dbltest.com.{DBL}": SPAM,
    "test.surbl.org.multi.surbl.org": {"A": ["127.0.0.254"]},
}


def with_ptr(name: str, *listed: str, code: str = "127.0.1.2") -> World:
    records = {f"{text}.{DBL}": {"A": [code]} for text in listed}
    return World({**WORKING, **records, reverse_name(IP): {"PTR": [f"{name}."]}} if name else {**WORKING, **records})


async def dbl_findings(request: CheckRequest, world: World) -> list[Finding]:
    """Of a single check and of a bulk check, which must agree."""
    check = blocklist_check(catalog_of("spamhaus-dbl"), {}, InMemoryTrustCache(), "resolver", FakeClock())
    single, bulk = await check(request, world), await check(request, FakeBulkLookup(world))
    assert single == bulk
    return list(single)


@pytest.mark.parametrize(
    ("request_", "ptr_name", "names"),
    [
        (CheckRequest(Target(IP)), None, None),
        (CheckRequest(Target(IP)), "mx.example.net", ["mx.example.net"]),
        (CheckRequest(Target(domain="example.com")), None, ["example.com"]),
        (CheckRequest(Target(domain="a.b.example.co.uk")), None, ["a.b.example.co.uk", "example.co.uk"]),
        (CheckRequest(Target(domain="ann.github.io")), None, ["ann.github.io"]),
        (
            CheckRequest(Target(IP, "mail.example.com"), helo="helo.example.net"),
            "ptr.example.org",
            ["mail.example.com", "example.com", "ptr.example.org", "helo.example.net"],
        ),
        (CheckRequest(Target(IP, "example.com"), helo="example.com"), "example.com", ["example.com"]),
        (CheckRequest(Target(IP), helo="mx.example.net"), "mx.example.net", ["mx.example.net"]),
    ],
)
def test_domain_names_are_at_most_four_and_unique(request_, ptr_name, names) -> None:
    asked = names_by_kind(request_, ptr_name).get(Kind.DOMAIN)
    assert (asked and [name.text for name in asked]) == names


@pytest.mark.parametrize(
    ("records", "name"),
    [
        (["mx.example.net"], "mx.example.net"),
        (["MX2.Example.net.", "mx1.example.net."], "mx2.example.net"),
        ([], None),
        ("timeout", None),
        (["localhost"], None),
        (["not a name.example.net"], None),
        ([f"{'a.' * 100}example.net"], None),
    ],
)
async def test_ptr_name_is_the_first_usable_one(records, name) -> None:
    assert await ptr_name_of(IP, World({reverse_name(IP): {"PTR": records}})) == name


@pytest.mark.parametrize(
    ("target", "helo", "ptr_name", "listed", "hit"),
    [
        (Target(domain="mail.example.com"), None, "", "mail.example.com", "mail.example.com"),
        (Target(domain="mail.example.com"), None, "", "example.com", "example.com"),
        (Target(IP), None, "mx1.bad.example", "mx1.bad.example", "mx1.bad.example"),
        (Target(IP, "example.com"), "mx.bad.example", "", "mx.bad.example", "mx.bad.example"),
        (Target(IP, "example.com"), None, "mx.example.com", "mx.example.com", "mx.example.com"),
    ],
)
async def test_listing_of_any_name_decides_the_finding(target, helo, ptr_name, listed, hit) -> None:
    (finding,) = await dbl_findings(CheckRequest(target, helo=helo), with_ptr(ptr_name, listed))
    assert (finding.verdict, finding.code) == (Verdict.FAIL, "blocklist.listed")
    assert finding.facts["hit"] == hit
    assert hit in finding.facts["names"]
    assert finding.summary.startswith(hit)
    assert finding.links[0].url.endswith(f"query={hit}")


async def test_address_without_names_has_no_finding_of_domain_lists() -> None:
    assert await dbl_findings(CheckRequest(Target(IP)), with_ptr("")) == []


async def test_names_that_are_not_listed_are_one_finding() -> None:
    request = CheckRequest(Target(IP, "mail.example.com"))
    (finding,) = await dbl_findings(request, with_ptr("mx.example.net"))
    assert (finding.code, finding.facts["hit"]) == ("blocklist.not-listed", None)
    assert finding.facts["names"] == ["mail.example.com", "example.com", "mx.example.net"]
    assert finding.facts["address_names"] == ["mx.example.net"]
    assert finding.summary == (
        "mail.example.com, example.com and mx.example.net (the PTR name) are not on Spamhaus DBL."
    )


@pytest.mark.parametrize(
    ("ptr_name", "helo"),
    [
        ("ec2-203-0-113-5.compute-1.amazonaws.com", None),
        ("host-203-0-113-5.dsl.isp.example", None),
        ("", "vps-1a2b3c4d.vps.ovh.net"),
    ],
)
async def test_listing_of_a_providers_name_is_a_note(ptr_name, helo) -> None:
    name = ptr_name or helo
    request = CheckRequest(Target(IP, "example.com"), helo=helo)
    (finding,) = await dbl_findings(request, with_ptr(ptr_name, name))
    assert (finding.verdict, finding.code, finding.remediation) == (Verdict.PASS, "blocklist.noted", "")
    assert (finding.facts["hit"], finding.facts["effect"]) == (name, "info")
    assert "your provider chose that name" in finding.summary


async def test_typed_name_below_a_provider_counts() -> None:
    name = "shop.vps-1a2b3c4d.vps.ovh.net"
    (finding,) = await dbl_findings(CheckRequest(Target(IP, name)), with_ptr(name, name))
    assert (finding.verdict, finding.facts["hit"]) == (Verdict.FAIL, name)


async def test_worst_name_wins() -> None:
    records = {
        f"example.com.{DBL}": "timeout",
        f"helo.example.net.{DBL}": "127.0.1.4",
        f"mail.example.com.{DBL}": "127.0.1.2",
    }
    for last, expected in ((3, (Verdict.FAIL, "mail.example.com")), (2, (Verdict.FAIL, "helo.example.net"))):
        answers = {
            name: {"A": answer if answer == "timeout" else [answer]} for name, answer in list(records.items())[:last]
        }
        request = CheckRequest(Target(domain="mail.example.com"), helo="helo.example.net")
        (finding,) = await dbl_findings(request, World({**WORKING, **answers}))
        assert (finding.verdict, finding.facts["hit"]) == expected
    (finding,) = await dbl_findings(
        CheckRequest(Target(domain="mail.example.com")), World({**WORKING, f"example.com.{DBL}": {"A": "timeout"}})
    )
    assert (finding.verdict, finding.facts["state"], finding.facts["hit"]) == (Verdict.UNKNOWN, "unknown", None)


@pytest.mark.parametrize(
    ("mailbox", "canonical"),
    [
        ("Ann@Example.com", "ann@example.com"),
        ("ann+news@example.com", "ann@example.com"),
        ("a.n.n@example.com", "a.n.n@example.com"),
        ("a.n.n+x@gmail.com", "ann@gmail.com"),
        ("a.nn@googlemail.com", "ann@gmail.com"),
    ],
)
def test_canonical_mailbox_is_the_same_for_all_spellings(mailbox: str, canonical: str) -> None:
    assert canonical_mailbox(mailbox) == canonical


def test_mailbox_labels_are_hashes() -> None:
    # The second is a test entry that Spamhaus publishes.
    assert mailbox_label("User@Example.com", MailboxHash.SHA1) == "63a710569261a24b3766275b7000ce8d7b32e2f7"
    assert mailbox_label("user@hbltest.com", MailboxHash.HBL) == (
        "f3pdgtmwu6lfigdjc67yniwry5zrm7erletnfo36qaeqpmbpw2da._email"
    )


async def test_international_name_is_shown_as_its_owner_writes_it() -> None:
    name = "xn--mller-kva.example"
    (finding,) = await dbl_findings(CheckRequest(Target(domain=name)), with_ptr("", name))
    assert finding.summary.startswith(f"müller.example ({name}) is on Spamhaus DBL")
    assert finding.facts["hit"] == name
    assert finding.links[0].url.endswith(f"query={name}")
