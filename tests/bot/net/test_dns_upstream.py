from __future__ import annotations

import asyncio
import itertools

import pytest

from bot.net.dns_query import InFlight, Query
from bot.net.dns_upstream import MAX_PORT_AGE_S, MAX_PORT_QUERIES, Upstream
from bot.net.dns_wire import encode_question
from bot.net.nameservers import Server
from tests.support.dns_server import serve
from tests.support.eventually import eventually


def make_query() -> Query:
    return Query(
        encode_question("n.example", "A"), asyncio.get_running_loop().create_future(), False, 3.0, 3.0, edns=False
    )


@pytest.mark.parametrize(("elapsed_s", "query_count"), [(MAX_PORT_AGE_S + 1, 1), (0.0, MAX_PORT_QUERIES + 1)])
async def test_old_port_is_replaced_and_still_read(elapsed_s: float, query_count: int) -> None:
    received: list[InFlight] = []

    def on_reply(query: InFlight, reply: bytes) -> None:
        received.append(query)
        query.cancel()

    async with serve({}) as server:
        upstream = Upstream(0, Server(server.host, server.port), on_reply, lambda: None, sockets=1)
        now = asyncio.get_running_loop().time()
        first = upstream.prepare(make_query(), now)
        first.udp_socket.query_count = query_count
        upstream.rotate_sockets(now + elapsed_s)
        second = upstream.prepare(make_query(), now + elapsed_s)
        assert first.udp_socket.sock.getsockname() != second.udp_socket.sock.getsockname()
        upstream.send(first, now)
        upstream.send(second, now)
        await eventually(lambda: len(received) == 2)
        upstream.rotate_sockets(now + elapsed_s)
        assert first.udp_socket.sock.fileno() == -1
        assert second.udp_socket.sock.fileno() != -1
        upstream.close()


async def test_ids_and_ports_are_unpredictable() -> None:
    async with serve({}) as server:
        upstream = Upstream(0, Server(server.host, server.port), lambda *_: None, lambda: None, sockets=4)
        queries = [upstream.prepare(make_query(), 0.0) for _ in range(400)]
        assert len({query.udp_socket.sock.getsockname() for query in queries}) == 4
        assert len({query.message_id for query in queries}) > 380
        differences = {
            int.from_bytes(right.message_id, "big") - int.from_bytes(left.message_id, "big")
            for left, right in itertools.pairwise(queries)
        }
        assert len(differences) > 380
        upstream.close()
