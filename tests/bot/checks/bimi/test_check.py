"""Would a logo be shown: the record, the DMARC policy it needs, and the logo itself."""

from __future__ import annotations

import pytest

from bot.checks import bimi
from bot.checks.bimi import FetchIndicator, IndicatorUnavailable, bimi_check
from bot.checks.dmarc import discover
from bot.models import Finding, Order, Target, Verdict
from tests.bot.checks.bimi.logos import logo
from tests.support.dns_world import Records, World, Zone

DOMAIN, BELOW = "example.com", "news.example.com"
RECORD = "v=BIMI1; l=https://example.com/logo.svg; a=https://example.com/proof.pem"
REJECT = "v=DMARC1; p=reject"


def zone(record: Records = (RECORD,), policy: Records = (REJECT,), domain: str = DOMAIN) -> Zone:
    return {
        DOMAIN: {"MX": ["10 mx.example.com"]},
        BELOW: {"MX": ["10 mx.example.com"]},
        f"default._bimi.{domain}": {"TXT": record},
        f"_dmarc.{domain}": {"TXT": policy},
    }


async def look(world: Zone, fetch: FetchIndicator | None = None, domain: str = DOMAIN) -> Finding:
    (finding,) = await bimi_check(discover, fetch)(Order(Target(domain=domain)), World(world))
    assert bool(finding.step) == (finding.verdict is not Verdict.PASS)
    assert "{" not in finding.says
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
async def test_a_record_is_judged(record: Records, code: str) -> None:
    assert (await look(zone(record))).code == code


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
async def test_a_logo_needs_a_policy_that_is_enforced(policy: Records, code: str) -> None:
    assert (await look(zone(policy=policy))).code == code


async def test_a_subdomain_uses_the_record_of_its_organisation() -> None:
    finding = await look(zone(), domain=BELOW)
    assert (finding.code, finding.facts["record_at"]) == ("bimi.ok", "default._bimi.example.com")


async def test_a_subdomain_needs_the_policy_of_its_organisation_too() -> None:
    world = {**zone(policy=["v=DMARC1; p=none"]), **zone(domain=BELOW)}
    assert (await look(world, domain=BELOW)).code == "bimi.not-enforced"


async def test_a_domain_without_a_record_is_not_told_about_its_policy() -> None:
    finding = await look(zone([], ["v=DMARC1; p=none"]))
    assert (finding.code, finding.verdict) == ("bimi.missing", Verdict.PASS)


@pytest.mark.parametrize(("svg", "code"), [(logo(), "bimi.ok"), (logo(title=""), "bimi.bad-logo")])
async def test_a_logo_that_can_be_fetched_is_looked_at(svg: str, code: str) -> None:
    asked: list[str] = []

    async def fetch(url: str) -> str:
        asked.append(url)
        return svg

    assert (await look(zone(), fetch)).code == code
    assert asked == ["https://example.com/logo.svg"]


async def test_a_logo_that_cannot_be_fetched_is_not_known() -> None:
    async def fetch(url: str) -> str:
        raise IndicatorUnavailable("404")

    finding = await look(zone(), fetch)
    assert (finding.code, finding.verdict) == ("bimi.no-logo", Verdict.UNKNOWN)


async def test_without_a_domain_nothing_is_asked() -> None:
    world = World({})
    assert await bimi_check(discover)(Order(Target.of("203.0.113.5")), world) == []
    assert world.asked == []


def test_a_logo_never_stops_mail() -> None:
    assert max(outcome.verdict for outcome in bimi.OUTCOMES.values()) < Verdict.FAIL


def test_every_outcome_is_documented_and_every_document_has_an_outcome() -> None:
    assert bimi.OUTCOMES.keys() == bimi.CODES.keys()
