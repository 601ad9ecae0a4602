"""What a DMARC record says otherwise than its author meant is quoted, with how to write it."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from bot.checks import dmarc
from bot.models import CheckRequest, Finding, Target, Verdict
from tests.support.dns_world import World, Zone

RUA = "rua=mailto:dmarc@example.com"
HOSTS: Zone = {
    "example.com": {"MX": ["10 mx.example.com"]},
    "news.example.com": {"A": ["203.0.113.5"]},
    "null.example.com": {"MX": ["0 ."]},
    "bare.example.com": {"TXT": ["hello"]},
    "address.example.com": {"AAAA": ["2001:db8::5"]},
    "slow.example.com": {"MX": "timeout"},
}
# The record after v=DMARC1;, and a code with parts of its summary and its step.
FLAWS = [
    (f"p=rejct; {RUA}", "dmarc.no-policy", "“p=rejct”", "none, quarantine or reject"),
    (f"p=reject; sp=block; {RUA}", "dmarc.no-policy", "“sp=block”", "none, quarantine or reject"),
    ("p=rejct", "dmarc.invalid", "“p=rejct”", "none, quarantine or reject"),
    ("adkim=s", "dmarc.invalid", "has no policy", "Set p to none"),
    (RUA, "dmarc.monitoring-only", "has no p, which receivers take as p=none", "p=none right after v=DMARC1"),
    (f"p=none; apsf=s; {RUA}", "dmarc.unknown-tag", "“apsf=s”", "“aspf=s”"),
    (f"p=none; akdim=r; {RUA}", "dmarc.unknown-tag", "“akdim=r”", "“adkim=r”"),
    ("p=none; fo:0", "dmarc.unknown-tag", "“fo:0”", "“fo=0”"),
    (
        "p=none; ruf:mailto:x@example.com",
        "dmarc.unknown-tag",
        "“ruf:mailto:x@example.com”",
        "“ruf=mailto:x@example.com”",
    ),
    ("p=none; bimi-policy=yes", "dmarc.unknown-tag", "“bimi-policy=yes”", "Remove"),
    (f"p=none; {RUA}; mailto:b@example.com", "dmarc.unknown-tag", "after a semicolon", "comma"),
    (
        "p=reject; rua=postmaster@example.com",
        "dmarc.report-address",
        "lacks mailto:",
        "“mailto:postmaster@example.com”",
    ),
    (f"p=none; {RUA},b@example.com", "dmarc.report-address", "“b@example.com”", "“mailto:b@example.com”"),
    ("p=none; rua=", "dmarc.report-address", "rua in the DMARC record at _dmarc.example.com is empty", "mailto:"),
    ("p=none; rua=mailto:example.com", "dmarc.report-address", "“mailto:example.com”", "mailto:"),
    ("p=none; adkim=strict", "dmarc.invalid-tag", "“adkim=strict”", "adkim"),
    ("p=none; rua=mailto:a@gone.example.com", "dmarc.report-undeliverable", "gone.example.com", "takes mail"),
    ("p=none; rua=mailto:a@null.example.com", "dmarc.report-undeliverable", "null.example.com", "takes mail"),
    ("p=none; ruf=mailto:a@bare.example.com", "dmarc.report-undeliverable", "bare.example.com", "takes mail"),
    ("p=reject; pct=0", "dmarc.partial", "pct=0", "switches p=reject fully on"),
    ("p=quarantine; pct=50", "dmarc.partial", "pct=50", "p=quarantine to all mail"),
    ("p=reject; aspf=s; adkim=s", "dmarc.strict-alignment", "return path and DKIM domain must be exactly", ""),
    ("p=reject; adkim=s", "dmarc.strict-alignment", "the DKIM domain must be exactly", ""),
    (f"{RUA}; p=reject", "dmarc.policy-not-first", "p does not stand right after v=DMARC1", ""),
]
RIGHT = (
    f"p=reject; {RUA}",
    f"p=reject; sp=reject; adkim=r; aspf=r; fo=1:d:s; {RUA}",
    "p=reject; rua=mailto:a@example.com, mailto:b@example.com",
    "p=reject; rua=mailto:a@address.example.com",
    "p=reject; rua=mailto:a@slow.example.com",
    "p=reject;; ",
)
MISPLACED = {
    "_dmarc.example.com.example.com": "the DNS editor has added the domain once more",
    "example.com": "stands at example.com; receivers look for it at _dmarc.example.com only",
    "dmarc.example.com": "stands at dmarc.example.com",
}


async def findings(zone: Zone, domain: str = "example.com") -> list[Finding]:
    target = Target(ip_address("203.0.113.5"), domain)
    return list(await dmarc.check(CheckRequest(target), World({**HOSTS, **zone})))


async def lint(tags: str) -> list[Finding]:
    return await findings({"_dmarc.example.com": {"TXT": [f"v=DMARC1; {tags}"]}})


@pytest.mark.parametrize(("tags", "code", "part", "step"), FLAWS)
async def test_dmarc_flaw_is_quoted_with_its_step(tags: str, code: str, part: str, step: str) -> None:
    (finding,) = [finding for finding in await lint(tags) if finding.code == code]
    assert part in finding.summary
    assert step in finding.remediation


@pytest.mark.parametrize("tags", RIGHT)
async def test_dmarc_right_record_has_no_flaw(tags: str) -> None:
    assert [finding.code for finding in await lint(tags)] == ["dmarc.ok"]


@pytest.mark.parametrize(
    "text", [" v=DMARC1; p=reject", "v=dmarc1; p=none", "v=DMARC1 p=reject", "v=DMARC1\\; p=none", "“v=DMARC1; p=none”"]
)
@pytest.mark.parametrize("domain", ["example.com", "news.example.com"])
async def test_dmarc_near_miss_is_shown(text: str, domain: str) -> None:
    (finding,) = await findings({"_dmarc.example.com": {"TXT": [text]}}, domain)
    assert (finding.code, finding.verdict) == ("dmarc.missing", Verdict.FAIL)
    assert f"“{text}”" in finding.summary


@pytest.mark.parametrize("name", MISPLACED)
@pytest.mark.parametrize("domain", ["example.com", "news.example.com"])
async def test_dmarc_misplaced_record_is_shown(name: str, domain: str) -> None:
    (finding,) = await findings({name: {"TXT": ["v=DMARC1; p=reject"]}}, domain)
    assert (finding.code, finding.verdict) == ("dmarc.missing", Verdict.FAIL)
    assert MISPLACED[name] in finding.summary


@pytest.mark.parametrize(("mx", "codes"), [([], ["dmarc.ok"]), (["0 ."], ["dmarc.ok", "dmarc.report-undeliverable"])])
async def test_dmarc_host_that_consents_is_believed_unless_it_has_a_null_mx(mx: list[str], codes: list[str]) -> None:
    zone: Zone = {
        "_dmarc.example.com": {"TXT": ["v=DMARC1; p=reject; rua=mailto:a@example.net"]},
        "example.com._report._dmarc.example.net": {"TXT": ["v=DMARC1"]},
        "example.net": {"MX": mx},
    }
    assert [finding.code for finding in await findings(zone)] == codes


async def test_dmarc_registry_policy_is_not_that_of_older_receivers() -> None:
    zone: Zone = {"_dmarc.bank": {"TXT": ["v=DMARC1; p=reject; psd=y; rua=mailto:a@registry.bank"]}}
    codes = {finding.code: finding for finding in await findings({**zone, "example.bank": {}}, "example.bank")}
    assert set(codes) == {"dmarc.ok", "dmarc.receivers-differ"}
    assert "_dmarc.example.bank and find no record" in codes["dmarc.receivers-differ"].summary
    assert "registry's business" in codes["dmarc.receivers-differ"].remediation


@pytest.mark.parametrize(
    ("records", "differ"),
    [
        ({"_dmarc.b.example.com": "p=reject"}, True),  # the record of a parent that is not registered
        ({"_dmarc.b.example.com": "p=reject", "_dmarc.example.com": "p=none"}, False),
        ({"_dmarc.a.b.example.com": "p=reject"}, False),
        ({"_dmarc.example.com": "p=reject; sp=none"}, False),
    ],
)
async def test_dmarc_receivers_differ_where_only_the_tree_walk_finds_a_record(
    records: dict[str, str], differ: bool
) -> None:
    zone = {name: {"TXT": [f"v=DMARC1; {tags}"]} for name, tags in records.items()}
    codes = [finding.code for finding in await findings({**zone, "a.b.example.com": {}}, "a.b.example.com")]
    assert ("dmarc.receivers-differ" in codes) == differ
