"""Macros are filled in as RFC 7208 §7 says, and nothing that a stranger writes makes them misbehave."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.checks.spf.macros import (
    MOST_OCTETS,
    BadSyntax,
    MacroString,
    askable,
    expand,
    letters,
    parse,
    parse_domain,
    parse_explanation,
    to_name,
)

SENDER = "strong-bad@email.example.com"


def values(ip: str = "192.0.2.3", sender: str = SENDER) -> dict[str, str]:
    known = letters(ip_address(ip), sender, "mail.example.org", "email.example.com", 1_700_000_000)
    return {**known, "p": "mx.example.org"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ("%{p}", "mx.example.org"),
        ("%{h}", "mail.example.org"),
        ("%{D02R}", "example.email"),
        ("%%%_%-", "% %20"),
        ("%{S}", "strong-bad%40email.example.com"),
        (f"%{{d{'9' * 5000}}}", "email.example.com"),
    ],
)
def test_macros_expand_as_in_section_7_4(text: str, expanded: str) -> None:
    assert expand(parse(text), values()) == expanded


def test_an_ipv6_address_expands_into_its_nibbles() -> None:
    nibbles = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
    assert expand(parse("%{ir}.%{v}._spf.%{d2}"), values("2001:db8::cb01")).lower() == nibbles
    assert expand(parse_explanation("%{c} at %{t}, says %{r}"), values("2001:db8::cb01")) == (
        "2001:db8::cb01 at 1700000000, says unknown"
    )


def test_upper_case_letters_escape_all_but_unreserved_characters() -> None:
    escaped = expand(parse("%{L}"), values(sender="~jack&jill=up-a_b3.c@example.com"))
    assert escaped == "~jack%26jill%3Dup-a_b3.c"


@pytest.mark.parametrize(
    "text", ["%", "a%", "%(d)", "%{", "%{d", "%{a}", "%{d0}", "%{dx}", "%{d;}", "a b", "ä", "\0", "%{d}%", "%{ d}"]
)
def test_a_bad_macro_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(BadSyntax, match=r"^[^\n]+\.$"):
        parse(text)


@pytest.mark.parametrize("letter", "crtCRT")
def test_c_r_and_t_are_for_explanations_only(letter: str) -> None:
    with pytest.raises(BadSyntax, match="only in the text of an explanation"):
        parse(f"%{{{letter}}}")
    assert parse_explanation(f"%{{{letter}}}").letters == {letter.lower()}


@pytest.mark.parametrize(
    "text", ["example.com", "example.com.", "a:b/c.example.com", "x.%{d}", "%{d}", ".com", "x.a-1", "%%"]
)
def test_a_domain_ends_in_a_macro_or_a_top_level_label(text: str) -> None:
    assert str(parse_domain(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "com",
        "com.",
        "example.123",
        "example.-com",
        "example.com-",
        "%{d}com",
        "example.com:80",
        "a.b/24",
        "a..",
        ".",
    ],
)
def test_anything_else_is_not_a_full_domain_name(text: str) -> None:
    with pytest.raises(BadSyntax):
        parse_domain(text)


@pytest.mark.parametrize("read", [parse, parse_domain, parse_explanation])
@given(text=st.text(max_size=40) | st.text("%{}slodipvhcrt0123456789.-+,/_=", max_size=40))
def test_no_text_raises_anything_but_bad_syntax(read: Callable[[str], MacroString], text: str) -> None:
    with suppress(BadSyntax):
        parsed = read(text)
        assert str(parsed) == text
        assert isinstance(expand(parsed, values()), str)


@given(st.lists(st.text("abc-", min_size=1, max_size=70), min_size=1, max_size=60))
@example(["x", "a" * 63, "a" * 63, "a" * 63, "a" * 62])
@example(["x", "a" * 63, "a" * 63, "a" * 63, "a" * 61])
def test_a_long_name_loses_whole_labels_from_the_left(labels: list[str]) -> None:
    name = to_name(".".join(labels))
    assert name.split(".") == labels[-len(name.split(".")) :]
    assert len(name) <= MOST_OCTETS
    dropped = labels[: -len(name.split("."))]
    assert not dropped or len(name) + 1 + len(dropped[-1]) > MOST_OCTETS, "one more label would have fitted"


@pytest.mark.parametrize(
    "name", ["", ".", "a..b", "a" * 64 + ".example", "x." * 127 + "example", "ä.example", "a\\.b", "a\n.b"]
)
def test_a_name_that_dns_cannot_be_asked_about_does_not_exist(name: str) -> None:
    assert not askable(name)


@pytest.mark.parametrize(
    "name", ["example.com", "_spf.example.com", "a b%20.example", "a" * 63 + ".example", "localhost"]
)
def test_odd_names_can_be_asked_about(name: str) -> None:
    assert askable(name)
