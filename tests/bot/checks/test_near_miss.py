"""A record that receivers do not take as one of its kind is known as a near miss, and other text is not."""

from __future__ import annotations

import pytest

from bot.checks.near_miss import SPF, Kind, find_near_miss

KINDS = [SPF, *(Kind(version) for version in ("v=DMARC1", "v=DKIM1", "v=BIMI1", "v=STSv1", "v=TLSRPTv1"))]
FAULTS = {
    "blank": (" {v}; p=none", "\t{v}; p=none", "\u00a0{v}; p=none", "\ufeff{v}; p=none", "\u200b{v}; p=none"),
    "quotes": ('"{v}; p=none"', "“{v}; p=none”", "'{v}; p=none'", "„{v}; p=none“", "«{v}; p=none»"),
    "backslash": ("{v}\\; p=none", "{v}\\; p=none\\;"),
    "spelling": ("{bare}; p=none", "{v}, p=none", "v:{bare}; p=none", "v=={bare}; p=none", "v–{bare}; p=none"),
    "case": ("{lower}; p=none", "{upper}; p=none"),
}
CASES = [(kind, reason, text) for kind in KINDS for reason, texts in FAULTS.items() for text in texts]
OTHER_TEXT = ["", " ", "hello", "v=", "google-site-verification=abc", "spfoo", "spf-verification=1", "p=none"]


def fill(text: str, kind: Kind) -> str:
    version = kind.version
    return text.format(v=version, bare=version[2:], lower=version.lower(), upper=f"v={version[2:].upper()}")


@pytest.mark.parametrize(("kind", "reason", "template"), CASES)
def test_near_miss_is_found_with_its_reason(kind: Kind, reason: str, template: str) -> None:
    text = fill(template, kind)
    if reason == "case" and (text.startswith(kind.version) or not kind.exact_case):
        return
    near_miss = find_near_miss(["hello", text], kind)
    assert near_miss is not None
    assert near_miss.reason == reason
    assert near_miss.phrase("example.com").endswith(".")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", OTHER_TEXT)
def test_other_text_is_no_near_miss(kind: Kind, text: str) -> None:
    assert find_near_miss([text], kind) is None


@pytest.mark.parametrize("kind", KINDS)
def test_record_of_another_kind_is_no_near_miss(kind: Kind) -> None:
    assert find_near_miss([f"{other.version}; p=none" for other in KINDS if other is not kind], kind) is None


@pytest.mark.parametrize("text", ["spf2.0/pra include:_spf.example.net -all", "spf2.0/mfrom,pra mx -all"])
def test_sender_id_record_is_no_spf(text: str) -> None:
    near_miss = find_near_miss([text], SPF)
    assert near_miss is not None
    assert "Sender ID" in near_miss.phrase("example.com")
