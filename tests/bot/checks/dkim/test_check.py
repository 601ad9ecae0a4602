"""The keys of a domain: those that a person named, and those that the usual names lead to."""

from __future__ import annotations

import pytest

from bot.checks import dkim
from bot.checks.dkim.messages import OUTCOMES
from bot.checks.dkim.selectors import guesses
from bot.models import Finding, Order, Target, Verdict
from tests.bot.checks.dkim.keys import BRISBANE, FOOTBALL_ED25519, FOOTBALL_RSA, rsa_record
from tests.support.dns_world import Records, World, Zone

DOMAIN = "example.com"
NAMED: list[tuple[Records, str, Verdict]] = [
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
    (["v=spf1 -all"], "dkim.bad-record", Verdict.FAIL),
    ([BRISBANE, FOOTBALL_RSA], "dkim.several-records", Verdict.FAIL),
    ([rsa_record(2048, "h=sha1; ")], "dkim.only-sha1", Verdict.FAIL),
    ([rsa_record(2048, "s=tlsrpt; ")], "dkim.not-for-mail", Verdict.FAIL),
    (["v=DKIM1; k=rsa8; p=abcd"], "dkim.unknown-kind", Verdict.FAIL),
    ("timeout", "dkim.no-answer", Verdict.UNKNOWN),
]


def at(selector: str, records: Records) -> Zone:
    return {f"{selector}._domainkey.{DOMAIN}": {"TXT": records}}


async def look(zone: Zone, *selectors: str) -> list[Finding]:
    return await dkim.check(Order(Target(domain=DOMAIN), selectors=selectors), World(zone))


@pytest.mark.parametrize(("records", "code", "verdict"), NAMED, ids=[row[1] for row in NAMED])
async def test_a_named_selector_must_have_a_key_that_works(records: Records, code: str, verdict: Verdict) -> None:
    (finding,) = await look(at("brisbane", records), "Brisbane")
    assert (finding.code, finding.verdict, finding.about) == (code, verdict, f"brisbane._domainkey.{DOMAIN}")
    assert bool(finding.step) == (verdict is not Verdict.PASS)
    assert "{" not in finding.says


async def test_an_ed25519_key_beside_an_rsa_key_is_in_order() -> None:
    zone = {**at("ed", [FOOTBALL_ED25519]), **at("test", [rsa_record(2048)])}
    assert [finding.code for finding in await look(zone, "ed", "test")] == ["dkim.ok", "dkim.ok"]


async def test_a_revoked_rsa_key_is_no_company_for_an_ed25519_key() -> None:
    zone = {**at("ed", [FOOTBALL_ED25519]), **at("test", ["v=DKIM1; p="])}
    assert [finding.code for finding in await look(zone, "ed", "test")] == ["dkim.ed25519-alone", "dkim.revoked"]


async def test_finding_no_usual_selector_is_not_held_against_a_domain() -> None:
    (finding,) = await look({DOMAIN: {"MX": ["10 mx.example.com"]}})
    assert (finding.code, finding.verdict) == ("dkim.no-selector-known", Verdict.PASS)
    assert finding.facts["asked"] == list(guesses(()))


async def test_some_silence_does_not_turn_a_guess_into_a_worry() -> None:
    (finding,) = await look(at("google", "timeout"))
    assert finding.code == "dkim.no-selector-known"


async def test_only_silence_is_not_taken_for_an_absence() -> None:
    world = World({f"{selector}._domainkey.{DOMAIN}": {"TXT": "timeout"} for selector in guesses(())})
    (finding,) = await dkim.check(Order(Target(domain=DOMAIN)), world)
    assert (finding.code, finding.verdict) == ("dkim.no-answer", Verdict.UNKNOWN)


async def test_the_keys_of_a_sender_in_the_spf_record_are_found() -> None:
    zone = {DOMAIN: {"TXT": ["v=spf1 include:spf.mandrillapp.com -all"]}, **at("mandrill", [rsa_record(2048)])}
    (finding,) = await look(zone)
    assert (finding.code, finding.facts["guessed"]) == ("dkim.ok", True)


async def test_a_revoked_key_among_guesses_is_usual() -> None:
    zone = {**at("selector1", ["v=DKIM1; p="]), **at("selector2", [rsa_record(2048)])}
    found = [(finding.code, finding.verdict) for finding in await look(zone)]
    assert found == [("dkim.revoked", Verdict.PASS), ("dkim.ok", Verdict.PASS)]


async def test_a_guessed_ed25519_key_promises_no_more_than_it_holds() -> None:
    (finding,) = await look(at("mail", [FOOTBALL_ED25519]))
    assert (finding.code, finding.verdict) == ("dkim.ok", Verdict.PASS)
    assert "only RSA need a second signature" in finding.says


async def test_a_weak_key_is_told_even_when_it_was_guessed() -> None:
    (finding,) = await look(at("mail", [rsa_record(768)]))
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
async def test_a_wildcard_is_one_finding_and_not_one_a_selector(text: str, code: str) -> None:
    world = World({f"{selector}._domainkey.{DOMAIN}": {"TXT": [text]} for selector in guesses(())})
    (finding,) = await dkim.check(Order(Target(domain=DOMAIN)), world)
    assert (finding.code, finding.verdict) == (code, Verdict.PASS)


async def test_without_a_domain_nothing_is_asked() -> None:
    world = World({})
    assert await dkim.check(Order(Target.of("203.0.113.5")), world) == []
    assert world.asked == []


def test_every_outcome_is_documented_and_every_document_has_an_outcome() -> None:
    assert OUTCOMES.keys() == dkim.CODES.keys()
