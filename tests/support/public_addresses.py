"""Third-party servers on loopback: a scripted listener behind a public address.

The SSRF guard stays in place: names resolve to PUBLIC, and only the connection to an address
that passed the guard ends at the listener instead.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpcore

from bot.net.smtp_probe import MAX_LINE_BYTES, Connection

PUBLIC = "1.2.3.4"
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class LoopbackNetwork:
    """`dialled` are the requested addresses and ports; `backend` is for fetch, `dial` for probe."""

    port: int
    dialled: list[tuple[str, int]] = field(default_factory=list)

    @property
    def backend(self) -> httpcore.AsyncNetworkBackend:
        return LoopbackBackend(self)

    async def dial(self, host: str, port: int) -> Connection:
        self.dialled.append((host, port))
        return await asyncio.open_connection("127.0.0.1", self.port, limit=MAX_LINE_BYTES)


class LoopbackBackend(httpcore.AnyIOBackend):
    def __init__(self, network: LoopbackNetwork) -> None:
        self._network = network

    async def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        self._network.dialled.append((host, port))
        return await super().connect_tcp("127.0.0.1", self._network.port, *args, **kwargs)


@asynccontextmanager
async def scripted_server(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[LoopbackNetwork]:
    """A server for the length of the block; open connections are aborted at its end."""
    connections: set[asyncio.Task[None]] = set()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            with suppress(OSError, EOFError, asyncio.CancelledError):  # the client disconnected, or the test is over
                await script(reader, writer)
        finally:
            connections.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0, ssl=tls)
    try:
        yield LoopbackNetwork(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
