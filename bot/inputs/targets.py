"""What a person typed or pasted, read into targets. Time and memory grow with the length of the text and no faster."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address, ip_network

from bot.inputs.domain_names import BadName, quoted, read_domain
from bot.models import Address, Target

MOST_AT_ONCE = 16
MOST_CHARACTERS = 20_000
MOST_WORDS = 64  # 16 addresses, their domain, and room for repetition
TOO_MUCH = f"That is too much at once: give up to {MOST_AT_ONCE} addresses or domains."
NOTHING = "Tell me what to check: an address like 203.0.113.5, a domain like example.com, or both."

# Slack writes <http://example.com|example.com> and <mailto:a@example.com|a@example.com>, and escapes what was typed.
SLACK_MARKUP = re.compile(r"<([^<>|]*)(?:\|[^<>]*)?>")
SLACK_ESCAPES = re.compile(r"&(amp|lt|gt);")
SEPARATORS = re.compile(r"[\s,;]+")
# Zero-width and direction marks carry no meaning in a target; the two joiners do, in Persian and Indian names.
INVISIBLE = dict.fromkeys(
    [0xAD, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), 0x2060, *range(0x2066, 0x206A), 0xFEFF]
)
JOINERS = dict.fromkeys([0x200C, 0x200D])
WRAPPING = "\"'`´*~()<>{}“”„‟‘’‚‛«»‹›"
SCHEME = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
END_OF_HOST = re.compile(r"[/?#\\]")
BRACKETED = re.compile(r"\[(?:IPv6:)?([^\[\]]*)\](?::[0-9]*)?", re.IGNORECASE)
WITH_PORT = re.compile(r"([^:]*):[0-9]*")


class BadTarget(ValueError):
    """The text cannot be checked; the message is one sentence for the person: what was wrong and what to type."""


def read_targets(text: str) -> tuple[Target, ...]:
    """The targets in what a person typed, each once, in their order. Raises BadTarget.

    Understood are IPv4 and IPv6 addresses, ranges of up to 16 addresses, domains, hosts, URLs and mail addresses, with
    what chat programs and mail logs put around them. Every address is paired with the domain given.
    """
    addresses: dict[Address, None] = {}
    domains: dict[str, None] = {}
    for word in _words(text):
        found = _read_word(word)
        if isinstance(found, str):
            domains[found] = None
        else:
            addresses.update(dict.fromkeys(found))
    if len(addresses) + len(domains) > MOST_AT_ONCE + 1:
        raise BadTarget(TOO_MUCH)
    return _pair(list(addresses), list(domains))


def read_line(line: str) -> tuple[Target, ...]:
    """The targets of one line of a file; none for an empty line or a comment that starts with `#`. Raises BadTarget."""
    text = line.strip("\ufeff \t\r\n")
    return () if not text or text.startswith("#") else read_targets(text)


def _pair(addresses: list[Address], domains: list[str]) -> tuple[Target, ...]:
    if addresses and len(domains) > 1:
        names = " and ".join(domains[:2])
        raise BadTarget(f"Give one domain together with addresses; {names} could each belong to them.")
    domain = domains[0] if domains else None
    targets = tuple(Target(ip, domain) for ip in addresses) or tuple(Target(domain=name) for name in domains)
    if not targets:
        raise BadTarget(NOTHING)
    if len(targets) > MOST_AT_ONCE:
        raise BadTarget(TOO_MUCH)
    return targets


def _words(text: str) -> Iterable[str]:
    if len(text) > MOST_CHARACTERS:
        raise BadTarget(TOO_MUCH)
    text = SLACK_ESCAPES.sub(lambda escape: {"amp": "&", "lt": "<", "gt": ">"}[escape[1]], text)
    text = SLACK_MARKUP.sub(_link_text, text).translate(INVISIBLE)
    words = SEPARATORS.split(text)
    if len(words) > MOST_WORDS + 2:  # the split leaves an empty word at either end
        raise BadTarget(TOO_MUCH)
    return filter(_says_something, map(_unwrapped, words))


def _link_text(link: re.Match[str]) -> str:
    """The host of a link, so that a comma further on in its URL separates nothing."""
    return f" {_host(link[1]) if '//' in link[1] else link[1]} "


def _says_something(word: str) -> bool:
    """Whether the word is more than the dash or the dot of a pasted list."""
    return any(letter.isalnum() or letter == ":" for letter in word)


def _unwrapped(word: str) -> str:
    """The word without quotation marks, brackets and the end of a sentence around it."""
    plain = word.translate(JOINERS)
    return (plain if plain.isascii() else word).strip(WRAPPING).rstrip("!?").strip(WRAPPING)


def _read_word(word: str) -> str | list[Address]:
    """One word is a domain, an address, or the addresses of a range."""
    start, slash, length = word.partition("/")
    if slash and _address(start) is not None:
        return _read_range(word, start, length)
    host = _host(word)
    if not host:
        raise BadTarget(f"{quoted(word)} has no host or domain in it; type something like example.com.")
    if (ip := _address(host.removesuffix("."))) is not None:
        return [ip]
    if ":" in host:
        raise BadTarget(_why_not_ipv6(host))
    try:
        return read_domain(host)
    except BadName as error:
        raise BadTarget(str(error)) from None


def _why_not_ipv6(host: str) -> str:
    if "%" in host:
        return f"{quoted(host)} has a zone after the “%”, which means something on one machine only; leave it out."
    return f"{quoted(host)} is not an IPv6 address; type it like 2001:db8::5."


def _host(word: str) -> str:
    """The host inside a URL, a mail address, or a host with a port; anything else as it is."""
    if word[:7].lower() == "mailto:":
        word = word[7:]
    elif scheme := SCHEME.match(word):
        word = word[scheme.end() :]
    authority = END_OF_HOST.split(word, maxsplit=1)[0]
    host = authority.rpartition("@")[2]
    if match := BRACKETED.fullmatch(host) or WITH_PORT.fullmatch(host):
        return match[1]
    return host


def _address(text: str) -> Address | None:
    if "%" in text:  # ipaddress would take the zone along
        return None
    try:
        return _unmapped(ip_address(text))
    except ValueError:
        return None


def _unmapped(ip: Address) -> Address:
    """`::ffff:192.0.2.1` is how a dual-stack program writes an IPv4 address; mail servers see the IPv4 one."""
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip


def _read_range(word: str, start: str, length: str) -> list[Address]:
    try:
        network = ip_network(f"{start}/{length}", strict=False)
    except ValueError:
        raise BadTarget(f"{quoted(word)} is not a range; type it like 203.0.113.0/28 or 2001:db8::/124.") from None
    if network.num_addresses > MOST_AT_ONCE:  # counted, never expanded: ::/0 costs nothing
        raise BadTarget(f"{quoted(word)} holds more than {MOST_AT_ONCE} addresses; type /28 (IPv6: /124) or smaller.")
    return [_unmapped(ip) for ip in network]
