"""Domain names: parsing, display in both forms, lookalike detection."""

from __future__ import annotations

import pytest

from bot.inputs.domain_names import (
    BadDomain,
    display_domain,
    find_lookalike,
    organizational_domain,
    parse_dns_name,
    parse_domain,
)
from tests.support.cpu_growth import LINEAR, cpu_growth


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
        ("xn--i-7iq.example", "xn--i-7iq.example"),  # IDNA 2008 refuses it, DNS does not
        ("xn--ls8h.example", "xn--ls8h.example"),  # a symbol, as registries sold them before
        ("xn--i-7iq.müller.example", "xn--i-7iq.xn--mller-kva.example"),
        ("mail_out.example.com", "mail_out.example.com"),
        ("bounces_1.example.com", "bounces_1.example.com"),
    ],
)
def test_parse_domain_gives_a_labels(typed: str, domain: str) -> None:
    assert parse_domain(typed) == domain
    assert parse_domain(domain) == domain


@pytest.mark.parametrize("name", ["com", "co.uk", "example.com"])
def test_parse_dns_name_takes_a_public_suffix(name: str) -> None:
    assert parse_dns_name(name.upper()) == name


def test_parse_domain_overlong_text_is_refused_in_linear_time() -> None:
    def refuse(text: str) -> None:
        with pytest.raises(BadDomain):
            parse_domain(text)

    assert cpu_growth(refuse, lambda length: "\u0378ü" * length, 25_000) <= LINEAR


@pytest.mark.parametrize(
    ("domain", "text"),
    [
        ("example.com", "example.com"),
        ("xn--mller-kva.example", "müller.example (xn--mller-kva.example)"),
        ("xn--broken-.example", "xn--broken-.example"),
    ],
)
def test_display_domain_idn_has_both_forms(domain: str, text: str) -> None:
    assert display_domain(domain) == text


@pytest.mark.parametrize(
    ("name", "label"),
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
def test_lookalike_label_is_found(name: str, label: str | None) -> None:
    assert find_lookalike(parse_domain(name)) == label


@pytest.mark.parametrize(
    ("domain", "registered_domain"),
    [
        ("a.b.example.com", "example.com"),
        ("mail.example.co.uk", "example.co.uk"),
        ("someone.github.io", "someone.github.io"),
        ("com", "com"),
    ],
)
def test_organizational_domain_is_the_registered_one(domain: str, registered_domain: str) -> None:
    assert organizational_domain(domain) == registered_domain
