from __future__ import annotations

import asyncio
import itertools

import pytest

from bot.net.dns_query import Flight, Query
from bot.net.dns_upstream import PORT_QUESTIONS, PORT_SECONDS, Upstream
from bot.net.dns_wire import question
from bot.net.nameservers import Server
from tests.support.dns_server import serve
from tests.support.eventually import eventually


def make_query() -> Query:
    return Query(
        question("n.example", "A"),
        asyncio.get_running_loop().create_future(),
        False,
        3.0,
        3.0,
        edns=False,
    )


@pytest.mark.parametrize(
    ("elapsed_s", "query_count"), [(PORT_SECONDS + 1, 1), (0.0, PORT_QUESTIONS + 1)]
)
async def test_old_port_is_replaced_and_still_read(elapsed_s: float, query_count: int) -> None:
    received: list[Flight] = []

    def on_reply(query: Flight, reply: bytes) -> None:
        received.append(query)
        query.land()

    async with serve({}) as server:
        upstream = Upstream(0, Server(server.host, server.port), on_reply, lambda: None, sockets=1)
        now = asyncio.get_running_loop().time()
        first = upstream.launch(make_query(), now)
        first.link.used = query_count
        upstream.renew(now + elapsed_s)
        second = upstream.launch(make_query(), now + elapsed_s)
        assert first.link.sock.getsockname() != second.link.sock.getsockname()
        upstream.send(first, now)
        upstream.send(second, now)
        await eventually(lambda: len(received) == 2)
        upstream.renew(now + elapsed_s)
        assert first.link.sock.fileno() == -1
        assert second.link.sock.fileno() != -1
        upstream.close()


async def test_ids_and_ports_are_unpredictable() -> None:
    async with serve({}) as server:
        upstream = Upstream(
            0, Server(server.host, server.port), lambda *_: None, lambda: None, sockets=4
        )
        queries = [upstream.launch(make_query(), 0.0) for _ in range(400)]
        assert len({query.link.sock.getsockname() for query in queries}) == 4
        assert len({query.ident for query in queries}) > 380
        differences = {
            int.from_bytes(right.ident, "big") - int.from_bytes(left.ident, "big")
            for left, right in itertools.pairwise(queries)
        }
        assert len(differences) > 380
        upstream.close()
