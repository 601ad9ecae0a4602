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

from bot.models import TIMED_OUT, DnsAnswer, LookupFailed, LookupResult, OnAnswer
from bot.net.dns_message import Alias
from bot.net.dns_wire import Question, encode_zone
from bot.resilience.rate_limit import Rate, TokenBucket

OnIrregularReply = Callable[[int, "UdpQuery", bytes], None]

NXDOMAIN_ANSWER = DnsAnswer("", "A", exists=False)  # shared: most bulk queries end like this
MALFORMED = LookupFailed("malformed")
DAILY_LIMIT_REACHED = LookupFailed("day-limit")
MAX_CONSECUTIVE_TIMEOUTS = 5  # timeouts in a row after which bulk queries skip a zone
MAX_DENIAL_SIZES = 16  # of denials per zone; they differ by what its servers add
ZONE_PROBE_INTERVAL_S = 1.0  # between two probes of a skipped zone
DAY_S = 86_400
BULK_SHARE = 0.9  # of a limit; the rest is reserved for interactive checks


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Published query limits of the operator of a zone; None if no limit is known."""

    per_second: float | None = None
    per_day: float | None = None


UNLIMITED = RateLimit()


def second_bucket(limit: RateLimit) -> TokenBucket | None:
    """Bucket of one second, for bulk queries; holds at least one token."""
    if limit.per_second is None:
        return None
    rate = limit.per_second * BULK_SHARE
    return TokenBucket(Rate(rate, max(1.0, rate)))


def day_bucket(limit: RateLimit) -> TokenBucket | None:
    """Bucket of one day, for bulk queries: usable at once, refilled continuously."""
    if limit.per_day is None:
        return None
    size = limit.per_day * BULK_SHARE
    return TokenBucket(Rate(size / DAY_S, max(1.0, size)))


class QueryBatch:
    """Queries about one label in several zones, with one future `done` for all of them.

    `results` are in the order of the zones, a timeout until something better is known.
    `on_answer(position, result)` is called as each result arrives.
    """

    __slots__ = ("done", "label", "label_wire", "on_answer", "pending", "results", "timeout_s")

    def __init__(
        self, label: str, label_wire: bytes, count: int, timeout_s: float, on_answer: OnAnswer | None = None
    ) -> None:
        self.label, self.label_wire, self.timeout_s, self.on_answer = (label, label_wire, timeout_s, on_answer)
        self.pending = count
        self.results: list[LookupResult] = [TIMED_OUT] * count
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def set_result(self, position: int, result: LookupResult) -> None:
        self.results[position] = result
        self.pending -= 1
        if self.on_answer and not self.done.done():
            self.on_answer(position, result)
        if not self.pending and not self.done.done():
            self.done.set_result(None)


class ZoneQueue:
    """Queued queries of one zone and its recent behavior; only `BulkQueries` changes it.

    `on_nxdomain(query)` is called for a verified denial, and `on_irregular_reply(number, query,
    reply)`, with the number of the server, for every other reply with a matching id.
    `denial_sizes` are the octets after the question in denials that were parsed completely: a
    denial of another size is parsed, since it may be truncated.
    """

    __slots__ = (
        *("apex", "case_mask", "day_bucket", "on_nxdomain", "in_flight", "wire_length", "consecutive_timeouts"),
        *("wire_bits", "on_irregular_reply", "is_queued", "next_probe_at", "second_bucket", "waiting", "denial_sizes"),
    )

    def __init__(
        self,
        apex: str,
        rate_limit: RateLimit,
        on_nxdomain: Callable[[UdpQuery], None],
        on_irregular_reply: OnIrregularReply,
    ) -> None:
        self.on_nxdomain, self.on_irregular_reply = on_nxdomain, on_irregular_reply
        self.apex = apex
        wire, self.case_mask = encode_zone(apex)
        self.wire_length, self.wire_bits = len(wire), int.from_bytes(wire, "big")
        self.second_bucket, self.day_bucket = (second_bucket(rate_limit), day_bucket(rate_limit))
        self.waiting: deque[tuple[QueryBatch, int]] = deque()
        self.in_flight = 0
        self.denial_sizes: set[int] = set()
        self.is_queued = False  # in the queue of zones that may send
        self.consecutive_timeouts = 0
        self.next_probe_at = 0.0

    @property
    def is_suspended(self) -> bool:
        """Whether the zone timed out so often that bulk queries skip it."""
        return self.consecutive_timeouts >= MAX_CONSECUTIVE_TIMEOUTS


class UdpQuery(NamedTuple):
    """One UDP query of the bulk path, sent once.

    The reply must repeat `question_wire`, letter case included, with `message_id` on `udp_socket`.
    """

    question_wire: bytes
    batch: QueryBatch
    position: int
    queue: ZoneQueue
    udp_socket: UdpSocket
    message_id: bytes
    sent_at: float

    @property
    def name(self) -> str:
        return f"{self.batch.label}.{self.queue.apex}"


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
    timeout_s: float
    deadline: float
    edns: bool
    upstream_order: list[int] = field(default_factory=list)
    due: float = 0.0
    attempts: int = 0
    reason: str = "timeout"
    in_flight: dict[int, InFlight] = field(default_factory=dict)
    tcp_task: asyncio.Task[None] | None = None

    def record_error(self, reason: str) -> None:
        """Report the first error reply; a timeout is reported only if there was none."""
        if self.reason == "timeout":
            self.reason = reason

    def set_result(self, result: DnsAnswer | Alias) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def fail(self) -> None:
        if not self.future.done():
            self.future.set_exception(LookupFailed(self.reason, f"{self.question.name} {self.question.rdtype}"))

    def cancel_server(self, number: int) -> None:
        """Stop waiting for this server."""
        if query := self.in_flight.pop(number, None):
            query.cancel()

    def cancel(self) -> None:
        """Stop waiting for every server."""
        for number in list(self.in_flight):
            self.cancel_server(number)
        if self.tcp_task:
            self.tcp_task.cancel()
            self.tcp_task = None


@dataclass(slots=True, eq=False)
class UdpSocket:
    """A connected UDP socket on a random source port, and the queries waiting on it by id."""

    sock: socket.socket
    opened_at: float
    in_flight: dict[bytes, InFlight | UdpQuery] = field(default_factory=dict)
    query_count: int = 0


@dataclass(slots=True, eq=False)
class InFlight:
    """A query in flight to the server `number`.

    Retransmissions are identical, so a late answer to the first datagram still counts.
    """

    query: Query
    number: int
    udp_socket: UdpSocket
    message_id: bytes
    question_wire: bytes
    packet: bytes
    sent_at: float
    send_count: int = 0
    case_mismatch_reply: bytes = b""  # a reply with changed letter case, used only if no exact one comes

    def cancel(self) -> None:
        """Stop waiting for its answer."""
        self.udp_socket.in_flight.pop(self.message_id, None)


class AdmissionQueue:
    """Admits at most `limit` queries, at most `bulk_limit` of them bulk; others wait in order."""

    def __init__(self, limit: int, bulk_limit: int) -> None:
        self.in_flight: dict[Query, None] = {}
        self._interactive: OrderedDict[Query, None] = OrderedDict()
        self._bulk: OrderedDict[Query, None] = OrderedDict()
        self._limit, self._bulk_limit = limit, bulk_limit
        self.bulk_in_flight = 0

    def __len__(self) -> int:
        return len(self.in_flight) + len(self._interactive) + len(self._bulk)

    def enqueue(self, query: Query) -> None:
        (self._bulk if query.bulk else self._interactive)[query] = None

    def admit(self, query: Query) -> None:
        """Count a query of the bulk path that is in flight already."""
        self.in_flight[query] = None

    def admit_next(self) -> Query | None:
        """The next query to send, from now on counted as in flight; None if there is none."""
        if len(self.in_flight) >= self._limit:
            return None
        if self._interactive:
            query, _ = self._interactive.popitem(last=False)
        elif self._bulk and self.bulk_in_flight < self._bulk_limit:
            query, _ = self._bulk.popitem(last=False)
            self.bulk_in_flight += 1
        else:
            return None
        self.in_flight[query] = None
        return query

    def remove(self, query: Query) -> None:
        """Remove a query, whether queued or in flight."""
        if query not in self.in_flight:
            (self._bulk if query.bulk else self._interactive).pop(query, None)
            return
        del self.in_flight[query]
        self.bulk_in_flight -= query.bulk

    def all_queries(self) -> list[Query]:
        """All queries, in flight and queued."""
        return [*self.in_flight, *self._interactive, *self._bulk]

    def due(self, now: float) -> list[Query]:
        """Queries to be sent again, and all whose deadline has passed."""
        waiting = [query for query in self._interactive if query.deadline <= now]
        return waiting + [query for query in self.in_flight if query.due <= now or query.deadline <= now]
