"""SPF macros expand as in RFC 7208 §7; no input makes them misbehave."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.checks.spf.macros import (
    MAX_NAME_OCTETS,
    BadSyntax,
    MacroString,
    expand,
    is_queryable,
    macro_values,
    parse,
    parse_domain,
    parse_explanation,
    to_name,
)
from bot.checks.spf.phrases import PROBLEMS

SENDER = "strong-bad@email.example.com"


def values(ip: str = "192.0.2.3", sender: str = SENDER) -> dict[str, str]:
    result = macro_values(ip_address(ip), sender, "mail.example.org", "email.example.com", 1_700_000_000)
    return {**result, "p": "mx.example.org"}


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
def test_expand_examples_of_section_7_4(text: str, expanded: str) -> None:
    assert expand(parse(text), values()) == expanded


def test_expand_ipv6_address_gives_nibbles() -> None:
    nibbles = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
    assert expand(parse("%{ir}.%{v}._spf.%{d2}"), values("2001:db8::cb01")).lower() == nibbles
    assert expand(parse_explanation("%{c} at %{t}, says %{r}"), values("2001:db8::cb01")) == (
        "2001:db8::cb01 at 1700000000, says unknown"
    )


def test_expand_upper_case_macro_url_escapes() -> None:
    escaped = expand(parse("%{L}"), values(sender="~jack&jill=up-a_b3.c@example.com"))
    assert escaped == "~jack%26jill%3Dup-a_b3.c"


@pytest.mark.parametrize(
    "text", ["%", "a%", "%(d)", "%{", "%{d", "%{a}", "%{d0}", "%{dx}", "%{d;}", "a b", "ä", "\0", "%{d}%", "%{ d}"]
)
def test_parse_invalid_macro_raises_one_sentence(text: str) -> None:
    with pytest.raises(BadSyntax) as error:
        parse(text)
    assert re.fullmatch(r"[^\n]+\.", error.value.problem.phrase(PROBLEMS))


@pytest.mark.parametrize("variable", "crtCRT")
def test_parse_c_r_and_t_only_in_explanations(variable: str) -> None:
    with pytest.raises(BadSyntax) as error:
        parse(f"%{{{variable}}}")
    assert "only in the text of an explanation" in error.value.problem.phrase(PROBLEMS)
    assert parse_explanation(f"%{{{variable}}}").variables == {variable.lower()}


@pytest.mark.parametrize(
    "text", ["example.com", "example.com.", "a:b/c.example.com", "x.%{d}", "%{d}", ".com", "x.a-1", "%%"]
)
def test_parse_domain_accepts_macro_or_top_level_label(text: str) -> None:
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
def test_parse_domain_without_top_level_label_raises(text: str) -> None:
    with pytest.raises(BadSyntax):
        parse_domain(text)


@pytest.mark.parametrize("parser", [parse, parse_domain, parse_explanation])
@given(text=st.text(max_size=40) | st.text("%{}slodipvhcrt0123456789.-+,/_=", max_size=40))
def test_parse_any_text_raises_only_bad_syntax(parser: Callable[[str], MacroString], text: str) -> None:
    with suppress(BadSyntax):
        parsed = parser(text)
        assert str(parsed) == text
        assert isinstance(expand(parsed, values()), str)


@given(st.lists(st.text("abc-", min_size=1, max_size=70), min_size=1, max_size=60))
@example(["x", "a" * 63, "a" * 63, "a" * 63, "a" * 62])
@example(["x", "a" * 63, "a" * 63, "a" * 63, "a" * 61])
def test_to_name_long_name_drops_left_labels(labels: list[str]) -> None:
    name = to_name(".".join(labels))
    assert name.split(".") == labels[-len(name.split(".")) :]
    assert len(name) <= MAX_NAME_OCTETS
    dropped = labels[: -len(name.split("."))]
    assert not dropped or len(name) + 1 + len(dropped[-1]) > MAX_NAME_OCTETS, "one more label would have fitted"


@pytest.mark.parametrize(
    "name", ["", ".", "a..b", "a" * 64 + ".example", "x." * 127 + "example", "ä.example", "a\\.b", "a\n.b"]
)
def test_is_queryable_invalid_dns_name_is_false(name: str) -> None:
    assert not is_queryable(name)


@pytest.mark.parametrize(
    "name", ["example.com", "_spf.example.com", "a b%20.example", "a" * 63 + ".example", "localhost"]
)
def test_is_queryable_unusual_dns_name_is_true(name: str) -> None:
    assert is_queryable(name)
