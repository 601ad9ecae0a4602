"""Discover the sending addresses of a domain: its MX hosts and the networks in its SPF record."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network

from bot.checks.lookups import lookup_host, lookup_or_failure
from bot.checks.mx import parse_mx
from bot.checks.spf.macros import BadSyntax
from bot.checks.spf.record import Network as Written
from bot.checks.spf.record import is_spf, parse_record
from bot.models import Lookup, LookupFailed
from bot.monitoring.models import MAX_ADDRESSES, Network

MAX_MX_HOSTS = 10


@dataclass(frozen=True, slots=True)
class SenderNetworks:
    """Networks without duplicates or overlaps.

    `too_large` exceed MAX_ADDRESSES; `unresolved` names the lookups that failed.
    """

    networks: tuple[Network, ...] = ()
    too_large: tuple[Network, ...] = ()
    unresolved: tuple[str, ...] = ()


async def discover_senders(domain: str, lookup: Lookup) -> SenderNetworks:
    """Networks named by MX and by the SPF record itself; SPF includes are not followed.

    Without MX records the addresses of the domain count (RFC 5321 section 5.1).
    """
    (mx_networks, unknown_mx), (spf_networks, unknown_spf) = await asyncio.gather(
        _mail_servers(domain, lookup), _spf(domain, lookup)
    )
    networks = (*mx_networks, *spf_networks)
    return SenderNetworks(
        networks=_outermost(n for n in networks if n.num_addresses <= MAX_ADDRESSES),
        too_large=_outermost(n for n in networks if n.num_addresses > MAX_ADDRESSES),
        unresolved=(*unknown_mx, *unknown_spf),
    )


async def _mail_servers(domain: str, lookup: Lookup) -> tuple[list[Network], list[str]]:
    reply = await lookup_or_failure(lookup, domain, "MX")
    if isinstance(reply, LookupFailed):
        return [], [f"MX of {domain}"]
    exchanges = [parse_mx(record).name for record in reply.records]
    names = sorted({name for name in exchanges if name != "."})[:MAX_MX_HOSTS] if exchanges else [domain]
    hosts = await asyncio.gather(*(lookup_host(lookup, name) for name in names))
    unknown = [f"addresses of {host.name}" for host in hosts if host.unanswered]
    return [ip_network(address) for host in hosts for address in host.addresses], unknown


async def _spf(domain: str, lookup: Lookup) -> tuple[list[Network], list[str]]:
    reply = await lookup_or_failure(lookup, domain, "TXT")
    if isinstance(reply, LookupFailed):
        return [], [f"SPF of {domain}"]
    records = [text for text in reply.records if is_spf(text)]
    if len(records) != 1:
        return [], []
    try:
        mechanisms = [
            directive.mechanism for directive in parse_record(records[0]).reachable if directive.qualifier == "+"
        ]
    except BadSyntax:
        return [], [f"SPF of {domain}"]
    return [mechanism.network for mechanism in mechanisms if isinstance(mechanism, Written)], []


def _outermost(networks: Iterable[Network]) -> tuple[Network, ...]:
    outermost: list[Network] = []
    for network in sorted(set(networks), key=lambda n: (n.version, n.prefixlen, int(n.network_address))):
        if not any(_inside(network, outer) for outer in outermost):
            outermost.append(network)
    return tuple(outermost)


def _inside(inner: Network, outer: Network) -> bool:
    if inner.version != outer.version or inner.prefixlen < outer.prefixlen:
        return False
    return inner.network_address in outer
