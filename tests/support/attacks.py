"""Clients that send half a request, or do not read the response."""

from __future__ import annotations

import asyncio
import resource
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

PROBES = ("/healthz", "/readyz", "/metrics")
HOST = "Host: 127.0.0.1\r\n"
ATTACKS = {
    "nothing": b"",
    "half a head": f"GET / HTTP/1.1\r\n{HOST}X-Half".encode(),
    "half a body": f"POST /login HTTP/1.1\r\n{HOST}Content-Length: 1000\r\n\r\nhalf".encode(),
    "response not read": f"GET /large HTTP/1.1\r\n{HOST}\r\n".encode(),
}


@dataclass(frozen=True, slots=True)
class AttackedServer:
    """Ports and log file of a server in its own process."""

    port: int
    probe_port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def attacked_server(folder: Path, *options: str) -> AsyncIterator[AttackedServer]:
    log = folder / "server.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.support.attacked_server", *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    try:
        assert process.stdout
        ports = (await process.stdout.readline()).split()
        assert len(ports) == 2, log.read_text()
        yield AttackedServer(int(ports[0]), int(ports[1]), log)
    finally:
        process.kill()
        await process.wait()


@contextmanager
def many_files(count: int) -> Iterator[None]:
    """Raise the soft RLIMIT_NOFILE of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynccontextmanager
async def held_open(port: int, sent: bytes, count: int) -> AsyncIterator[list[socket.socket]]:
    """`count` connections that send `sent` and read nothing."""
    loop = asyncio.get_running_loop()
    held: list[socket.socket] = []
    try:
        with many_files(count + 200):
            for _ in range(count):
                client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                held.append(client)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.setblocking(False)
                async with asyncio.timeout(10):
                    await loop.sock_connect(client, ("127.0.0.1", port))
                    try:
                        await loop.sock_sendall(client, sent)
                    except ConnectionError:
                        continue  # evicted
            yield held
    finally:
        for client in held:
            client.close()


async def probe_latency(port: int, limit: float, rounds: int = 3) -> float:
    """Seconds of the slowest probe in the first round below `limit`; a busy machine gets more."""
    latency = limit
    for _ in range(rounds):
        with suppress(httpx.TimeoutException):
            latency = await slowest_probe(port, within=limit)
        if latency < limit:
            break
    return latency


async def slowest_probe(port: int, paths: tuple[str, ...] = PROBES, within: float = 10.0) -> float:
    """Seconds of the slowest probe, each on its own connection."""
    slowest = 0.0
    for path in paths:
        began = time.perf_counter()
        async with httpx.AsyncClient(timeout=within) as client:
            answer = await client.get(f"http://127.0.0.1:{port}{path}")
        assert answer.status_code == 200
        slowest = max(slowest, time.perf_counter() - began)
    return slowest
