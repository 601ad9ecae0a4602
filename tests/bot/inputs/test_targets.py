"""Targets in pasted text: accepted forms, and refusals with one sentence in bounded time."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.inputs.targets import MAX_TARGETS, NO_TARGET, TOO_MANY_TARGETS, BadTarget, parse_targets
from bot.models import Target
from tests.support.cpu_growth import LINEAR, cpu_growth

ACCEPTED = {
    "203.0.113.5": ["203.0.113.5"],
    "203.0.113.5.": ["203.0.113.5"],
    "203.0.113.5:25": ["203.0.113.5"],
    "2001:DB8::A": ["2001:db8::a"],
    "[2001:db8::1]": ["2001:db8::1"],
    "[2001:db8::1]:25": ["2001:db8::1"],
    "::": ["::"],
    "::ffff:1.2.3.4": ["1.2.3.4"],
    "::ffff:203.0.113.4/127": ["203.0.113.4", "203.0.113.5"],
    "203.0.113.7/31": ["203.0.113.6", "203.0.113.7"],
    "203.0.113.0/255.255.255.254": ["203.0.113.0", "203.0.113.1"],
    "203.0.113.5/32": ["203.0.113.5"],
    "2001:db8::5/127": ["2001:db8::4", "2001:db8::5"],
    "example.com": ["example.com"],
    "MAIL.Example.COM.": ["mail.example.com"],
    "example.com:25": ["example.com"],
    "example.com/inbox?x=1": ["example.com"],
    "https://someone:secret@example.com:8443/a?b#c": ["example.com"],
    "http://[2001:db8::1]:80/": ["2001:db8::1"],
    "//example.com/": ["example.com"],
    "someone@example.com": ["someone@example.com"],
    "mailto:someone@example.com?subject=hello": ["example.com"],
    "someone@[203.0.113.5]": ["203.0.113.5"],
    "someone@[IPv6:2001:db8::1]": ["2001:db8::1"],
    "<mailto:someone@example.com>": ["someone@example.com"],
    "<someone@example.com>": ["someone@example.com"],
    "203.0.113.5<someone@example.com>": ["203.0.113.5 someone@example.com"],
    "someone@example.com example.com": ["someone@example.com"],
    "203.0.113.5 someone@example.com": ["203.0.113.5 someone@example.com"],
    "a@example.com, b@example.com": ["a@example.com", "b@example.com"],
    "some*one@example.com": ["example.com"],
    "Postmaster@example.com": ["example.com"],
    "https://someone@example.com/": ["example.com"],
    "“203.0.113.5” ‘example.com’": ["203.0.113.5 example.com"],
    "«example.com»": ["example.com"],
    "`203.0.113.5`, *example.com*!": ["203.0.113.5 example.com"],
    "203.0.113.5\u00a0example.com": ["203.0.113.5 example.com"],
    "\ufeff203.0.113.5\u200b \u2066example.com\u2069": ["203.0.113.5 example.com"],
    "203.0.113.5,203.0.113.6;example.com": ["203.0.113.5 example.com", "203.0.113.6 example.com"],
    "example.com 203.0.113.5": ["203.0.113.5 example.com"],
    "example.com example.net": ["example.com", "example.net"],
    "203.0.113.5 203.0.113.5 example.com EXAMPLE.COM": ["203.0.113.5 example.com"],
    "- 203.0.113.5\n- 203.0.113.6": ["203.0.113.5", "203.0.113.6"],
    "müller.example": ["xn--mller-kva.example"],
    "someone@Müller.example": ["someone@xn--mller-kva.example"],
    "مثال\u200cها.example": ["xn--mgbak5hcp2927b.example"],
    "example\u200d.com": ["example.com"],
}

NOT_FULL = "is not a full IPv4 address"
NOT_A_TARGET = "is not an address or a domain"
REFUSED = {
    "": NO_TARGET,
    " \u200b\n": NO_TARGET,
    "!!! ...": NO_TARGET,
    "hello there": NOT_A_TARGET,
    "-example.com": NOT_A_TARGET,
    "exam ple.com": NOT_A_TARGET,
    "1.2.3": NOT_FULL,
    "2130706433": NOT_FULL,
    "0x7f.1": NOT_FULL,
    "0x7f000001": NOT_FULL,
    "0177.0.0.1": NOT_FULL,
    "127.1": NOT_FULL,
    "203.0.113.500": NOT_FULL,
    "1.2.3.4.5": NOT_FULL,
    "http://2130706433/": NOT_FULL,
    "１２７.1": NOT_FULL,
    "fe80::1%eth0": "has a zone",
    "fe80::1%eth0/124": "has a zone",
    "http://[fe80::1%25eth0]/": "has a zone",
    "2001:db8::1::2": "is not an IPv6 address",
    "http://[::1": "is not an IPv6 address",
    "co.uk": "is a public suffix",
    "com": "is a public suffix",
    "someone@com": "is a public suffix",
    "a" * 64 + ".example": "more than 63 characters",
    "a." * 130 + "example": "too long for a domain name",
    "ü" * 60 + ".example": "not a valid international domain name",
    "a" * 15_000: "too long for a domain name",
    "example..com": "has an empty part",
    "example.com..": "has an empty part",
    "_dmarc.example.com": "names a record",
    "someone@": "has no host or domain",
    "https:///path": "has no host or domain",
    "0.0.0.0/0": "holds more than 16 addresses",
    "::/0": "holds more than 16 addresses",
    "203.0.113.0/27": "holds more than 16 addresses",
    "2001:db8::/64": "holds more than 16 addresses",
    "203.0.113.0/33": "is not a range",
    "203.0.113.0/x": "is not a range",
    "mail.local": "exist only on a local network",
    "mail.internal": "exist only inside a private network",
    "mail.onion": "exist only inside Tor",
    "5.113.0.203.in-addr.arpa": "type the address itself",
    "mail.invalid": "never exist",
    "localhost": "is the machine itself",
    "203.0.113.5 example.com example.net": "Give one domain together with addresses",
    "203.0.113.0/28 203.0.113.16": TOO_MANY_TARGETS,
    " ".join(f"host{number}.example" for number in range(17)): TOO_MANY_TARGETS,
    "word " * 80: TOO_MANY_TARGETS,
    "203.0.113.5 " * 100: TOO_MANY_TARGETS,
}


def refusal(text: str) -> str:
    with pytest.raises(BadTarget) as error:
        parse_targets(text)
    return str(error.value)


@pytest.mark.parametrize(("text", "targets"), ACCEPTED.items(), ids=repr)
def test_parse_targets_pasted_text_is_parsed(text: str, targets: list[str]) -> None:
    assert [str(target) for target in parse_targets(text)] == targets


@pytest.mark.parametrize(("text", "expected"), REFUSED.items(), ids=lambda text: repr(text)[:40])
def test_parse_targets_bad_text_is_refused_in_one_sentence(text: str, expected: str) -> None:
    message = refusal(text)
    assert expected in message
    assert message.endswith(".")
    assert "\n" not in message
    assert len(message) < 220


@pytest.mark.parametrize("piece", ["a ", "203.0.113.5,", "<", "<a>", "a@"])
def test_parse_targets_long_text_is_refused_in_linear_time(piece: str) -> None:
    assert cpu_growth(refusal, lambda length: piece * length, 25_000) <= LINEAR


def test_parse_targets_largest_range_is_expanded() -> None:
    assert [target.ip for target in parse_targets("203.0.113.9/28")] == list(ip_network("203.0.113.0/28"))
    assert len(parse_targets("2001:db8::/124 example.com")) == MAX_TARGETS


def test_parse_targets_refusal_is_printable() -> None:
    assert refusal("exa\x1b[31m\x07mple").isprintable()


labels = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20)
domains = st.builds(lambda parts: ".".join([*parts, "example"]), st.lists(labels, min_size=1, max_size=4))
addresses = st.one_of(
    st.builds(IPv4Address, st.integers(0, 2**32 - 1)),
    st.builds(IPv6Address, st.integers(0, 2**128 - 1)).filter(lambda ip: ip.ipv4_mapped is None),
)
targets = st.one_of(
    st.builds(Target, addresses, domains),
    st.builds(Target, addresses),
    st.builds(lambda domain: Target(domain=domain), domains),
)


@given(targets)
def test_target_text_form_round_trips(target: Target) -> None:
    assert parse_targets(str(target)) == (target,)


@given(st.one_of(st.text(max_size=300), st.text("0123456789abcdefx.:/%@[]<>|-_,# ", max_size=80)))
def test_parse_targets_any_text_round_trips_or_raises(text: str) -> None:
    try:
        parsed = parse_targets(text)
    except BadTarget:
        return
    assert 1 <= len(parsed) <= MAX_TARGETS
    for target in parsed:
        assert parse_targets(str(target)) == (target,)
