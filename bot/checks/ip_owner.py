"""Whose network an address is in, by Team Cymru's map of the routing table over DNS, and what that provider lets its users do.

It is a help and no verdict: where the map does not answer in time there is no finding at all, and nothing waits for it.
The abuse contact comes from the registry that the map names, over RDAP, and is left out where that takes longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from bot.checks.finding_codes import Code
from bot.checks.hosting_providers import Provider, provider_of_network
from bot.checks.lookups import ask, reversed_ip
from bot.checks.rdap import Contact, FindContact
from bot.inputs.special_addresses import special
from bot.models import Address, Answer, Finding, Lookup, Order, SweepLookup, Verdict

CODES: Mapping[str, Code] = {
    "network.holder": Code(
        "Whose network the address is in, and what its provider lets users do about reverse name and port 25.",
        "[Team Cymru: IP to ASN](https://www.team-cymru.com/ip-asn-mapping), RFC 9083 §5.4",
    ),
}
ORIGINS = {4: "origin.asn.cymru.com", 6: "origin6.asn.cymru.com"}
NAMES = "asn.cymru.com"
WITHIN_S = 2.0
CONTACT_WITHIN_S = 1.0
MOST_HOLDER = 60
PLAIN = frozenset(" .,&'()/+-_")


@dataclass(frozen=True, slots=True)
class Origin:
    """One row of the map: the prefix that holds the address, the systems that announce it, and where it is registered."""

    asns: tuple[int, ...]
    prefix: str
    country: str
    registry: str = ""

    @property
    def width(self) -> int:
        return ip_network(self.prefix).prefixlen


class BadRow(ValueError):
    """The text is not a row of the map."""


async def check(
    order: Order,
    lookup: Lookup,
    *,
    special_allowed: bool = True,
    within_s: float = WITHIN_S,
    find_contact: FindContact | None = None,
) -> list[Finding]:
    """One finding about the order's address; none where the map says nothing within the seconds given.

    A registry is asked for people only: the addresses of a sweep are too many for it.
    """
    ip = order.target.ip
    if ip is None or not (special_allowed or special(ip) is None):
        return []
    try:
        async with asyncio.timeout(within_s):
            return await _look_up(ip, lookup, None if isinstance(lookup, SweepLookup) else find_contact)
    except TimeoutError:
        return []


async def _look_up(ip: Address, lookup: Lookup, find_contact: FindContact | None) -> list[Finding]:
    reply = await ask(lookup, f"{reversed_ip(ip)}.{ORIGINS[ip.version]}", "TXT")
    origin = nearest(reply.records) if isinstance(reply, Answer) else None
    if origin is None:
        return []
    reply, contact = await asyncio.gather(
        ask(lookup, f"AS{origin.asns[0]}.{NAMES}", "TXT"), _in_time(find_contact, origin, ip)
    )
    holders = [read_holder(text) for text in reply.records] if isinstance(reply, Answer) else []
    return [_finding(ip, origin, next(iter(holders), ""), contact)]


async def _in_time(find_contact: FindContact | None, origin: Origin, ip: Address) -> Contact | None:
    """None where the registry takes too long: it is heard nevertheless, and the next check has its answer."""
    if find_contact is None:
        return None
    try:
        async with asyncio.timeout(CONTACT_WITHIN_S):
            return await find_contact(origin.registry, origin.prefix, ip)
    except TimeoutError:
        return None


def nearest(texts: Sequence[str]) -> Origin | None:
    """The row with the longest prefix; rows that cannot be read are left out."""
    return max(_readable_rows(texts), key=lambda origin: origin.width, default=None)


def read_origin(text: str) -> Origin:
    """`64496 64497 | 203.0.113.0/24 | DE | ripencc | 2020-01-01`; raises BadRow."""
    asns, prefix, country, registry = (*(field.strip() for field in text.split("|")), "", "", "", "")[:4]
    numbers = tuple(int(asn) for asn in asns.split() if asn.isascii() and asn.isdecimal() and len(asn) <= 10)
    try:
        network = ip_network(prefix)
    except ValueError:
        raise BadRow("the second field is no prefix") from None
    if not numbers:
        raise BadRow("the first field is no number of an autonomous system")
    known = country if country.isascii() and country.isalpha() and len(country) == 2 else ""
    return Origin(numbers, str(network), known, registry.lower())


def read_holder(text: str) -> str:
    """The name in `64496 | DE | ripencc | 2020-01-01 | EXAMPLE-AS Example GmbH, DE`, fit for a sentence; empty if none."""
    fields = text.split("|")
    if len(fields) < 5:
        return ""
    name, comma, country = "|".join(fields[4:]).strip().rpartition(", ")
    whole = name if comma and len(country) == 2 else f"{name}{comma}{country}"
    return "".join(letter if letter.isalnum() or letter in PLAIN else "?" for letter in whole[:MOST_HOLDER])


def _readable_rows(texts: Sequence[str]) -> list[Origin]:
    rows = []
    for text in texts:
        try:
            rows.append(read_origin(text))
        except BadRow:
            continue
    return rows


def _finding(ip: Address, origin: Origin, holder: str, contact: Contact | None) -> Finding:
    asn = origin.asns[0]
    provider = provider_of_network(asn)
    place = f"AS{asn}, {origin.country}" if origin.country else f"AS{asn}"
    belongs = f"{ip} is in the network of {holder} ({place})" if holder else f"{ip} is in the network {place}"
    return Finding(
        check="network",
        about=str(ip),
        verdict=Verdict.PASS,
        code="network.holder",
        says=f"{belongs}{_customs(provider)}{_complaints(contact)}",
        facts={
            "asns": list(origin.asns),
            "prefix": origin.prefix,
            "country": origin.country or None,
            "holder": holder or None,
            "network": (contact.network or None) if contact else None,
            "abuse": (contact.abuse or None) if contact else None,
            "provider": provider.id if provider else None,
            "reverse_name": provider.how if provider else None,
            "port_25": (provider.port_25 or None) if provider else None,
        },
        links=tuple(link for link in (provider.link, provider.port_25_link) if link) if provider else (),
    )


def _customs(provider: Provider | None) -> str:
    if provider is None:
        return "; its provider sets the reverse name."
    return f"; {provider.name} sets the reverse name. {provider.port_25}".rstrip()


def _complaints(contact: Contact | None) -> str:
    return f" Complaints about it go to {contact.abuse}." if contact and contact.abuse else ""
