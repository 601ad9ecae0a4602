"""State of DNS queries: batches, zone queues, queries in flight and the sockets they share.

Also the admission queue: a bounded number of queries is in flight, interactive ones first.
"""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from bot.models import DnsAnswer, LookupFailed
from bot.net.dns_message import Alias
from bot.net.dns_wire import Question, ending
from bot.net.rate_limit import Pace, day_bucket, second_bucket

Outcome = DnsAnswer | LookupFailed
Heard = Callable[[int, Outcome], None]
Odd = Callable[[int, "Plain", bytes], None]

NOT_THERE = DnsAnswer("", "A", exists=False)  # shared: most bulk queries end like this
SILENCE = LookupFailed("timeout")
MALFORMED = LookupFailed("malformed")
DAY_LIMIT = LookupFailed("day-limit")
MISSES = 5  # timeouts in a row after which bulk queries skip a zone
SIZES = 16  # of denials per zone; they differ by what its servers add
REST_S = 1.0  # between two probes of a skipped zone


class Round:
    """Queries about one label in several zones, with one future `done` for all of them.

    `results` are in the order of the zones, a timeout until something better is known.
    `on_answer(position, result)` is called as each result arrives.
    """

    __slots__ = ("done", "head", "heard", "label", "left", "outcomes", "patience")

    def __init__(
        self,
        label: str,
        label_wire: bytes,
        count: int,
        timeout_s: float,
        on_answer: Heard | None = None,
    ) -> None:
        self.label, self.head, self.patience, self.heard = label, label_wire, timeout_s, on_answer
        self.left = count
        self.outcomes: list[Outcome] = [SILENCE] * count
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def tell(self, position: int, result: Outcome) -> None:
        self.outcomes[position] = result
        self.left -= 1
        if self.heard and not self.done.done():
            self.heard(position, result)
        if not self.left and not self.done.done():
            self.done.set_result(None)


class Lane:
    """Queued queries of one zone and its recent behavior; only `BulkQueries` changes it.

    `on_nxdomain(query)` is called for a verified denial, and `on_irregular_reply(number, query,
    reply)`, with the number of the server, for every other reply with a matching id.
    `denial_sizes` are the octets after the question in denials that were parsed completely: a
    denial of another size is parsed, since it may be truncated.
    """

    __slots__ = (
        *("apex", "case", "day", "deny", "flying", "length", "misses"),
        *("number", "odd", "ready", "rests_until", "second", "waiting", "whole"),
    )

    def __init__(
        self,
        apex: str,
        rate_limit: Pace,
        now: float,
        on_nxdomain: Callable[[Plain], None],
        on_irregular_reply: Odd,
    ) -> None:
        self.deny, self.odd = on_nxdomain, on_irregular_reply
        self.apex = apex
        wire, self.case = ending(apex)
        self.length, self.number = len(wire), int.from_bytes(wire, "big")
        self.second, self.day = second_bucket(rate_limit, now), day_bucket(rate_limit, now)
        self.waiting: deque[tuple[Round, int]] = deque()
        self.flying = 0
        self.whole: set[int] = set()
        self.ready = False  # in the queue of zones that may send
        self.misses = 0
        self.rests_until = 0.0

    @property
    def rests(self) -> bool:
        """Whether the zone timed out so often that bulk queries skip it."""
        return self.misses >= MISSES


class Plain(NamedTuple):
    """One UDP query of the bulk path, sent once.

    The reply must repeat `question_wire`, letter case included, with `message_id` on `udp_socket`.
    """

    asked: bytes
    round: Round
    place: int
    lane: Lane
    link: Link
    ident: bytes
    sent: float

    @property
    def name(self) -> str:
        return f"{self.round.label}.{self.lane.apex}"


@dataclass(slots=True, eq=False)
class Query:
    """One query until it is finished.

    `upstream_order` holds the numbers of the servers left to try, `attempts` counts the datagrams
    sent; `due` is the time of the next one, `deadline` the end of the query. `reason` is the
    failure to report if no server answers.
    """

    question: Question
    future: asyncio.Future[DnsAnswer | Alias]
    bulk: bool
    patience: float
    deadline: float
    edns: bool
    order: list[int] = field(default_factory=list)
    due: float = 0.0
    turn: int = 0
    reason: str = "timeout"
    flights: dict[int, Flight] = field(default_factory=dict)
    stream: asyncio.Task[None] | None = None

    def blame(self, reason: str) -> None:
        """Report the first error reply; a timeout is reported only if there was none."""
        if self.reason == "timeout":
            self.reason = reason

    def answer(self, result: DnsAnswer | Alias) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def fail(self) -> None:
        if not self.future.done():
            self.future.set_exception(
                LookupFailed(self.reason, f"{self.question.name} {self.question.kind}")
            )

    def land(self, number: int) -> None:
        """Stop waiting for this server."""
        if flight := self.flights.pop(number, None):
            flight.land()

    def end(self) -> None:
        """Stop waiting for every server."""
        for number in list(self.flights):
            self.land(number)
        if self.stream:
            self.stream.cancel()
            self.stream = None


@dataclass(slots=True, eq=False)
class Link:
    """A connected UDP socket on a random source port, and the queries waiting on it by id."""

    sock: socket.socket
    opened: float
    flights: dict[bytes, Flight | Plain] = field(default_factory=dict)
    used: int = 0


@dataclass(slots=True, eq=False)
class Flight:
    """A query in flight to the server `number`.

    Retransmissions are identical, so a late answer to the first datagram still counts.
    """

    query: Query
    number: int
    link: Link
    ident: bytes
    asked: bytes
    packet: bytes
    sent: float
    sends: int = 0
    doubtful: bytes = b""  # a reply with changed letter case, used only if no exact one comes

    def land(self) -> None:
        """Stop waiting for its answer."""
        self.link.flights.pop(self.ident, None)


class Window:
    """Admits at most `limit` queries, at most `bulk_limit` of them bulk; others wait in order."""

    def __init__(self, limit: int, bulk_limit: int) -> None:
        self.flying: dict[Query, None] = {}
        self._interactive: OrderedDict[Query, None] = OrderedDict()
        self._bulk: OrderedDict[Query, None] = OrderedDict()
        self._limit, self._bulk_limit = limit, bulk_limit
        self.bulk_flying = 0

    def __len__(self) -> int:
        return len(self.flying) + len(self._interactive) + len(self._bulk)

    def enter(self, query: Query) -> None:
        (self._bulk if query.bulk else self._interactive)[query] = None

    def board(self, query: Query) -> None:
        """Count a query of the bulk path that is in flight already."""
        self.flying[query] = None

    def next(self) -> Query | None:
        """The next query to send, from now on counted as in flight; None if there is none."""
        if len(self.flying) >= self._limit:
            return None
        if self._interactive:
            query, _ = self._interactive.popitem(last=False)
        elif self._bulk and self.bulk_flying < self._bulk_limit:
            query, _ = self._bulk.popitem(last=False)
            self.bulk_flying += 1
        else:
            return None
        self.flying[query] = None
        return query

    def leave(self, query: Query) -> None:
        """Remove a query, whether queued or in flight."""
        if query not in self.flying:
            (self._bulk if query.bulk else self._interactive).pop(query, None)
            return
        del self.flying[query]
        self.bulk_flying -= query.bulk

    def everyone(self) -> list[Query]:
        """All queries, in flight and queued."""
        return [*self.flying, *self._interactive, *self._bulk]

    def due(self, now: float) -> list[Query]:
        """Queries to be sent again, and all whose deadline has passed."""
        waiting = [query for query in self._interactive if query.deadline <= now]
        return waiting + [
            query for query in self.flying if query.due <= now or query.deadline <= now
        ]
