"""How long to wait for one server before asking again (RFC 6298, with bounds that fit DNS).

One name server: the sockets to it, what is in flight on them, how quick it is and whether it can be believed.

Which name server a question goes to first, and how a silent one is noticed to be back.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from bot.models import ServerHealth
from bot.net.dns_query import Flight, Lane, Link, Plain, Query, Round
from bot.net.dns_wire import DENIALS, HEADER, NONE, ONE, QR, Dice, failure, fold, mixed, packet, plain_packet, question
from bot.net.nameservers import Server

UNKNOWN = 0.2
SHORTEST, LONGEST = 0.05, 0.4
A_REPEAT, MOST_TRUST = 5, 50  # for five measures one repeat is put down to loss, ten at most
RAREST = 0.8  # between two copies, however often it was asked already


class RoundTrip:
    """Smoothed round trip and its spread, in seconds.

    Only an answer to a question that was sent once is a measure (Karn). Now and then a datagram is lost, and that says
    nothing; but where many questions had to be repeated for few measures, the first wait of the next ones grows until
    there is a measure again: a wait that is too short does not stay.
    """

    __slots__ = ("_first", "_smooth", "_spread", "_trust", "_usual")

    def __init__(self) -> None:
        self._trust = 0
        self._smooth: float | None = None
        self._spread = 0.0
        self._usual = self._first = UNKNOWN

    @property
    def usual_s(self) -> float | None:
        """The smoothed round trip; None before the first measure."""
        return self._smooth

    def wait(self, copies: int) -> float:
        """The seconds to wait after a datagram of which so many copies went out before."""
        return min(self._usual * (1 << copies), RAREST) if copies else self._first

    def measured(self, seconds: float) -> None:
        self._trust = min(self._trust + 1, MOST_TRUST)
        sample = seconds if seconds < LONGEST else LONGEST
        if self._smooth is None:
            self._smooth, self._spread = sample, sample / 2
        else:
            self._spread += (abs(self._smooth - sample) - self._spread) / 4
            self._smooth += (sample - self._smooth) / 8
        wait = self._smooth + 4 * self._spread
        self._usual = self._first = SHORTEST if wait < SHORTEST else LONGEST if wait > LONGEST else wait

    def missed(self) -> None:
        """A question had to be repeated."""
        if self._trust >= A_REPEAT:
            self._trust -= A_REPEAT
        else:
            self._first = min(self._first * 2, LONGEST)


DATAGRAMS_AT_ONCE = 64  # then others on the loop get their turn
RECEIVE_BUFFER = 1 << 20
LARGEST = 4096
PORT_SECONDS, PORT_QUESTIONS = 60.0, 10_000  # a source port is left after either
SILENT_SENDS, SILENT_SECONDS = 3, 1.0

Landed = Callable[[Flight, bytes], None]


class Case(Enum):
    """Does the server send the letter case of a question back? Nearly all do; one that does is held to it."""

    UNSURE = "unsure"
    ECHOED = "echoed"
    CHANGED = "changed"


@dataclass(slots=True)
class Counters:
    """What went over the wire. `unexpected`, `mismatched`, `miscased` and `garbled` were dropped, not believed."""

    sent: int = 0
    resent: int = 0
    answered: int = 0
    unexpected: int = 0  # no such id in flight, or no response at all: late, doubled or forged
    mismatched: int = 0  # the id was right, the question was not
    miscased: int = 0
    garbled: int = 0
    streams: int = 0
    unreachable: int = 0


class Upstream:
    """`landed(flight, reply)` is called for each reply whose id and question are right, `drained()` after a batch.

    The questions of a fast lane are settled by the lane itself.
    """

    def __init__(self, number: int, server: Server, landed: Landed, drained: Callable[[], None], sockets: int) -> None:
        self.number = number
        self.server = server
        self.counters = Counters()
        self.round_trip = RoundTrip()
        self.case = Case.UNSURE
        self.probe_at = 0.0
        self._landed = landed
        self._drained = drained
        self._width = sockets
        self._links: list[Link] = []
        self._leaving: list[Link] = []
        self._next = 0
        self._dice = Dice()
        self._unanswered = 0
        self._silent_since = 0.0

    def launch(self, query: Query, now: float) -> Flight:
        """Give the query an id and a port here; raises OSError when this host has no way to the server."""
        link = self._link(now)
        ident = self._dice.roll(2)
        while ident in link.flights:
            ident = self._dice.roll(2)
        asked = query.question.wire if self.case is Case.CHANGED else mixed(query.question, self._dice)
        flight = Flight(query, self.number, link, ident, asked, packet(ident, asked, edns=query.edns), now)
        link.flights[ident] = flight
        link.used += 1
        return flight

    def send(self, flight: Flight, now: float) -> float:
        """Send it for the first time or once more; returns the seconds to wait for the answer."""
        if flight.sends:
            self.counters.resent += 1
            self.round_trip.missed()
        else:
            self.counters.sent += 1
        self._put_on_the_wire(flight.link, flight.packet, now)
        flight.sends += 1
        return self.round_trip.wait(flight.sends - 1)

    def send_plain(self, round_: Round, place: int, lane: Lane, now: float) -> Plain:
        """Ask one zone of a round, once."""
        link = self._link(now)
        roll = self._dice.roll(lane.length + 2)
        ident, number = roll[:2], lane.number
        while ident in link.flights:
            ident = self._dice.roll(2)
        if self.case is not Case.CHANGED:
            number ^= int.from_bytes(roll[2:], "big") & lane.case
        asked = round_.head + number.to_bytes(lane.length, "big")
        link.flights[ident] = plain = Plain(asked, round_, place, lane, link, ident, now)
        link.used += 1
        self._put_on_the_wire(link, plain_packet(ident, asked), now)
        self.counters.sent += 1
        return plain

    def take_over(self, plain: Plain, query: Query) -> Flight:
        """The query listens in the place of the question from now on, with what was sent already."""
        packet_ = plain_packet(plain.ident, plain.asked)
        flight = Flight(query, self.number, plain.link, plain.ident, plain.asked, packet_, plain.sent, sends=1)
        plain.link.flights[plain.ident] = flight
        return flight

    def silent(self, now: float) -> bool:
        """It has left several questions in a row unanswered for longer than any healthy server takes."""
        return self._unanswered >= SILENT_SENDS and now - self._silent_since > SILENT_SECONDS

    def health(self, now: float) -> ServerHealth:
        seen = self.counters
        usual = self.round_trip.usual_s
        return ServerHealth(str(self.server), self.silent(now), seen.sent, seen.resent, seen.answered, usual)

    def renew(self, now: float) -> None:
        """Leave source ports that have been in use for long; the old ones listen until their answers are in."""
        for number, link in enumerate(self._links):
            if now - link.opened > PORT_SECONDS or link.used > PORT_QUESTIONS:
                try:
                    self._links[number] = self._open(now)
                except OSError:
                    self.counters.unreachable += 1
                    return  # no way to the server now: keep what there is
                self._leaving.append(link)
        for link in [link for link in self._leaving if not link.flights]:
            self._leaving.remove(link)
            self._close(link)

    def close(self) -> None:
        for link in (*self._links, *self._leaving):
            self._close(link)
        self._links.clear()
        self._leaving.clear()

    def _put_on_the_wire(self, link: Link, datagram: bytes, now: float) -> None:
        if not self._unanswered:
            self._silent_since = now
        self._unanswered += 1
        try:
            link.socket.send(datagram)
        except OSError:
            self.counters.unreachable += 1  # as good as lost on the way: the next copy keeps to the same clock

    def _link(self, now: float) -> Link:
        links = self._links
        if len(links) < self._width:
            links.append(self._open(now))
        self._next = following = (self._next + 1) % len(links)
        return links[following]

    def _open(self, now: float) -> Link:
        found = socket.getaddrinfo(
            self.server.host, self.server.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )
        family, kind, protocol, _, address = found[0]
        door = socket.socket(family, kind, protocol)
        try:
            door.setblocking(False)
            door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            door.connect(address)  # from here on the kernel drops what comes from anyone else
            link = Link(door, now)
            asyncio.get_running_loop().add_reader(door.fileno(), self._drain, link)
        except OSError:
            door.close()
            raise
        return link

    def _close(self, link: Link) -> None:
        asyncio.get_running_loop().remove_reader(link.socket.fileno())
        link.socket.close()

    def _drain(self, link: Link) -> None:
        now = asyncio.get_running_loop().time()
        receive, flights = link.socket.recv, link.flights
        last, count = None, 0
        try:
            for _ in range(DATAGRAMS_AT_ONCE):
                reply = receive(LARGEST)
                flight = flights.get(reply[:2])
                if (
                    isinstance(flight, Plain)
                    and reply[2:8] in DENIALS
                    and reply.startswith(flight.asked, HEADER)
                    and len(reply) - len(flight.asked) in flight.lane.whole
                ):
                    del flights[flight.ident]
                    flight.lane.deny(flight)
                    last, count = flight, count + 1
                else:
                    self._datagram(flight, reply, now)
        except BlockingIOError:
            pass  # drained
        except OSError:
            self.counters.unreachable += 1  # an ICMP error: nobody listens there, or no way
        if last:
            self.heard(last.asked, count, now - last.sent)
        self._drained()

    def heard(self, asked: bytes, count: int, seconds: float) -> None:
        """So many questions were answered exactly as they were asked, this one `seconds` after it was sent."""
        self.counters.answered += count
        self._unanswered = 0
        if self.case is Case.UNSURE and asked != fold(asked):
            self.case = Case.ECHOED
        self.round_trip.measured(seconds)

    def _datagram(self, flight: Flight | Plain | None, reply: bytes, now: float) -> None:
        if flight is None or len(reply) < HEADER or not reply[2] & QR:
            self.counters.unexpected += 1
        elif isinstance(flight, Plain):
            flight.lane.odd(self.number, flight, reply)
        else:
            self.hear(flight, reply, now)

    def hear(self, flight: Flight, reply: bytes, now: float) -> None:
        """A response with the id of that flight: is it the answer?"""
        if self._answers(flight, reply):
            self.counters.answered += 1
            self._unanswered = 0
            if flight.sends == 1:
                self.round_trip.measured(now - flight.sent)
            self._landed(flight, reply)

    def _answers(self, flight: Flight, reply: bytes) -> bool:
        """Is this the whole question that was asked? An error may come without one (RFC 1035 §4.1.1 FORMERR)."""
        asked, count = flight.asked, reply[4:6]
        if count == ONE and reply.startswith(asked, HEADER):
            if self.case is Case.UNSURE and asked != fold(asked):
                self.case = Case.ECHOED
            return True
        if count == NONE and failure(reply):
            return True
        if count != ONE or fold(reply[HEADER : HEADER + len(asked)]) != fold(asked):
            self.counters.mismatched += 1
            return False
        self.counters.miscased += 1
        flight.doubtful = reply
        return self.case is Case.CHANGED


PROBE_SECONDS = 1.0


class Choice:
    """The servers as they were named, silent ones last; those are tried now and then by a question of our own, to `enter`."""

    def __init__(self, upstreams: Sequence[Upstream], enter: Callable[[Query], None]) -> None:
        self._upstreams = upstreams
        self._enter = enter

    def order(self, now: float) -> list[int]:
        """The numbers of the servers, the one to ask first in front."""
        if len(self._upstreams) == 1:
            return [0]
        silent = [upstream for upstream in self._upstreams if upstream.silent(now)]
        for upstream in silent:
            if upstream.probe_at <= now:
                upstream.probe_at = now + PROBE_SECONDS
                self._probe(upstream, now)
        return [upstream.number for upstream in sorted(self._upstreams, key=silent.__contains__)]

    def _probe(self, upstream: Upstream, now: float) -> None:
        answer = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        deadline = now + PROBE_SECONDS
        probe = Query(question(".", "NS"), answer, False, PROBE_SECONDS, deadline, edns=False, order=[upstream.number])
        self._enter(probe)
