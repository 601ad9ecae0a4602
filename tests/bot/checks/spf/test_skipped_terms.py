"""What receivers skip in an SPF record is told with the way out; what they read is not."""

from __future__ import annotations

import pytest

from bot.checks.spf import check
from bot.models import CheckRequest, Finding, Target, Verdict
from tests.support.dns_world import World

NET = "ip4:192.0.2.0/24"
SKIPPED = {  # a record, and the variant with the term that it quotes
    "v=spf1 -all include:_spf.example.net": "“include:_spf.example.net” in the SPF record of example.com stands after",
    f"v=spf1 a ~all {NET} mx": f"“{NET} mx” in the SPF record of example.com stands after ~all",
    f"v=spf1 {NET} -all redirect=_spf.example.net": "“redirect=_spf.example.net” in the SPF record of example.com has",
    f"v=spf1 redirect=_spf.example.net {NET} ?all": "“redirect=_spf.example.net” in the SPF record of example.com has",
    **{
        f"v=spf1 {NET} {name}={value} -all": f"“{name}={value}” in the SPF record of example.com means nothing"
        for name, value in {
            "include": "_spf.example.net",
            "ip4": "192.0.2.9",
            "ip6": "2001:db8::1",
            "a": "mail.example.com",
            "mx": "example.com",
            "exists": "example.com",
            "INCLUDE": "_spf.example.net",
            "inlcude": "_spf.example.net",
            "redirct": "_spf.example.net",
        }.items()
    },
    f"v=spf1 {NET} v=spf1 a -all": "The SPF record of example.com has v=spf1 twice",
    "v=spf1 ip6:::ffff:192.0.2.9 -all": "“ip6:::ffff:192.0.2.9” in the SPF record of example.com never matches",
    "v=spf1 ip6:::ffff:192.0.2.0/120 -all": "“ip6:::ffff:192.0.2.0/120” in the SPF record of example.com never",
    f"v=spf1 {NET} -ip4:192.0.2.9 ~all": "“-ip4:192.0.2.9” in the SPF record of example.com forbids nothing",
    "v=spf1 include:_spf.example.net include:_spf.example.net -all": "“include:_spf.example.net” stands more than once",
    "v=spf1 mx MX -all": "“mx” stands more than once",
}
READ = (
    f"v=spf1 {NET} -all",
    f"v=spf1 {NET} -all exp=why.example.com",
    f"v=spf1 {NET} ra=postmaster rp=100 -all",
    f"v=spf1 -ip4:192.0.2.9 {NET} -all",
    f"v=spf1 {NET} redirect=_spf.example.net",
    "v=spf1 mx a a:mail.example.com -all",
)
STEPS = {
    "v=spf1 -all include:_spf.example.net": "Move “include:_spf.example.net” in front of -all, or remove it if nothing "
    "of yours sends by it.",
    f"v=spf1 {NET} ip4=192.0.2.9 -all": "Write “ip4:192.0.2.9” instead of “ip4=192.0.2.9”.",
    f"v=spf1 {NET} redirct=_spf.example.net": "Write “redirect=_spf.example.net” instead",
    "v=spf1 ip6:::ffff:192.0.2.0/120 -all": "Write “ip4:192.0.2.0/24” instead of “ip6:::ffff:192.0.2.0/120”.",
}
WIDE = {
    "ip4:45.0.0.0/8": ("spf.wide-network", "lets 17 million addresses send as example.com"),
    "ip4:45.0.0.0/9 ip4:45.128.0.0/9": ("spf.wide-network", "lets 8 million addresses"),
    " ".join(f"ip4:45.{n}.0.0/16" for n in range(0, 128, 2)): ("spf.wide-network", "add up to 4 million addresses"),
    "a:mail.example.com/8": ("spf.wide-network", "lets 17 million"),
    "ip6:2001::/16": ("spf.wide-network", "as large as a whole provider"),
    "include:wide.example.net": ("spf.wide-network", "in the SPF record of wide.example.net"),
    "ip4:0.0.0.0/1 ip4:128.0.0.0/1": ("spf.allows-everyone", "add up to 4295 million addresses"),
    " ".join(f"ip4:{n}.0.0.0/8" for n in range(1, 224)): ("spf.allows-everyone", "half of the Internet or more"),
    "a:mail.example.com/0": ("spf.allows-everyone", "“a:mail.example.com/0”"),
}


async def lint(record: str) -> list[Finding]:
    zone = {
        "example.com": {"TXT": [record], "A": ["198.51.100.1"], "MX": ["10 mail.example.com"]},
        "mail.example.com": {"A": ["45.50.11.40"]},
        "_spf.example.net": {"TXT": ["v=spf1 ip4:203.0.113.0/28 -all"]},
        "wide.example.net": {"TXT": ["v=spf1 ip4:45.0.0.0/8 -all mx"]},
    }
    return await check(CheckRequest(Target(domain="example.com")), World(zone))


@pytest.mark.parametrize("record", SKIPPED)
async def test_spf_skipped_term_is_a_finding(record: str) -> None:
    skipped = [finding for finding in await lint(record) if finding.code == "spf.skipped-term"]
    assert len(skipped) == 1
    assert skipped[0].summary.startswith(SKIPPED[record])
    assert skipped[0].verdict >= Verdict.WARN


@pytest.mark.parametrize("record", READ)
async def test_spf_term_that_receivers_read_is_no_finding(record: str) -> None:
    assert {finding.code for finding in await lint(record)} == {"spf.valid-record"}


@pytest.mark.parametrize("record", STEPS)
async def test_spf_skipped_term_has_the_way_out(record: str) -> None:
    assert any(finding.remediation.startswith(STEPS[record]) for finding in await lint(record))


@pytest.mark.parametrize("terms", WIDE)
async def test_spf_networks_are_summed(terms: str) -> None:
    code, part = WIDE[terms]
    findings = await lint(f"v=spf1 {terms} -all")
    assert findings[0].code == code
    assert part in findings[0].summary


async def test_spf_skipped_term_of_another_owner_is_no_finding() -> None:
    assert "spf.skipped-term" not in {finding.code for finding in await lint("v=spf1 include:wide.example.net -all")}


async def test_spf_private_network_is_not_counted() -> None:
    assert {finding.code for finding in await lint("v=spf1 ip4:10.0.0.0/8 mx -all")} == {"spf.valid-record"}


@pytest.mark.parametrize(
    ("term", "hint"),
    [
        ("192.0.2.9", "“ip4:192.0.2.9”"),
        ("192.0.2.0/24", "“ip4:192.0.2.0/24”"),
        ("2001:db8::9", "“ip6:2001:db8::9”"),
        ("mail.example.com", "a: in front"),
        ("ip4:192.0.2.9,ip4:192.0.2.10", "not by commas"),
        ("ip4:192.0.2.9,", "not by commas"),
        ("a,mx", "not by commas"),
        ("include:_spf.example.net,mx", "not by commas"),
    ],
)
async def test_spf_term_without_mechanism_has_a_hint(term: str, hint: str) -> None:
    assert hint in (await lint(f"v=spf1 {term} -all"))[0].summary


async def test_spf_lookups_are_a_bound_if_an_include_depends_on_the_sender() -> None:
    (finding,) = await lint("v=spf1 include:%{i}._spf.example.net -all")
    assert "needs at least 1 of 10 DNS lookups" in finding.summary
