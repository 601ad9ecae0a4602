"""SPF check of an address and its HELO name: exact texts."""

from __future__ import annotations

import re
from ipaddress import ip_address

import pytest

from bot.checks.spf import CODES, check
from bot.models import CheckRequest, DnsAnswer, LookupFailed, Role, Target, Verdict
from tests.bot.checks.spf.domains import ZONE, findings
from tests.support.dns_world import World


@pytest.mark.parametrize(
    ("ip", "domain", "verdict", "code", "summary", "step"),
    [
        (
            "203.0.113.5",
            "example.com",
            Verdict.PASS,
            "spf.pass",
            "SPF pass: example.com allows 203.0.113.5 (“ip4:203.0.113.0/28” matches, via "
            "example.com → _spf.example.net → a.example.net; 2 of 10 lookups).",
            "",
        ),
        (
            "203.0.113.99",
            "example.com",
            Verdict.FAIL,
            "spf.fail",
            "SPF fail: example.com does not allow 203.0.113.99, so receivers may reject its mail (“-all” "
            "matches; 3 of 10 lookups).",
            "If 203.0.113.99 sends your mail, add ip4:203.0.113.99 to the SPF record of example.com.",
        ),
        (
            "2001:db8::99",
            "soft.example",
            Verdict.WARN,
            "spf.softfail",
            "SPF softfail: soft.example does not list 2001:db8::99, so its mail may go to spam (“~all” "
            "matches; 2 of 10 lookups, 2 of 2 void lookups).",
            "If 2001:db8::99 sends your mail, add ip6:2001:db8::99 to the SPF record of soft.example.",
        ),
        (
            "203.0.113.99",
            "open-ended.example",
            Verdict.WARN,
            "spf.neutral",
            "SPF neutral: open-ended.example neither allows nor forbids 203.0.113.99, so SPF does not help "
            "(no term matches; 0 of 10 lookups).",
            "If 203.0.113.99 sends your mail, add ip4:203.0.113.99 to the SPF record of open-ended.example.",
        ),
        (
            "203.0.113.99",
            "long.example",
            Verdict.FAIL,
            "spf.fail",
            "SPF fail: long.example does not allow 203.0.113.99, so receivers may reject its mail (“-all” "
            "matches; 0 of 10 lookups).",
            "If 203.0.113.99 sends your mail, add ip4:203.0.113.99 to the SPF record of long.example.",
        ),
        (
            "203.0.113.99",
            "none.example",
            Verdict.FAIL,
            "spf.missing-record",
            "none.example has no SPF record, so receivers cannot tell that 203.0.113.99 may send its mail.",
            "Publish a TXT record at none.example that lists every server that sends for it: "
            "v=spf1 ip4:203.0.113.99 ~all",
        ),
        (
            "203.0.113.99",
            "wrong-below.example",
            Verdict.FAIL,
            "spf.permanent-error",
            "SPF permerror: receivers cannot evaluate the record of wrong-below.example. “ipv4:192.0.2.1” "
            "is not a term of SPF; write ip4 instead of ipv4.",
            "Correct that part of the TXT record of wrong.example.",
        ),
        (
            "203.0.113.99",
            "big.example",
            Verdict.FAIL,
            "spf.permanent-error",
            "SPF permerror: big.example needs 24 DNS lookups for 203.0.113.99; the limit is 10.",
            "Remove the includes of services you no longer use, or replace a and mx by ip4 and ip6, which "
            "need no lookup.",
        ),
        (
            "203.0.113.99",
            "loop.example",
            Verdict.FAIL,
            "spf.permanent-error",
            "SPF permerror: the records under loop.example include each other in a loop, so receivers "
            "cannot evaluate 203.0.113.99.",
            "Remove the include or redirect that closes the loop.",
        ),
        (
            "203.0.113.99",
            "dead.example",
            Verdict.FAIL,
            "spf.permanent-error",
            "SPF permerror: receivers cannot evaluate the record of dead.example. x1.example, x2.example "
            "and x3.example have no DNS records; the limit is 2 void lookups.",
            "Remove x1.example, x2.example and x3.example from the SPF record of dead.example and of what it includes.",
        ),
        (
            "2001:db8:5::1",
            "dual.example",
            Verdict.FAIL,
            "spf.permanent-error",
            "SPF permerror for 2001:db8:5::1: mx1.example.com, mx2.example.com and mx3.example.com have no "
            "AAAA record; the limit is 2 void lookups.",
            "If 2001:db8:5::1 sends your mail, add ip6:2001:db8:5::1 after v=spf1 in the TXT "
            "record of dual.example, in front of a and mx.",
        ),
        (
            "203.0.113.99",
            "slow-below.example",
            Verdict.UNKNOWN,
            "spf.temporary-error",
            "SPF temperror: not known whether slow-below.example allows 203.0.113.99. DNS gave no answer "
            "about slow.example TXT (timeout).",
            "Check again in a few minutes.",
        ),
    ],
)
async def test_spf_address_finding_has_summary_and_remediation(
    ip: str, domain: str, verdict: Verdict, code: str, summary: str, step: str
) -> None:
    finding = (await findings(ip, domain))[0]
    assert (finding.subject, finding.verdict, finding.code, finding.summary, finding.remediation) == (
        domain,
        verdict,
        code,
        summary,
        step,
    )


@pytest.mark.parametrize(
    ("domain", "code"), [("example.com", "spf.client-not-listed"), ("soft.example", "spf.client-not-listed")]
)
async def test_spf_unlisted_client_passes(domain: str, code: str) -> None:
    finding = (await findings("203.0.113.99", domain, Role.CLIENT))[0]
    assert (finding.verdict, finding.code) == (Verdict.PASS, code)
    assert finding.summary == (
        f"SPF of {domain} does not list 203.0.113.99, and need not: receivers check the server a client submits to."
    )


@pytest.mark.parametrize(
    ("domain", "verdict", "code"),
    [
        ("wrong.example", Verdict.FAIL, "spf.permanent-error"),
        ("none.example", Verdict.WARN, "spf.missing-record"),
        ("slow.example", Verdict.UNKNOWN, "spf.temporary-error"),
    ],
)
async def test_spf_broken_domain_is_reported_for_client(domain: str, verdict: Verdict, code: str) -> None:
    (finding,) = await findings("203.0.113.99", domain, Role.CLIENT)
    assert (finding.verdict, finding.code) == (verdict, code)


async def test_spf_passing_address_makes_other_problems_warnings() -> None:
    passing, beside = await findings("192.0.2.1", "big.example")
    assert (passing.code, beside.code, beside.verdict) == ("spf.pass", "spf.too-many-lookups", Verdict.WARN)


async def test_spf_findings_have_distinct_codes() -> None:
    for domain in ZONE:
        codes = [finding.code for finding in await findings("203.0.113.99", domain)]
        assert len(codes) == len(set(codes)), domain
        if "spf.permanent-error" in codes:
            assert not {"spf.syntax-error", "spf.multiple-records"} & set(codes)


@pytest.mark.parametrize(
    ("ip", "helo", "verdict", "code", "summary"),
    [
        (
            "192.0.2.1",
            "helo.example",
            "pass",
            "helo-pass",
            "SPF pass: the record of the HELO name helo.example lists 192.0.2.1.",
        ),
        (
            "192.0.2.2",
            "helo.example",
            "fail",
            "helo-fail",
            "SPF fail: the record of the HELO name helo.example does not allow 192.0.2.2, so receivers may "
            "reject its mail (“-all” matches).",
        ),
        (
            "192.0.2.2",
            "helo-soft.example",
            "warn",
            "helo-softfail",
            "SPF softfail: the record of the HELO name helo-soft.example does not list 192.0.2.2, so its "
            "bounces may go to spam (“~all” matches).",
        ),
        (
            "192.0.2.2",
            "neutral.example",
            "pass",
            "helo-neutral",
            "SPF neutral: the record of the HELO name neutral.example neither allows nor forbids 192.0.2.2.",
        ),
        (
            "192.0.2.2",
            "mx1.example.com",
            "pass",
            "helo-no-record",
            "The HELO name mx1.example.com has no SPF record of its own, which is allowed.",
        ),
        (
            "192.0.2.2",
            "two.example",
            "fail",
            "helo-error",
            "SPF permerror: receivers cannot evaluate the record of the HELO name two.example. two.example "
            "has 2 SPF records; one is allowed.",
        ),
        (
            "192.0.2.2",
            "slow.example",
            "unknown",
            "helo-no-answer",
            "SPF of the HELO name slow.example: not known. DNS gave no answer about slow.example TXT (timeout).",
        ),
    ],
)
async def test_spf_helo_finding_follows_domain_findings(
    ip: str, helo: str, verdict: str, code: str, summary: str
) -> None:
    results = await findings(ip, "example.com", helo=helo)
    assert results[0].subject == "example.com"
    assert (results[-1].subject, str(results[-1].verdict), results[-1].code) == (helo, verdict, f"spf.{code}")
    assert results[-1].summary == summary


async def test_spf_address_without_domain_returns_nothing() -> None:
    world = World(ZONE)
    assert await check(CheckRequest(Target(ip_address("192.0.2.1"))), world) == []
    assert world.queries == []
    assert [finding.subject for finding in await findings("192.0.2.1", None, helo="helo.example")] == ["helo.example"]


async def budget_exhausted(name: str, rdtype: str, /) -> DnsAnswer:
    raise LookupFailed("budget", f"{name} {rdtype}")


async def test_spf_query_budget_exhausted_is_not_finished() -> None:
    (finding,) = await check(CheckRequest(Target(ip_address("192.0.2.1"), "example.com")), budget_exhausted)
    assert (finding.verdict, finding.code) == (Verdict.UNKNOWN, "spf.not-finished")


async def test_spf_every_code_occurs_and_is_documented() -> None:
    results = [
        await findings(ip, domain) for domain in [*ZONE, "nowhere.example"] for ip in (None, "203.0.113.5", "192.0.2.1")
    ]
    results += [await findings("192.0.2.1", "example.com", helo=helo) for helo in [*ZONE, "neutral.example"]]
    results += [await findings("203.0.113.99", domain, Role.CLIENT) for domain in ZONE]
    results += [await check(CheckRequest(Target(ip_address("192.0.2.1"), "example.com")), budget_exhausted)]
    assert {finding.code for findings_of in results for finding in findings_of} == set(CODES)
    assert all(re.fullmatch(r"spf(\.[a-z0-9]+(-[a-z0-9]+)*)", code) for code in CODES)
