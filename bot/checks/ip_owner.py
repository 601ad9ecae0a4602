"""Network owner of an address: AS number and name from Team Cymru's DNS service.

Informational: without a timely answer there is no finding. The abuse contact comes from the RIR
over RDAP and is left out where that takes too long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from bot.checks.finding_codes import FindingCode
from bot.checks.hosting_providers import provider_of_network
from bot.checks.lookups import lookup_or_failure, reversed_ip
from bot.checks.rdap import AbuseContact, FindContact
from bot.inputs.special_addresses import special_purpose_of
from bot.models import Address, BulkLookup, CheckRequest, DnsAnswer, Finding, Lookup, Verdict

# Placeholders: {ip}, {network} (AS number, and its name where it has one), {provider}, {notes} (whole sentences).
CODES: Mapping[str, FindingCode] = {
    "network.holder": FindingCode(
        "Whose network the address is in, and what its provider lets users do about reverse DNS and port 25.",
        "[Team Cymru: IP to ASN](https://www.team-cymru.com/ip-asn-mapping), RFC 9083 §5.4",
        verdict=Verdict.PASS,
        summary="{ip} is in the network {network}; {provider} sets its PTR record.{notes}",
    )
}
NAMED_NETWORK = "of {holder} ({network})"
ITS_PROVIDER = "its provider"
ABUSE_NOTE = "Complaints about it go to {abuse}."

ORIGIN_ZONES = {4: "origin.asn.cymru.com", 6: "origin6.asn.cymru.com"}
AS_NAME_ZONE = "asn.cymru.com"
LOOKUP_TIMEOUT_S = 2.0
CONTACT_TIMEOUT_S = 1.0
MAX_AS_NAME_LENGTH = 60
PLAIN_CHARS = frozenset(" .,&'()/+-_")


@dataclass(frozen=True, slots=True)
class Origin:
    """A row of the IP-to-ASN mapping: origin AS numbers, prefix, country and RIR."""

    asns: tuple[int, ...]
    prefix: str
    country: str
    registry: str = ""

    @property
    def prefix_length(self) -> int:
        return ip_network(self.prefix).prefixlen


class BadRow(ValueError):
    """The text is not a row of the mapping."""


async def check(
    request: CheckRequest,
    lookup: Lookup,
    *,
    allow_special: bool = True,
    timeout_s: float = LOOKUP_TIMEOUT_S,
    find_contact: FindContact | None = None,
) -> list[Finding]:
    """One finding about the network of the target address; none without a timely answer.

    RDAP is not queried in bulk checks, which would be too many requests for a registry.
    """
    ip = request.target.ip
    if ip is None or not (allow_special or special_purpose_of(ip) is None):
        return []
    try:
        async with asyncio.timeout(timeout_s):
            return await _find_owner(ip, lookup, None if isinstance(lookup, BulkLookup) else find_contact)
    except TimeoutError:
        return []


async def _find_owner(ip: Address, lookup: Lookup, find_contact: FindContact | None) -> list[Finding]:
    result = await lookup_or_failure(lookup, f"{reversed_ip(ip)}.{ORIGIN_ZONES[ip.version]}", "TXT")
    origin = longest_prefix(result.records) if isinstance(result, DnsAnswer) else None
    if origin is None:
        return []
    result, contact = await asyncio.gather(
        lookup_or_failure(lookup, f"AS{origin.asns[0]}.{AS_NAME_ZONE}", "TXT"), _find_contact(find_contact, origin, ip)
    )
    as_names = [parse_as_name(text) for text in result.records] if isinstance(result, DnsAnswer) else []
    return [_finding(ip, origin, next(iter(as_names), ""), contact)]


async def _find_contact(find_contact: FindContact | None, origin: Origin, ip: Address) -> AbuseContact | None:
    """None on timeout; the request goes on, so that its result is cached for the next check."""
    if find_contact is None:
        return None
    try:
        async with asyncio.timeout(CONTACT_TIMEOUT_S):
            return await find_contact(origin.registry, origin.prefix, ip)
    except TimeoutError:
        return None


def longest_prefix(texts: Sequence[str]) -> Origin | None:
    """The row with the longest prefix; unreadable rows are skipped."""
    return max(_parse_rows(texts), key=lambda origin: origin.prefix_length, default=None)


def parse_origin(text: str) -> Origin:
    """Parse `64496 64497 | 203.0.113.0/24 | DE | ripencc | 2020-01-01`. Raises BadRow."""
    asns, prefix, country, registry = (*(field.strip() for field in text.split("|")), "", "", "", "")[:4]
    numbers = tuple(int(asn) for asn in asns.split() if asn.isascii() and asn.isdecimal() and len(asn) <= 10)
    try:
        network = ip_network(prefix)
    except ValueError:
        raise BadRow(prefix) from None
    if not numbers:
        raise BadRow(asns)
    country_code = country if country.isascii() and country.isalpha() and len(country) == 2 else ""
    return Origin(numbers, str(network), country_code, registry.lower())


def parse_as_name(text: str) -> str:
    """The AS name in a row, with unusual characters replaced; empty if there is none.

    `64496 | DE | ripencc | 2020-01-01 | EXAMPLE-AS Example GmbH, DE`
    """
    fields = text.split("|")
    if len(fields) < 5:
        return ""
    name, comma, country = "|".join(fields[4:]).strip().rpartition(", ")
    as_name = name if comma and len(country) == 2 else f"{name}{comma}{country}"
    return "".join(char if char.isalnum() or char in PLAIN_CHARS else "?" for char in as_name[:MAX_AS_NAME_LENGTH])


def _parse_rows(texts: Sequence[str]) -> list[Origin]:
    rows = []
    for text in texts:
        try:
            rows.append(parse_origin(text))
        except BadRow:
            continue
    return rows


def _finding(ip: Address, origin: Origin, holder: str, contact: AbuseContact | None) -> Finding:
    asn = origin.asns[0]
    provider = provider_of_network(asn)
    network = f"AS{asn}, {origin.country}" if origin.country else f"AS{asn}"
    port_25 = provider.port_25 if provider else ""
    abuse = ABUSE_NOTE.format(abuse=contact.abuse) if contact and contact.abuse else ""
    values = {
        "ip": ip,
        "network": NAMED_NETWORK.format(holder=holder, network=network) if holder else network,
        "provider": provider.name if provider else ITS_PROVIDER,
        "notes": "".join(f" {note}" for note in (port_25, abuse) if note),
    }
    code = "network.holder"
    text = CODES[code]
    return Finding(
        "network",
        str(ip),
        text.verdict,
        code,
        *text.fill(values),
        facts={
            "asns": list(origin.asns),
            "prefix": origin.prefix,
            "country": origin.country or None,
            "holder": holder or None,
            "network": (contact.network or None) if contact else None,
            "abuse": (contact.abuse or None) if contact else None,
            "provider": provider.id if provider else None,
            "reverse_name": provider.rdns_steps if provider else None,
            "port_25": port_25 or None,
        },
        links=tuple(link for link in (provider.link, provider.port_25_link) if link) if provider else (),
    )
