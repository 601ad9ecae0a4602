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


def query() -> Query:
    return Query(question("n.example", "A"), asyncio.get_running_loop().create_future(), False, 3.0, 3.0, edns=False)


@pytest.mark.parametrize(("later", "used"), [(PORT_SECONDS + 1, 1), (0.0, PORT_QUESTIONS + 1)])
async def test_a_source_port_is_left_after_a_while_and_still_heard(later: float, used: int) -> None:
    landed: list[Flight] = []

    def land(flight: Flight, reply: bytes) -> None:
        landed.append(flight)
        flight.land()

    async with serve({}) as server:
        upstream = Upstream(0, Server(server.host, server.port), land, lambda: None, sockets=1)
        now = asyncio.get_running_loop().time()
        first = upstream.launch(query(), now)
        first.link.used = used
        upstream.renew(now + later)
        second = upstream.launch(query(), now + later)
        assert first.link.socket.getsockname() != second.link.socket.getsockname()
        upstream.send(first, now)
        upstream.send(second, now)
        await eventually(lambda: len(landed) == 2)
        upstream.renew(now + later)
        assert first.link.socket.fileno() == -1
        assert second.link.socket.fileno() != -1
        upstream.close()


async def test_ids_and_ports_are_not_to_be_guessed() -> None:
    async with serve({}) as server:
        upstream = Upstream(0, Server(server.host, server.port), lambda *_: None, lambda: None, sockets=4)
        flights = [upstream.launch(query(), 0.0) for _ in range(400)]
        assert len({flight.link.socket.getsockname() for flight in flights}) == 4
        assert len({flight.ident for flight in flights}) > 380
        steps = {
            int.from_bytes(b.ident, "big") - int.from_bytes(a.ident, "big") for a, b in itertools.pairwise(flights)
        }
        assert len(steps) > 380
        upstream.close()
