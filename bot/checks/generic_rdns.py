"""Recognize generic PTR names, which receivers distrust. Pure."""

from __future__ import annotations

import re
from itertools import pairwise

from bot.checks.lookups import reversed_ip
from bot.inputs.domain_names import organizational_domain
from bot.models import Address

# Words of the host part that mark leased, dial-up or shared lines.
GENERIC_WORD = re.compile(
    r"dyn(amic|ip)?|dhcp|ppp(oe)?|pool|(cg)?nat|gprs|umts|wifi|wlan|broadband|(cable)?modem|cable|catv|dial(in|up)?"
    r"|[asvx]?dsl|ftth|residential|customers?|clients|un(used|assigned|allocated)|inaddr"
)
DIGIT_RUN = re.compile(r"[0-9]+")
LETTER_RUN = re.compile(r"[a-z]+")
ADDRESS = "address"  # what makes a name generic: the numbers of the address, or else one of the words
# Two short octets side by side may be chance (mail-1-2), two long ones hardly.
MIN_DIGITS = 4


def why_generic(name: str, ip: Address) -> str | None:
    """What makes the PTR name generic: ADDRESS or the word in it; None if nothing does.

    Only the part below the registered domain counts: `mx.dsl-shop.example` is not generic.
    """
    registered_domain = organizational_domain(name)
    host = name.removesuffix(registered_domain).rstrip(".")
    if _contains_address(host, ip):
        return ADDRESS
    return next((word for word in LETTER_RUN.findall(host) if GENERIC_WORD.fullmatch(word)), None)


def _contains_address(host: str, ip: Address) -> bool:
    if ip.version == 6:
        return _contains_ipv6(host, ip)
    digits = "".join(f"{int(part):03}" for part in str(ip).split("."))
    compact = host.replace("-", "").replace(".", "")
    return f"{int(ip):08x}" in compact or digits in compact or _contains_adjacent_octets(host, ip)


def _contains_adjacent_octets(host: str, ip: Address) -> bool:
    """Whether the first or last two octets of an IPv4 address are adjacent, in either order."""
    first, second, third, fourth = (int(part) for part in str(ip).split("."))
    octet_pairs = {(first, second), (second, first), (third, fourth), (fourth, third)}
    numbers = [int(number) for number in DIGIT_RUN.findall(host) if len(number) <= 3]
    adjacent = pairwise(numbers)
    return any(pair in octet_pairs and sum(len(str(number)) for number in pair) >= MIN_DIGITS for pair in adjacent)


def _contains_ipv6(host: str, ip: Address) -> bool:
    """Whether it has the last 64 bits in hex, the address with dashes, or its reversed nibbles."""
    compact = host.replace("-", "").replace(".", "")
    interface_id = ip.exploded.replace(":", "")[16:]
    return interface_id in compact or str(ip).replace(":", "-") in host or reversed_ip(ip)[:31] in host
