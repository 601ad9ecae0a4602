"""SSRF guard: names are resolved once, and only public addresses are connected to."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

from bot.inputs.special_addresses import special_purpose_of
from bot.models import Address, DnsAnswer, Lookup, LookupFailed
from bot.probe_results import ProbeError, ProbeFailed


async def resolve_public(host: str, lookup: Lookup) -> tuple[Address, ...]:
    """Addresses of a host, IPv4 first. Connect to these, never to the name (DNS rebinding).

    An IP address as text stands for itself. Raises ProbeFailed: SPECIAL if any address is
    special-purpose, NO_ADDRESS if there is none, NO_ANSWER if the DNS lookups failed.
    """
    addresses = _literal(host) or await _addresses(host, lookup)
    for ip in addresses:
        refuse_special(ip)
    return addresses


def refuse_special(ip: Address) -> None:
    """Raise ProbeFailed(SPECIAL) for a special-purpose address."""
    if special_purpose_of(ip):
        raise ProbeFailed(ProbeError.SPECIAL, str(ip))


def _literal(host: str) -> tuple[Address, ...]:
    try:
        return (ip_address(host),)
    except ValueError:
        return ()


async def _addresses(host: str, lookup: Lookup) -> tuple[Address, ...]:
    results = await asyncio.gather(*(_lookup_or_failure(lookup, host, rdtype) for rdtype in ("A", "AAAA")))
    answers = [result for result in results if isinstance(result, DnsAnswer)]
    failures = [result for result in results if isinstance(result, LookupFailed)]
    addresses = tuple(ip_address(text) for answer in answers for text in answer.records)
    if addresses:
        return addresses
    raise (
        ProbeFailed(ProbeError.NO_ANSWER, failures[0].reason) if failures else ProbeFailed(ProbeError.NO_ADDRESS, host)
    )


async def _lookup_or_failure(lookup: Lookup, name: str, rdtype: str) -> DnsAnswer | LookupFailed:
    try:
        return await lookup(name, rdtype)
    except LookupFailed as error:
        return error
