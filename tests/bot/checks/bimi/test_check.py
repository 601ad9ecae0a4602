"""BIMI check: the record, the DMARC policy it needs, and the logo."""

from __future__ import annotations

import pytest

from bot.checks import bimi
from bot.checks.bimi import FetchIndicator, IndicatorUnavailable, bimi_check
from bot.checks.dmarc import discover
from bot.models import CheckRequest, Finding, Target, Verdict
from tests.bot.checks.bimi.logos import logo
from tests.support.dns_world import Records, World, Zone

DOMAIN, SUBDOMAIN = "example.com", "news.example.com"
RECORD = "v=BIMI1; l=https://example.com/logo.svg; a=https://example.com/proof.pem"
REJECT = "v=DMARC1; p=reject"


def zone(record: Records = (RECORD,), policy: Records = (REJECT,), domain: str = DOMAIN) -> Zone:
    return {
        DOMAIN: {"MX": ["10 mx.example.com"]},
        SUBDOMAIN: {"MX": ["10 mx.example.com"]},
        f"default._bimi.{domain}": {"TXT": record},
        f"_dmarc.{domain}": {"TXT": policy},
    }


async def run_check(world: Zone, fetch: FetchIndicator | None = None, domain: str = DOMAIN) -> Finding:
    (finding,) = await bimi_check(discover, fetch)(CheckRequest(Target(domain=domain)), World(world))
    assert bool(finding.remediation) == (finding.verdict is not Verdict.PASS)
    assert "{" not in finding.summary
    return finding


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ([RECORD], "bimi.ok"),
        (["v=BIMI1; l=https://example.com/logo.svg"], "bimi.no-certificate"),
        (["v=spf1 -all", RECORD], "bimi.ok"),
        (["v=BIMI1; l=; a=;"], "bimi.declined"),
        ([], "bimi.missing"),
        (["v=bimi1; l=https://example.com/logo.svg"], "bimi.missing"),
        ([RECORD, RECORD], "bimi.several"),
        (["v=BIMI1; l=http://example.com/logo.svg"], "bimi.bad-record"),
        ("timeout", "bimi.no-answer"),
    ],
)
async def test_bimi_record_gives_expected_code(record: Records, code: str) -> None:
    assert (await run_check(zone(record))).code == code


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        ([REJECT], "bimi.ok"),
        (["v=DMARC1; p=quarantine"], "bimi.ok"),
        (["v=DMARC1; p=quarantine; pct=100"], "bimi.ok"),
        (["v=DMARC1; p=reject; t=y"], "bimi.ok"),
        (["v=DMARC1; p=quarantine; pct=20"], "bimi.not-enforced"),
        (["v=DMARC1; p=quarantine; t=y"], "bimi.not-enforced"),
        (["v=DMARC1; p=reject; sp=none"], "bimi.not-enforced"),
        (["v=DMARC1; p=none"], "bimi.not-enforced"),
        ([], "bimi.not-enforced"),
        ("servfail", "bimi.no-answer"),
    ],
)
async def test_bimi_needs_enforced_dmarc_policy(policy: Records, code: str) -> None:
    assert (await run_check(zone(policy=policy))).code == code


async def test_bimi_subdomain_uses_organizational_record() -> None:
    finding = await run_check(zone(), domain=SUBDOMAIN)
    assert (finding.code, finding.facts["record_at"]) == ("bimi.ok", "default._bimi.example.com")


async def test_bimi_subdomain_needs_organizational_policy() -> None:
    world = {**zone(policy=["v=DMARC1; p=none"]), **zone(domain=SUBDOMAIN)}
    assert (await run_check(world, domain=SUBDOMAIN)).code == "bimi.not-enforced"


async def test_bimi_without_record_ignores_policy() -> None:
    finding = await run_check(zone([], ["v=DMARC1; p=none"]))
    assert (finding.code, finding.verdict) == ("bimi.missing", Verdict.PASS)


@pytest.mark.parametrize(("svg", "code"), [(logo(), "bimi.ok"), (logo(title=""), "bimi.bad-logo")])
async def test_bimi_fetched_logo_is_validated(svg: str, code: str) -> None:
    urls: list[str] = []

    async def fetch(url: str) -> str:
        urls.append(url)
        return svg

    assert (await run_check(zone(), fetch)).code == code
    assert urls == ["https://example.com/logo.svg"]


async def test_bimi_unavailable_logo_is_unknown() -> None:
    async def fetch(url: str) -> str:
        raise IndicatorUnavailable("404")

    finding = await run_check(zone(), fetch)
    assert (finding.code, finding.verdict) == ("bimi.no-logo", Verdict.UNKNOWN)


async def test_bimi_without_domain_sends_no_query() -> None:
    world = World({})
    assert await bimi_check(discover)(CheckRequest(Target.of("203.0.113.5")), world) == []
    assert world.queries == []


def test_bimi_codes_never_fail() -> None:
    assert max(template.verdict for template in bimi.CODES.values()) < Verdict.FAIL
