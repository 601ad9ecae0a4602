"""The way of a message, read from its Received lines (RFC 5321, 4.4): each server says from whom it came, and when."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import ip_address

from bot.inputs.domain_names import BadName, organisational_domain, read_domain
from bot.inputs.special_addresses import special
from bot.models import Address

MOST_HOPS = 100
MOST_CHARACTERS = 4_000
NAME = r"[A-Za-z0-9_.:\[\]-]{1,255}"
FROM = re.compile(rf"^\s*from\s+({NAME})(.{{0,1000}}?)(?=\sby\s|$)", re.IGNORECASE | re.DOTALL)
BY = re.compile(rf"(?:^|\s)by\s+({NAME})", re.IGNORECASE)
WITH = re.compile(r"\swith\s+(?:Microsoft SMTP Server|([A-Za-z0-9]{2,20}))", re.IGNORECASE)
ADDRESS = re.compile(
    r"(?<![\w.:])(?:IPv6:)?((?:\d{1,3}\.){3}\d{1,3}"
    r"|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\.\d{1,3}){0,3})(?![\w.:])"
)
RESOLVED = re.compile(r"\(\s*(?:HELO\s+\S{1,255}\s+)?([A-Za-z0-9][A-Za-z0-9.-]{1,252})\s*[\[(]")
ENCRYPTED = re.compile(r"\bE?SMTPSA?\b|\bLMTPSA?\b|\bTLS|\bSSL|version=TLS|cipher", re.IGNORECASE)
SUBMITTED = re.compile(r"\b(?:E?SMTPS?A|HTTPS?|MAPI)\b|\bauthenticated\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hop:
    """One server taking the message from another. Names are as the header gives them; `ip` is what `by` saw itself.

    `delay_s` is the time since the hop before it, in seconds; clocks differ, so it can be below zero. `submitted` is
    true where a person's program handed the message in with a password.
    """

    name: str | None
    resolved: str | None
    ip: Address | None
    by: str | None
    protocol: str | None
    encrypted: bool
    submitted: bool
    at: datetime | None
    delay_s: int | None = None

    @property
    def public(self) -> bool:
        """Whether the address is one of the internet; documentation addresses count, as in every example."""
        kind = special(self.ip) if self.ip else None
        return self.ip is not None and (kind is None or kind.name == "a documentation address")

    @property
    def handed_by(self) -> str | None:
        """The organisation that handed the message over: by the name its address resolved to, else its greeting."""
        return organisation(self.resolved) or organisation(self.name)

    @property
    def taken_by(self) -> str | None:
        """The organisation that took it."""
        return organisation(self.by)


def read_hops(headers: Sequence[str]) -> tuple[Hop, ...]:
    """The hops of `Received` values in the order of the header, newest first; the answer begins with the oldest."""
    hops = [_hop(" ".join(value[:MOST_CHARACTERS].split())) for value in headers[:MOST_HOPS]]
    return tuple(_with_delays(hops[::-1]))


def organisation(host: str | None) -> str | None:
    """The registered domain of a host, None for a name that is none of the internet's."""
    try:
        return organisational_domain(read_domain(host.strip("[]."))) if host else None
    except BadName:
        return None


def _hop(value: str) -> Hop:
    clauses, _, date = value.rpartition(";")
    clauses = clauses or value
    sent, by, protocol = FROM.search(clauses), BY.search(clauses), WITH.search(clauses)
    behind = sent[2] if sent else ""
    resolved = RESOLVED.search(behind)
    known = resolved is not None and "." in resolved[1]  # Postfix writes "unknown" for an address without a name
    return Hop(
        name=sent[1] if sent else None,
        resolved=resolved[1].rstrip(".") if resolved and known else None,
        ip=_address(behind) or _address(sent[1].strip("[]")) if sent else None,
        by=by[1] if by else None,
        protocol=(protocol[1] or "SMTP").upper() if protocol else None,
        encrypted=bool(ENCRYPTED.search(clauses[sent.end() :] if sent else clauses)),
        submitted=bool(SUBMITTED.search(clauses[sent.end() :] if sent else clauses)),
        at=_moment(date),
    )


def _with_delays(hops: list[Hop]) -> list[Hop]:
    timed = []
    before: datetime | None = None
    for hop in hops:
        delay = int((hop.at - before) / timedelta(seconds=1)) if hop.at and before else None
        timed.append(
            Hop(hop.name, hop.resolved, hop.ip, hop.by, hop.protocol, hop.encrypted, hop.submitted, hop.at, delay)
        )
        before = hop.at or before
    return timed


def _address(text: str) -> Address | None:
    for match in ADDRESS.finditer(text):
        try:
            return ip_address(match[1])
        except ValueError:
            continue
    return None


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text.strip()[:100])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) if moment.year > 1970 else None
