"""One upstream name server (RFC 9499): sockets, queries in flight, RTT, and server selection.

The retransmission timeout follows RFC 6298, with bounds that fit DNS.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from bot.models import ServerHealth
from bot.net.dns_query import Flight, Lane, Link, Plain, Query, Round
from bot.net.dns_wire import (
    DENIALS,
    HEADER,
    NONE,
    ONE,
    QR,
    Dice,
    failure,
    fold,
    mixed,
    packet,
    plain_packet,
    question,
)
from bot.net.nameservers import Server

UNKNOWN = 0.2
SHORTEST, LONGEST = 0.05, 0.4
# Five samples excuse one retransmission as plain packet loss, up to ten in a row.
A_REPEAT, MOST_TRUST = 5, 50
RAREST = 0.8  # longest wait between two retransmissions, in seconds


class RoundTrip:
    """Smoothed round-trip time and its variance, in seconds.

    Only queries sent once are samples (Karn's algorithm). A few lost datagrams change nothing; if
    many queries were resent for few samples, the first timeout doubles until the next sample.
    """

    __slots__ = ("_first_timeout", "_loss_credit", "_rto", "_rttvar", "_srtt")

    def __init__(self) -> None:
        self._loss_credit = 0
        self._srtt: float | None = None
        self._rttvar = 0.0
        self._rto = self._first_timeout = UNKNOWN

    @property
    def usual_s(self) -> float | None:
        """Smoothed round-trip time; None before the first sample."""
        return self._srtt

    def wait(self, retransmissions: int) -> float:
        """Seconds to wait after a datagram that was sent `retransmissions` times before."""
        return (
            min(self._rto * (1 << retransmissions), RAREST)
            if retransmissions
            else self._first_timeout
        )

    def measured(self, seconds: float) -> None:
        """Add the round-trip time of a query that was sent once."""
        self._loss_credit = min(self._loss_credit + 1, MOST_TRUST)
        sample = seconds if seconds < LONGEST else LONGEST
        if self._srtt is None:
            self._srtt, self._rttvar = sample, sample / 2
        else:
            self._rttvar += (abs(self._srtt - sample) - self._rttvar) / 4
            self._srtt += (sample - self._srtt) / 8
        rto = self._srtt + 4 * self._rttvar
        self._rto = self._first_timeout = (
            SHORTEST if rto < SHORTEST else LONGEST if rto > LONGEST else rto
        )

    def missed(self) -> None:
        """Record a retransmission."""
        if self._loss_credit >= A_REPEAT:
            self._loss_credit -= A_REPEAT
        else:
            self._first_timeout = min(self._first_timeout * 2, LONGEST)


DATAGRAMS_AT_ONCE = 64  # per callback, so that the event loop is not blocked
RECEIVE_BUFFER = 1 << 20
LARGEST = 4096
PORT_SECONDS, PORT_QUESTIONS = 60.0, 10_000  # a source port is replaced after either
SILENT_SENDS, SILENT_SECONDS = 3, 1.0

Landed = Callable[[Flight, bytes], None]


class Case(Enum):
    """Whether the server returns the letter case of the question (0x20).

    Nearly all do. Once a server has, replies with another case are no longer accepted over UDP.
    """

    UNSURE = "unknown"
    ECHOED = "preserves"
    CHANGED = "normalizes"


@dataclass(slots=True)
class Counters:
    """Datagrams by outcome. Unexpected, mismatched and malformed replies were dropped."""

    sent: int = 0
    resent: int = 0
    answered: int = 0
    unexpected: int = 0  # no query with that id, or not a response: late, duplicate or forged
    mismatched: int = 0  # known id, different question
    miscased: int = 0
    garbled: int = 0
    streams: int = 0
    unreachable: int = 0


class Upstream:
    """One name server. `on_reply(query, reply)` is called for each verified reply.

    `on_drained()` is called after each batch of reads. Replies to bulk queries go to their
    zone queue.
    """

    def __init__(
        self,
        number: int,
        server: Server,
        on_reply: Landed,
        on_drained: Callable[[], None],
        sockets: int,
    ) -> None:
        self.number = number
        self.server = server
        self.counters = Counters()
        self.round_trip = RoundTrip()
        self.case = Case.UNSURE
        self.probe_at = 0.0
        self._on_reply = on_reply
        self._on_drained = on_drained
        self._max_sockets = sockets
        self._sockets: list[Link] = []
        self._retiring: list[Link] = []
        self._next_index = 0
        self._random = Dice()
        self._unanswered_count = 0
        self._unanswered_since = 0.0

    def launch(self, query: Query, now: float) -> Flight:
        """Allocate an id and a socket. Raises OSError if this host has no route to the server."""
        udp_socket = self._next_socket(now)
        message_id = self._random.roll(2)
        while message_id in udp_socket.flights:
            message_id = self._random.roll(2)
        question_wire = (
            query.question.wire
            if self.case is Case.CHANGED
            else mixed(query.question, self._random)
        )
        in_flight = Flight(
            query,
            self.number,
            udp_socket,
            message_id,
            question_wire,
            packet(message_id, question_wire, edns=query.edns),
            now,
        )
        udp_socket.flights[message_id] = in_flight
        udp_socket.used += 1
        return in_flight

    def send(self, in_flight: Flight, now: float) -> float:
        """Send it, for the first time or again; returns the seconds to wait for the answer."""
        if in_flight.sends:
            self.counters.resent += 1
            self.round_trip.missed()
        else:
            self.counters.sent += 1
        self._send_datagram(in_flight.link, in_flight.packet, now)
        in_flight.sends += 1
        return self.round_trip.wait(in_flight.sends - 1)

    def send_plain(self, batch: Round, position: int, queue: Lane, now: float) -> Plain:
        """Send the query for one zone of a batch, once."""
        udp_socket = self._next_socket(now)
        random_bytes = self._random.roll(queue.length + 2)
        message_id, zone_bits = random_bytes[:2], queue.number
        while message_id in udp_socket.flights:
            message_id = self._random.roll(2)
        if self.case is not Case.CHANGED:
            zone_bits ^= int.from_bytes(random_bytes[2:], "big") & queue.case
        question_wire = batch.head + zone_bits.to_bytes(queue.length, "big")
        udp_socket.flights[message_id] = query = Plain(
            question_wire, batch, position, queue, udp_socket, message_id, now
        )
        udp_socket.used += 1
        self._send_datagram(udp_socket, plain_packet(message_id, question_wire), now)
        self.counters.sent += 1
        return query

    def take_over(self, bulk_query: Plain, query: Query) -> Flight:
        """Replace a bulk query by a full one that waits for the datagram already sent."""
        datagram = plain_packet(bulk_query.ident, bulk_query.asked)
        in_flight = Flight(
            query,
            self.number,
            bulk_query.link,
            bulk_query.ident,
            bulk_query.asked,
            datagram,
            bulk_query.sent,
            sends=1,
        )
        bulk_query.link.flights[bulk_query.ident] = in_flight
        return in_flight

    def silent(self, now: float) -> bool:
        """Whether several queries in a row have had no answer for over a second."""
        return (
            self._unanswered_count >= SILENT_SENDS and now - self._unanswered_since > SILENT_SECONDS
        )

    def health(self, now: float) -> ServerHealth:
        """Counters and state for the dashboard."""
        counters = self.counters
        rtt_s = self.round_trip.usual_s
        return ServerHealth(
            str(self.server),
            self.silent(now),
            counters.sent,
            counters.resent,
            counters.answered,
            rtt_s,
        )

    def renew(self, now: float) -> None:
        """Replace sockets that are old or much used; the old ones stay open for late answers."""
        for index, udp_socket in enumerate(self._sockets):
            if now - udp_socket.opened > PORT_SECONDS or udp_socket.used > PORT_QUESTIONS:
                try:
                    self._sockets[index] = self._open_socket(now)
                except OSError:
                    self.counters.unreachable += 1
                    return  # no route to the server now: stay on the old sockets
                self._retiring.append(udp_socket)
        for udp_socket in [udp_socket for udp_socket in self._retiring if not udp_socket.flights]:
            self._retiring.remove(udp_socket)
            self._close_socket(udp_socket)

    def close(self) -> None:
        for udp_socket in (*self._sockets, *self._retiring):
            self._close_socket(udp_socket)
        self._sockets.clear()
        self._retiring.clear()

    def _send_datagram(self, udp_socket: Link, datagram: bytes, now: float) -> None:
        if not self._unanswered_count:
            self._unanswered_since = now
        self._unanswered_count += 1
        try:
            udp_socket.sock.send(datagram)
        except OSError:
            self.counters.unreachable += (
                1  # same as a lost datagram: retransmitted on the same schedule
            )

    def _next_socket(self, now: float) -> Link:
        sockets = self._sockets
        if len(sockets) < self._max_sockets:
            sockets.append(self._open_socket(now))
        self._next_index = index = (self._next_index + 1) % len(sockets)
        return sockets[index]

    def _open_socket(self, now: float) -> Link:
        addresses = socket.getaddrinfo(
            self.server.host, self.server.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )
        family, socket_type, protocol, _, address = addresses[0]
        sock = socket.socket(family, socket_type, protocol)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            sock.connect(address)  # the kernel now drops datagrams from other senders
            udp_socket = Link(sock, now)
            asyncio.get_running_loop().add_reader(sock.fileno(), self._drain, udp_socket)
        except OSError:
            sock.close()
            raise
        return udp_socket

    def _close_socket(self, udp_socket: Link) -> None:
        asyncio.get_running_loop().remove_reader(udp_socket.sock.fileno())
        udp_socket.sock.close()

    def _drain(self, udp_socket: Link) -> None:
        now = asyncio.get_running_loop().time()
        receive, in_flight = udp_socket.sock.recv, udp_socket.flights
        last_query, count = None, 0
        try:
            for _ in range(DATAGRAMS_AT_ONCE):
                reply = receive(LARGEST)
                query = in_flight.get(reply[:2])
                if (
                    isinstance(query, Plain)
                    and reply[2:8] in DENIALS
                    and reply.startswith(query.asked, HEADER)
                    and len(reply) - len(query.asked) in query.lane.whole
                ):
                    del in_flight[query.ident]
                    query.lane.deny(query)
                    last_query, count = query, count + 1
                else:
                    self._dispatch(query, reply, now)
        except BlockingIOError:
            pass  # drained
        except OSError:
            self.counters.unreachable += 1  # an ICMP error: port closed or no route
        if last_query:
            self.heard(last_query.asked, count, now - last_query.sent)
        self._on_drained()

    def heard(self, question_wire: bytes, count: int, seconds: float) -> None:
        """Record `count` exact answers, one of them `seconds` after its query was sent."""
        self.counters.answered += count
        self._unanswered_count = 0
        if self.case is Case.UNSURE and question_wire != fold(question_wire):
            self.case = Case.ECHOED
        self.round_trip.measured(seconds)

    def _dispatch(self, query: Flight | Plain | None, reply: bytes, now: float) -> None:
        if query is None or len(reply) < HEADER or not reply[2] & QR:
            self.counters.unexpected += 1
        elif isinstance(query, Plain):
            query.lane.odd(self.number, query, reply)
        else:
            self.hear(query, reply, now)

    def hear(self, query: Flight, reply: bytes, now: float) -> None:
        """Accept or drop a response with the id of this query."""
        if self._is_answer(query, reply):
            self.counters.answered += 1
            self._unanswered_count = 0
            if query.sends == 1:
                self.round_trip.measured(now - query.sent)
            self._on_reply(query, reply)

    def _is_answer(self, query: Flight, reply: bytes) -> bool:
        """Whether the reply repeats the question.

        An error may come without it (RFC 1035 §4.1.1 FORMERR).
        """
        question_wire, count = query.asked, reply[4:6]
        if count == ONE and reply.startswith(question_wire, HEADER):
            if self.case is Case.UNSURE and question_wire != fold(question_wire):
                self.case = Case.ECHOED
            return True
        if count == NONE and failure(reply):
            return True
        if count != ONE or fold(reply[HEADER : HEADER + len(question_wire)]) != fold(question_wire):
            self.counters.mismatched += 1
            return False
        self.counters.miscased += 1
        query.doubtful = reply
        return self.case is Case.CHANGED


PROBE_SECONDS = 1.0


class Choice:
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
        unresponsive = [upstream for upstream in self._upstreams if upstream.silent(now)]
        for upstream in unresponsive:
            if upstream.probe_at <= now:
                upstream.probe_at = now + PROBE_SECONDS
                self._probe(upstream, now)
        return [
            upstream.number for upstream in sorted(self._upstreams, key=unresponsive.__contains__)
        ]

    def _probe(self, upstream: Upstream, now: float) -> None:
        future = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        deadline = now + PROBE_SECONDS
        query = Query(
            question(".", "NS"),
            future,
            False,
            PROBE_SECONDS,
            deadline,
            edns=False,
            order=[upstream.number],
        )
        self._enqueue(query)
