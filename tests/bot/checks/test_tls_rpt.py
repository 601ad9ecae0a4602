"""TLS-RPT records, with the examples of RFC 8460."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks import tls_rpt
from bot.checks.tls_rpt import PROBLEMS, BadTlsRptRecord, find_records, judge, parse_rua
from bot.models import CheckRequest, Finding, Target, Verdict
from tests.support.dns_world import World, Zone

DOMAIN = "example.com"
NAME = "_smtp._tls.example.com"
GOOD = {
    "v=TLSRPTv1;rua=mailto:reports@example.com": ("mailto:reports@example.com",),  # §3.1
    "v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt": ("https://reporting.example.com/v1/tlsrpt",),  # §3.1
    "v=TLSRPTv1; rua=mailto:a@example.com,https://example.net/x": ("mailto:a@example.com", "https://example.net/x"),
    "v=TLSRPTv1; rua=mailto:a@example.com , mailto:b@example.com;": ("mailto:a@example.com", "mailto:b@example.com"),
    "v=TLSRPTv1; rua=mailto:a@example.com?subject=TLS ; ext=1": ("mailto:a@example.com?subject=TLS",),
    "v=TLSRPTv1; ext=1; rua=MAILTO:a@example.com; rua=mailto:b@example.com": ("MAILTO:a@example.com",),
    "v=TLSRPTv1; rua=https://example.com/v1?key=value": ("https://example.com/v1?key=value",),
}
BAD_RECORDS = [
    "v=TLSRPTv1;",
    "v=TLSRPTv1; rua",
    "v=TLSRPTv1; rua=",
    "v=TLSRPTv1; ruf=mailto:a@example.com",
    "v=TLSRPTv1; RUA=mailto:a@example.com",
    "v=TLSRPTv1; rua=mailto:a@example.com;; x=1",
    "v=TLSRPTv1 rua=mailto:a@example.com",
    "v=TLSRPTv1 ; rua=mailto:a@example.com",
    "v=tlsrptv1; rua=mailto:a@example.com",
    "v=TLSRPTv2; rua=mailto:a@example.com",
    "v=TLSRPT; rua=mailto:a@example.com",
]
BAD_ADDRESSES = [
    "tls@example.com",
    "http://example.com/tls",
    "mailto:tls",
    "mailto:tls@",
    "https://",
    "mailto:a@example.com!10m",
    "mailto:a@example.com,",
    "mailto:a@example.com b@example.com",
]
CASES: list[tuple[Zone, str, Verdict]] = [
    ({NAME: {"TXT": ["v=TLSRPTv1; rua=mailto:a@example.com"]}}, "tls-rpt.ok", Verdict.PASS),
    ({NAME: {"TXT": ["v=TLSRPTv1; rua=mailto:a@example.com", "something else"]}}, "tls-rpt.ok", Verdict.PASS),
    ({NAME: {"TXT": ["v=TLSRPTv1; rua=mailto:a@example.com"] * 2}}, "tls-rpt.several", Verdict.WARN),
    ({NAME: {"TXT": ["v=TLSRPTv1; rua="]}}, "tls-rpt.bad-record", Verdict.WARN),
    ({NAME: {"TXT": ["v=TLSRPTv1; rua=a@example.com"]}}, "tls-rpt.bad-address", Verdict.WARN),
    ({NAME: {"TXT": "timeout"}}, "tls-rpt.no-answer", Verdict.UNKNOWN),
    ({DOMAIN: {"MX": ["10 mx.example.com"]}}, "tls-rpt.missing", Verdict.PASS),
    ({DOMAIN: {"MX": "servfail"}}, "tls-rpt.missing", Verdict.PASS),
    ({DOMAIN: {"MX": ["0 ."]}}, "tls-rpt.not-needed", Verdict.PASS),
]


async def run_check(zone: Zone) -> Finding:
    (finding,) = await tls_rpt.check(CheckRequest(Target(domain=DOMAIN)), World(zone))
    return finding


@pytest.mark.parametrize(("record", "addresses"), GOOD.items())
def test_tls_rpt_valid_record_gives_addresses(record: str, addresses: tuple[str, ...]) -> None:
    assert parse_rua(record) == addresses
    assert judge(DOMAIN, [record]).code == "tls-rpt.ok"


@pytest.mark.parametrize("record", BAD_RECORDS)
def test_tls_rpt_malformed_record_is_found_but_bad(record: str) -> None:
    assert find_records([record]) == [record]
    assert judge(DOMAIN, [record]).code == "tls-rpt.bad-record"


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_tls_rpt_other_scheme_is_bad_address(address: str) -> None:
    assert judge(DOMAIN, [f"v=TLSRPTv1; rua={address}"]).code == "tls-rpt.bad-address"


@pytest.mark.parametrize(("zone", "code", "verdict"), CASES)
async def test_tls_rpt_zone_gives_expected_code(zone: Zone, code: str, verdict: Verdict) -> None:
    finding = await run_check(zone)
    assert (finding.check, finding.subject, finding.code, finding.verdict) == ("tls-rpt", DOMAIN, code, verdict)
    assert "{" not in finding.summary + finding.remediation
    assert finding.remediation or verdict is Verdict.PASS


async def test_tls_rpt_without_domain_sends_no_query() -> None:
    world = World({})
    assert await tls_rpt.check(CheckRequest(Target.of("203.0.113.5")), world) == []
    assert world.queries == []


async def test_tls_rpt_record_text_is_sanitized() -> None:
    for text in ("v=TLSRPTv1; rua=<!channel>", "v=TLSRPTv1; <!here|x>"):
        finding = await run_check({NAME: {"TXT": [text]}})
        assert not set("<>|") & set(finding.summary + finding.remediation)


@given(st.text(max_size=60) | st.text(alphabet="rua=mailto:;, @x", max_size=60))
def test_tls_rpt_any_record_gives_known_code(text: str) -> None:
    assert judge(DOMAIN, [f"v=TLSRPTv1;{text}"]).code in tls_rpt.CODES


def test_parse_rua_unusable_record_gives_reason() -> None:
    with pytest.raises(BadTlsRptRecord) as error:
        parse_rua("v=TLSRPTv1; x=1")
    assert "no rua" in error.value.problem.phrase(PROBLEMS)
