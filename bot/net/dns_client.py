"""Asyncio DNS client: shared UDP sockets, retries, failover, TCP fallback (RFC 7766).

One timer serves all queries and a socket serves many at once. A reply is accepted only if its
id, its whole question and the letter case of its name are what was sent. Interactive queries go
before bulk queries.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Mapping, Sequence
from functools import partial

from bot.models import DnsAnswer, LookupFailed
from bot.net.dns_bulk import FastLane
from bot.net.dns_message import Alias, Garbled, follow, read
from bot.net.dns_query import Flight, Heard, Outcome, Query, Window
from bot.net.dns_upstream import Case, Choice, Upstream
from bot.net.dns_wire import (
    HEADER,
    QR,
    TC,
    Question,
    failure,
    fold,
    packet,
    question,
    read_plain,
    wants_edns,
)
from bot.net.nameservers import Server
from bot.net.rate_limit import Pace


async def ask_by_stream(server: Server, question: Question, *, edns: bool) -> bytes:
    """Send one query over TCP and return the reply.

    Raises OSError or EOFError if the server refuses, closes early or sends anything else.
    """
    message = packet(os.urandom(2), question.wire, edns=edns)
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(len(message).to_bytes(2, "big") + message)
        length = int.from_bytes(await reader.readexactly(2), "big")
        reply = await reader.readexactly(length)
    finally:
        writer.transport.abort()
    if (
        len(reply) < HEADER
        or reply[:2] != message[:2]
        or not reply[2] & QR
        or not _is_reply_to(question, reply)
    ):
        raise ConnectionError(f"{server} sent a mismatched reply to {question.name}")
    return reply


def _is_reply_to(question: Question, reply: bytes) -> bool:
    echoed = reply[HEADER : HEADER + len(question.wire)]
    return failure(reply) is not None or fold(echoed) == fold(question.wire)


TICK = 0.01
SENDS_IN_A_ROW = 2  # to one server, before the next one is tried too
NO_EDNS = ("formerr", "notimp")  # replies to an OPT record of servers without EDNS (RFC 6891)


class Transport:
    """DNS client for one event loop; use as `async with`, or call `start` and `close`.

    `max_in_flight` bounds all queries in flight, `max_bulk_in_flight` the bulk queries among them:
    the socket buffer of a small name server holds about a hundred datagrams and drops the rest.
    `rate_limits` are limits by zone apex, for bulk queries only.
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
            raise ValueError("at least one name server is needed")
        self._upstreams = [
            Upstream(number, server, self._on_reply, self.pump, sockets)
            for number, server in enumerate(servers)
        ]
        self._admission = Window(in_flight, bulk_in_flight)
        self._selector = Choice(self._upstreams, self._admission.enter)
        bulk_client = partial(
            FastLane, self, self._selector, self._admission.board, self._upstreams
        )
        self._interactive, self._bulk = (
            bulk_client(in_flight, None),
            bulk_client(bulk_in_flight, paces or {}),
        )
        self._tcp_tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """Close every socket; open queries fail with a timeout."""
        for query in self._admission.everyone():
            self._fail(query)
        await self._interactive.close()
        await self._bulk.close()
        self._loop = None
        if self._timer:
            self._timer.cancel()
            self._timer = None
        await asyncio.gather(*self._tcp_tasks, return_exceptions=True)
        for upstream in self._upstreams:
            upstream.close()

    async def __aenter__(self) -> Transport:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def in_flight(self) -> int:
        """Number of unfinished queries, sent or queued."""
        return len(self._admission) + len(self._interactive) + len(self._bulk)

    @property
    def upstreams(self) -> Sequence[Upstream]:
        return self._upstreams

    async def query(
        self, name: str, kind: str, *, deadline_s: float = 3.0, bulk: bool = False
    ) -> DnsAnswer:
        """Send one query and follow CNAMEs.

        `timeout_s` runs from now; for a bulk query, which may be queued for long, from its first
        datagram. Raises LookupFailed: timeout, servfail, refused, formerr, notimp, malformed,
        truncated, loop.
        """
        dns_question, deadline = question(name, kind), self._running().time() + deadline_s
        result = await self._query(dns_question, deadline_s, bulk)
        return (
            result
            if isinstance(result, DnsAnswer)
            else await self._follow(dns_question, result, deadline, bulk)
        )

    async def ask_all(
        self,
        label: str,
        apexes: Sequence[str],
        *,
        patience_s: float = 2.0,
        bulk: bool = True,
        heard: Heard | None = None,
    ) -> list[Outcome]:
        """Send A queries for `label.apex` for every apex; results are in the order of the apexes.

        Each query has `timeout_s` from its first datagram. `on_answer(position, result)` is called
        as each result arrives. Bulk results for NXDOMAIN are one shared object without name and
        TTL. Never raises LookupFailed.
        """
        self._running()
        return await (self._bulk if bulk else self._interactive).ask(
            label, apexes, patience_s, heard
        )

    async def arrive(self, query: Query) -> DnsAnswer:
        """Wait for a query that was already sent, and follow CNAMEs."""
        result = await query.future
        if isinstance(result, DnsAnswer):
            return result
        return await self._follow(query.question, result, query.deadline, False)

    async def _follow(
        self, dns_question: Question, alias: Alias, deadline: float, bulk: bool
    ) -> DnsAnswer:
        return await follow(
            dns_question,
            alias,
            lambda target: self._query(target, deadline - self._running().time(), bulk),
        )

    async def _query(
        self, dns_question: Question, timeout_s: float, bulk: bool
    ) -> DnsAnswer | Alias:
        loop = self._running()
        deadline = math.inf if bulk else loop.time() + timeout_s
        query = Query(
            dns_question,
            loop.create_future(),
            bulk,
            timeout_s,
            deadline,
            wants_edns(dns_question.kind),
        )
        self._admission.enter(query)
        self.pump()
        try:
            return await query.future
        except asyncio.CancelledError:
            self._remove(query)
            self.pump()
            raise

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("the DNS client is not started, or closed")
        return self._loop

    def pump(self) -> None:
        """Send queued queries and keep the timer running while any are open."""
        loop = self._loop
        if loop is None:
            return  # closed, and every query has failed
        now = loop.time()
        while (query := self._admission.next()) is not None:
            if query.bulk:
                query.deadline = now + query.patience
            query.order = query.order or self._selector.order(now)
            self._send_next(query, now)
        self._interactive.fly(len(self._admission.flying), now)
        self._bulk.fly(self._admission.bulk_flying, now)
        if self._timer is None and self.in_flight:
            self._timer = loop.call_later(TICK, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = self._running().time()
        self._interactive.tick(now)
        self._bulk.tick(now)
        for query in self._admission.due(now):
            if query.deadline <= now:
                self._fail(query)
            else:
                self._send_next(query, now)
        for upstream in self._upstreams:
            upstream.renew(now)
        self.pump()

    def _send_next(self, query: Query, now: float) -> None:
        number = query.order[query.turn // SENDS_IN_A_ROW % len(query.order)]
        query.turn += 1
        upstream = self._upstreams[number]
        in_flight = query.flights.get(number)
        if in_flight and in_flight.doubtful:
            self._resolve_case_mismatch(in_flight)
            return
        try:
            if in_flight is None:
                in_flight = query.flights[number] = upstream.launch(query, now)
        except OSError:
            self._try_next_server(query, number, "timeout")
            return
        query.due = now + upstream.send(in_flight, now)

    def _resolve_case_mismatch(self, in_flight: Flight) -> None:
        """Only a reply with changed letter case (0x20) arrived.

        A server that has preserved the case until now is queried over TCP, which is hard to forge.
        """
        upstream = self._upstreams[in_flight.number]
        if upstream.case is Case.ECHOED:
            self._switch_to_tcp(in_flight.query, in_flight.number, "timeout")
            return
        upstream.case = Case.CHANGED
        reply, in_flight.doubtful = in_flight.doubtful, b""
        self._on_reply(in_flight, reply)

    def _on_reply(self, in_flight: Flight, reply: bytes) -> None:
        query = in_flight.query
        if reply[2] & TC and failure(reply) is None:
            self._switch_to_tcp(query, in_flight.number, "truncated")
        elif not self._read(query, in_flight.number, reply):
            self._upstreams[in_flight.number].counters.garbled += 1

    def _read(self, query: Query, number: int, reply: bytes) -> bool:
        """Finish the query or pass it on; False if a usable reply may still follow."""
        try:
            if reason := failure(reply):
                self._on_error_reply(query, number, reason)
            else:
                self._settle(
                    query, read_plain(query.question, reply) or read(query.question, reply)
                )
        except Garbled:
            return False
        except LookupFailed as error:
            self._on_error_reply(query, number, error.reason)
        return True

    def _on_error_reply(self, query: Query, number: int, reason: str) -> None:
        if not query.edns or reason not in NO_EDNS:
            self._try_next_server(query, number, reason)
            return
        query.edns = False
        query.land(number)
        query.turn = SENDS_IN_A_ROW * query.order.index(number)
        self._send_next(query, self._running().time())

    def _try_next_server(self, query: Query, number: int, reason: str) -> None:
        """Go on to the next server, unless all that are left have been unresponsive anyway."""
        query.land(number)
        query.order.remove(number)
        query.turn = 0
        query.blame(reason)
        if query.stream:
            return  # a TCP query to another server is still open
        now = self._running().time()
        if not query.order or (
            reason != "timeout"
            and all(self._upstreams[number_left].silent(now) for number_left in query.order)
        ):
            self._fail(query)
        else:
            self._send_next(query, now)

    def _switch_to_tcp(self, query: Query, number: int, reason: str) -> None:
        query.land(number)
        if query.stream:
            return
        query.blame(reason)
        query.due = math.inf
        query.stream = asyncio.create_task(self._query_over_tcp(query, number, reason))
        self._tcp_tasks.add(query.stream)
        query.stream.add_done_callback(self._tcp_tasks.discard)

    async def _query_over_tcp(self, query: Query, number: int, reason: str) -> None:
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
            self._try_next_server(query, number, reason)
        self.pump()

    def _settle(self, query: Query, result: DnsAnswer | Alias) -> None:
        self._remove(query)
        query.answer(result)

    def _fail(self, query: Query) -> None:
        self._remove(query)
        query.fail()

    def _remove(self, query: Query) -> None:
        """Remove the query from every queue and socket."""
        self._admission.leave(query)
        query.end()
