"""DKIM check: keys of requested selectors, and of common selectors."""

from __future__ import annotations

import pytest

from bot.checks import dkim
from bot.checks.dkim.selectors import candidate_selectors
from bot.models import CheckRequest, Finding, Target, Verdict
from tests.bot.checks.dkim.keys import BRISBANE, FOOTBALL_ED25519, FOOTBALL_RSA, rsa_record
from tests.support.dns_world import Records, World, Zone

DOMAIN = "example.com"
REQUESTED: list[tuple[Records, str, Verdict]] = [
    ([rsa_record(2048)], "dkim.ok", Verdict.PASS),
    ([rsa_record(2048, "t=s; s=email; h=sha256; ")], "dkim.ok", Verdict.PASS),
    ([BRISBANE], "dkim.short-key", Verdict.WARN),
    ([rsa_record(1023)], "dkim.weak-key", Verdict.FAIL),
    ([rsa_record(512, "t=y; ")], "dkim.weak-key", Verdict.FAIL),
    ([rsa_record(8192)], "dkim.long-key", Verdict.WARN),
    ([FOOTBALL_ED25519], "dkim.ed25519-alone", Verdict.WARN),
    ([], "dkim.missing-key", Verdict.FAIL),
    (["v=DKIM1; p="], "dkim.revoked", Verdict.FAIL),
    ([rsa_record(2048, "t=y; ")], "dkim.testing", Verdict.WARN),
    (["v=DKIM1; p=MIGf"], "dkim.broken-key", Verdict.FAIL),
    (["v=DKIM1; k=rsa"], "dkim.bad-record", Verdict.FAIL),
    (["v=spf1 -all"], "dkim.missing-key", Verdict.FAIL),
    ([BRISBANE, FOOTBALL_RSA], "dkim.several-records", Verdict.FAIL),
    ([rsa_record(2048, "h=sha1; ")], "dkim.only-sha1", Verdict.FAIL),
    ([rsa_record(2048, "s=tlsrpt; ")], "dkim.not-for-mail", Verdict.FAIL),
    (["v=DKIM1; k=rsa8; p=abcd"], "dkim.unknown-kind", Verdict.FAIL),
    ("timeout", "dkim.no-answer", Verdict.UNKNOWN),
]


def key_zone(selector: str, records: Records) -> Zone:
    return {f"{selector}._domainkey.{DOMAIN}": {"TXT": records}}


async def run_check(zone: Zone, *selectors: str) -> list[Finding]:
    return await dkim.check(CheckRequest(Target(domain=DOMAIN), selectors=selectors), World(zone))


@pytest.mark.parametrize(("records", "code", "verdict"), REQUESTED, ids=[row[1] for row in REQUESTED])
async def test_dkim_requested_selector_must_have_a_working_key(records: Records, code: str, verdict: Verdict) -> None:
    (finding,) = await run_check(key_zone("brisbane", records), "Brisbane")
    assert (finding.code, finding.verdict, finding.subject) == (code, verdict, f"brisbane._domainkey.{DOMAIN}")
    assert bool(finding.remediation) == (verdict is not Verdict.PASS)
    assert "{" not in finding.summary


async def test_dkim_ed25519_with_rsa_key_is_ok() -> None:
    zone = {**key_zone("ed", [FOOTBALL_ED25519]), **key_zone("test", [rsa_record(2048)])}
    assert [finding.code for finding in await run_check(zone, "ed", "test")] == ["dkim.ok", "dkim.ok"]


async def test_dkim_ed25519_with_revoked_rsa_key_is_alone() -> None:
    zone = {**key_zone("ed", [FOOTBALL_ED25519]), **key_zone("test", ["v=DKIM1; p="])}
    assert [finding.code for finding in await run_check(zone, "ed", "test")] == ["dkim.ed25519-alone", "dkim.revoked"]


async def test_dkim_no_common_selector_passes() -> None:
    (finding,) = await run_check({DOMAIN: {"MX": ["10 mx.example.com"]}})
    assert (finding.code, finding.verdict) == ("dkim.no-selector-known", Verdict.PASS)
    assert finding.facts["asked"] == list(candidate_selectors(()))


async def test_dkim_some_timeouts_on_common_selectors_pass() -> None:
    (finding,) = await run_check(key_zone("google", "timeout"))
    assert finding.code == "dkim.no-selector-known"


async def test_dkim_only_timeouts_are_unknown() -> None:
    world = World({f"{selector}._domainkey.{DOMAIN}": {"TXT": "timeout"} for selector in candidate_selectors(())})
    (finding,) = await dkim.check(CheckRequest(Target(domain=DOMAIN)), world)
    assert (finding.code, finding.verdict) == ("dkim.no-answer", Verdict.UNKNOWN)


async def test_dkim_sender_in_spf_record_adds_its_selectors() -> None:
    zone = {DOMAIN: {"TXT": ["v=spf1 include:spf.mandrillapp.com -all"]}, **key_zone("mandrill", [rsa_record(2048)])}
    (finding,) = await run_check(zone)
    assert (finding.code, finding.facts["guessed"]) == ("dkim.ok", True)


async def test_dkim_revoked_key_at_common_selector_passes() -> None:
    zone = {**key_zone("selector1", ["v=DKIM1; p="]), **key_zone("selector2", [rsa_record(2048)])}
    codes = [(finding.code, finding.verdict) for finding in await run_check(zone)]
    assert codes == [("dkim.revoked", Verdict.PASS), ("dkim.ok", Verdict.PASS)]


async def test_dkim_ed25519_at_common_selector_mentions_rsa() -> None:
    (finding,) = await run_check(key_zone("mail", [FOOTBALL_ED25519]))
    assert (finding.code, finding.verdict) == ("dkim.ok", Verdict.PASS)
    assert "only RSA need a second signature" in finding.summary


async def test_dkim_weak_key_at_common_selector_is_reported() -> None:
    (finding,) = await run_check(key_zone("mail", [rsa_record(768)]))
    assert finding.code == "dkim.weak-key"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("v=DKIM1; p=", "dkim.never-signs"),
        (rsa_record(2048), "dkim.ok"),
        ("v=spf1 -all", "dkim.no-selector-known"),
        ("v=DMARC1; p=reject", "dkim.no-selector-known"),
    ],
)
async def test_dkim_wildcard_record_is_one_finding(text: str, code: str) -> None:
    world = World({f"{selector}._domainkey.{DOMAIN}": {"TXT": [text]} for selector in candidate_selectors(())})
    (finding,) = await dkim.check(CheckRequest(Target(domain=DOMAIN)), world)
    assert (finding.code, finding.verdict) == (code, Verdict.PASS)


async def test_dkim_without_domain_queries_nothing() -> None:
    world = World({})
    assert await dkim.check(CheckRequest(Target.of("203.0.113.5")), world) == []
    assert world.queries == []


WHOLE = rsa_record(2048)
SPECIAL: list[tuple[list[str], str, str]] = [
    ([WHOLE[:200], WHOLE[200:]], "dkim.several-records", "Join both"),
    ([WHOLE[200:], WHOLE[:200]], "dkim.several-records", "Join both"),
    ([BRISBANE, FOOTBALL_RSA], "dkim.several-records", "remove the others"),
    (["k1.domainkey.u1.wl.example.net."], "dkim.bad-record", "CNAME"),
    ([f"v=DKIM1; p={FOOTBALL_ED25519.rpartition('p=')[2]}"], "dkim.broken-key", "k=ed25519"),
    (["v=spf1 -all", "site-verification=1"], "dkim.missing-key", "Publish"),
]


@pytest.mark.parametrize(("texts", "code", "step"), SPECIAL)
async def test_dkim_step_repairs_what_was_meant(texts: list[str], code: str, step: str) -> None:
    (finding,) = await run_check(key_zone("s1", texts), "s1")
    assert finding.code == code
    assert step in finding.remediation


@pytest.mark.parametrize(
    "typed", ["s1", "S1", "s1._domainkey", "s1._domainkey.example.com", "s1._domainkey.example.com."]
)
async def test_dkim_selector_is_taken_in_every_form(typed: str) -> None:
    (finding,) = await run_check(key_zone("s1", [WHOLE]), typed)
    assert (finding.code, finding.subject) == ("dkim.ok", "s1._domainkey.example.com")
