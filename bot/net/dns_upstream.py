"""One upstream name server (RFC 9499): sockets, queries in flight, RTT, and server selection.

The retransmission timeout follows RFC 6298, with bounds that fit DNS.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from bot.models import ServerHealth
from bot.net.dns_query import InFlight, Query, QueryBatch, UdpQuery, UdpSocket, ZoneQueue
from bot.net.dns_wire import (
    COUNT_ONE,
    COUNT_ZERO,
    HEADER_BYTES,
    NXDOMAIN_HEADERS,
    QR,
    SecureRandom,
    encode_plain_query,
    encode_query,
    encode_question,
    failure_reason,
    lowercase_name,
    with_random_case,
)
from bot.net.nameservers import Server

INITIAL_RTO_S = 0.2
MIN_RTO_S, MAX_RTO_S = 0.05, 0.4
# Five samples excuse one retransmission as plain packet loss, up to ten in a row.
SAMPLES_PER_LOSS, MAX_LOSS_CREDIT = 5, 50
MAX_BACKOFF_S = 0.8  # longest wait between two retransmissions, in seconds


class RttEstimator:
    """Smoothed round-trip time and its variance, in seconds.

    Only queries sent once are samples (Karn's algorithm). A few lost datagrams change nothing; if
    many queries were resent for few samples, the first timeout doubles until the next sample.
    """

    __slots__ = ("_first_timeout", "_loss_credit", "_rto", "_rttvar", "_srtt")

    def __init__(self) -> None:
        self._loss_credit = 0
        self._srtt: float | None = None
        self._rttvar = 0.0
        self._rto = self._first_timeout = INITIAL_RTO_S

    @property
    def rtt_s(self) -> float | None:
        """Smoothed round-trip time; None before the first sample."""
        return self._srtt

    def timeout_s(self, retransmissions: int) -> float:
        """Seconds to wait after a datagram that was sent `retransmissions` times before."""
        return min(self._rto * (1 << retransmissions), MAX_BACKOFF_S) if retransmissions else self._first_timeout

    def add_sample(self, seconds: float) -> None:
        """Add the round-trip time of a query that was sent once."""
        self._loss_credit = min(self._loss_credit + 1, MAX_LOSS_CREDIT)
        sample = seconds if seconds < MAX_RTO_S else MAX_RTO_S
        if self._srtt is None:
            self._srtt, self._rttvar = sample, sample / 2
        else:
            self._rttvar += (abs(self._srtt - sample) - self._rttvar) / 4
            self._srtt += (sample - self._srtt) / 8
        rto = self._srtt + 4 * self._rttvar
        self._rto = self._first_timeout = MIN_RTO_S if rto < MIN_RTO_S else MAX_RTO_S if rto > MAX_RTO_S else rto

    def record_loss(self) -> None:
        """Record a retransmission."""
        if self._loss_credit >= SAMPLES_PER_LOSS:
            self._loss_credit -= SAMPLES_PER_LOSS
        else:
            self._first_timeout = min(self._first_timeout * 2, MAX_RTO_S)


MAX_DATAGRAMS_PER_READ = 64  # per callback, so that the event loop is not blocked
RECEIVE_BUFFER_BYTES = 1 << 20
MAX_DATAGRAM_BYTES = 4096
MAX_PORT_AGE_S, MAX_PORT_QUERIES = 60.0, 10_000  # a source port is replaced after either
UNRESPONSIVE_SENDS, UNRESPONSIVE_AFTER_S = 3, 1.0

OnReply = Callable[[InFlight, bytes], None]


class CaseHandling(Enum):
    """Whether the server returns the letter case of the question (0x20).

    Nearly all do. Once a server has, replies with another case are no longer accepted over UDP.
    """

    UNKNOWN = "unknown"
    PRESERVES = "preserves"
    NORMALIZES = "normalizes"


@dataclass(slots=True)
class UpstreamCounters:
    """Queries and answers; what was dropped is not counted."""

    sent: int = 0
    retried: int = 0
    answered: int = 0


class Upstream:
    """One name server. `on_reply(query, reply)` is called for each verified reply.

    `on_drained()` is called after each batch of reads. Replies to bulk queries go to their
    zone queue.
    """

    def __init__(
        self, number: int, server: Server, on_reply: OnReply, on_drained: Callable[[], None], sockets: int
    ) -> None:
        self.number = number
        self.server = server
        self.counters = UpstreamCounters()
        self.rtt = RttEstimator()
        self.case_handling = CaseHandling.UNKNOWN
        self.next_probe_at = 0.0
        self._on_reply = on_reply
        self._on_drained = on_drained
        self._max_sockets = sockets
        self._sockets: list[UdpSocket] = []
        self._retiring: list[UdpSocket] = []
        self._next_index = 0
        self._random = SecureRandom()
        self._unanswered_count = 0
        self._unanswered_since = 0.0

    def prepare(self, query: Query, now: float) -> InFlight:
        """Allocate an id and a socket. Raises OSError if this host has no route to the server."""
        udp_socket = self._next_socket(now)
        message_id = self._random.take(2)
        while message_id in udp_socket.in_flight:
            message_id = self._random.take(2)
        question_wire = (
            query.question.wire
            if self.case_handling is CaseHandling.NORMALIZES
            else with_random_case(query.question, self._random)
        )
        in_flight = InFlight(
            query,
            self.number,
            udp_socket,
            message_id,
            question_wire,
            encode_query(message_id, question_wire, edns=query.edns),
            now,
        )
        udp_socket.in_flight[message_id] = in_flight
        udp_socket.query_count += 1
        return in_flight

    def send(self, in_flight: InFlight, now: float) -> float:
        """Send it, for the first time or again; returns the seconds to wait for the answer."""
        if in_flight.send_count:
            self.counters.retried += 1
            self.rtt.record_loss()
        else:
            self.counters.sent += 1
        self._send_datagram(in_flight.udp_socket, in_flight.packet, now)
        in_flight.send_count += 1
        return self.rtt.timeout_s(in_flight.send_count - 1)

    def send_bulk_query(self, batch: QueryBatch, position: int, queue: ZoneQueue, now: float) -> UdpQuery:
        """Send the query for one zone of a batch, once."""
        udp_socket = self._next_socket(now)
        random_bytes = self._random.take(queue.wire_length + 2)
        message_id, zone_bits = random_bytes[:2], queue.wire_bits
        while message_id in udp_socket.in_flight:
            message_id = self._random.take(2)
        if self.case_handling is not CaseHandling.NORMALIZES:
            zone_bits ^= int.from_bytes(random_bytes[2:], "big") & queue.case_mask
        question_wire = batch.label_wire + zone_bits.to_bytes(queue.wire_length, "big")
        udp_socket.in_flight[message_id] = query = UdpQuery(
            question_wire, batch, position, queue, udp_socket, message_id, now
        )
        udp_socket.query_count += 1
        self._send_datagram(udp_socket, encode_plain_query(message_id, question_wire), now)
        self.counters.sent += 1
        return query

    def promote(self, bulk_query: UdpQuery, query: Query) -> InFlight:
        """Replace a bulk query by a full one that waits for the datagram already sent."""
        datagram = encode_plain_query(bulk_query.message_id, bulk_query.question_wire)
        in_flight = InFlight(
            query,
            self.number,
            bulk_query.udp_socket,
            bulk_query.message_id,
            bulk_query.question_wire,
            datagram,
            bulk_query.sent_at,
            send_count=1,
        )
        bulk_query.udp_socket.in_flight[bulk_query.message_id] = in_flight
        return in_flight

    def is_unresponsive(self, now: float) -> bool:
        """Whether several queries in a row have had no answer for over a second."""
        return self._unanswered_count >= UNRESPONSIVE_SENDS and now - self._unanswered_since > UNRESPONSIVE_AFTER_S

    def health(self, now: float) -> ServerHealth:
        """Counters and state for the dashboard."""
        counters = self.counters
        rtt_s = self.rtt.rtt_s
        return ServerHealth(
            str(self.server), self.is_unresponsive(now), counters.sent, counters.retried, counters.answered, rtt_s
        )

    def rotate_sockets(self, now: float) -> None:
        """Replace sockets that are old or much used; the old ones stay open for late answers."""
        for index, udp_socket in enumerate(self._sockets):
            if now - udp_socket.opened_at > MAX_PORT_AGE_S or udp_socket.query_count > MAX_PORT_QUERIES:
                try:
                    self._sockets[index] = self._open_socket(now)
                except OSError:
                    return  # no route to the server now: stay on the old sockets
                self._retiring.append(udp_socket)
        for udp_socket in [udp_socket for udp_socket in self._retiring if not udp_socket.in_flight]:
            self._retiring.remove(udp_socket)
            self._close_socket(udp_socket)

    def close(self) -> None:
        for udp_socket in (*self._sockets, *self._retiring):
            self._close_socket(udp_socket)
        self._sockets.clear()
        self._retiring.clear()

    def _send_datagram(self, udp_socket: UdpSocket, datagram: bytes, now: float) -> None:
        if not self._unanswered_count:
            self._unanswered_since = now
        self._unanswered_count += 1
        with suppress(OSError):  # same as a lost datagram: retransmitted on the same schedule
            udp_socket.sock.send(datagram)

    def _next_socket(self, now: float) -> UdpSocket:
        sockets = self._sockets
        if len(sockets) < self._max_sockets:
            sockets.append(self._open_socket(now))
        self._next_index = index = (self._next_index + 1) % len(sockets)
        return sockets[index]

    def _open_socket(self, now: float) -> UdpSocket:
        addresses = socket.getaddrinfo(
            self.server.host, self.server.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )
        family, socket_type, protocol, _, address = addresses[0]
        sock = socket.socket(family, socket_type, protocol)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            sock.connect(address)  # the kernel now drops datagrams from other senders
            udp_socket = UdpSocket(sock, now)
            asyncio.get_running_loop().add_reader(sock.fileno(), self._drain, udp_socket)
        except OSError:
            sock.close()
            raise
        return udp_socket

    def _close_socket(self, udp_socket: UdpSocket) -> None:
        asyncio.get_running_loop().remove_reader(udp_socket.sock.fileno())
        udp_socket.sock.close()

    def _drain(self, udp_socket: UdpSocket) -> None:
        now = asyncio.get_running_loop().time()
        receive, in_flight = udp_socket.sock.recv, udp_socket.in_flight
        last_query, count = None, 0
        try:
            for _ in range(MAX_DATAGRAMS_PER_READ):
                reply = receive(MAX_DATAGRAM_BYTES)
                query = in_flight.get(reply[:2])
                if (
                    isinstance(query, UdpQuery)
                    and reply[2:8] in NXDOMAIN_HEADERS
                    and reply.startswith(query.question_wire, HEADER_BYTES)
                    and len(reply) - len(query.question_wire) in query.queue.denial_sizes
                ):
                    del in_flight[query.message_id]
                    query.queue.on_nxdomain(query)
                    last_query, count = query, count + 1
                else:
                    self._dispatch(query, reply, now)
        except OSError:
            pass  # drained, or an ICMP error: port closed or no route
        if last_query:
            self.record_answers(last_query.question_wire, count, now - last_query.sent_at)
        self._on_drained()

    def record_answers(self, question_wire: bytes, count: int, seconds: float) -> None:
        """Record `count` exact answers, one of them `seconds` after its query was sent."""
        self.counters.answered += count
        self._unanswered_count = 0
        if self.case_handling is CaseHandling.UNKNOWN and question_wire != lowercase_name(question_wire):
            self.case_handling = CaseHandling.PRESERVES
        self.rtt.add_sample(seconds)

    def _dispatch(self, query: InFlight | UdpQuery | None, reply: bytes, now: float) -> None:
        if query is None or len(reply) < HEADER_BYTES or not reply[2] & QR:
            return  # late, duplicate or forged
        if isinstance(query, UdpQuery):
            query.queue.on_irregular_reply(self.number, query, reply)
        else:
            self.on_response(query, reply, now)

    def on_response(self, query: InFlight, reply: bytes, now: float) -> None:
        """Accept or drop a response with the id of this query."""
        if self._is_answer(query, reply):
            self.counters.answered += 1
            self._unanswered_count = 0
            if query.send_count == 1:
                self.rtt.add_sample(now - query.sent_at)
            self._on_reply(query, reply)

    def _is_answer(self, query: InFlight, reply: bytes) -> bool:
        """Whether the reply repeats the question.

        An error may come without it (RFC 1035 §4.1.1 FORMERR).
        """
        question_wire, count = query.question_wire, reply[4:6]
        if count == COUNT_ONE and reply.startswith(question_wire, HEADER_BYTES):
            if self.case_handling is CaseHandling.UNKNOWN and question_wire != lowercase_name(question_wire):
                self.case_handling = CaseHandling.PRESERVES
            return True
        if count == COUNT_ZERO and failure_reason(reply):
            return True
        if count != COUNT_ONE or lowercase_name(
            reply[HEADER_BYTES : HEADER_BYTES + len(question_wire)]
        ) != lowercase_name(question_wire):
            return False
        query.case_mismatch_reply = reply
        return self.case_handling is CaseHandling.NORMALIZES


SERVER_PROBE_INTERVAL_S = 1.0


class ServerSelector:
    """Orders the servers as configured, unresponsive ones last; those are probed once a second.

    `enqueue` is called with each probe query.
    """

    def __init__(self, upstreams: Sequence[Upstream], enqueue: Callable[[Query], None]) -> None:
        self._upstreams = upstreams
        self._enqueue = enqueue

    def order(self, now: float) -> list[int]:
        """Numbers of the servers, the preferred one first."""
        if len(self._upstreams) == 1:
            return [0]
        unresponsive = [upstream for upstream in self._upstreams if upstream.is_unresponsive(now)]
        for upstream in unresponsive:
            if upstream.next_probe_at <= now:
                upstream.next_probe_at = now + SERVER_PROBE_INTERVAL_S
                self._probe(upstream, now)
        return [upstream.number for upstream in sorted(self._upstreams, key=unresponsive.__contains__)]

    def _probe(self, upstream: Upstream, now: float) -> None:
        future = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        deadline = now + SERVER_PROBE_INTERVAL_S
        query = Query(
            encode_question(".", "NS"),
            future,
            False,
            SERVER_PROBE_INTERVAL_S,
            deadline,
            edns=False,
            upstream_order=[upstream.number],
        )
        self._enqueue(query)
