"""BIMI records and their tags."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.bimi.messages import RECORD_PROBLEMS
from bot.checks.bimi.record import Assertion, BadBimiRecord, is_assertion, parse

LOGO, PROOF = "https://example.com/logo.svg", "https://example.com/proof.pem"


@pytest.mark.parametrize(
    ("text", "assertion"),
    [
        (f"v=BIMI1; l={LOGO}; a={PROOF}", Assertion(LOGO, PROOF)),
        (f"v=BIMI1; l={LOGO}", Assertion(LOGO)),
        (f"v = BIMI1 ; a = {PROOF} ; l = {LOGO} ;", Assertion(LOGO, PROOF)),
        (f"v=BIMI1; l={LOGO}; a=; avp=personal", Assertion(LOGO)),
        (f"v=BIMI1; l={LOGO}; avp=mine; unknown=1", Assertion(LOGO)),
        ("v=BIMI1; l=; a=; lps=brand-one , brand-two", Assertion("")),
        ("v=BIMI1; l=; a=;", Assertion("")),
        (f"v=BIMI1; l=HTTPS://example.com/l.svg; a={PROOF}", Assertion("HTTPS://example.com/l.svg", PROOF)),
    ],
)
def test_parse_valid_record_gives_tags(text: str, assertion: Assertion) -> None:
    assert is_assertion(text)
    assert parse(text) == assertion


def test_parse_empty_tags_decline() -> None:
    assert parse("v=BIMI1; l=; a=;").declined
    assert not parse(f"v=BIMI1; l=; a={PROOF}").declined


@pytest.mark.parametrize("text", ["", "v=bimi1; l=", "v=BIMI2; l=", "l=; v=BIMI1", "v=BIMI1 l=", "v=DMARC1; p=none"])
def test_is_assertion_other_text_is_false(text: str) -> None:
    assert not is_assertion(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v=BIMI1", "l="),
        (f"v=BIMI1; a={PROOF}", "l="),
        (f"v=BIMI1; L={LOGO}", "l="),
        ("v=BIMI1; l=http://example.com/logo.svg", "https"),
        ("v=BIMI1; l=example.com/logo.svg", "https"),
        ("v=BIMI1; l=https:///logo.svg", "full host"),
        ("v=BIMI1; l=https://localhost/logo.svg", "full host"),
        (f"v=BIMI1; l={LOGO},{LOGO}", "full host"),
        ("v=BIMI1; l=https://[/logo.svg", "not a URL"),
        (f"v=BIMI1; l={LOGO}; l={LOGO}", "twice"),
        (f"v=BIMI1; l={LOGO}; a=http://example.com/proof.pem", "a= must start"),
        ("v=BIMI1; logo", "tag=value"),
    ],
)
def test_parse_bad_record_raises_with_reason(text: str, message: str) -> None:
    with pytest.raises(BadBimiRecord) as error:
        parse(text)
    assert message in error.value.problem.phrase(RECORD_PROBLEMS)


TAGS = st.lists(st.tuples(st.sampled_from(["l", "a", "avp", "lps", ""]), st.text(max_size=20)), max_size=6)


@given(TAGS.map(lambda tags: "v=BIMI1;" + ";".join(f"{tag}={value}" for tag, value in tags)) | st.text(max_size=60))
def test_parse_any_text_parses_or_raises(text: str) -> None:
    with suppress(BadBimiRecord):
        assertion = parse(text)
        assert all(not url or url.lower().startswith("https:") for url in (assertion.location, assertion.evidence))
