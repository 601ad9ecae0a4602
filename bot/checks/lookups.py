"""DNS lookups shared by checks: reverse names, concurrent queries, hosts and MX hosts.

Failed lookups are returned as values, so that one failure does not hide the other answers.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.inputs.domain_names import organizational_domain
from bot.models import Address, DnsAnswer, Lookup, LookupFailed, LookupResult

__all__ = ["organizational_domain", "readable", "reverse_name", "reversed_ip"]

UNUSUAL_CHAR = re.compile(r"[^A-Za-z0-9._-]")
MAX_READABLE = 100
REVERSE_ZONES = {4: "in-addr.arpa", 6: "ip6.arpa"}


def reversed_ip(ip: Address) -> str:
    """The reversed octets, or the 32 reversed nibbles of IPv6, as DNSBLs use them (RFC 5782)."""
    parts = str(ip).split(".") if ip.version == 4 else ip.exploded.replace(":", "")
    return ".".join(reversed(parts))


def reverse_name(ip: Address) -> str:
    """The name of the PTR records of an address (RFC 1035, RFC 3596)."""
    return f"{reversed_ip(ip)}.{REVERSE_ZONES[ip.version]}"


def readable(name: str) -> str:
    """A DNS name made safe for text: unusual characters become question marks."""
    return UNUSUAL_CHAR.sub("?", name[:MAX_READABLE]) + ("…" if len(name) > MAX_READABLE else "")


async def lookup_or_failure(lookup: Lookup, name: str, rdtype: str) -> LookupResult:
    """Look up one name; a failure is returned, not raised."""
    try:
        return await lookup(name, rdtype)
    except LookupFailed as failure:
        return failure


async def lookup_concurrently(lookup: Lookup, queries: Iterable[tuple[str, str]]) -> list[LookupResult]:
    """Look up (name, type) pairs concurrently; results are in the order of the queries."""
    return await asyncio.gather(*(lookup_or_failure(lookup, name, rdtype) for name, rdtype in queries))


@dataclass(frozen=True, slots=True)
class Host:
    """The addresses of a name.

    `unanswered` is the reason if the A or the AAAA lookup failed: there may be more addresses.
    """

    name: str
    addresses: tuple[str, ...]
    unanswered: str | None = None


async def lookup_host(lookup: Lookup, name: str) -> Host:
    """Look up A and AAAA of a name concurrently."""
    results = await lookup_concurrently(lookup, [(name, "A"), (name, "AAAA")])
    failures = [result.reason for result in results if isinstance(result, LookupFailed)]
    addresses = [record for result in results if isinstance(result, DnsAnswer) for record in result.records]
    return Host(name, tuple(addresses), failures[0] if failures else None)


async def mx_hosts(lookup: Lookup, domain: str) -> tuple[str, ...]:
    """The mail servers of a domain in order of preference, in lower case.

    Empty if the domain takes no mail (null MX, RFC 7505). Without MX records it is the domain
    itself (RFC 5321 §5.1). Raises LookupFailed.
    """
    answer = await lookup(domain, "MX")
    if not answer.records:
        return (domain,) if answer.exists else ()
    mx_records = (record.partition(" ") for record in answer.records)
    by_preference = sorted((int(preference), name.lower().rstrip(".")) for preference, _, name in mx_records)
    return tuple(dict.fromkeys(name for _, name in by_preference if name))
