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

from bot.models import DnsAnswer, LookupFailed, LookupResult, OnAnswer
from bot.net.dns_bulk import BulkClient
from bot.net.dns_message import Alias, MalformedReply, follow_cnames, parse_reply
from bot.net.dns_query import AdmissionQueue, InFlight, Query, RateLimit
from bot.net.dns_upstream import CaseHandling, ServerSelector, Upstream
from bot.net.dns_wire import (
    HEADER_BYTES,
    QR,
    TC,
    Question,
    encode_query,
    encode_question,
    failure_reason,
    lowercase_name,
    parse_plain_reply,
    wants_edns,
)
from bot.net.nameservers import Server


async def query_tcp(server: Server, question: Question, *, edns: bool) -> bytes:
    """Send one query over TCP and return the reply.

    Raises OSError or EOFError if the server refuses, closes early or sends anything else.
    """
    message = encode_query(os.urandom(2), question.wire, edns=edns)
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(len(message).to_bytes(2, "big") + message)
        length = int.from_bytes(await reader.readexactly(2), "big")
        reply = await reader.readexactly(length)
    finally:
        writer.transport.abort()
    if len(reply) < HEADER_BYTES or reply[:2] != message[:2] or not reply[2] & QR or not _is_reply_to(question, reply):
        raise ConnectionError(f"{server} sent a mismatched reply to {question.name}")
    return reply


def _is_reply_to(question: Question, reply: bytes) -> bool:
    echoed = reply[HEADER_BYTES : HEADER_BYTES + len(question.wire)]
    return failure_reason(reply) is not None or lowercase_name(echoed) == lowercase_name(question.wire)


TICK_S = 0.01
SENDS_PER_SERVER = 2  # to one server, before the next one is tried too
EDNS_REJECTIONS = ("formerr", "notimp")  # replies to an OPT record of servers without EDNS (RFC 6891)


class DnsClient:
    """DNS client for one event loop; use as `async with`, or call `start` and `close`.

    `max_in_flight` bounds all queries in flight, `max_bulk_in_flight` the bulk queries among them:
    the socket buffer of a small name server holds about a hundred datagrams and drops the rest.
    `rate_limits` are limits by zone apex, for bulk queries only.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        *,
        max_in_flight: int = 400,
        max_bulk_in_flight: int = 100,
        sockets: int = 4,
        rate_limits: Mapping[str, RateLimit] | None = None,
    ) -> None:
        if not servers:
            raise ValueError("at least one name server is needed")
        self._upstreams = [
            Upstream(number, server, self._on_reply, self.flush, sockets) for number, server in enumerate(servers)
        ]
        self._admission = AdmissionQueue(max_in_flight, max_bulk_in_flight)
        self._selector = ServerSelector(self._upstreams, self._admission.enqueue)
        bulk_client = partial(BulkClient, self, self._selector, self._admission.admit, self._upstreams)
        self._interactive, self._bulk = (
            bulk_client(max_in_flight, None),
            bulk_client(max_bulk_in_flight, rate_limits or {}),
        )
        self._tcp_tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """Close every socket; open queries fail with a timeout."""
        for query in self._admission.all_queries():
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

    async def __aenter__(self) -> DnsClient:
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

    async def query(self, name: str, rdtype: str, *, timeout_s: float = 3.0, bulk: bool = False) -> DnsAnswer:
        """Send one query and follow CNAMEs.

        `timeout_s` runs from now; for a bulk query, which may be queued for long, from its first
        datagram. Raises LookupFailed: timeout, servfail, refused, formerr, notimp, malformed,
        truncated, loop.
        """
        question, deadline = encode_question(name, rdtype), self._running().time() + timeout_s
        result = await self._query(question, timeout_s, bulk)
        return result if isinstance(result, DnsAnswer) else await self._follow(question, result, deadline, bulk)

    async def query_many(
        self,
        label: str,
        apexes: Sequence[str],
        *,
        timeout_s: float = 2.0,
        bulk: bool = True,
        on_answer: OnAnswer | None = None,
    ) -> list[LookupResult]:
        """Send A queries for `label.apex` for every apex; results are in the order of the apexes.

        Each query has `timeout_s` from its first datagram. `on_answer(position, result)` is called
        as each result arrives. Bulk results for NXDOMAIN are one shared object without name and
        TTL. Never raises LookupFailed.
        """
        self._running()
        return await (self._bulk if bulk else self._interactive).query_many(label, apexes, timeout_s, on_answer)

    async def await_answer(self, query: Query) -> DnsAnswer:
        """Wait for a query that was already sent, and follow CNAMEs."""
        result = await query.future
        if isinstance(result, DnsAnswer):
            return result
        return await self._follow(query.question, result, query.deadline, False)

    async def _follow(self, question: Question, alias: Alias, deadline: float, bulk: bool) -> DnsAnswer:
        return await follow_cnames(
            question, alias, lambda target: self._query(target, deadline - self._running().time(), bulk)
        )

    async def _query(self, question: Question, timeout_s: float, bulk: bool) -> DnsAnswer | Alias:
        loop = self._running()
        deadline = math.inf if bulk else loop.time() + timeout_s
        query = Query(question, loop.create_future(), bulk, timeout_s, deadline, wants_edns(question.rdtype))
        self._admission.enqueue(query)
        self.flush()
        try:
            return await query.future
        except asyncio.CancelledError:
            self._remove(query)
            self.flush()
            raise

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("the DNS client is not started, or closed")
        return self._loop

    def flush(self) -> None:
        """Send queued queries and keep the timer running while any are open."""
        loop = self._loop
        if loop is None:
            return  # closed, and every query has failed
        now = loop.time()
        while (query := self._admission.admit_next()) is not None:
            if query.bulk:
                query.deadline = now + query.timeout_s
            query.upstream_order = query.upstream_order or self._selector.order(now)
            self._send_next(query, now)
        self._interactive.send_pending(len(self._admission.in_flight), now)
        self._bulk.send_pending(self._admission.bulk_in_flight, now)
        if self._timer is None and self.in_flight:
            self._timer = loop.call_later(TICK_S, self._tick)

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
            upstream.rotate_sockets(now)
        self.flush()

    def _send_next(self, query: Query, now: float) -> None:
        number = query.upstream_order[query.attempts // SENDS_PER_SERVER % len(query.upstream_order)]
        query.attempts += 1
        upstream = self._upstreams[number]
        in_flight = query.in_flight.get(number)
        if in_flight and in_flight.case_mismatch_reply:
            self._resolve_case_mismatch(in_flight)
            return
        try:
            if in_flight is None:
                in_flight = query.in_flight[number] = upstream.prepare(query, now)
        except OSError:
            self._try_next_server(query, number, "timeout")
            return
        query.due = now + upstream.send(in_flight, now)

    def _resolve_case_mismatch(self, in_flight: InFlight) -> None:
        """Only a reply with changed letter case (0x20) arrived.

        A server that has preserved the case until now is queried over TCP, which is hard to forge.
        """
        upstream = self._upstreams[in_flight.number]
        if upstream.case_handling is CaseHandling.PRESERVES:
            self._switch_to_tcp(in_flight.query, in_flight.number, "timeout")
            return
        upstream.case_handling = CaseHandling.NORMALIZES
        reply, in_flight.case_mismatch_reply = in_flight.case_mismatch_reply, b""
        self._on_reply(in_flight, reply)

    def _on_reply(self, in_flight: InFlight, reply: bytes) -> None:
        query = in_flight.query
        if reply[2] & TC and failure_reason(reply) is None:
            self._switch_to_tcp(query, in_flight.number, "truncated")
        else:
            self._read(query, in_flight.number, reply)

    def _read(self, query: Query, number: int, reply: bytes) -> bool:
        """Finish the query or pass it on; False if a usable reply may still follow."""
        try:
            if reason := failure_reason(reply):
                self._on_error_reply(query, number, reason)
            else:
                self._settle(query, parse_plain_reply(query.question, reply) or parse_reply(query.question, reply))
        except MalformedReply:
            return False
        except LookupFailed as error:
            self._on_error_reply(query, number, error.reason)
        return True

    def _on_error_reply(self, query: Query, number: int, reason: str) -> None:
        if not query.edns or reason not in EDNS_REJECTIONS:
            self._try_next_server(query, number, reason)
            return
        query.edns = False
        query.cancel_server(number)
        query.attempts = SENDS_PER_SERVER * query.upstream_order.index(number)
        self._send_next(query, self._running().time())

    def _try_next_server(self, query: Query, number: int, reason: str) -> None:
        """Go on to the next server, unless all that are left have been unresponsive anyway."""
        query.cancel_server(number)
        query.upstream_order.remove(number)
        query.attempts = 0
        query.record_error(reason)
        if query.tcp_task:
            return  # a TCP query to another server is still open
        now = self._running().time()
        if not query.upstream_order or (
            reason != "timeout"
            and all(self._upstreams[number_left].is_unresponsive(now) for number_left in query.upstream_order)
        ):
            self._fail(query)
        else:
            self._send_next(query, now)

    def _switch_to_tcp(self, query: Query, number: int, reason: str) -> None:
        query.cancel_server(number)
        if query.tcp_task:
            return
        query.record_error(reason)
        query.due = math.inf
        query.tcp_task = asyncio.create_task(self._query_over_tcp(query, number, reason))
        self._tcp_tasks.add(query.tcp_task)
        query.tcp_task.add_done_callback(self._tcp_tasks.discard)

    async def _query_over_tcp(self, query: Query, number: int, reason: str) -> None:
        try:
            reply = await query_tcp(self._upstreams[number].server, query.question, edns=query.edns)
        except (OSError, EOFError):
            reply = b""
        if query.future.done():
            return
        query.tcp_task = None
        if not reply or reply[2] & TC or not self._read(query, number, reply):
            self._try_next_server(query, number, reason)
        self.flush()

    def _settle(self, query: Query, result: DnsAnswer | Alias) -> None:
        self._remove(query)
        query.set_result(result)

    def _fail(self, query: Query) -> None:
        self._remove(query)
        query.fail()

    def _remove(self, query: Query) -> None:
        """Remove the query from every queue and socket."""
        self._admission.remove(query)
        query.cancel()
