"""SPF records as the sets of addresses that they let pass, to compare an old record with a new one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from itertools import chain

from bot.advice.evidence import SpfRecords
from bot.checks.spf.macros import BadSyntax, MacroString, expand, to_name
from bot.checks.spf.record import All, Directive, Exists, Hosts, Include, Network, Ptr, Record, parse_record

IpNetwork = IPv4Network | IPv6Network
MAX_DEPTH = 10


@dataclass(frozen=True, slots=True)
class Passes:
    """What passes a record: `networks`, and the terms that networks cannot express.

    `opaque` holds terms with macros, `exists`, `ptr`, explicit non-passes, and names that were not
    read. `lookups` counts the DNS terms of the record and of all below it (RFC 7208 §4.6.4).
    """

    networks: frozenset[IpNetwork] = frozenset()
    opaque: tuple[str, ...] = ()
    lookups: int = 0

    def covers(self, other: Passes) -> bool:
        """Whether this holds every network of the other one."""
        return all(any(_inside(network, outer) for outer in self.networks) for network in other.networks)


def passes(text: str, read: SpfRecords) -> Passes | None:
    """What passes a record of the domain, given the records that were read; None for a permerror."""
    try:
        record = parse_record(text)
    except BadSyntax:
        return None
    return _passes(record, read.domain, read, MAX_DEPTH)


def _passes(record: Record, domain: str, read: SpfRecords, depth: int) -> Passes:
    parts = [_of_directive(directive, domain, read, depth) for directive in record.reachable]
    if record.redirect is not None and record.default_directive is None:
        parts.append(_below(_name(record.redirect, domain, read), f"redirect={record.redirect}", read, depth))
    return _joined(parts)


def _of_directive(directive: Directive, domain: str, read: SpfRecords, depth: int) -> Passes:
    mechanism, passing = directive.mechanism, directive.qualifier == "+"
    if isinstance(mechanism, All):
        everyone = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
        return Passes(frozenset(everyone if passing else ()))
    if not passing:
        return Passes(opaque=(str(directive),), lookups=0 if isinstance(mechanism, Network) else 1)
    match mechanism:
        case Network():
            return Passes(frozenset({mechanism.network}))
        case Hosts():
            return _hosts(mechanism, domain, read)
        case Include():
            return _below(_name(mechanism.domain, domain, read), str(directive), read, depth)
        case Exists() | Ptr():
            return Passes(opaque=(str(directive),), lookups=1)


def _hosts(mechanism: Hosts, domain: str, read: SpfRecords) -> Passes:
    target = _name(mechanism.domain, domain, read) if mechanism.domain else domain
    addresses = read.hosts.get(f"{mechanism.name} {target}")
    if not target or addresses is None:
        return Passes(opaque=(f"{mechanism} of {domain}",), lookups=1)
    networks = (
        ip_network(f"{address}/{mechanism.v6 if ':' in address else mechanism.v4}", strict=False)
        for address in addresses
    )
    return Passes(frozenset(networks), lookups=1)


def _below(name: str, term: str, read: SpfRecords, depth: int) -> Passes:
    text = read.records.get(name) if name and depth else None
    if text is None:
        return Passes(opaque=(term,), lookups=1)
    try:
        inner = _passes(parse_record(text), name, read, depth - 1)
    except BadSyntax:
        return Passes(opaque=(term,), lookups=1)
    return Passes(inner.networks, inner.opaque, inner.lookups + 1)


def _name(domain: MacroString, current: str, read: SpfRecords) -> str:
    values = {"d": current, "o": read.domain}
    return to_name(expand(domain, values)).lower() if domain.variables <= values.keys() else ""


def _joined(parts: Sequence[Passes]) -> Passes:
    return Passes(
        frozenset(_collapsed(chain.from_iterable(part.networks for part in parts))),
        tuple(chain.from_iterable(part.opaque for part in parts)),
        sum(part.lookups for part in parts),
    )


def _collapsed(networks: Iterator[IpNetwork]) -> Iterator[IpNetwork]:
    unique = set(networks)
    yield from collapse_addresses(network for network in unique if isinstance(network, IPv4Network))
    yield from collapse_addresses(network for network in unique if isinstance(network, IPv6Network))


def _inside(inner: IpNetwork, outer: IpNetwork) -> bool:
    return inner.version == outer.version and inner.prefixlen >= outer.prefixlen and inner.network_address in outer
