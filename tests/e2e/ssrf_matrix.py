"""Points every client at every forbidden address, in a network where all addresses answer.

`python -m tests.e2e.ssrf_matrix FOLDER`, inside a network namespace of its own (`unshare -n`),
prints one line of JSON. Loopback owns all addresses there, with one listener per port. FOLDER
holds the certificate authority of the tests.
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
from tests.support.certificate_authority import CertificateAuthority
from tests.support.eventually import eventually
from tests.support.forbidden_addresses import (
    FETCH_RESULTS,
    FORBIDDEN,
    HOST,
    METHODS,
    PROBE_RESULTS,
    fetch_result,
    http_reply,
    probe_result,
)
from tests.support.public_addresses import PUBLIC

WITNESSES = ("1.1.1.1", "2a00::1")
HTTPS, SMTP = 443, 25
NETWORK = ("ip link set lo up", "ip route add local 0.0.0.0/0 dev lo", "ip -6 route add local ::/0 dev lo")


@dataclass(slots=True)
class Canary:
    """Server behind every address; records which one was contacted."""

    tls: ssl.SSLContext
    contacted: list[tuple[str, int]] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ip, port = writer.get_extra_info("sockname")[:2]
        self.contacted.append((ip, port))
        with suppress(OSError, EOFError):
            await (self._page(reader, writer) if port == HTTPS else self._mail(writer))
        writer.transport.abort()

    async def _page(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writer.start_tls(self.tls)
        writer.write(http_reply(await reader.readuntil(b"\r\n\r\n")))
        await writer.drain()

    async def _mail(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"554 go away\r\n")
        await writer.drain()

    def forbidden(self) -> list[tuple[str, int]]:
        return [(ip, port) for ip, port in self.contacted if special_purpose_of(ip_address(ip))]


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


async def contact(canary: Canary, addresses: Iterable[str]) -> None:
    """Connect to both ports of each address without the guard, and wait for the canary."""
    opened, before = 0, len(canary.contacted)
    for ip in addresses:
        for port in (HTTPS, SMTP):
            with suppress(OSError):
                _, writer = await asyncio.open_connection(ip, port)
                opened += 1
                writer.transport.abort()
    await eventually(lambda: len(canary.contacted) >= before + opened)


async def run(authority: CertificateAuthority) -> dict[str, Any]:
    canary = Canary(authority.server_context(HOST))
    trust = authority.client_context()
    cases, surprises = 0, []
    async with everywhere(canary):
        await contact(canary, FORBIDDEN)
        catchable = {ip for ip, _ in canary.forbidden()}  # the kernel itself refuses the others
        canary.contacted.clear()
        for forbidden in FORBIDDEN:
            for method in METHODS:
                results = {
                    "fetch": (await fetch_result(method, forbidden, trust), FETCH_RESULTS[method]),
                    "probe": (await probe_result(method, forbidden), PROBE_RESULTS[method]),
                }
                cases += len(results)
                for client, (result, expected) in results.items():
                    if result != expected:
                        surprises.append(f"{client} {method} {forbidden}: {result}")
        await contact(canary, WITNESSES)
    return {
        "addresses": len(FORBIDDEN),
        "cases": cases,
        "catchable": len(catchable),
        "forbidden": canary.forbidden(),
        "public": sum(ip == PUBLIC for ip, _ in canary.contacted),
        "surprises": surprises,
    }


if __name__ == "__main__":
    for command in NETWORK:
        subprocess.run(command.split(), check=True, timeout=10)
    print(json.dumps(asyncio.run(run(CertificateAuthority(Path(sys.argv[1]))))))
