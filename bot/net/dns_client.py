"""One question over TCP, for answers that do not fit into a datagram (RFC 7766).

DNS questions to a few name servers over shared sockets: retries, failover, and a fair share for people.

One timer serves all questions, a socket serves many at once, and a reply is believed only when its id, its whole
question and the letter case of its name are what was sent.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Mapping, Sequence
from functools import partial

from bot.models import Answer, LookupFailed
from bot.net.dns_bulk import FastLane
from bot.net.dns_message import Alias, Garbled, follow, read
from bot.net.dns_query import Flight, Heard, Outcome, Query, Window
from bot.net.dns_upstream import Case, Choice, Upstream
from bot.net.dns_wire import HEADER, QR, TC, Question, failure, fold, packet, question, read_plain, wants_edns
from bot.net.nameservers import Server
from bot.net.rate_limit import Pace


async def ask_by_stream(server: Server, question: Question, *, edns: bool) -> bytes:
    """Send one question and read its reply; raises OSError or EOFError when the server refuses, hangs up or babbles."""
    message = packet(os.urandom(2), question.wire, edns=edns)
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(len(message).to_bytes(2, "big") + message)
        length = int.from_bytes(await reader.readexactly(2), "big")
        reply = await reader.readexactly(length)
    finally:
        writer.transport.abort()
    if len(reply) < HEADER or reply[:2] != message[:2] or not reply[2] & QR or not _answers(question, reply):
        raise ConnectionError(f"{server} sent something else than the answer to {question.name}")
    return reply


def _answers(question: Question, reply: bytes) -> bool:
    echoed = reply[HEADER : HEADER + len(question.wire)]
    return failure(reply) is not None or fold(echoed) == fold(question.wire)


TICK = 0.01
SENDS_IN_A_ROW = 2  # to one server, before the next one is asked too
NO_EDNS = ("formerr", "notimp")  # what a server from before RFC 6891 says to an OPT record


class Transport:
    """Call `query` between `start` and `close`, on one event loop; `async with` does both.

    `in_flight` bounds the questions on the wire, `bulk_in_flight` the part of them that a sweep may take: the socket
    buffer of a small name server holds about a hundred datagrams, and it drops what comes on top. `paces` are the limits of
    zones, for sweeps.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        *,
        in_flight: int = 400,
        bulk_in_flight: int = 100,
        sockets: int = 4,
        paces: Mapping[str, Pace] | None = None,
    ) -> None:
        if not servers:
            raise ValueError("a transport needs a name server")
        self._upstreams = [
            Upstream(number, server, self._landed, self.pump, sockets) for number, server in enumerate(servers)
        ]
        self._window = Window(in_flight, bulk_in_flight)
        self._choice = Choice(self._upstreams, self._window.enter)
        lane = partial(FastLane, self, self._choice, self._window.board, self._upstreams)
        self._people, self._sweeps = lane(in_flight, None), lane(bulk_in_flight, paces or {})
        self._streams: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """Close every socket; whoever still waits is told that nobody answered."""
        for query in self._window.everyone():
            self._fail(query)
        await self._people.close()
        await self._sweeps.close()
        self._loop = None
        if self._timer:
            self._timer.cancel()
            self._timer = None
        await asyncio.gather(*self._streams, return_exceptions=True)
        for upstream in self._upstreams:
            upstream.close()

    async def __aenter__(self) -> Transport:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def in_flight(self) -> int:
        """Questions that are not settled yet, on the wire or waiting for their turn."""
        return len(self._window) + len(self._people) + len(self._sweeps)

    @property
    def upstreams(self) -> Sequence[Upstream]:
        return self._upstreams

    async def query(self, name: str, kind: str, *, deadline_s: float = 3.0, bulk: bool = False) -> Answer:
        """Ask one question, aliases followed to their end.

        The deadline runs from now; for a bulk question, which may wait long for its turn, from its first datagram.
        Raises LookupFailed: timeout, servfail, refused, formerr, notimp, malformed, truncated, loop.
        """
        asked, until = question(name, kind), self._running().time() + deadline_s
        outcome = await self._ask(asked, deadline_s, bulk)
        return outcome if isinstance(outcome, Answer) else await self._follow(asked, outcome, until, bulk)

    async def ask_all(
        self,
        label: str,
        apexes: Sequence[str],
        *,
        patience_s: float = 2.0,
        bulk: bool = True,
        heard: Heard | None = None,
    ) -> list[Outcome]:
        """Ask many zones for the address of one label: `label.apex` for each of them; the outcomes stand in their order.

        Every question has `patience_s` from its first datagram. To a sweep "no such name" is one object, without name and TTL.
        `heard(place, outcome)` is called as each comes. Never raises LookupFailed.
        """
        self._running()
        return await (self._sweeps if bulk else self._people).ask(label, apexes, patience_s, heard)

    async def arrive(self, query: Query) -> Answer:
        """The answer to a question that is under way, aliases followed."""
        outcome = await query.future
        if isinstance(outcome, Answer):
            return outcome
        return await self._follow(query.question, outcome, query.deadline, False)

    async def _follow(self, asked: Question, alias: Alias, until: float, bulk: bool) -> Answer:
        return await follow(asked, alias, lambda target: self._ask(target, until - self._running().time(), bulk))

    async def _ask(self, asked: Question, patience: float, bulk: bool) -> Answer | Alias:
        loop = self._running()
        deadline = math.inf if bulk else loop.time() + patience
        query = Query(asked, loop.create_future(), bulk, patience, deadline, wants_edns(asked.kind))
        self._window.enter(query)
        self.pump()
        try:
            return await query.future
        except asyncio.CancelledError:
            self._drop(query)
            self.pump()
            raise

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("the transport is not started, or closed again")
        return self._loop

    def pump(self) -> None:
        """Let fly what may fly, and keep the timer going while anything waits."""
        loop = self._loop
        if loop is None:
            return  # closed, and whoever waited has been told
        now = loop.time()
        while (query := self._window.next()) is not None:
            if query.bulk:
                query.deadline = now + query.patience
            query.order = query.order or self._choice.order(now)
            self._transmit(query, now)
        self._people.fly(len(self._window.flying), now)
        self._sweeps.fly(self._window.bulk_flying, now)
        if self._timer is None and self.in_flight:
            self._timer = loop.call_later(TICK, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = self._running().time()
        self._people.tick(now)
        self._sweeps.tick(now)
        for query in self._window.due(now):
            if query.deadline <= now:
                self._fail(query)
            else:
                self._transmit(query, now)
        for upstream in self._upstreams:
            upstream.renew(now)
        self.pump()

    def _transmit(self, query: Query, now: float) -> None:
        number = query.order[query.turn // SENDS_IN_A_ROW % len(query.order)]
        query.turn += 1
        upstream = self._upstreams[number]
        flight = query.flights.get(number)
        if flight and flight.doubtful:
            self._weigh(flight)
            return
        try:
            if flight is None:
                flight = query.flights[number] = upstream.launch(query, now)
        except OSError:
            self._give_up(query, number, "timeout")
            return
        query.due = now + upstream.send(flight, now)

    def _weigh(self, flight: Flight) -> None:
        """Only a reply in another letter case came. One that has kept it so far is asked where nobody can forge."""
        upstream = self._upstreams[flight.number]
        if upstream.case is Case.ECHOED:
            self._change_to_stream(flight.query, flight.number, "timeout")
            return
        upstream.case = Case.CHANGED
        reply, flight.doubtful = flight.doubtful, b""
        self._landed(flight, reply)

    def _landed(self, flight: Flight, reply: bytes) -> None:
        query = flight.query
        if reply[2] & TC and failure(reply) is None:
            self._change_to_stream(query, flight.number, "truncated")
        elif not self._read(query, flight.number, reply):
            self._upstreams[flight.number].counters.garbled += 1

    def _read(self, query: Query, number: int, reply: bytes) -> bool:
        """Settle the query, or pass it on; False when these bytes say nothing and the true answer may still come."""
        try:
            if reason := failure(reply):
                self._turned_down(query, number, reason)
            else:
                self._settle(query, read_plain(query.question, reply) or read(query.question, reply))
        except Garbled:
            return False
        except LookupFailed as failed:
            self._turned_down(query, number, failed.reason)
        return True

    def _turned_down(self, query: Query, number: int, reason: str) -> None:
        if not query.edns or reason not in NO_EDNS:
            self._give_up(query, number, reason)
            return
        query.edns = False
        query.land(number)
        query.turn = SENDS_IN_A_ROW * query.order.index(number)
        self._transmit(query, self._running().time())

    def _give_up(self, query: Query, number: int, reason: str) -> None:
        """Not this server: go on to the next, unless all that are left have been silent anyway."""
        query.land(number)
        query.order.remove(number)
        query.turn = 0
        query.blame(reason)
        if query.stream:
            return  # another server is still telling its answer
        now = self._running().time()
        if not query.order or (
            reason != "timeout" and all(self._upstreams[other].silent(now) for other in query.order)
        ):
            self._fail(query)
        else:
            self._transmit(query, now)

    def _change_to_stream(self, query: Query, number: int, reason: str) -> None:
        query.land(number)
        if query.stream:
            return
        query.blame(reason)
        query.due = math.inf
        query.stream = asyncio.create_task(self._stream(query, number, reason))
        self._streams.add(query.stream)
        query.stream.add_done_callback(self._streams.discard)

    async def _stream(self, query: Query, number: int, reason: str) -> None:
        upstream = self._upstreams[number]
        upstream.counters.streams += 1
        try:
            reply = await ask_by_stream(upstream.server, query.question, edns=query.edns)
        except (OSError, EOFError):
            reply = b""
        if query.future.done():
            return
        query.stream = None
        if not reply or reply[2] & TC or not self._read(query, number, reply):
            self._give_up(query, number, reason)
        self.pump()

    def _settle(self, query: Query, outcome: Answer | Alias) -> None:
        self._drop(query)
        query.answer(outcome)

    def _fail(self, query: Query) -> None:
        self._drop(query)
        query.fail()

    def _drop(self, query: Query) -> None:
        """Forget the query everywhere: nothing of it stays behind."""
        self._window.leave(query)
        query.end()
