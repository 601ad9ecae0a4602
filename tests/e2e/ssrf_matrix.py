"""Every way to lead a door to every forbidden address, in a network where every address there is would answer.

`python -m tests.e2e.ssrf_matrix FOLDER`, inside a network namespace of its own (`unshare -n`), prints one line of JSON.
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

from bot.addresses import special
from tests.authority import Authority
from tests.bot.net.elsewhere import PUBLIC
from tests.bot.net.eventually import eventually
from tests.bot.net.forbidden import FORBIDDEN, HOST, MAIL, WAYS, WEB, mail, reply, web

WITNESSES = ("1.1.1.1", "2a00::1")
HTTPS, SMTP = 443, 25
NETWORK = (
    "ip link set lo up",
    "ip route add local 0.0.0.0/0 dev lo",
    "ip -6 route add local ::/0 dev lo",
)


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
        writer.write(reply(await reader.readuntil(b"\r\n\r\n")))
        await writer.drain()

    async def _mail(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"554 go away\r\n")
        await writer.drain()

    def forbidden(self) -> list[tuple[str, int]]:
        return [(ip, port) for ip, port in self.heard if special(ip_address(ip))]


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


async def run(authority: Authority) -> dict[str, Any]:
    canary = Canary(authority.server(HOST))
    trust = authority.visitor()
    cases, surprises = 0, []
    async with everywhere(canary):
        await knock(canary, FORBIDDEN)
        catchable = {ip for ip, _ in canary.forbidden()}  # the kernel itself refuses the others
        canary.heard.clear()
        for forbidden in FORBIDDEN:
            for way in WAYS:
                told = {
                    "web": (await web(way, forbidden, trust), WEB[way]),
                    "mail": (await mail(way, forbidden), MAIL[way]),
                }
                cases += len(told)
                for door, (said, expected) in told.items():
                    if said != expected:
                        surprises.append(f"{door} {way} {forbidden}: {said}")
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
