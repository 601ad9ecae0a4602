"""SPF check of a domain without an address: all records are read; exact texts."""

from __future__ import annotations

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
            "The SPF record of example.com is valid and needs 3 of 10 lookups; every other sender is refused.",
        ),
        (
            "_spf.example.net",
            "pass",
            "valid-record",
            "The SPF record of _spf.example.net is valid and needs 1 of 10 lookups; every other "
            "sender is marked as suspicious.",
        ),
        ("parked.example", "pass", "valid-record", "The SPF record of parked.example says that nobody sends its mail."),
        (
            "doubted.example",
            "pass",
            "valid-record",
            "The SPF record of doubted.example is valid and needs 1 of 10 lookups; every other sender is refused.",
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
            "nowhere.example does not exist in DNS, so mail from it is refused by many receivers.",
        ),
        ("two.example", "fail", "multiple-records", "two.example has 2 SPF records, so receivers stop with an error."),
        (
            "wrong-below.example",
            "fail",
            "syntax-error",
            "Receivers stop at the SPF record of wrong.example with an error: “ipv4:192.0.2.1” is "
            "not a term that SPF knows; write ip4 instead of ipv4.",
        ),
        (
            "lost.example",
            "fail",
            "missing-include",
            "The SPF record of lost.example points at none.example, which has no SPF record, so "
            "receivers stop there with an error.",
        ),
        (
            "big.example",
            "fail",
            "too-many-lookups",
            "The SPF record of big.example can need 24 lookups where 10 are allowed, so receivers "
            "stop with an error for every sender that is not found early.",
        ),
        (
            "loop.example",
            "fail",
            "too-many-lookups",
            "The SPF records under loop.example include each other in a circle, so receivers stop with an error.",
        ),
        (
            "crowd.example",
            "fail",
            "too-many-hosts",
            "crowd.example has more than 10 MX records, so receivers stop at mx with an error.",
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
            "x1.example, x2.example and x3.example lead to nothing; SPF allows 2 such names, so receivers stop there.",
        ),
        (
            "soft.example",
            "warn",
            "dead-name",
            "The SPF record asks for gone.example, which leads to nothing; SPF allows 2 such names.",
        ),
        (
            "dual.example",
            "warn",
            "ipv6-voids",
            "mx1.example.com, mx2.example.com and mx3.example.com have no IPv6 address; SPF allows "
            "2 such names, so receivers stop with an error before they come to the IPv6 addresses "
            "in the record.",
        ),
        (
            "neutral.example",
            "warn",
            "neutral-default",
            "The SPF record of neutral.example ends in ?all, so it says nothing about servers it does not list.",
        ),
        (
            "moved.example",
            "warn",
            "neutral-default",
            "The SPF record of _spf.moved.example ends in ?all, so it says nothing about servers it does not list.",
        ),
        (
            "open-ended.example",
            "warn",
            "no-default",
            "The SPF record of open-ended.example ends without all, so it says nothing about servers it does not list.",
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
            "The SPF record of too-long.example has 491 bytes, more than the 450 that are safe: "
            "receivers whose network loses long DNS answers see no record.",
        ),
        (
            "joined.example",
            "fail",
            "syntax-error",
            "Receivers stop at the SPF record of joined.example with an error: "
            "“ip4:192.0.2.1include:_spf.example.net” is two terms run together; put a space in "
            "front of “include:”, since the strings of a TXT record are joined without one.",
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
    assert "can need at least 40 lookups" in results[0].summary
