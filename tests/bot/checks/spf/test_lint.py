"""SPF check of a domain without an address: all records are read; exact texts."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from bot.checks.spf import check
from bot.models import CheckRequest, Target
from tests.bot.checks.spf.domains import findings
from tests.support.dns_world import World


@pytest.mark.parametrize(
    ("domain", "verdict", "code", "summary"),
    [
        (
            "example.com",
            "pass",
            "valid-record",
            "The SPF record of example.com is valid and needs 3 of 10 DNS lookups; every other sender fails (-all).",
        ),
        (
            "_spf.example.net",
            "pass",
            "valid-record",
            "The SPF record of _spf.example.net is valid and needs 1 of 10 DNS lookups; every other sender "
            "softfails (~all).",
        ),
        ("parked.example", "pass", "valid-record", "The SPF record of parked.example allows no sender (v=spf1 -all)."),
        (
            "doubted.example",
            "pass",
            "valid-record",
            "The SPF record of doubted.example is valid and needs 1 of 10 DNS lookups; every other sender "
            "fails (-all).",
        ),
        (
            "none.example",
            "warn",
            "missing-record",
            "none.example has no SPF record, so receivers cannot tell which servers may send its mail.",
        ),
        (
            "near.example",
            "fail",
            "missing-record",
            "near.example has no SPF record: “v=spf1;mx -all” does not start with v=spf1 and a space.",
        ),
        (
            "nowhere.example",
            "fail",
            "no-such-domain",
            "nowhere.example does not exist in DNS, so many receivers reject mail from it.",
        ),
        ("two.example", "fail", "multiple-records", "SPF permerror: two.example has 2 SPF records; one is allowed."),
        (
            "wrong-below.example",
            "fail",
            "syntax-error",
            "SPF permerror: receivers cannot evaluate the record of wrong.example. “ipv4:192.0.2.1” is not "
            "a term of SPF; write ip4 instead of ipv4.",
        ),
        (
            "lost.example",
            "fail",
            "missing-include",
            "SPF permerror: the record of lost.example refers to none.example, which has no SPF record.",
        ),
        (
            "big.example",
            "fail",
            "too-many-lookups",
            "SPF of big.example needs 24 DNS lookups; the limit is 10 (permerror unless a term matches early).",
        ),
        (
            "loop.example",
            "fail",
            "too-many-lookups",
            "SPF permerror: the records under loop.example include each other in a loop.",
        ),
        (
            "crowd.example",
            "fail",
            "too-many-hosts",
            "SPF permerror at mx: crowd.example has more than 10 MX records; the limit is 10.",
        ),
        (
            "open.example",
            "fail",
            "allows-everyone",
            "“+all” in the SPF record of open.example lets any address send as open.example.",
        ),
        (
            "open-below.example",
            "fail",
            "allows-everyone",
            "“+all” in the SPF record of open.example lets any address send as open-below.example.",
        ),
        (
            "wide.example",
            "fail",
            "allows-everyone",
            "“ip4:0.0.0.0/0” in the SPF record of wide.example lets any address send as wide.example.",
        ),
        (
            "dead.example",
            "fail",
            "too-many-voids",
            "SPF permerror: x1.example, x2.example and x3.example have no DNS records; the limit is 2 void lookups.",
        ),
        (
            "soft.example",
            "warn",
            "dead-name",
            "“a:gone.example” in the SPF record of soft.example matches nothing: gone.example has no such DNS "
            "records; the limit is 2 void lookups.",
        ),
        (
            "dual.example",
            "warn",
            "ipv6-voids",
            "mx1.example.com, mx2.example.com and mx3.example.com have no AAAA record; the limit is 2 void "
            "lookups, so IPv6 senders get a permerror before receivers reach the IPv6 addresses in the "
            "record.",
        ),
        (
            "neutral.example",
            "warn",
            "neutral-default",
            "The SPF record of neutral.example ends in ?all, so it neither allows nor forbids servers it "
            "does not list.",
        ),
        (
            "moved.example",
            "warn",
            "neutral-default",
            "The SPF record of _spf.moved.example ends in ?all, so it neither allows nor forbids servers it "
            "does not list.",
        ),
        (
            "open-ended.example",
            "warn",
            "no-default",
            "The SPF record of open-ended.example ends without all, so it neither allows nor forbids "
            "servers it does not list.",
        ),
        (
            "ptr.example",
            "warn",
            "uses-ptr",
            "The SPF record of ptr.example uses ptr, which is slow and which some receivers ignore.",
        ),
        (
            "too-long.example",
            "warn",
            "long-record",
            "The SPF record of too-long.example has 491 bytes, more than the recommended 450: receivers "
            "whose network drops long DNS answers see no record.",
        ),
        (
            "joined.example",
            "fail",
            "syntax-error",
            "SPF permerror: receivers cannot evaluate the record of joined.example. "
            "“ip4:192.0.2.1include:_spf.example.net” is two terms run together; put a space in front of "
            "“include:”: TXT strings are joined without one.",
        ),
        ("slow.example", "unknown", "no-answer", "DNS gave no answer about the SPF record of slow.example (timeout)."),
        (
            "slow-below.example",
            "unknown",
            "no-answer",
            "DNS gave no answer about the SPF record of slow.example (timeout).",
        ),
    ],
)
async def test_spf_domain_lint_finding(domain: str, verdict: str, code: str, summary: str) -> None:
    finding = (await findings(None, domain))[0]
    assert (finding.subject, str(finding.verdict), finding.code, finding.summary) == (
        domain,
        verdict,
        f"spf.{code}",
        summary,
    )


async def test_spf_two_mx_hosts_without_ipv6_are_valid() -> None:
    assert [finding.code for finding in await findings(None, "dual-of-two.example")] == ["spf.valid-record"]


async def test_spf_lookups_are_counted_beyond_the_limit() -> None:
    assert (await findings(None, "big.example"))[0].facts["lookups"] == 24


async def test_spf_endless_tree_stops_after_forty_records() -> None:
    async def endless(name: str, rdtype: str, /) -> Any:
        child = f"x{name}" if len(name) < 200 else "end.example"
        return World({name: {"TXT": [f"v=spf1 include:{child} ~all"]}}).answer(name, rdtype)

    results = await check(CheckRequest(Target(domain="tree.example")), endless)
    assert [finding.code for finding in results] == ["spf.too-many-lookups", "spf.no-answer"]
    assert "needs at least 40 DNS lookups" in results[0].summary


@pytest.mark.parametrize(
    ("name", "rdtype", "part"),
    [
        ("_spf.example.com", "TXT", "stands at _spf.example.com; receivers look for it at example.com only"),
        ("spf.example.com", "TXT", "stands at spf.example.com"),
        ("example.com.example.com", "TXT", "the DNS editor has added the domain once more"),
        ("example.com", "SPF", "has the record type SPF"),
    ],
)
@pytest.mark.parametrize("ip", [None, "192.0.2.1"])
async def test_spf_misplaced_record_is_shown(name: str, rdtype: str, part: str, ip: str | None) -> None:
    zone = {"example.com": {"TXT": ["hello"]}}
    zone.setdefault(name, {})[rdtype] = ["v=spf1 mx -all"]
    target = Target(ip_address(ip) if ip else None, "example.com")
    finding = (await check(CheckRequest(target), World(zone)))[0]
    assert finding.code == "spf.missing-record"
    assert part in finding.summary


async def test_spf_dead_name_has_the_terms_of_the_record() -> None:
    zone = {"example.com": {"TXT": ["v=spf1 a mx -all"]}}
    (finding,) = await check(CheckRequest(Target(domain="example.com")), World(zone))
    assert finding.remediation.startswith("Remove “a” and “mx” from the TXT record of example.com")


async def test_spf_name_made_by_a_macro_is_never_to_be_removed() -> None:
    zone = {"example.com": {"TXT": ["v=spf1 include:%{i}._spf.example.net -all"]}}
    (finding,) = await check(CheckRequest(Target(ip_address("192.0.2.1"), "example.com")), World(zone))
    assert finding.code == "spf.permanent-error"
    assert "Remove" not in finding.remediation
    assert "Macros make that name from the sender" in finding.remediation
