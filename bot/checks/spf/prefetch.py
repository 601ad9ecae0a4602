"""Asks early for what the rest of a record will need, so that a check lasts as long as its deepest chain of answers.

Nothing here can change a result: the evaluation still takes every answer in the order of RFC 7208, and only what it
takes counts as a term or as a void lookup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice

from bot.checks.lookups import reverse_name
from bot.checks.spf.dns_session import Session
from bot.checks.spf.macros import BadSyntax, MacroString, askable, expand, to_name
from bot.checks.spf.record import Exists, Hosts, Include, Network, Ptr, Record, is_spf, parse_record
from bot.models import Address, Answer

MOST_TERMS = 10
ADDRESS_KINDS = {4: "A", 6: "AAAA"}


def look_ahead(session: Session, record: Record, ip: Address, values: Mapping[str, str]) -> None:
    """Want the first answers that the terms of the record need, and the answers that follow from those.

    `values` are the letters of the macros in this record; a term that needs %{p} is left to the evaluation.
    """
    for name, kind in islice(_questions(record, ip, values), MOST_TERMS):
        if kind == "TXT":
            session.want(name, kind, partial(_follow_record, session, ip, {**values, "d": name}))
        elif kind == "MX":
            session.want(name, kind, partial(_follow_exchanges, session, ip))
        else:
            session.want(name, kind)


def exchanges(records: Iterable[str]) -> list[str]:
    """The mail servers of MX records, the preferred one first; the one of a null MX (RFC 7505) is empty."""
    hosts = sorted((record.partition(" ") for record in records), key=lambda parts: int(parts[0]))
    return [host.rstrip(".") for _, _, host in hosts]


def _questions(record: Record, ip: Address, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for directive in record.reachable:
        match directive.mechanism:
            case Network(network=network) if ip in network:
                return
            case Include(domain=domain):
                yield from _named(domain, "TXT", values)
            case Exists(domain=domain):
                yield from _named(domain, "A", values)
            case Hosts(name=name, domain=domain):
                yield from _named(domain, "MX" if name == "mx" else ADDRESS_KINDS[ip.version], values)
            case Ptr():
                yield reverse_name(ip), "PTR"
    if record.redirect and not record.default:
        yield from _named(record.redirect, "TXT", values)


def _named(domain: MacroString | None, kind: str, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if domain and "p" in domain.letters:
        return
    name = to_name(expand(domain, values)) if domain else values["d"]
    if askable(name):
        yield name, kind


def _follow_record(session: Session, ip: Address, values: Mapping[str, str], answer: Answer) -> None:
    found = [text for text in answer.records if is_spf(text)]
    if len(found) != 1:
        return
    try:
        record = parse_record(found[0])
    except BadSyntax:  # the evaluation says so, if it gets there
        return
    look_ahead(session, record, ip, values)


def _follow_exchanges(session: Session, ip: Address, answer: Answer) -> None:
    for host in exchanges(answer.records)[:MOST_TERMS]:
        if askable(host):
            session.want(host, ADDRESS_KINDS[ip.version])
