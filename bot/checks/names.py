"""Names derived from addresses and domains: what to ask the DNS for. Pure."""

from __future__ import annotations

import re

from bot.domains import organisational_domain
from bot.model import Address

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
