"""Grammar of RFC 7208 §12: what is a record, and the error sentence for what is not."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.spf.macros import BadSyntax, parse, parse_domain
from bot.checks.spf.phrases import PROBLEMS
from bot.checks.spf.record import (
    All,
    Directive,
    Exists,
    Hosts,
    Include,
    Mechanism,
    Network,
    Ptr,
    Record,
    is_spf,
    parse_record,
)
from tests.support.cpu_growth import LINEAR, cpu_growth

DOMAIN = parse_domain("example.com")


@pytest.mark.parametrize(
    ("term", "mechanism"),
    [
        ("all", All()),
        ("ALL", All()),
        ("include:example.com", Include(DOMAIN)),
        ("a", Hosts("a")),
        ("a:example.com", Hosts("a", DOMAIN)),
        ("a/24", Hosts("a", None, 24)),
        ("a//64", Hosts("a", None, 32, 64)),
        ("A:example.com/0//0", Hosts("a", DOMAIN, 0, 0)),
        ("a:foo/24.example.com", Hosts("a", parse_domain("foo/24.example.com"))),
        ("mx:example.com/24//64", Hosts("mx", DOMAIN, 24, 64)),
        ("ptr", Ptr()),
        ("ptr:example.com", Ptr(DOMAIN)),
        ("ip4:192.0.2.1", Network(IPv4Network("192.0.2.1"))),
        ("ip4:192.0.2.1/24", Network(IPv4Network("192.0.2.0/24"))),
        ("IP6:2001:DB8::/32", Network(IPv6Network("2001:db8::/32"))),
        ("ip6:::192.0.2.1", Network(IPv6Network("::c000:201"))),
        ("exists:%{i}.example.com", Exists(parse_domain("%{i}.example.com"))),
    ],
)
def test_parse_record_mechanism_has_its_type(term: str, mechanism: Mechanism) -> None:
    for qualifier in ("", "+", "-", "~", "?"):
        (directive,) = parse_record(f"v=spf1 {qualifier}{term}").directives
        assert (directive.qualifier, directive.mechanism, directive.text) == (
            qualifier or "+",
            mechanism,
            qualifier + term,
        )


def test_parse_record_separates_modifiers_from_directives() -> None:
    record = parse_record("v=spf1 x.y-z_1=a:b/c a EXP=e.example.com x.y-z_1=%{d} redirect=r.example.com ")
    assert [str(directive) for directive in record.directives] == ["a"]
    assert (str(record.redirect), str(record.exp)) == ("r.example.com", "e.example.com")
    assert record.modifiers == (("x.y-z_1", parse("a:b/c")), ("x.y-z_1", parse("%{d}")))


@pytest.mark.parametrize(
    ("term", "sentence"),
    [
        ("moo", "“moo” is not a term of SPF."),
        ("-all.", "“-all.” is not a term of SPF."),
        ("ipv4:192.0.2.1", "“ipv4:192.0.2.1” is not a term of SPF; write ip4 instead of ipv4."),
        ("redirect:example.com", "“redirect:example.com” is not a term of SPF; write redirect= instead of redirect:."),
        ("mx,", "“mx,” is not a term of SPF; terms are separated by spaces, not by commas."),
        ("a\rmx", "“a�mx” is not a term of SPF."),
        ("all:x", "“all:x” is wrong: all takes nothing after it."),
        ("include", "“include” needs a colon and a domain name."),
        ("exists/24", "“exists/24” needs a colon and a domain name."),
        ("include:", "“include:” names no domain."),
        ("a:", "“a:” names no domain."),
        ("redirect=", "“redirect=” names no domain."),
        ("include:museum", "“museum” is not a full domain name."),
        ("a:192.0.2.1", "“a:192.0.2.1” holds an address; an address is written as ip4: or ip6:."),
        ("a/33", "“a/33” has a prefix length above /32."),
        ("mx//129", "“mx//129” has a prefix length above /128."),
        ("a/24/64", "“a/24/64” ends in something that is not a prefix length such as /24 or /24//64."),
        ("a/024", "“a/024” ends in something that is not a prefix length such as /24 or /24//64."),
        ("ip4", "“ip4” is not an address or a network; write it like ip4:192.0.2.0/24."),
        ("ip4:192.0.2", "“ip4:192.0.2” is not an IPv4 address or network."),
        ("ip4:192.0.2.01", "“ip4:192.0.2.01” is not an IPv4 address or network."),
        ("ip4:192.0.2.1/33", "“ip4:192.0.2.1/33” has a prefix length above /32."),
        ("ip4:192.0.2.1//32", "“ip4:192.0.2.1//32” is not an address or a network; write it like ip4:192.0.2.0/24."),
        ("ip6:fe80::1%eth0", "“ip6:fe80::1%eth0” is not an address or a network; write it like ip6:2001:db8::/32."),
        ("ip6::2001::1", "“ip6::2001::1” is not an IPv6 address or network."),
        ("x=%abc", "The % in “%abc” does not start a macro of SPF."),
        ("exp=a.example exp=b.example", "exp= occurs twice in the record; it may occur once."),
    ],
)
def test_parse_record_invalid_term_raises_its_sentence(term: str, sentence: str) -> None:
    with pytest.raises(BadSyntax) as error:
        parse_record(f"v=spf1 {term} -all")
    assert error.value.problem.phrase(PROBLEMS) == sentence


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v=spf1", True),
        ("V=SpF1 -all", True),
        ("v=spf10", False),
        ("v=spf1;", False),
        (" v=spf1", False),
        ("v=spf", False),
        ("", False),
    ],
)
def test_is_spf_requires_blank_or_end_after_version(text: str, expected: bool) -> None:
    assert is_spf(text) is expected


def test_record_terms_after_all_are_unreachable() -> None:
    record = parse_record("v=spf1 mx ~all include:example.com")
    assert [str(directive) for directive in record.reachable] == ["mx", "~all"]
    assert str(record.default_directive) == "~all"
    assert parse_record("v=spf1 mx").default_directive is None


names = st.sampled_from(["example.com", "%{d}", "_spf.%{d2}", "a:b/c.example.", "%{lr-}.%{ir}.%{v}.example"]).map(
    parse_domain
)
prefixes = st.tuples(st.integers(0, 32), st.integers(0, 128))
mechanisms: st.SearchStrategy[Mechanism] = st.one_of(
    st.just(All()),
    names.map(Include),
    names.map(Exists),
    st.builds(Ptr, st.none() | names),
    st.builds(Hosts, st.sampled_from(["a", "mx"]), st.none() | names, st.integers(0, 32), st.integers(0, 128)),
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)).map(lambda pair: Network(IPv4Network(pair, strict=False))),
    st.tuples(st.ip_addresses(v=6), st.integers(0, 128)).map(lambda pair: Network(IPv6Network(pair, strict=False))),
)
modifiers = st.tuples(st.sampled_from(["x", "op.2", "a-b_c"]), st.sampled_from(["", "1", "%{d}=a:b"]).map(parse))
records = st.builds(
    Record,
    st.lists(st.builds(Directive, st.sampled_from("+-~?"), mechanisms), max_size=6).map(tuple),
    st.none() | names,
    st.none() | names,
    st.lists(modifiers, max_size=3).map(tuple),
)


@given(records)
def test_parse_record_round_trip(record: Record) -> None:
    assert parse_record(str(record)) == record


tokens = "a mx ptr all include exists ip4 ip6 redirect exp x : / // = . , % %{d} + - ~ 1 24 example.com"
terms = st.lists(st.sampled_from(tokens.split())).map("".join)


def parse_or_error(text: str) -> Record | str:
    """Return the record, or the sentence about BadSyntax, the only error the parser may raise."""
    try:
        return parse_record(text)
    except BadSyntax as error:
        return error.problem.phrase(PROBLEMS)


@given(st.text(max_size=80) | terms | st.lists(terms, max_size=5).map(" ".join))
def test_parse_record_any_text_raises_only_bad_syntax(text: str) -> None:
    record = parse_or_error(f"v=spf1 {text}")
    if isinstance(record, str):
        assert re.fullmatch(r"[^\n]+\.", record)
    else:
        assert parse_record(str(record)) == record


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        ("v=spf1 ", "a"),
        ("v=spf1 a:", "a."),
        ("v=spf1 a:", "/24"),
        ("v=spf1 ", "ip4:192.0.2.1 "),
        ("v=spf1 exists:", "%{l1r-.+}"),
        ("v=spf1 x=", "%{"),
        ("v=spf1", " "),
    ],
)
def test_parse_record_takes_linear_time(start: str, piece: str) -> None:
    def parse(text: str) -> None:
        record = parse_or_error(text)
        assert len(str(record)) < 200 or isinstance(record, Record)

    assert cpu_growth(parse, lambda length: start + piece * (length // len(piece)), 16_384) <= LINEAR
