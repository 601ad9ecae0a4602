"""A real DNS server on loopback, UDP and TCP, that serves a `World` and misbehaves on request (see `tests.support.dns_replies`).

In a test: `async with serve({"example.com": {"A": ["192.0.2.1"]}}, faults={"dead.example": "silence"}) as server: ...`.
As a process of its own: `python -m tests.support.dns_server zone.json --port 0 --delay-ms 30`, which prints its address on one line.
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

from tests.support.dns_replies import Ask, Script, Send, read_ask
from tests.support.dns_world import Records, World, Zone

DATAGRAMS_AT_ONCE = 64


class DnsServer:
    """`asked` remembers every question that arrived, in order; `faults` may be changed while the server runs."""

    def __init__(self, script: Script, *, delay_s: float = 0.0, loss: float = 0.0, seed: int = 0) -> None:
        self.asked: list[tuple[str, str]] = []
        self.faults = script.faults
        self._script = script
        self._delay = delay_s
        self._loss = loss
        self._dice = random.Random(seed)
        self._connections: set[asyncio.StreamWriter] = set()

    def change(self, names: Mapping[str, Mapping[str, Records] | None]) -> None:
        """From now on these names have these records; None takes a name away."""
        for name, kinds in names.items():
            if kinds is None:
                self._script.world.zone.pop(name, None)
            else:
                self._script.world.zone[name] = kinds
        self._script.world_changed()

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    async def start(self, host: str, port: int = 0, *, tcp: bool = True) -> None:
        self._udp, listening = _pair(host, port)
        self._stranger = _bound(host, 0, socket.SOCK_DGRAM)
        self.host, self.port = self._udp.getsockname()[:2]
        self._tcp = await asyncio.start_server(self._converse, sock=listening) if tcp else None
        if not tcp:
            listening.close()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._udp.fileno(), self._drain)

    async def stop(self) -> None:
        self._loop.remove_reader(self._udp.fileno())
        self._udp.close()
        self._stranger.close()
        for writer in self._connections:
            writer.transport.abort()
        if self._tcp:
            self._tcp.close()
            await self._tcp.wait_closed()

    def _drain(self) -> None:
        for _ in range(DATAGRAMS_AT_ONCE):
            try:
                packet, sender = self._udp.recvfrom(4096)
            except OSError:  # nothing left, or an ICMP error about a caller that has gone
                return
            if self._loss and self._dice.random() < self._loss:
                continue
            ask = self._note(packet)
            for send in self._script.datagrams(ask):
                if wait := self._delay + send.after:
                    self._loop.call_later(wait, self._send, send, sender)
                else:
                    self._send(send, sender)

    def _note(self, packet: bytes) -> Ask:
        ask = read_ask(packet)
        self.asked.append((ask.name, ask.kind))
        return ask

    def _send(self, send: Send, receiver: tuple[str, int]) -> None:
        with suppress(OSError):  # the test is over, or its buffer is full: datagrams get lost
            (self._stranger if send.stranger else self._udp).sendto(send.reply, receiver)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                message = self._script.message(self._note(await reader.readexactly(length)))
                if message is None:
                    await reader.read()
                    return
                await asyncio.sleep(self._delay)
                writer.write(message)
                await writer.drain()
                if len(message) < 2 or len(message) - 2 != int.from_bytes(message[:2], "big"):
                    return
        except (OSError, EOFError):
            return  # the client hung up
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
    """A server for the length of the block; `loss` is the share of questions dropped, drawn from `seed`."""
    world = zone if isinstance(zone, World) else World(zone)
    server = DnsServer(Script(world, faults or {}, seed), delay_s=delay_ms / 1000, loss=loss, seed=seed)
    await server.start(host, port, tcp=tcp)
    try:
        yield server
    finally:
        await server.stop()


def _pair(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A UDP and a TCP socket on one port; a free port for one may be taken for the other, so other ports are tried."""
    for _ in range(20):
        udp = _bound(host, port, socket.SOCK_DGRAM)
        try:
            return udp, _bound(host, udp.getsockname()[1], socket.SOCK_STREAM)
        except OSError:
            udp.close()
    raise OSError(f"no port of {host} is free for UDP and TCP at once")


def _bound(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    door = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    if kind is socket.SOCK_DGRAM:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    else:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    door.setblocking(False)
    try:
        door.bind((host, port))
    except OSError:
        door.close()
        raise
    return door


async def _run(words: argparse.Namespace) -> None:
    faults = dict(word.split("=", 1) for word in words.fault)
    zone = World(json.loads(words.zone.read_text()), ttl=words.ttl)
    options = {
        "delay_ms": words.delay_ms,
        "loss": words.loss,
        "seed": words.seed,
        "host": words.host,
        "port": words.port,
    }
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    async with serve(zone, faults=faults, **options) as server:
        print(server.address, flush=True)
        await over.wait()


def _words() -> argparse.Namespace:
    words = argparse.ArgumentParser(prog="python -m tests.support.dns_server", description="Serve a zone on loopback.")
    words.add_argument("zone", type=Path, help='JSON: {"example.com": {"A": ["192.0.2.1"], "MX": "timeout"}}')
    words.add_argument("--host", default="127.0.0.1")
    words.add_argument("--port", type=int, default=0)
    words.add_argument("--ttl", type=int, default=300)
    words.add_argument("--delay-ms", type=float, default=0)
    words.add_argument("--loss", type=float, default=0)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument(
        "--fault", action="append", default=[], metavar="ZONE=WORD", help="see tests/support/dns_replies.py"
    )
    return words.parse_args()


if __name__ == "__main__":
    asyncio.run(_run(_words()))
