"""DANE: TLSA records count only where the whole chain is DNSSEC-validated."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks import dane
from bot.checks.dane import BadTlsa, Tlsa, parse_records, parse_tlsa
from bot.models import CheckRequest, Finding, Lookup, Target, Verdict
from tests.support.dns_world import Records, World, Zone
from tests.support.signed_world import SignedWorld

DOMAIN = "example.com"
SHA256, SHA512 = "0d6f" * 16, "ab" * 64
GOOD = [f"3 1 1 {SHA256}"]


def two_servers(first: Records, second: Records) -> Zone:
    return {
        DOMAIN: {"MX": ["10 mx1.example.com", "20 mx2.example.com"]},
        "mx1.example.com": {"A": ["203.0.113.5"]},
        "mx2.example.com": {"AAAA": ["2001:db8::5"]},
        "_25._tcp.mx1.example.com": {"TLSA": first},
        "_25._tcp.mx2.example.com": {"TLSA": second},
    }


async def run_check(lookup: Lookup) -> list[Finding]:
    return await dane.check(CheckRequest(Target(domain=DOMAIN)), lookup)


@pytest.mark.parametrize(
    ("first", "second", "codes"),
    [
        (GOOD, [f"2 0 1 {SHA256}"], ["dane.ok"]),
        (GOOD, [f"1 1 1 {SHA256}", f"3 1 2 {SHA512}"], ["dane.ok"]),
        ([], [], ["dane.missing"]),
        (GOOD, [], ["dane.partial"]),
        (GOOD, [f"1 0 1 {SHA256}"], ["dane.unusable"]),
        (["3 1 1 0d6f"], [f"3 1 1 {SHA512}"], ["dane.unusable"]),
        (GOOD, "servfail", ["dane.no-answer"]),
        ("timeout", [f"0 0 1 {SHA256}"], ["dane.no-answer", "dane.unusable"]),
        ([f"1 0 1 {SHA256}"], [], ["dane.unusable"]),
    ],
)
async def test_dane_validated_servers_are_judged_by_tlsa_records(
    first: Records, second: Records, codes: list[str]
) -> None:
    findings = await run_check(SignedWorld(two_servers(first, second)))
    assert [finding.code for finding in findings] == codes
    for finding in findings:
        assert bool(finding.remediation) == (finding.verdict is not Verdict.PASS)
        assert "{" not in finding.summary


async def test_dane_partial_names_the_unprotected_server() -> None:
    (finding,) = await run_check(SignedWorld(two_servers(GOOD, [])))
    assert finding.verdict is Verdict.WARN
    assert "protects mx1.example.com but not mx2.example.com" in finding.summary


@pytest.mark.parametrize(
    "unproven",
    [
        [DOMAIN],
        [(DOMAIN, "MX")],
        [("mx1.example.com", "A"), ("mx2.example.com", "AAAA")],
        ["_25._tcp.mx1.example.com", "_25._tcp.mx2.example.com"],
    ],
)
async def test_dane_unvalidated_answer_passes_as_not_checked(unproven: list[str]) -> None:
    (finding,) = await run_check(SignedWorld(two_servers(GOOD, ["0 0 0 ff"]), unproven))
    assert (finding.code, finding.verdict) == ("dane.not-checked", Verdict.PASS)


async def test_dane_without_validation_sends_no_tlsa_query() -> None:
    world = World(two_servers(GOOD, GOOD))
    (finding,) = await run_check(world)
    assert finding.code == "dane.not-checked"
    assert world.queries == [(DOMAIN, "MX")]


async def test_dane_mx_timeout_is_not_checked() -> None:
    (finding,) = await run_check(SignedWorld({DOMAIN: {"MX": "timeout"}}))
    assert finding.code == "dane.not-checked"


@pytest.mark.parametrize("records", [["0 ."], []])
async def test_dane_without_mail_servers_finds_nothing(records: list[str]) -> None:
    assert await run_check(SignedWorld({DOMAIN: {"MX": records, "A": ["203.0.113.5"]}})) == []


async def test_dane_without_domain_sends_no_query() -> None:
    world = World({})
    assert await dane.check(CheckRequest(Target.of("203.0.113.5")), world) == []
    assert world.queries == []


@pytest.mark.parametrize(
    ("usage", "selector", "matching", "data", "usable"),
    [
        *(
            (usage, selector, 1, SHA256, usage in (2, 3) and selector in (0, 1))
            for usage in range(5)
            for selector in range(3)
        ),
        (3, 1, 2, SHA512, True),
        (3, 1, 2, SHA256, False),
        (3, 1, 1, SHA512, False),
        (3, 0, 0, "30820122", True),
        (3, 1, 3, SHA256, False),
        (255, 255, 255, "00", False),
    ],
)
def test_tlsa_usable_follows_rfc_7672(usage: int, selector: int, matching: int, data: str, usable: bool) -> None:
    assert Tlsa(usage, selector, matching, data).usable is usable


def test_parse_tlsa_split_data_is_joined() -> None:
    assert parse_tlsa(f"3 1 2 {SHA512[:64].upper()} {SHA512[64:]}") == Tlsa(3, 1, 2, SHA512)


@pytest.mark.parametrize("text", ["", "3 1", "3 1 1", "3 1 1 xyz", "3 1 1 abc", "-1 1 1 ab", "3 1 ¹ ab"])
def test_parse_tlsa_bad_text_raises(text: str) -> None:
    with pytest.raises(BadTlsa):
        parse_tlsa(text)


@given(st.text(max_size=60) | st.from_regex(r"[0-9]{1,3} [0-9] [0-9] [0-9a-f ]{0,40}", fullmatch=True))
def test_parse_records_any_text_gives_one_record(text: str) -> None:
    (record,) = parse_records([text])
    with suppress(BadTlsa):
        assert record == parse_tlsa(text)
