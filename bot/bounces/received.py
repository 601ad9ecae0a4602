"""Received fields (RFC 5321 §4.4): the hops of a message, their addresses and delays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import ip_address

from bot.inputs.domain_names import BadDomain, organizational_domain, parse_domain
from bot.inputs.special_addresses import special_purpose_of
from bot.models import Address

MAX_HOPS = 100
MAX_CHARS = 4_000
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
    """One transfer between servers; names as in the header, `ip` as seen by the server `by`.

    `delay_s` is the time since the previous hop in seconds, negative if clocks differ. `submitted`
    means that a client submitted the message with authentication.
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
    def is_public(self) -> bool:
        """Whether the address is public; documentation addresses count, for examples."""
        kind = special_purpose_of(self.ip) if self.ip else None
        return self.ip is not None and (kind is None or kind.name == "a documentation address")

    @property
    def receiver_organization(self) -> str | None:
        """The organization of the receiving server."""
        return organization(self.by)


def parse_hops(headers: Sequence[str]) -> tuple[Hop, ...]:
    """Parse `Received` values, newest first as in the header; the result starts with the oldest."""
    hops = [_parse_hop(" ".join(value[:MAX_CHARS].split())) for value in headers[:MAX_HOPS]]
    return tuple(_with_delays(hops[::-1]))


def organization(host: str | None) -> str | None:
    """The registered domain of a host, None if it is not a public domain name."""
    try:
        return organizational_domain(parse_domain(host.strip("[]."))) if host else None
    except BadDomain:
        return None


def _parse_hop(value: str) -> Hop:
    clauses, _, date = value.rpartition(";")
    clauses = clauses or value
    from_clause, by_clause, with_clause = (FROM.search(clauses), BY.search(clauses), WITH.search(clauses))
    from_comment = from_clause[2] if from_clause else ""
    resolved = RESOLVED.search(from_comment)
    has_name = resolved is not None and "." in resolved[1]  # Postfix writes "unknown" for an address without a name
    return Hop(
        name=from_clause[1] if from_clause else None,
        resolved=resolved[1].rstrip(".") if resolved and has_name else None,
        ip=_find_address(from_comment) or _find_address(from_clause[1].strip("[]")) if from_clause else None,
        by=by_clause[1] if by_clause else None,
        protocol=(with_clause[1] or "SMTP").upper() if with_clause else None,
        encrypted=bool(ENCRYPTED.search(clauses[from_clause.end() :] if from_clause else clauses)),
        submitted=bool(SUBMITTED.search(clauses[from_clause.end() :] if from_clause else clauses)),
        at=_parse_date(date),
    )


def _with_delays(hops: list[Hop]) -> list[Hop]:
    result = []
    previous: datetime | None = None
    for hop in hops:
        delay = int((hop.at - previous) / timedelta(seconds=1)) if hop.at and previous else None
        result.append(
            Hop(hop.name, hop.resolved, hop.ip, hop.by, hop.protocol, hop.encrypted, hop.submitted, hop.at, delay)
        )
        previous = hop.at or previous
    return result


def _find_address(text: str) -> Address | None:
    for match in ADDRESS.finditer(text):
        try:
            return ip_address(match[1])
        except ValueError:
            continue
    return None


def _parse_date(text: str) -> datetime | None:
    try:
        time = parsedate_to_datetime(text.strip()[:100])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)) if time.year > 1970 else None
