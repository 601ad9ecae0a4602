"""Names derived from addresses and domains: what to ask the DNS for. Pure."""

from __future__ import annotations

from bot.domains import organisational_domain
from bot.model import Address

__all__ = ["organisational_domain", "parents", "reverse_name", "reversed_ip"]

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
