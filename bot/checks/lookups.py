"""Names derived from addresses and domains: what to ask the DNS for. Pure.

Questions asked side by side, where one that nobody answers must not hide the answers of the others.

The mail servers of a domain by name, for the checks that look at every one of them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.inputs.domain_names import organisational_domain
from bot.models import Address, Answer, Lookup, LookupFailed

__all__ = ["organisational_domain", "parents", "readable", "reverse_name", "reversed_ip"]

UNUSUAL = re.compile(r"[^A-Za-z0-9._-]")
MOST_READABLE = 100
ZONES = {4: "in-addr.arpa", 6: "ip6.arpa"}


def reversed_ip(ip: Address) -> str:
    """The address backwards as blocklists want it: `5.113.0.203`, and 32 hexadecimal digits for IPv6 (RFC 5782)."""
    parts = str(ip).split(".") if ip.version == 4 else ip.exploded.replace(":", "")
    return ".".join(reversed(parts))


def reverse_name(ip: Address) -> str:
    """The name whose PTR records say what the address is called (RFC 1035 and 3596)."""
    return f"{reversed_ip(ip)}.{ZONES[ip.version]}"


def parents(domain: str) -> tuple[str, ...]:
    """The domains above this one, nearest first, the top-level domain last."""
    labels = domain.split(".")
    return tuple(".".join(labels[start:]) for start in range(1, len(labels)))


def readable(name: str) -> str:
    """A name out of the DNS, fit to stand inside a sentence of ours: anything unusual in it becomes a question mark."""
    return UNUSUAL.sub("?", name[:MOST_READABLE]) + ("…" if len(name) > MOST_READABLE else "")


Reply = Answer | LookupFailed


async def ask(lookup: Lookup, name: str, kind: str) -> Reply:
    """The answer, or why there is none."""
    try:
        return await lookup(name, kind)
    except LookupFailed as failure:
        return failure


async def ask_all(lookup: Lookup, questions: Iterable[tuple[str, str]]) -> list[Reply]:
    """The replies in the order of the questions, all of them under way at once."""
    return await asyncio.gather(*(ask(lookup, name, kind) for name, kind in questions))


@dataclass(frozen=True, slots=True)
class Host:
    """The addresses of a name. `unanswered` is the reason when A or AAAA got no answer: then there may be more."""

    name: str
    addresses: tuple[str, ...]
    unanswered: str | None = None


async def find_host(lookup: Lookup, name: str) -> Host:
    """What A and AAAA say about a name, both asked at once."""
    replies = await ask_all(lookup, [(name, "A"), (name, "AAAA")])
    failures = [reply.reason for reply in replies if isinstance(reply, LookupFailed)]
    addresses = [record for reply in replies if isinstance(reply, Answer) for record in reply.records]
    return Host(name, tuple(addresses), failures[0] if failures else None)


async def exchanges(lookup: Lookup, domain: str) -> tuple[str, ...]:
    """In lower case and in the order of their preference; none where the domain takes no mail. Raises LookupFailed.

    Without MX records the domain itself is its mail server (RFC 5321 §5.1); a null MX says that there is none (RFC 7505).
    """
    answer = await lookup(domain, "MX")
    if not answer.records:
        return (domain,) if answer.exists else ()
    pairs = (record.partition(" ") for record in answer.records)
    ranked = sorted((int(preference), name.lower().rstrip(".")) for preference, _, name in pairs)
    return tuple(dict.fromkeys(name for _, name in ranked if name))
