"""Deadlines and eviction on real sockets, with deadlines below a second."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from bot.settings import HostPort
from handlers.http_connections import Deadlines, TimedProtocol, client_network
from handlers.http_server import (
    MAX_CONNECTIONS,
    PROBE_RESERVE,
    RESERVED_FILES,
    SEND_BUFFER,
    Listener,
    Server,
    connection_limit,
)
from handlers.service import listen
from tests.handlers.web.conftest import BASE_URL, build_chat, submit_form

SHORT = Deadlines(head=0.4, chunk=0.5, body=0.8, body_rate=1_000, write=0.5)
HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
WITHIN_S = 10.0
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Running:
    server: Server
    port: int

    async def connect(self, buffer: int | None = None) -> Stream:
        client = socket.socket()
        if buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", self.port))
        return await asyncio.open_connection(sock=client, limit=1_024 if buffer else 65_536)

    async def open_connections(self, count: int) -> None:
        """Waits until so many are open."""
        await until(lambda: len(self.server.table) == count)


async def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < ends
        await asyncio.sleep(0.01)


@asynccontextmanager
async def running(
    app: Callable[..., Awaitable[None]], deadlines: Deadlines = SHORT, limit: int = 50
) -> AsyncIterator[Running]:
    listening = listen(HostPort("127.0.0.1", 0))
    server = Server(app, deadlines=deadlines, limit=limit)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await until(lambda: server.started)
    try:
        yield Running(server, listening.getsockname()[1])
    finally:
        server.should_exit = True
        async with asyncio.timeout(WITHIN_S):
            await serving


async def healthz(_: Request) -> Response:
    return PlainTextResponse("well")


def build_app() -> Starlette:
    bodies: list[str] = []

    async def body(request: Request) -> Response:
        try:
            return PlainTextResponse(str(len(await request.body())))
        except ClientDisconnect:
            bodies.append("cut off")
            raise

    async def late(request: Request) -> Response:
        await asyncio.sleep(0.7)
        return PlainTextResponse(str(len(await request.body())))

    async def large(_: Request) -> Response:
        return Response(b"x" * 2_000_000)

    async def endless(_: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 10_000
                await asyncio.sleep(0)

        return StreamingResponse(pieces())

    async def hung(_: Request) -> Response:
        await asyncio.sleep(0.7)
        return PlainTextResponse("at last")

    app = Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/body", body, methods=["POST"]),
            Route("/late", late, methods=["POST"]),
            Route("/large", large),
            Route("/endless", endless),
            Route("/hung", hung),
        ]
    )
    app.state.bodies = bodies
    return app


async def ended(reader: asyncio.StreamReader) -> bytes:
    """All that still comes before the server closes."""
    async with asyncio.timeout(WITHIN_S):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


def post(length: int) -> bytes:
    return f"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("sent", "answer"),
    [(b"", b""), (HEAD, b"HTTP/1.1 408 "), (post(10) + b"half", b"HTTP/1.1 408 ")],
    ids=["nothing", "half a head", "half a body"],
)
async def test_incomplete_request_past_deadline_is_closed(sent: bytes, answer: bytes) -> None:
    async with running(build_app()) as it:
        reader, writer = await it.connect()
        writer.write(sent)
        began = time.monotonic()
        assert (await ended(reader))[: len(answer) or 1] == answer
        assert time.monotonic() - began > 0.2
        writer.close()


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nX: ", post(1_000)], ids=["head", "body"])
async def test_trickled_request_past_deadline_is_closed(sent: bytes) -> None:
    async with running(build_app()) as it:
        reader, writer = await it.connect()
        writer.write(sent)
        closed = asyncio.create_task(ended(reader))
        began = time.monotonic()
        while not closed.done():
            writer.write(b"x")
            await asyncio.wait({closed}, timeout=0.1)
        assert (await closed).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began < 5.0
        writer.close()


async def test_second_request_head_past_deadline_is_closed() -> None:
    async with running(build_app()) as it:
        reader, writer = await it.connect()
        writer.write(HEAD + b"\r\n")
        await reader.readuntil(b"well")
        writer.write(HEAD)
        assert (await ended(reader)).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_application_reading_late_body_gets_disconnect() -> None:
    app = build_app()
    async with running(app) as it:
        reader, writer = await it.connect()
        writer.write(post(10))
        await ended(reader)
        writer.close()
    assert app.state.bodies == ["cut off"]


async def test_slow_steady_body_is_received() -> None:
    async with running(build_app()) as it:
        reader, writer = await it.connect()
        writer.write(post(1_500))
        for _ in range(15):
            writer.write(b"x" * 100)
            await asyncio.sleep(0.06)
        assert (await asyncio.wait_for(reader.readuntil(b"1500"), WITHIN_S)).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_body_that_the_application_reads_late_is_received() -> None:
    body = b"x" * 500_000
    async with running(build_app()) as it, httpx.AsyncClient(timeout=WITHIN_S) as client:
        answer = await client.post(f"http://127.0.0.1:{it.port}/late", content=body)
    assert answer.text == "500000"


async def test_slow_application_has_no_deadline() -> None:
    async with running(build_app()) as it, httpx.AsyncClient(timeout=WITHIN_S) as client:
        assert (await client.get(f"http://127.0.0.1:{it.port}/hung")).text == "at last"


async def test_unread_response_past_deadline_is_aborted() -> None:
    async with running(build_app()) as it:
        _, writer = await it.connect(buffer=4_096)
        writer.write(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        await it.open_connections(1)
        await it.open_connections(0)
        writer.close()


async def test_slowly_read_response_arrives() -> None:
    async with running(build_app()) as it:
        reader, writer = await it.connect(buffer=4_096)
        writer.write(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        octets, began = 0, time.monotonic()
        while piece := await reader.read(200_000):
            octets += len(piece)
            if time.monotonic() - began < 1.0:  # longer than a reader may stand still
                await asyncio.sleep(0.05)
        assert octets > 2_000_000
        writer.close()


async def test_idle_event_stream_has_no_deadline() -> None:
    chat = build_chat()
    async with running(chat.app) as it, httpx.AsyncClient(base_url=f"http://127.0.0.1:{it.port}") as page:
        page.headers["host"] = BASE_URL.removeprefix("http://")
        await page.get("/c/mail")
        async with page.stream("GET", "/stream?after=0") as stream:
            lines = stream.aiter_lines()
            await asyncio.sleep(1)
            await submit_form(page, "/c/mail", "example.com")
            async with asyncio.timeout(WITHIN_S):
                while (line := await anext(lines)) != "id: 1":
                    assert "anew" not in line
        chat.web.message_log.close()


async def test_eviction_prefers_network_with_most_connections() -> None:
    async with running(build_app(), Deadlines(), limit=16) as it:
        single, writer = await it.connect()
        await it.open_connections(1)
        [oldest] = it.server.server_state.connections
        assert isinstance(oldest, TimedProtocol)
        oldest.network = "192.0.2.1"
        held = [await it.connect() for _ in range(40)]
        writer.write(HEAD + b"\r\n")
        await asyncio.wait_for(single.readuntil(b"well"), WITHIN_S)
        for _, w in [*held, (single, writer)]:
            w.close()


async def test_new_connection_at_limit_evicts_the_oldest() -> None:
    async with running(build_app(), Deadlines(), limit=16) as it:
        held = [await it.connect() for _ in range(20)]
        reader, writer = await it.connect()
        writer.write(HEAD + b"\r\n")
        await asyncio.wait_for(reader.readuntil(b"well"), WITHIN_S)
        assert len(it.server.table) == 16
        for old, _ in held[:5]:
            assert await ended(old) == b""
        for _, w in [*held, (reader, writer)]:
            w.close()


async def test_active_requests_at_limit_leave_reserve_to_probes() -> None:
    """Beyond the limit only probes are answered."""
    async with running(build_app(), Deadlines(), limit=2) as it:
        busy = [await it.connect() for _ in range(2)]
        for _, writer in busy:
            writer.write(b"GET /hung HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.1)
        async with httpx.AsyncClient(timeout=WITHIN_S) as client:
            assert (await client.get(f"http://127.0.0.1:{it.port}/healthz")).status_code == 200
        async with httpx.AsyncClient(timeout=WITHIN_S) as client:
            assert (await client.get(f"http://127.0.0.1:{it.port}/large")).status_code == 503
        for reader, writer in busy:
            assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"at last"), WITHIN_S)
            writer.close()


async def test_unread_stream_at_limit_is_evicted() -> None:
    async with running(build_app(), Deadlines(), limit=2) as it:
        unread = [await it.connect(buffer=4_096) for _ in range(2)]
        for _, writer in unread:
            writer.write(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        await it.open_connections(2)
        await until(lambda: all(c.flow.write_paused for c in it.server.server_state.connections))
        async with httpx.AsyncClient(timeout=WITHIN_S) as client:
            assert (await client.get(f"http://127.0.0.1:{it.port}/hung")).text == "at last"
        for _, writer in unread:
            writer.close()


async def test_accepted_socket_has_small_send_buffer() -> None:
    async with running(build_app()) as it:
        _, writer = await it.connect()
        await it.open_connections(1)
        [connection] = it.server.server_state.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * SEND_BUFFER
        writer.close()


async def test_failing_accept_is_retried_after_a_pause() -> None:
    recovers = time.monotonic() + 0.3

    class Exhausted(socket.socket):
        tries = 0

        def accept(self) -> tuple[socket.socket, object]:
            type(self).tries += 1
            if time.monotonic() < recovers:
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    async with running(build_app()) as it:
        listening = Exhausted(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.bind(("127.0.0.1", 0))
        main = it.server.servers[0]
        assert isinstance(main, Listener)
        extra = Listener(listening, it.server.table, main._create_protocol)
        async with httpx.AsyncClient(timeout=WITHIN_S) as client:
            answer = await client.get(f"http://127.0.0.1:{listening.getsockname()[1]}/healthz")
        assert (answer.text, Exhausted.tries < 6) == ("well", True)
        extra.close()


@pytest.mark.parametrize(("files", "limit"), [(64, 32), (256, 128), (1_024, 768), (20_000, MAX_CONNECTIONS)])
def test_connection_limit_leaves_reserved_files(files: int, limit: int) -> None:
    assert connection_limit(files) == limit
    assert files - limit - PROBE_RESERVE >= min(RESERVED_FILES, files // 2) - PROBE_RESERVE


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", client_network("2001:db8::ffff")),
        ("fe80::1%eth0", client_network("fe80::2")),
        ("", ""),
    ],
)
def test_client_network_an_ipv6_connection_is_its_site(address: str, network: str) -> None:
    assert client_network(address) == network
    assert client_network("2001:db8::1") != client_network("2001:db8:0:1::1")
