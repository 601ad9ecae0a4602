"""Parse targets from text that users type or paste, in time and memory linear in its length."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv6Address, ip_address, ip_network

from bot.inputs.domain_names import BadDomain, parse_domain, quoted
from bot.models import Address, Target

MAX_TARGETS = 16
MAX_CHARS = 20_000
MAX_WORDS = 64  # 16 addresses, their domain, and repetitions
TOO_MANY_TARGETS = f"Too many targets: one command checks up to {MAX_TARGETS} addresses or domains."
NO_TARGET = "Tell me what to check: an address like 203.0.113.5, a domain like example.com, or both."

SEPARATORS = re.compile(r"[\s,;<>]+")  # angle brackets as in `Ada <ada@example.com>`
# Zero-width and bidi marks mean nothing here; the two joiners do, in Persian and Indic names.
INVISIBLE = dict.fromkeys(
    [0xAD, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), 0x2060, *range(0x2066, 0x206A), 0xFEFF]
)
JOINERS = dict.fromkeys([0x200C, 0x200D])
WRAPPING_CHARS = "\"'`´*~(){}“”„‟‘’‚‛«»‹›"
SCHEME = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
HOST_END = re.compile(r"[/?#\\]")
BRACKETED = re.compile(r"\[(?:IPv6:)?([^\[\]]*)\](?::[0-9]*)?", re.IGNORECASE)
WITH_PORT = re.compile(r"([^:]*):[0-9]*")
ROLE_MAILBOXES = frozenset({"abuse", "hostmaster", "noc", "postmaster", "security", "webmaster"})
MAILBOX = re.compile(r"(?:mailto:)?([a-z0-9._%+=-]{1,64})@[^@/?#]+", re.IGNORECASE)


class BadTarget(ValueError):
    """The text cannot be checked; the message is one sentence for the user: problem and remedy."""


def parse_targets(text: str) -> tuple[Target, ...]:
    """Parse the targets in user input, without duplicates, in order. Raises BadTarget.

    Accepts IPv4 and IPv6 addresses, ranges of up to 16 addresses, domains, hosts, URLs and mail
    addresses, with the punctuation of prose and mail logs. Every address is paired with the
    domain given.
    """
    addresses: dict[Address, None] = {}
    names: dict[Target, None] = {}
    for word in _split_words(text):
        parsed = _parse_word(word)
        if isinstance(parsed, str):
            names[Target(domain=parsed, mailbox=_mailbox(word, parsed))] = None
        else:
            addresses.update(dict.fromkeys(parsed))
    if len(addresses) + len(names) > MAX_TARGETS + 1:
        raise BadTarget(TOO_MANY_TARGETS)
    return _pair(list(addresses), list(names))


def _mailbox(word: str, domain: str) -> str | None:
    """The mail address that the word is; one of a role (RFC 2142) only stands for its domain."""
    match = MAILBOX.fullmatch(word)
    return f"{match[1].lower()}@{domain}" if match and match[1].lower() not in ROLE_MAILBOXES else None


def _pair(addresses: list[Address], names: list[Target]) -> tuple[Target, ...]:
    with_mailbox = {name.domain for name in names if name.mailbox}
    names = [name for name in names if name.mailbox or name.domain not in with_mailbox]
    domains = list(dict.fromkeys(str(name.domain) for name in names))
    if addresses and len(domains) > 1:
        both = " and ".join(domains[:2])
        raise BadTarget(f"Give one domain together with addresses; {both} could each belong to them.")
    name = names[0] if names else None
    targets = tuple(replace(name, ip=ip) if name else Target(ip) for ip in addresses) or tuple(names)
    if not targets:
        raise BadTarget(NO_TARGET)
    if len(targets) > MAX_TARGETS:
        raise BadTarget(TOO_MANY_TARGETS)
    return targets


def _split_words(text: str) -> Iterable[str]:
    if len(text) > MAX_CHARS:
        raise BadTarget(TOO_MANY_TARGETS)
    words = SEPARATORS.split(text.translate(INVISIBLE))
    if len(words) > MAX_WORDS + 2:  # the split leaves an empty word at both ends
        raise BadTarget(TOO_MANY_TARGETS)
    return filter(_has_content, map(_unwrap, words))


def _has_content(word: str) -> bool:
    """Whether the word is more than a list bullet or punctuation."""
    return any(char.isalnum() or char == ":" for char in word)


def _unwrap(word: str) -> str:
    """The word without surrounding quotation marks, brackets and end punctuation."""
    plain = word.translate(JOINERS)
    return (plain if plain.isascii() else word).strip(WRAPPING_CHARS).rstrip("!?").strip(WRAPPING_CHARS)


def _parse_word(word: str) -> str | list[Address]:
    """A domain, or the addresses of an address or range."""
    start, slash, length = word.partition("/")
    if slash and _parse_address(start) is not None:
        return _parse_range(word, start, length)
    host = _host(word)
    if not host:
        raise BadTarget(f"{quoted(word)} has no host or domain in it; type something like example.com.")
    if (ip := _parse_address(host.removesuffix("."))) is not None:
        return [ip]
    if ":" in host:
        raise BadTarget(_why_not_ipv6(host))
    try:
        return parse_domain(host)
    except BadDomain as error:
        raise BadTarget(str(error)) from None


def _why_not_ipv6(host: str) -> str:
    if "%" in host:
        return f"{quoted(host)} has a zone after the “%”, which means something on one machine only; leave it out."
    return f"{quoted(host)} is not an IPv6 address; type it like 2001:db8::5."


def _host(word: str) -> str:
    """The host in a URL, a mail address, or host:port; other text unchanged."""
    if word[:7].lower() == "mailto:":
        word = word[7:]
    elif scheme := SCHEME.match(word):
        word = word[scheme.end() :]
    authority = HOST_END.split(word, maxsplit=1)[0]
    host = authority.rpartition("@")[2]
    if match := BRACKETED.fullmatch(host) or WITH_PORT.fullmatch(host):
        return match[1]
    return host


def _parse_address(text: str) -> Address | None:
    if "%" in text:  # ipaddress would accept the zone
        return None
    try:
        return _unmapped(ip_address(text))
    except ValueError:
        return None


def _unmapped(ip: Address) -> Address:
    """`::ffff:192.0.2.1` is how dual-stack software writes an IPv4 address."""
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip


def _parse_range(word: str, start: str, length: str) -> list[Address]:
    try:
        network = ip_network(f"{start}/{length}", strict=False)
    except ValueError:
        raise BadTarget(f"{quoted(word)} is not a range; type it like 203.0.113.0/28 or 2001:db8::/124.") from None
    if network.num_addresses > MAX_TARGETS:  # counted, never expanded: ::/0 is free
        raise BadTarget(f"{quoted(word)} holds more than {MAX_TARGETS} addresses; type /28 (IPv6: /124) or smaller.")
    return [_unmapped(ip) for ip in network]
