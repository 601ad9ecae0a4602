"""The addresses that a domain names as its own: its mail servers, and the networks written out in its SPF record."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network

from bot.checks.lookups import ask, find_host
from bot.checks.mx import read_exchange
from bot.checks.spf.macros import BadSyntax
from bot.checks.spf.record import Network as Written
from bot.checks.spf.record import is_spf, parse_record
from bot.models import Lookup, LookupFailed
from bot.monitoring.models import MOST_ADDRESSES, Network

MOST_EXCHANGES = 10


@dataclass(frozen=True, slots=True)
class OwnAddresses:
    """Each network once and none inside another. `too_large` are those that hold more than a watch can follow; `unknown`
    are the questions that nobody answered, so that there may be more."""

    networks: tuple[Network, ...] = ()
    too_large: tuple[Network, ...] = ()
    unknown: tuple[str, ...] = ()


async def own_addresses(domain: str, lookup: Lookup) -> OwnAddresses:
    """What MX and the domain's own SPF record name now; what it includes belongs to others. Without MX it is the domain's
    own addresses that take its mail (RFC 5321 section 5.1)."""
    (hosts, no_hosts), (written, no_record) = await asyncio.gather(_mail_servers(domain, lookup), _spf(domain, lookup))
    networks = (*hosts, *written)
    return OwnAddresses(
        networks=_outermost(n for n in networks if n.num_addresses <= MOST_ADDRESSES),
        too_large=_outermost(n for n in networks if n.num_addresses > MOST_ADDRESSES),
        unknown=(*no_hosts, *no_record),
    )


async def _mail_servers(domain: str, lookup: Lookup) -> tuple[list[Network], list[str]]:
    reply = await ask(lookup, domain, "MX")
    if isinstance(reply, LookupFailed):
        return [], [f"MX of {domain}"]
    exchanges = [read_exchange(record).name for record in reply.records]
    names = sorted({name for name in exchanges if name != "."})[:MOST_EXCHANGES] if exchanges else [domain]
    hosts = await asyncio.gather(*(find_host(lookup, name) for name in names))
    unknown = [f"addresses of {host.name}" for host in hosts if host.unanswered]
    return [ip_network(address) for host in hosts for address in host.addresses], unknown


async def _spf(domain: str, lookup: Lookup) -> tuple[list[Network], list[str]]:
    reply = await ask(lookup, domain, "TXT")
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
    kept: list[Network] = []
    for network in sorted(set(networks), key=lambda n: (n.version, n.prefixlen, int(n.network_address))):
        if not any(_inside(network, other) for other in kept):
            kept.append(network)
    return tuple(kept)


def _inside(network: Network, other: Network) -> bool:
    if network.version != other.version or network.prefixlen < other.prefixlen:
        return False
    return network.network_address in other
