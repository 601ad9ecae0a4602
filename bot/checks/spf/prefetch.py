"""Prefetching: query early what the rest of a record will need, to save round trips.

This cannot change a result: the evaluation still takes every answer in the order of RFC 7208, and
only what it takes counts as a lookup or as a void lookup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice

from bot.checks.lookups import reverse_name
from bot.checks.spf.dns_session import DnsSession
from bot.checks.spf.macros import BadSyntax, MacroString, expand, is_queryable, to_name
from bot.checks.spf.record import Exists, Hosts, Include, Network, Ptr, Record, is_spf, parse_record
from bot.checks.spf.result import MAX_LOOKUP_TERMS, MAX_NAMES
from bot.models import Address, DnsAnswer

ADDRESS_RDTYPES = {4: "A", 6: "AAAA"}


def prefetch_terms(session: DnsSession, record: Record, ip: Address, values: Mapping[str, str]) -> None:
    """Prefetch the first answers that the terms of the record need, and what follows from those.

    `values` are the macro values of this record; terms that need %{p} are skipped.
    """
    for name, rdtype in islice(_queries(record, ip, values), MAX_LOOKUP_TERMS):
        if rdtype == "TXT":
            session.prefetch(name, rdtype, partial(_prefetch_record, session, ip, {**values, "d": name}))
        elif rdtype == "MX":
            session.prefetch(name, rdtype, partial(_prefetch_mx_hosts, session, ip))
        else:
            session.prefetch(name, rdtype)


def mx_hosts(records: Iterable[str]) -> list[str]:
    """Return the hosts of MX records by preference; empty string for a null MX (RFC 7505)."""
    hosts = sorted((record.partition(" ") for record in records), key=lambda parts: int(parts[0]))
    return [host.rstrip(".") for _, _, host in hosts]


def _queries(record: Record, ip: Address, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for directive in record.reachable:
        match directive.mechanism:
            case Network(network=network) if ip in network:
                return
            case Include(domain=domain):
                yield from _target_query(domain, "TXT", values)
            case Exists(domain=domain):
                yield from _target_query(domain, "A", values)
            case Hosts(name=name, domain=domain):
                yield from _target_query(domain, "MX" if name == "mx" else ADDRESS_RDTYPES[ip.version], values)
            case Ptr():
                yield reverse_name(ip), "PTR"
    if record.redirect and not record.default_directive:
        yield from _target_query(record.redirect, "TXT", values)


def _target_query(domain: MacroString | None, rdtype: str, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if domain and "p" in domain.variables:
        return
    name = to_name(expand(domain, values)) if domain else values["d"]
    if is_queryable(name):
        yield name, rdtype


def _prefetch_record(session: DnsSession, ip: Address, values: Mapping[str, str], answer: DnsAnswer) -> None:
    texts = [text for text in answer.records if is_spf(text)]
    if len(texts) != 1:
        return
    try:
        record = parse_record(texts[0])
    except BadSyntax:  # the evaluation reports it, if it gets there
        return
    prefetch_terms(session, record, ip, values)


def _prefetch_mx_hosts(session: DnsSession, ip: Address, answer: DnsAnswer) -> None:
    for host in mx_hosts(answer.records)[:MAX_NAMES]:
        if is_queryable(host):
            session.prefetch(host, ADDRESS_RDTYPES[ip.version])
