"""A DNS server on loopback, UDP and TCP, that serves a `World` and misbehaves on request.

The faults are in `tests.support.dns_replies`. In a test:
`async with serve({"a.example": {"A": ["192.0.2.1"]}}, faults={"b.example": "silence"}) as server`.
As a process: `python -m tests.support.dns_server zone.json --port 0 --delay-ms 30`, which prints
its address on one line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.support.dns_replies import Datagram, ReceivedQuery, Script, parse_query
from tests.support.dns_world import Records, World, Zone

DATAGRAMS_AT_ONCE = 64


class DnsServer:
    """`queries` are all that arrived, in order; `faults` may be changed while it runs."""

    def __init__(self, script: Script, *, delay_s: float = 0.0, loss: float = 0.0, seed: int = 0) -> None:
        self.queries: list[tuple[str, str]] = []
        self.faults = script.faults
        self._script = script
        self._delay_s = delay_s
        self._loss = loss
        self._random = random.Random(seed)
        self._connections: set[asyncio.StreamWriter] = set()

    def update_records(self, names: Mapping[str, Mapping[str, Records] | None]) -> None:
        """Replace the records of these names; None removes a name."""
        for name, records in names.items():
            if records is None:
                self._script.world.zone.pop(name, None)
            else:
                self._script.world.zone[name] = records
        self._script.clear_cache()

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    async def start(self, host: str, port: int = 0, *, tcp: bool = True) -> None:
        self._udp, tcp_socket = _bind_pair(host, port)
        self._other_socket = _bind(host, 0, socket.SOCK_DGRAM)
        self.host, self.port = self._udp.getsockname()[:2]
        self._tcp = await asyncio.start_server(self._serve_tcp, sock=tcp_socket) if tcp else None
        if not tcp:
            tcp_socket.close()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._udp.fileno(), self._drain)

    async def stop(self) -> None:
        self._loop.remove_reader(self._udp.fileno())
        self._udp.close()
        self._other_socket.close()
        for writer in self._connections:
            writer.transport.abort()
        if self._tcp:
            self._tcp.close()
            await self._tcp.wait_closed()

    def _drain(self) -> None:
        for _ in range(DATAGRAMS_AT_ONCE):
            try:
                packet, sender = self._udp.recvfrom(4096)
            except OSError:  # drained, or an ICMP error about a closed client
                return
            if self._loss and self._random.random() < self._loss:
                continue
            query = self._record(packet)
            for datagram in self._script.datagrams(query):
                if delay_s := self._delay_s + datagram.delay_s:
                    self._loop.call_later(delay_s, self._send, datagram, sender)
                else:
                    self._send(datagram, sender)

    def _record(self, packet: bytes) -> ReceivedQuery:
        query = parse_query(packet)
        self.queries.append((query.name, query.rdtype))
        return query

    def _send(self, datagram: Datagram, receiver: tuple[str, int]) -> None:
        with suppress(OSError):  # the test is over, or the buffer is full: the datagram is lost
            (self._other_socket if datagram.from_other_port else self._udp).sendto(datagram.payload, receiver)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                message = self._script.message(self._record(await reader.readexactly(length)))
                if message is None:
                    await reader.read()
                    return
                await asyncio.sleep(self._delay_s)
                writer.write(message)
                await writer.drain()
                if len(message) < 2 or len(message) - 2 != int.from_bytes(message[:2], "big"):
                    return
        except (OSError, EOFError):
            return  # the client disconnected
        finally:
            self._connections.discard(writer)
            writer.close()


@asynccontextmanager
async def serve(
    zone: Zone | World,
    *,
    faults: Mapping[str, str] | None = None,
    delay_ms: float = 0,
    loss: float = 0.0,
    seed: int = 0,
    host: str = "127.0.0.1",
    port: int = 0,
    tcp: bool = True,
) -> AsyncIterator[DnsServer]:
    """A server for the length of the block; `loss` is the share of queries dropped, from `seed`."""
    world = zone if isinstance(zone, World) else World(zone)
    server = DnsServer(Script(world, faults or {}, seed), delay_s=delay_ms / 1000, loss=loss, seed=seed)
    await server.start(host, port, tcp=tcp)
    try:
        yield server
    finally:
        await server.stop()


def _bind_pair(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A UDP and a TCP socket on one port; tries other ports if one of the two is in use."""
    for _ in range(20):
        udp = _bind(host, port, socket.SOCK_DGRAM)
        try:
            return udp, _bind(host, udp.getsockname()[1], socket.SOCK_STREAM)
        except OSError:
            udp.close()
    raise OSError(f"no port of {host} is free for UDP and TCP at once")


def _bind(host: str, port: int, socket_type: socket.SocketKind) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket_type)
    if socket_type is socket.SOCK_DGRAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setblocking(False)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


async def _run(arguments: argparse.Namespace) -> None:
    faults = dict(fault.split("=", 1) for fault in arguments.fault)
    zone = World(json.loads(arguments.zone.read_text()), ttl=arguments.ttl)
    options = {
        "delay_ms": arguments.delay_ms,
        "loss": arguments.loss,
        "seed": arguments.seed,
        "host": arguments.host,
        "port": arguments.port,
    }
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with serve(zone, faults=faults, **options) as server:
        print(server.address, flush=True)
        await stopped.wait()


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.support.dns_server", description="Serve a zone on loopback.")
    parser.add_argument("zone", type=Path, help='JSON: {"example.com": {"A": ["192.0.2.1"], "MX": "timeout"}}')
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ttl", type=int, default=300)
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--loss", type=float, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--fault", action="append", default=[], metavar="ZONE=WORD", help="see tests/support/dns_replies.py"
    )
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(_run(_parse_arguments()))
