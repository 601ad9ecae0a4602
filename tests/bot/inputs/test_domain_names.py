"""Domain names: one form inside, both forms shown, look-alikes noticed."""

from __future__ import annotations

import time

import pytest

from bot.inputs.domain_names import BadName, look_alike, organisational_domain, read_domain, shown


@pytest.mark.parametrize(
    ("typed", "domain"),
    [
        ("Example.COM.", "example.com"),
        ("müller.example", "xn--mller-kva.example"),
        ("XN--MLLER-KVA.example", "xn--mller-kva.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("例え。example", "xn--r8jz45g.example"),
        ("r3---sn.example.com", "r3---sn.example.com"),
        ("github.io", "github.io"),
        ("mail.top-level-unknown", "mail.top-level-unknown"),
    ],
)
def test_a_domain_has_one_form_inside(typed: str, domain: str) -> None:
    assert read_domain(typed) == domain
    assert read_domain(domain) == domain


def test_the_length_is_capped_before_the_slow_part() -> None:
    started = time.perf_counter()
    with pytest.raises(BadName):
        read_domain("\u0378ü" * 50_000)
    assert time.perf_counter() - started < 0.010


@pytest.mark.parametrize(
    ("domain", "text"),
    [
        ("example.com", "example.com"),
        ("xn--mller-kva.example", "müller.example (xn--mller-kva.example)"),
        ("xn--broken-.example", "xn--broken-.example (xn--broken-.example)"),
    ],
)
def test_an_international_name_is_shown_in_both_forms(domain: str, text: str) -> None:
    assert shown(domain) == text


@pytest.mark.parametrize(
    ("name", "suspect"),
    [
        ("example.com", None),
        ("müller.example", None),
        ("пример.example", None),
        ("日本語カナabc.example", None),
        ("佐々木.example", None),
        ("한국漢字.example", None),
        ("p\u0430ypal.example", "p\u0430ypal"),
        ("g\u03bfogle.example", "g\u03bfogle"),
        ("\u0430\u0440\u0440\u04cf\u0435.example", "\u0430\u0440\u0440\u04cf\u0435"),
        ("\u0440\u043e\u0440.рф", None),
    ],
)
def test_a_name_that_may_be_mistaken_for_another_is_noticed(name: str, suspect: str | None) -> None:
    assert look_alike(read_domain(name)) == suspect


@pytest.mark.parametrize(
    ("domain", "owner"),
    [
        ("a.b.example.com", "example.com"),
        ("mail.example.co.uk", "example.co.uk"),
        ("someone.github.io", "someone.github.io"),
        ("com", "com"),
    ],
)
def test_the_organisational_domain_is_the_registered_one(domain: str, owner: str) -> None:
    assert organisational_domain(domain) == owner
