"""What people read contains no phrase of `phrases_to_avoid.txt`."""

from __future__ import annotations

import re

import pytest

from tests.support.visible_texts import ROOT, visible_texts

PHRASES = tuple(
    phrase
    for line in (ROOT / "tests/phrases_to_avoid.txt").read_text(encoding="utf-8").splitlines()
    if (phrase := line.split("#")[0].strip())
)
AVOIDED = re.compile("|".join(f"(?:{phrase})" for phrase in PHRASES), re.IGNORECASE)


def test_visible_texts_contain_no_phrase_to_avoid() -> None:
    texts = list(visible_texts())
    assert len(texts) > 3_000
    offenders = [f"{name}:{line} {match.group()!r}" for name, line, text in texts if (match := AVOIDED.search(text))]
    assert offenders == [], "see tests/phrases_to_avoid.txt for what to write instead"


@pytest.mark.parametrize(
    "text",
    [
        "203.0.113.5 has no reverse name.",
        "Ada has example.com in hand",
        "Kempt is not believed at present.",
        "DMARC of example.org only watches.",
        "3h (wished: 1h)",
        "203.0.113.5: all good",
    ],
)
def test_phrase_to_avoid_is_found_in_a_sentence(text: str) -> None:
    assert AVOIDED.search(text)


@pytest.mark.parametrize(
    "text", ["PTR of 203.0.113.5 is mail.example.com.", "Check all of them at once.", "The rest was not read."]
)
def test_plain_sentence_has_no_phrase_to_avoid(text: str) -> None:
    assert not AVOIDED.search(text)
