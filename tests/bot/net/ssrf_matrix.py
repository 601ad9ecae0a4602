"""Every way to lead a door to every forbidden address, in a network where every address there is would answer.

`python -m tests.bot.net.ssrf_matrix FOLDER`, inside a network namespace of its own (`unshare -n`), prints one line of JSON.
The namespace has no way out: its loopback takes all addresses as its own, and one listener at each port stands behind
them all. FOLDER holds the authority of the tests.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from bot.inputs.special_addresses import special_purpose_of
from bot.models import DnsAnswer, Lookup
from bot.net.https_fetch import fetch
from bot.net.smtp_probe import probe, probe_host
from bot.probe_results import SmtpProbeResult, ProbeError, ProbeFailed
from tests.support.certificate_authority import Authority
from tests.support.dns_world import World
from tests.support.eventually import eventually
from tests.support.public_addresses import PUBLIC

KINDS = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.8.8.8 168.63.129.16 169.254.169.254 172.16.0.1
172.31.255.255 192.0.0.8 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.168.1.1 192.175.48.1 198.18.0.1
198.51.100.1 203.0.113.1 224.0.0.1 233.252.0.1 239.255.255.250 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:1.2.3.4 64:ff9b::7f00:1 64:ff9b:1::7f00:1 100::1 100:0:0:1::1 2001:0:7f00:1::1
2001:2::1 2001:3::1 2001:4:112::1 2001:10::1 2001:20::1 2001:100::1 2001:db8::1 2002:7f00:1:: 2620:4f:8000::1 3fff::1
4000::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1
"""
FORBIDDEN = KINDS.split()
WITNESSES = ("1.1.1.1", "2a00::1")
HOST = "web.example"
HTTPS, SMTP = 443, 25
NETWORK = (
    "ip link set lo up",
    "ip route add local 0.0.0.0/0 dev lo",
    "ip -6 route add local ::/0 dev lo",
)


class Rebinding:
    """A name that is public when it is asked first, and forbidden ever after."""

    def __init__(self, forbidden: str) -> None:
        self._forbidden = forbidden
        self._asked: set[str] = set()

    async def __call__(self, name: str, kind: str, /) -> DnsAnswer:
        first = kind not in self._asked
        self._asked.add(kind)
        if first:
            return DnsAnswer(name, kind, (PUBLIC,) if kind == "A" else ())
        return DnsAnswer(name, kind, (self._forbidden,) if kind == _kind(self._forbidden) else ())


def ways(forbidden: str) -> dict[str, tuple[str, Lookup]]:
    """The host to ask for and what the DNS says, by the name of the trick."""
    kind = _kind(forbidden)
    as_ipv6 = forbidden if kind == "AAAA" else f"::ffff:{forbidden}"
    return {
        "literal": (forbidden, World({})),
        "A": (HOST, World({HOST: {"A": [forbidden]}})),
        "AAAA": (HOST, World({HOST: {"AAAA": [as_ipv6]}})),
        "CNAME": (HOST, World({HOST: {"CNAME": ["in.example"]}, "in.example": {kind: [forbidden]}})),
        "mixed": (HOST, World({HOST: {"A": [PUBLIC], kind: [PUBLIC, forbidden] if kind == "A" else [forbidden]}})),
        "rebinding": (HOST, Rebinding(forbidden)),
        "redirect": (HOST, World({HOST: {"A": [PUBLIC]}})),
    }


def _kind(ip: str) -> str:
    return "AAAA" if ":" in ip else "A"


@dataclass(slots=True)
class Canary:
    """Behind every address: it notes which one was connected to. Its pages are redirects where the path names a goal."""

    tls: ssl.SSLContext
    heard: list[tuple[str, int]] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ip, port = writer.get_extra_info("sockname")[:2]
        self.heard.append((ip, port))
        with suppress(OSError, EOFError):
            await (self._page(reader, writer) if port == HTTPS else self._mail(writer))
        writer.transport.abort()

    async def _page(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writer.start_tls(self.tls)
        goal = (await reader.readuntil(b"\r\n\r\n")).split()[1].partition(b"?")[2].decode()
        status = f"302 Found\r\nLocation: {goal}" if goal else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()

    async def _mail(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"554 go away\r\n")
        await writer.drain()

    def forbidden(self) -> list[tuple[str, int]]:
        return [(ip, port) for ip, port in self.heard if special_purpose_of(ip_address(ip))]


@asynccontextmanager
async def everywhere(canary: Canary) -> AsyncIterator[None]:
    hosts = (("0.0.0.0", socket.AF_INET), ("::", socket.AF_INET6))
    servers = [
        await asyncio.start_server(canary, host, port, family=family, backlog=1000)
        for host, family in hosts
        for port in (HTTPS, SMTP)
    ]
    yield
    for server in servers:
        server.close()


async def knock(canary: Canary, addresses: Iterable[str]) -> None:
    """Connect to both ports of each address without any guard, and wait until the canary has heard all that got through.

    A listener takes connections in their order, so whoever came before has been heard then too.
    """
    opened, before = 0, len(canary.heard)
    for ip in addresses:
        for port in (HTTPS, SMTP):
            with suppress(OSError):
                _, writer = await asyncio.open_connection(ip, port)
                opened += 1
                writer.transport.abort()
    await eventually(lambda: len(canary.heard) >= before + opened)


async def web(way: str, host: str, forbidden: str, lookup: Lookup, trust: ssl.SSLContext) -> str:
    bracketed = {ip: f"[{ip}]" if ":" in ip else ip for ip in (host, forbidden)}
    query = f"?https://{bracketed[forbidden]}/" if way == "redirect" else ""
    try:
        await fetch(f"https://{bracketed[host]}/{query}", lookup, trust=trust)
    except ProbeFailed as failed:
        return failed.error
    return "page"


async def mail(way: str, host: str, forbidden: str, lookup: Lookup) -> str:
    """Mail knows no redirect but the MX record, and that may hold an address."""
    facts: SmtpProbeResult = await (
        probe(ip_address(forbidden), HOST)
        if way == "literal"
        else probe_host(forbidden if way == "redirect" else host, lookup)
    )
    return facts.error or "done"


EXPECTED = {
    ("web", "rebinding"): "page",  # from the public address that the guard resolved, once
    ("web", "redirect"): ProbeError.REDIRECT,
    ("mail", "rebinding"): ProbeError.REFUSED,
}


async def run(authority: Authority) -> dict[str, Any]:
    canary = Canary(authority.server(HOST))
    trust = authority.visitor()
    cases, surprises = 0, []
    async with everywhere(canary):
        await knock(canary, FORBIDDEN)
        catchable = {ip for ip, _ in canary.forbidden()}  # the kernel itself refuses the others
        canary.heard.clear()
        for forbidden in FORBIDDEN:
            for way, (host, lookup) in ways(forbidden).items():
                told = {"web": await web(way, host, forbidden, lookup, trust)}
                told["mail"] = await mail(way, host, forbidden, ways(forbidden)[way][1])
                cases += len(told)
                surprises += [
                    f"{door} {way} {forbidden}: {what}"
                    for door, what in told.items()
                    if what != EXPECTED.get((door, way), ProbeError.SPECIAL)
                ]
        await knock(canary, WITNESSES)
    return {
        "kinds": len(FORBIDDEN),
        "cases": cases,
        "catchable": len(catchable),
        "forbidden": canary.forbidden(),
        "public": sum(ip == PUBLIC for ip, _ in canary.heard),
        "surprises": surprises,
    }


if __name__ == "__main__":
    for command in NETWORK:
        subprocess.run(command.split(), check=True, timeout=10)
    print(json.dumps(asyncio.run(run(Authority(Path(sys.argv[1]))))))
