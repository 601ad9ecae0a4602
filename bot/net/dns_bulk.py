"""Bulk DNS path: A queries for one label in many zones, without a future, task or timer for each.

A query stays on this path as long as one plain datagram answers it. Anything else (timeout,
error, truncation, changed letter case) is handed to the full path of `DnsClient`. Each zone has
its own queue, and the queues take turns, so a slow zone delays only its own queries.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from bot.models import DnsAnswer, LookupFailed
from bot.net.dns_message import Alias
from bot.net.dns_query import (
    DAY_LIMIT,
    MALFORMED,
    MISSES,
    NOT_THERE,
    REST_S,
    SILENCE,
    SIZES,
    Flight,
    Heard,
    Lane,
    Odd,
    Outcome,
    Plain,
    Query,
    Round,
)
from bot.net.dns_upstream import Choice, Upstream
from bot.net.dns_wire import (
    HEADER,
    LONGEST_QUESTION,
    ONE,
    TC,
    Question,
    beginning,
    failure,
    question,
    read_plain,
)
from bot.net.rate_limit import UNLIMITED, Pace

LEAST_OF_A_LANE = 4  # queries in flight, however many zones there are
SHARES_OF_A_LANE = 4  # a zone gets at most this many times its even share


class Lanes:
    """Schedules bulk queries, at most `limit` in flight (those handed to the full path included).

    With `rate_limits` (bulk checks), unresponsive zones are suspended. With None (interactive
    checks), every zone is queried at once.
    """

    def __init__(
        self, limit: int, rate_limits: Mapping[str, Pace] | None, on_irregular_reply: Odd
    ) -> None:
        self.in_flight = 0
        self._on_irregular_reply = on_irregular_reply
        self._for_bulk_checks = rate_limits is not None
        self._limit = limit
        self._rate_limits = rate_limits or {}
        self._queues: dict[str, Lane] = {}
        self._max_per_zone = limit  # in flight per zone
        self._sendable: deque[Lane] = deque()
        self._throttled: set[Lane] = set()  # over their rate limit
        self._sent_queries: deque[tuple[Upstream, Plain]] = deque()

    def __len__(self) -> int:
        return self.in_flight + sum(len(queue.waiting) for queue in self._queues.values())

    def enter(
        self,
        label: str,
        apexes: Sequence[str],
        timeout_s: float,
        now: float,
        on_answer: Heard | None = None,
    ) -> Round:
        """Queue a batch about `label`. Names that DNS cannot carry fail without a query."""
        label_wire = beginning(label)
        batch = Round(label, label_wire or b"", len(apexes), timeout_s, on_answer)
        for position, apex in enumerate(apexes):
            queue = self._queues.get(apex) or self._add_queue(apex, now)
            if label_wire is None or len(label_wire) + queue.length > LONGEST_QUESTION:
                batch.tell(position, MALFORMED)
            elif queue.rests and self._for_bulk_checks:
                batch.tell(position, SILENCE)
                self._probe_zone(queue, batch, now)
            elif queue.day and not queue.day.take(now):
                batch.tell(position, DAY_LIMIT)
            else:
                self._enqueue(queue, batch, position)
        return batch

    def fly(self, upstream: Upstream, limit: int, now: float) -> None:
        """Send queued queries, zone by zone, until `limit` are in flight."""
        sendable, sent_queries = self._sendable, self._sent_queries
        while sendable and self.in_flight < limit:
            queue = sendable.popleft()
            queue.ready = False
            if not queue.waiting:  # the zone was suspended meanwhile
                continue
            if queue.second and not queue.second.take(now):
                self._throttled.add(queue)
                continue
            batch, position = queue.waiting.popleft()
            if batch.done.done():  # cancelled by its caller
                self._mark_sendable(queue)
                continue
            queue.flying += 1
            self.in_flight += 1
            sent_queries.append((upstream, upstream.send_plain(batch, position, queue, now)))
            if queue.waiting and queue.flying < self._max_per_zone:
                queue.ready = True
                sendable.append(queue)

    def deny(self, query: Plain) -> None:
        self.settle(query, NOT_THERE)

    def read_whole(self, query: Plain, size: int) -> None:
        """Accept denials of this size without parsing from now on.

        Only for bulk checks: interactive ones need the negative TTL, so theirs are all parsed.
        """
        if self._for_bulk_checks and len(query.lane.whole) < SIZES:
            query.lane.whole.add(size)

    def settle(self, query: Plain, result: Outcome) -> None:
        """Record the final result of a query."""
        queue = query.lane
        self.in_flight -= 1
        queue.flying -= 1
        if isinstance(result, LookupFailed) and result.reason == SILENCE.reason:
            self._record_timeout(queue)
        else:
            queue.misses = 0
        may_send = not (
            self._for_bulk_checks and queue.misses and queue.flying
        )  # one at a time after a timeout
        if queue.waiting and may_send and not queue.ready and queue not in self._throttled:
            queue.ready = True
            self._sendable.append(queue)
        query.round.tell(query.place, result)

    def overdue(self, now: float) -> list[tuple[Upstream, Plain]]:
        """Remove and return the queries whose retransmission timeout has passed."""
        expired, sent_queries = [], self._sent_queries
        while sent_queries:
            upstream, query = sent_queries[0]
            is_open = query.link.flights.get(query.ident) is query
            if is_open and now - query.sent < upstream.round_trip.wait(0):
                break
            sent_queries.popleft()
            if is_open:
                expired.append((upstream, query))
        return expired

    def refill(self) -> None:
        """Requeue zones that had used up their rate limit."""
        for queue in [queue for queue in self._throttled if queue.second]:
            self._throttled.discard(queue)
            self._mark_sendable(queue)

    def close(self) -> None:
        """Fail every open query with a timeout."""
        for queue in self._queues.values():
            self._fail_queue(queue)
        for _, query in self._sent_queries:
            if query.link.flights.pop(query.ident, None) is query:
                self.settle(query, SILENCE)
        self._sent_queries.clear()

    def _add_queue(self, apex: str, now: float) -> Lane:
        queue = self._queues[apex] = Lane(
            apex, self._rate_limits.get(apex, UNLIMITED), now, self.deny, self._on_irregular_reply
        )
        share = max(LEAST_OF_A_LANE, SHARES_OF_A_LANE * self._limit // len(self._queues))
        self._max_per_zone = min(self._limit, share) if self._for_bulk_checks else self._limit
        return queue

    @property
    def has_sendable(self) -> bool:
        return bool(self._sendable)

    def _enqueue(self, queue: Lane, batch: Round, position: int) -> None:
        queue.waiting.append((batch, position))
        self._mark_sendable(queue)

    def _mark_sendable(self, queue: Lane) -> None:
        if (
            queue.waiting
            and not queue.ready
            and queue.flying < self._max_per_zone
            and queue not in self._throttled
        ):
            queue.ready = True
            self._sendable.append(queue)

    def _record_timeout(self, queue: Lane) -> None:
        queue.misses += 1
        if queue.misses == MISSES and self._for_bulk_checks:
            self._fail_queue(queue)

    def _fail_queue(self, queue: Lane) -> None:
        while queue.waiting:
            batch, position = queue.waiting.popleft()
            batch.tell(position, SILENCE)

    def _probe_zone(self, queue: Lane, batch: Round, now: float) -> None:
        """Queue a probe of an unresponsive zone; nothing waits for its result."""
        if queue.rests_until <= now:
            queue.rests_until = now + REST_S
            self._enqueue(queue, Round(batch.label, batch.head, 1, batch.patience), 0)


class CarefulRoad(Protocol):
    """What the bulk path needs of the DNS client."""

    async def arrive(self, query: Query) -> DnsAnswer: ...

    def pump(self) -> None: ...


class FastLane:
    """Sends batches over `upstreams`.

    `limit` bounds the queries in flight; `rate_limits` (bulk checks only) bounds each zone.
    """

    def __init__(
        self,
        full_path: CarefulRoad,
        selector: Choice,
        admit: Callable[[Query], None],
        upstreams: Sequence[Upstream],
        limit: int,
        rate_limits: Mapping[str, Pace] | None,
    ) -> None:
        self._full_path = full_path
        self._selector = selector
        self._admit = admit
        self._upstreams = upstreams
        self._limit = limit
        self._queries = Lanes(limit, rate_limits, self._on_irregular_reply)
        self._handed_over: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Open queries on this path; those handed to the full path count there."""
        return max(0, len(self._queries) - len(self._handed_over))

    async def ask(
        self, label: str, apexes: Sequence[str], timeout_s: float, on_answer: Heard | None
    ) -> list[Outcome]:
        """Query `label.apex` for every apex; results are in the order of the apexes."""
        batch = self._queries.enter(
            label, apexes, timeout_s, asyncio.get_running_loop().time(), on_answer
        )
        self._full_path.pump()
        if batch.left:
            await batch.done
        return batch.outcomes

    def fly(self, other_in_flight: int, now: float) -> None:
        """Send what the limit allows beside `other_in_flight` queries of the full path."""
        if self._queries.has_sendable:
            self._queries.fly(
                self._upstreams[self._selector.order(now)[0]], self._limit - other_in_flight, now
            )

    def tick(self, now: float) -> None:
        """Hand overdue queries to the full path."""
        for upstream, query in self._queries.overdue(now):
            if query.round.done.done():  # cancelled by its caller
                del query.link.flights[query.ident]
                self._queries.settle(query, SILENCE)
            else:
                self._hand_over(upstream, query, now)
        self._queries.refill()

    async def close(self) -> None:
        self._queries.close()
        await asyncio.gather(*self._handed_over, return_exceptions=True)

    def _on_irregular_reply(self, number: int, query: Plain, reply: bytes) -> None:
        """Parse complete answers and denials here; hand any other reply to the full path."""
        upstream, now = self._upstreams[number], asyncio.get_running_loop().time()
        is_exact = reply.startswith(query.asked, HEADER) and reply[4:6] == ONE
        if is_exact and not reply[2] & TC and failure(reply) is None:
            answer = read_plain(Question(query.name, "A", query.asked, case=0), reply)
            if answer:
                if not answer.exists:
                    self._queries.read_whole(query, len(reply) - len(query.asked))
                del query.link.flights[query.ident]
                upstream.heard(query.asked, 1, now - query.sent)
                self._queries.settle(query, answer)
                return
        upstream.hear(self._hand_over(upstream, query, now), reply, now)

    def _hand_over(self, upstream: Upstream, bulk_query: Plain, now: float) -> Flight:
        """Turn a bulk query into a full one, which may be retried, sent elsewhere, or use TCP."""
        dns_question, timeout_s = question(bulk_query.name, "A"), bulk_query.round.patience
        future: asyncio.Future[DnsAnswer | Alias] = asyncio.get_running_loop().create_future()
        query = Query(
            dns_question, future, False, timeout_s, bulk_query.sent + timeout_s, edns=False
        )
        fallbacks = [number for number in self._selector.order(now) if number != upstream.number]
        query.order, query.turn = [upstream.number, *fallbacks], 1
        query.due = bulk_query.sent + upstream.round_trip.wait(0)
        in_flight = query.flights[upstream.number] = upstream.take_over(bulk_query, query)
        self._admit(query)
        task = asyncio.create_task(self._run_full_query(bulk_query, query))
        self._handed_over.add(task)
        task.add_done_callback(self._handed_over.discard)
        return in_flight

    async def _run_full_query(self, bulk_query: Plain, query: Query) -> None:
        try:
            result: Outcome = await self._full_path.arrive(query)
        except LookupFailed as error:
            result = error
        self._queries.settle(bulk_query, result)
        self._full_path.pump()
