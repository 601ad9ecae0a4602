"""Name servers to query: the configured ones, or those of the host."""

from __future__ import annotations

from dataclasses import dataclass

import dns.exception
import dns.resolver

PORT = 53


@dataclass(frozen=True, slots=True)
class Server:
    """A name server; `host` is an IP address, link-local with its zone (`fe80::1%eth0`)."""

    host: str
    port: int = PORT

    def __str__(self) -> str:
        if self.port == PORT:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def system_servers() -> tuple[Server, ...]:
    """Name servers of this host. Raises ValueError, with a message for operators, if none."""
    try:
        system = dns.resolver.Resolver()
    except dns.exception.DNSException as error:
        raise ValueError("This host names no DNS server of its own; set MAILCHECK_NAMESERVERS to one.") from error
    return tuple(dict.fromkeys(Server(host, system.port) for host in system.nameservers if isinstance(host, str)))
