"""Other people's servers, on loopback: a scripted listener that stands behind a public address.

The guard of the doors stays as it is: names lead to PUBLIC, and only the last step, the connection to the address that
the guard has let through, ends at the listener of the test instead.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpcore

from bot.net.smtp_probe import MOST_LINE_OCTETS, Connection

PUBLIC = "1.2.3.4"
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Elsewhere:
    """`dialled` are the addresses and ports that were asked for, in order; `line` is for fetch, `dial` for probe."""

    port: int
    dialled: list[tuple[str, int]] = field(default_factory=list)

    @property
    def line(self) -> httpcore.AsyncNetworkBackend:
        return Line(self)

    async def dial(self, host: str, port: int) -> Connection:
        self.dialled.append((host, port))
        return await asyncio.open_connection("127.0.0.1", self.port, limit=MOST_LINE_OCTETS)


class Line(httpcore.AnyIOBackend):
    def __init__(self, elsewhere: Elsewhere) -> None:
        self._elsewhere = elsewhere

    async def connect_tcp(self, host: str, port: int, *args: Any, **named: Any) -> httpcore.AsyncNetworkStream:
        self._elsewhere.dialled.append((host, port))
        return await super().connect_tcp("127.0.0.1", self._elsewhere.port, *args, **named)


@asynccontextmanager
async def listening(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Elsewhere]:
    """A server for the length of the block; every conversation still open at its end is cut off."""
    talks: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            with suppress(OSError, EOFError, asyncio.CancelledError):  # the visitor left, or the test is over
                await script(reader, writer)
        finally:
            talks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=tls)
    try:
        yield Elsewhere(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in list(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
