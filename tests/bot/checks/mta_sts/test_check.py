"""MTA-STS check: optional for delivery, an outage if an enforced policy omits an MX host."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.checks import mta_sts
from bot.checks.mta_sts import policy_url
from bot.checks.mta_sts.messages import FETCH_ERRORS
from bot.models import CheckRequest, Finding, Target, Verdict
from bot.probe_results import HttpPage, ProbeError, ProbeFailed
from tests.bot.checks.mta_sts.test_policy import RFC_POLICY
from tests.support.dns_world import World, Zone

DOMAIN = "example.com"
RECORD_NAME = "_mta-sts.example.com"
SERVFAIL: dict[str, Any] = {RECORD_NAME: {"TXT": "servfail"}}
RECORD: dict[str, Any] = {RECORD_NAME: {"TXT": ["v=STSv1; id=20160831085700Z;"]}}
SERVERS: dict[str, Any] = {DOMAIN: {"MX": ["10 mail.example.com", "20 mx1.example.net"]}}
UNCOVERED: dict[str, Any] = {DOMAIN: {"MX": ["10 mail.example.com", "20 a.b.example.net", "30 mx.example.org"]}}
TESTING = RFC_POLICY.replace("enforce", "testing")


def txt(*records: str) -> dict[str, Any]:
    return {RECORD_NAME: {"TXT": list(records)}}


class FakeFetch:
    """A fake fetch with one page or one error; records the URLs."""

    def __init__(self, response: str | ProbeError, media_type: str = "text/plain") -> None:
        self._response = response
        self._media_type = media_type
        self.urls: list[str] = []

    async def __call__(self, url: str, /) -> HttpPage:
        self.urls.append(url)
        if isinstance(self._response, ProbeError):
            raise ProbeFailed(self._response, "detail")
        return HttpPage(url, self._media_type, self._response.encode())


async def run_check(
    zone: Zone, response: str | ProbeError = RFC_POLICY, media_type: str = "text/plain"
) -> list[Finding]:
    return await mta_sts.check(CheckRequest(Target(domain=DOMAIN)), World(zone), fetch=FakeFetch(response, media_type))


CASES: list[tuple[Zone, str | ProbeError, str, Verdict]] = [
    (RECORD | SERVERS, RFC_POLICY, "mta-sts.ok", Verdict.PASS),
    (RECORD | SERVERS, TESTING, "mta-sts.testing", Verdict.PASS),
    (RECORD | SERVERS, "version: STSv1\nmode: none\nmax_age: 1", "mta-sts.off", Verdict.PASS),
    (SERVERS, RFC_POLICY, "mta-sts.missing", Verdict.PASS),
    ({DOMAIN: {"MX": ["0 ."]}}, RFC_POLICY, "mta-sts.not-needed", Verdict.PASS),
    (RECORD | {DOMAIN: {"MX": ["0 ."]}}, RFC_POLICY, "mta-sts.ok", Verdict.PASS),
    (SERVERS | txt("v=STSv1; id=1", "v=STSv1; id=2"), RFC_POLICY, "mta-sts.several", Verdict.WARN),
    (SERVERS | txt("v=STSv1; id=2-3"), RFC_POLICY, "mta-sts.bad-record", Verdict.WARN),
    (SERVERS | txt("v=spf1 -all"), RFC_POLICY, "mta-sts.missing", Verdict.PASS),
    (SERVERS | SERVFAIL, RFC_POLICY, "mta-sts.no-answer", Verdict.UNKNOWN),
    (RECORD | {DOMAIN: {"MX": "timeout"}}, RFC_POLICY, "mta-sts.no-answer", Verdict.UNKNOWN),
    (RECORD | UNCOVERED, RFC_POLICY, "mta-sts.mx-refused", Verdict.FAIL),
    (RECORD | UNCOVERED, TESTING, "mta-sts.mx-unlisted", Verdict.WARN),
    (RECORD | {DOMAIN: {"A": ["203.0.113.5"]}}, RFC_POLICY, "mta-sts.mx-refused", Verdict.FAIL),
    (RECORD | UNCOVERED, "version: STSv1\nmode: none\nmax_age: 1", "mta-sts.off", Verdict.PASS),
    (RECORD | SERVERS, "<html>", "mta-sts.bad-policy", Verdict.WARN),
    (RECORD | SERVERS, ProbeError.REDIRECT, "mta-sts.redirect", Verdict.WARN),
    (RECORD | SERVERS, ProbeError.STATUS, "mta-sts.no-policy", Verdict.WARN),
    (RECORD | SERVERS, ProbeError.NO_ADDRESS, "mta-sts.no-policy", Verdict.WARN),
    (RECORD | SERVERS, ProbeError.SPECIAL, "mta-sts.no-policy", Verdict.WARN),
    (RECORD | SERVERS, ProbeError.TOO_LARGE, "mta-sts.no-policy", Verdict.WARN),
    (RECORD | SERVERS, ProbeError.NO_TLS, "mta-sts.no-policy", Verdict.WARN),
    (RECORD | SERVERS, ProbeError.EXPIRED, "mta-sts.bad-certificate", Verdict.WARN),
    (RECORD | SERVERS, ProbeError.WRONG_NAME, "mta-sts.bad-certificate", Verdict.WARN),
    (RECORD | SERVERS, ProbeError.SELF_SIGNED, "mta-sts.bad-certificate", Verdict.WARN),
    (RECORD | SERVERS, ProbeError.TIMEOUT, "mta-sts.not-fetched", Verdict.UNKNOWN),
    (RECORD | SERVERS, ProbeError.UNREACHABLE, "mta-sts.not-fetched", Verdict.UNKNOWN),
    (RECORD | SERVERS, ProbeError.NO_ANSWER, "mta-sts.not-fetched", Verdict.UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "response", "code", "verdict"), CASES)
async def test_mta_sts_zone_gives_expected_code(
    zone: Zone, response: str | ProbeError, code: str, verdict: Verdict
) -> None:
    first, *_ = await run_check(zone, response)
    assert (first.check, first.subject, first.code, first.verdict) == ("mta-sts", DOMAIN, code, verdict)
    assert "{" not in first.summary + first.remediation
    assert first.remediation or first.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("response", "media_type", "codes"),
    [
        (RFC_POLICY, "text/html", ["mta-sts.ok", "mta-sts.wrong-type"]),
        (RFC_POLICY, "", ["mta-sts.ok", "mta-sts.wrong-type"]),
        (RFC_POLICY.replace("604800", "3600"), "text/plain", ["mta-sts.ok", "mta-sts.short-age"]),
        (TESTING.replace("604800", "86400"), "text/plain", ["mta-sts.testing"]),
    ],
)
async def test_mta_sts_policy_warnings_follow_main_finding(response: str, media_type: str, codes: list[str]) -> None:
    assert [finding.code for finding in await run_check(RECORD | SERVERS, response, media_type)] == codes


async def test_mta_sts_uncovered_mx_hosts_are_named() -> None:
    (finding,) = await run_check(RECORD | UNCOVERED)
    assert finding.facts["not_named"] == ["a.b.example.net", "mx.example.org"]
    assert "a.b.example.net, mx.example.org" in finding.summary
    assert "mx: a.b.example.net" in finding.remediation


async def test_mta_sts_policy_is_fetched_only_with_a_record() -> None:
    fetch = FakeFetch(RFC_POLICY)
    request = CheckRequest(Target(domain=DOMAIN))
    await mta_sts.check(request, World(SERVERS), fetch=fetch)
    assert fetch.urls == []
    await mta_sts.check(request, World(RECORD | SERVERS), fetch=fetch)
    assert fetch.urls == [policy_url(DOMAIN)] == ["https://mta-sts.example.com/.well-known/mta-sts.txt"]


async def test_mta_sts_without_domain_sends_no_query() -> None:
    world, fetch = World({}), FakeFetch(RFC_POLICY)
    assert await mta_sts.check(CheckRequest(Target.of("203.0.113.5")), world, fetch=fetch) == []
    assert (world.queries, fetch.urls) == ([], [])


async def test_mta_sts_foreign_text_is_sanitized() -> None:
    markup = "<!channel> *bold* `code`"
    findings = await run_check(RECORD | SERVERS, f"{markup}\n", "text/<!here>")
    findings += await run_check(SERVERS | txt(f"v=STSv1; {markup}"))
    for finding in findings:
        assert not set("<>*`") & set(finding.summary + finding.remediation)


def test_mta_sts_every_error_of_a_fetch_has_a_phrase() -> None:
    smtp_only, never_of_our_url = {ProbeError.REFUSED, ProbeError.TLS_REFUSED}, {ProbeError.BAD_URL}
    assert FETCH_ERRORS.keys() | smtp_only | never_of_our_url | {ProbeError.REDIRECT} == set(ProbeError)


NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "policy", "codes"),
    [
        (15, RFC_POLICY, ["mta-sts.ok"]),
        (13, RFC_POLICY, ["mta-sts.ok", "mta-sts.certificate-expires-soon"]),
        (2, TESTING, ["mta-sts.testing", "mta-sts.certificate-expires-in-3-days"]),
        (2, "version: STSv1\nmode: none\nmax_age: 1", ["mta-sts.off"]),
    ],
)
async def test_certificate_of_policy_host_warns_14_and_3_days_before(days: int, policy: str, codes: list[str]) -> None:
    async def fetch(url: str, /) -> HttpPage:
        return HttpPage(url, "text/plain", policy.encode(), NOW + timedelta(days=days))

    request = CheckRequest(Target(domain=DOMAIN))
    findings = await mta_sts.check(request, World(RECORD | SERVERS), fetch=fetch, clock=lambda: NOW)
    assert [finding.code for finding in findings] == codes
    assert all(f"{NOW + timedelta(days=days):%-d %B %Y}" in finding.summary for finding in findings[1:])
