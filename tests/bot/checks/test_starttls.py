"""STARTTLS findings: what could not be probed is never "no encryption"."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest

from bot.checks import starttls
from bot.checks.starttls import EXPIRY_WARNING, MAX_PROBED_HOSTS, judge
from bot.models import BulkLookup, CheckRequest, DnsAnswer, Finding, OnAnswer, Target, Verdict
from bot.net.smtp_probe import SmtpProbeCache
from bot.probe_results import Certificate, ProbeError, SmtpProbeResult
from tests.support.dns_world import World, Zone

DOMAIN = "example.com"
TODAY = datetime(2026, 3, 1, 12, tzinfo=UTC)
MX: Zone = {DOMAIN: {"MX": ["10 mx1.example.com", "20 mx2.example.com"]}}


def certificate(days: float = 60) -> Certificate:
    return Certificate(("mx1.example.com",), TODAY + timedelta(days=days))


def probe_result(name: str = "mx1.example.com", **facts: Any) -> SmtpProbeResult:
    """The probe result of a good mail server, with these differences."""
    good = {"offers_tls": True, "tls_version": "TLSv1.3", "certificate": certificate()}
    return SmtpProbeResult(name, ip_address("203.0.113.5"), **{**good, **facts})


def failed_probe(error: ProbeError, **facts: Any) -> SmtpProbeResult:
    return SmtpProbeResult("mx1.example.com", error=error, **facts)


CASES: list[tuple[SmtpProbeResult, list[str], Verdict]] = [
    (probe_result(), ["starttls.ok"], Verdict.PASS),
    (probe_result(certificate=certificate(EXPIRY_WARNING.days + 1)), ["starttls.ok"], Verdict.PASS),
    (
        probe_result(certificate=certificate(EXPIRY_WARNING.days - 1)),
        ["starttls.expires-soon"],
        Verdict.WARN,
    ),
    (probe_result(certificate=certificate(4)), ["starttls.expires-soon"], Verdict.WARN),
    (probe_result(certificate=certificate(2)), ["starttls.expires-in-3-days"], Verdict.WARN),
    (probe_result(early_bytes=7), ["starttls.early-data"], Verdict.WARN),
    (SmtpProbeResult("mx1.example.com", offers_tls=False), ["starttls.missing"], Verdict.WARN),
    (probe_result(error=ProbeError.WRONG_NAME), ["starttls.wrong-name"], Verdict.WARN),
    (failed_probe(ProbeError.TLS_REFUSED, offers_tls=True), ["starttls.refused"], Verdict.WARN),
    (failed_probe(ProbeError.NO_TLS, offers_tls=True), ["starttls.broken"], Verdict.WARN),
    (
        failed_probe(ProbeError.NO_TLS, offers_tls=True, early_bytes=3),
        ["starttls.broken", "starttls.early-data"],
        Verdict.WARN,
    ),
    (failed_probe(ProbeError.EXPIRED, offers_tls=True), ["starttls.expired"], Verdict.WARN),
    (failed_probe(ProbeError.NOT_YET_VALID, offers_tls=True), ["starttls.expired"], Verdict.WARN),
    (failed_probe(ProbeError.SELF_SIGNED, offers_tls=True), ["starttls.untrusted"], Verdict.WARN),
    (failed_probe(ProbeError.UNTRUSTED, offers_tls=True), ["starttls.untrusted"], Verdict.WARN),
    *((failed_probe(trouble), ["starttls.no-answer"], Verdict.UNKNOWN) for trouble in (
        ProbeError.TIMEOUT, ProbeError.CONNECTION_CLOSED, ProbeError.REFUSED,
        ProbeError.MALFORMED, ProbeError.TOO_LARGE,
        ProbeError.UNREACHABLE, ProbeError.NO_ADDRESS, ProbeError.NO_ANSWER, ProbeError.SPECIAL,
    )),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "codes", "verdict"), CASES)
def test_starttls_probe_result_gives_expected_codes(facts: SmtpProbeResult, codes: list[str], verdict: Verdict) -> None:
    findings = judge(DOMAIN, [facts], TODAY)
    assert [finding.code for finding in findings] == codes
    assert max(finding.verdict for finding in findings) is verdict
    for finding in findings:
        assert (finding.check, finding.subject) == ("starttls", DOMAIN)
        assert "{" not in finding.summary + finding.remediation
        assert bool(finding.remediation) == (finding.verdict is not Verdict.PASS)


@pytest.mark.parametrize(
    "error", [ProbeError.TIMEOUT, ProbeError.CONNECTION_CLOSED, ProbeError.REFUSED, ProbeError.UNREACHABLE]
)
def test_starttls_unreachable_server_is_unknown(error: ProbeError) -> None:
    (finding,) = judge(DOMAIN, [failed_probe(error)], TODAY)
    assert finding.verdict is Verdict.UNKNOWN


def test_starttls_servers_with_same_result_share_a_finding() -> None:
    second = probe_result("mx2.example.com", tls_version="TLSv1.2")
    slow, closed = (
        SmtpProbeResult("mx3.example.com", error=ProbeError.TIMEOUT),
        SmtpProbeResult("mx4.example.com", error=ProbeError.CONNECTION_CLOSED),
    )
    good, *unknown = judge(DOMAIN, [probe_result(), second, slow, closed], TODAY)
    assert "TLS 1.2 and TLS 1.3" in good.summary
    assert "mx1.example.com, mx2.example.com" in good.summary
    assert [finding.code for finding in unknown] == ["starttls.no-answer"] * 2
    assert "in time" in unknown[0].summary
    assert "closed the connection" in unknown[1].summary


def test_starttls_expiring_certificate_shows_date() -> None:
    (finding,) = judge(DOMAIN, [probe_result(certificate=certificate(3))], TODAY)
    assert "4 March 2026" in finding.summary
    assert finding.facts["servers"][0]["certificate_expires"] == "2026-03-04T12:00:00+00:00"


def test_starttls_facts_list_server_replies() -> None:
    result = probe_result(greeting="<hello>", capabilities=("SIZE", "REQUIRETLS"), requires_tls=True)
    (finding,) = judge(DOMAIN, [result], TODAY)
    server = finding.facts["servers"][0]
    assert (server["greeting"], server["capabilities"], server["requires_tls"]) == (
        "<hello>",
        ["SIZE", "REQUIRETLS"],
        True,
    )
    assert "<" not in finding.summary


class FakeProbe:
    """Gives every mail server the same result, and records the names."""

    def __init__(self, **facts: Any) -> None:
        self._fields = facts
        self.hosts: list[str] = []

    async def __call__(self, name: str, /) -> SmtpProbeResult:
        self.hosts.append(name)
        return SmtpProbeResult(name, **self._fields)


async def run_check(zone: Zone, probe: FakeProbe | None, port_open: bool | None = None) -> list[Finding]:
    request = CheckRequest(Target(domain=DOMAIN))
    return await starttls.check(request, World(zone), probe=probe, port_open=lambda: port_open, clock=lambda: TODAY)


async def test_starttls_probes_at_most_four_hosts() -> None:
    probe = FakeProbe(offers_tls=False)
    await run_check(MX, probe)
    assert probe.hosts == ["mx1.example.com", "mx2.example.com"]
    probe = FakeProbe(offers_tls=False)
    await run_check({DOMAIN: {"MX": [f"{rank} mx{rank}.example.net" for rank in range(9)]}}, probe)
    assert len(probe.hosts) == MAX_PROBED_HOSTS


@pytest.mark.parametrize("port_open", [None, True])
async def test_starttls_without_probe_sends_no_query(port_open: bool | None) -> None:
    world = World(MX)
    (finding,) = await starttls.check(CheckRequest(Target(domain=DOMAIN)), world, port_open=lambda: port_open)
    assert (finding.code, finding.verdict, world.queries) == ("starttls.not-checked", Verdict.PASS, [])


async def test_starttls_port_25_blocked_probes_nothing() -> None:
    probe = FakeProbe(offers_tls=False)
    (finding,) = await run_check(MX, probe, port_open=False)
    assert (finding.code, probe.hosts) == ("starttls.not-checked", [])
    assert "25" in finding.summary


@pytest.mark.parametrize(("port_open", "code"), [(None, "starttls.not-checked"), (True, "starttls.no-answer")])
async def test_starttls_all_unreachable_implies_blocked_port(port_open: bool | None, code: str) -> None:
    (finding,) = await run_check(MX, FakeProbe(error=ProbeError.UNREACHABLE), port_open)
    assert finding.code == code


@pytest.mark.parametrize(
    ("zone", "code"),
    [
        ({DOMAIN: {"MX": ["0 ."]}}, "starttls.no-mail"),
        ({}, "starttls.no-mail"),
        ({DOMAIN: {"MX": "servfail"}}, "starttls.no-answer"),
    ],
)
async def test_starttls_without_mail_server_probes_nothing(zone: Zone, code: str) -> None:
    probe = FakeProbe(offers_tls=False)
    (finding,) = await run_check(zone, probe)
    assert (finding.code, probe.hosts) == (code, [])


async def test_starttls_implicit_mx_is_probed() -> None:
    probe = FakeProbe(offers_tls=True, tls_version="TLSv1.3")
    await run_check({DOMAIN: {"A": ["203.0.113.5"]}}, probe)
    assert probe.hosts == [DOMAIN]


@pytest.mark.parametrize("error", [*(facts.error for facts, _, verdict in CASES if verdict is Verdict.UNKNOWN)])
async def test_starttls_timeout_inconclusive_server_passes(error: ProbeError) -> None:
    request, probe = CheckRequest(Target(domain=DOMAIN)), FakeProbe(error=error)
    (finding,) = await starttls.check(request, World(MX), probe=probe, port_open=lambda: True, timeout_s=9)
    assert (finding.code, finding.verdict) == ("starttls.not-checked", Verdict.PASS)
    assert "{" not in finding.summary


async def test_starttls_slow_server_is_in_the_next_report() -> None:
    answering = asyncio.Event()

    async def slow(name: str, /) -> SmtpProbeResult:
        if name == "mx2.example.com":
            await answering.wait()
        return probe_result(name)

    probe, request = SmtpProbeCache(slow), CheckRequest(Target(domain=DOMAIN))
    (first,) = await starttls.check(request, World(MX), probe=probe, timeout_s=0.01, clock=lambda: TODAY)
    answering.set()
    (second,) = await starttls.check(request, World(MX), probe=probe, timeout_s=9, clock=lambda: TODAY)
    server_names = [[server["name"] for server in finding.facts["servers"]] for finding in (first, second)]
    assert server_names == [["mx1.example.com"], ["mx1.example.com", "mx2.example.com"]]


async def test_starttls_bulk_check_with_timeout_probes_nothing() -> None:
    class BulkWorld(World, BulkLookup):
        """A bulk lookup."""

        async def lookup_many(
            self, label: str, apexes: Sequence[str], /, *, on_answer: OnAnswer | None = None
        ) -> list[DnsAnswer]:
            raise NotImplementedError

    probe = FakeProbe(offers_tls=False)
    (finding,) = await starttls.check(CheckRequest(Target(domain=DOMAIN)), BulkWorld(MX), probe=probe, timeout_s=9)
    assert (finding.code, probe.hosts) == ("starttls.not-checked", [])
