"""Reverse names that nobody chose: receivers distrust them, as most mail from such hosts is spam. Pure."""

from __future__ import annotations

import re
from itertools import pairwise

from bot.checks.lookups import reversed_ip
from bot.inputs.domain_names import organisational_domain
from bot.models import Address

# Words of the host part that tell of leased, dial-up or shared lines.
LEASED = re.compile(
    r"dyn(amic|ip)?|dhcp|ppp(oe)?|pool|(cg)?nat|gprs|umts|wifi|wlan|broadband|(cable)?modem|cable|catv|dial(in|up)?"
    r"|[asvx]?dsl|ftth|residential|customers?|clients|un(used|assigned|allocated)|inaddr"
)
NUMBERS = re.compile(r"[0-9]+")
LETTERS = re.compile(r"[a-z]+")
# Two numbers of the address side by side may be chance (mail-1-2), two long ones hardly.
FEWEST_DIGITS = 4


def why_generic(name: str, ip: Address) -> str | None:
    """What in the name shows that a machine made it, as the end of "it contains …"; None when nothing does.

    Only the part below the registered domain counts: `mx.dsl-shop.example` is a chosen name.
    """
    owner = organisational_domain(name)
    host = name.removesuffix(owner).rstrip(".")
    if _holds_address(host, ip):
        return "the numbers of the address"
    word = next((word for word in LETTERS.findall(host) if LEASED.fullmatch(word)), None)
    return f"the word “{word}”" if word else None


def _holds_address(host: str, ip: Address) -> bool:
    if ip.version == 6:
        return _holds_ipv6(host, ip)
    digits = "".join(f"{int(part):03}" for part in str(ip).split("."))
    dense = host.replace("-", "").replace(".", "")
    return f"{int(ip):08x}" in dense or digits in dense or _holds_two_neighbours(host, ip)


def _holds_two_neighbours(host: str, ip: Address) -> bool:
    """Two neighbouring numbers of an IPv4 address, in either order: the first two or the last two."""
    first, second, third, fourth = (int(part) for part in str(ip).split("."))
    pairs = {(first, second), (second, first), (third, fourth), (fourth, third)}
    numbers = [int(number) for number in NUMBERS.findall(host) if len(number) <= 3]
    neighbours = pairwise(numbers)
    return any(pair in pairs and sum(len(str(number)) for number in pair) >= FEWEST_DIGITS for pair in neighbours)


def _holds_ipv6(host: str, ip: Address) -> bool:
    """The last 64 bits in hexadecimal, the whole address with dashes, or its digits backwards."""
    dense = host.replace("-", "").replace(".", "")
    last = ip.exploded.replace(":", "")[16:]
    return last in dense or str(ip).replace(":", "-") in host or reversed_ip(ip)[:31] in host
