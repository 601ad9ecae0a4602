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

from bot.models import TIMED_OUT, DnsAnswer, LookupFailed, LookupResult, OnAnswer
from bot.net.dns_message import Alias
from bot.net.dns_query import (
    DAILY_LIMIT_REACHED,
    MALFORMED,
    MAX_CONSECUTIVE_TIMEOUTS,
    MAX_DENIAL_SIZES,
    NXDOMAIN_ANSWER,
    UNLIMITED,
    ZONE_PROBE_INTERVAL_S,
    InFlight,
    OnIrregularReply,
    Query,
    QueryBatch,
    RateLimit,
    UdpQuery,
    ZoneQueue,
)
from bot.net.dns_upstream import ServerSelector, Upstream
from bot.net.dns_wire import (
    COUNT_ONE,
    HEADER_BYTES,
    MAX_QUESTION_BYTES,
    TC,
    Question,
    encode_labels,
    encode_question,
    failure_reason,
    parse_plain_reply,
)

MIN_PER_ZONE = 4  # queries in flight, however many zones there are
MAX_FAIR_SHARES = 4  # a zone gets at most this many times its even share


class BulkQueries:
    """Schedules bulk queries, at most `limit` in flight (those handed to the full path included).

    With `rate_limits` (bulk checks), unresponsive zones are suspended. With None (interactive
    checks), every zone is queried at once.
    """

    def __init__(
        self, limit: int, rate_limits: Mapping[str, RateLimit] | None, on_irregular_reply: OnIrregularReply
    ) -> None:
        self.in_flight = 0
        self._on_irregular_reply = on_irregular_reply
        self._for_bulk_checks = rate_limits is not None
        self._limit = limit
        self._rate_limits = rate_limits or {}
        self._queues: dict[str, ZoneQueue] = {}
        self._max_per_zone = limit  # in flight per zone
        self._sendable: deque[ZoneQueue] = deque()
        self._throttled: set[ZoneQueue] = set()  # over their rate limit
        self._sent_queries: deque[tuple[Upstream, UdpQuery]] = deque()

    def __len__(self) -> int:
        return self.in_flight + sum(len(queue.waiting) for queue in self._queues.values())

    def enqueue_batch(
        self, label: str, apexes: Sequence[str], timeout_s: float, now: float, on_answer: OnAnswer | None = None
    ) -> QueryBatch:
        """Queue a batch about `label`. Names that DNS cannot carry fail without a query."""
        label_wire = encode_labels(label)
        batch = QueryBatch(label, label_wire or b"", len(apexes), timeout_s, on_answer)
        for position, apex in enumerate(apexes):
            queue = self._queues.get(apex) or self._add_queue(apex)
            if label_wire is None or len(label_wire) + queue.wire_length > MAX_QUESTION_BYTES:
                batch.set_result(position, MALFORMED)
            elif queue.is_suspended and self._for_bulk_checks:
                batch.set_result(position, TIMED_OUT)
                self._probe_zone(queue, batch, now)
            elif queue.day_bucket and not queue.day_bucket.take(now):
                batch.set_result(position, DAILY_LIMIT_REACHED)
            else:
                self._enqueue(queue, batch, position)
        return batch

    def send_pending(self, upstream: Upstream, limit: int, now: float) -> None:
        """Send queued queries, zone by zone, until `limit` are in flight."""
        sendable, sent_queries = self._sendable, self._sent_queries
        while sendable and self.in_flight < limit:
            queue = sendable.popleft()
            queue.is_queued = False
            if not queue.waiting:  # the zone was suspended meanwhile
                continue
            if queue.second_bucket and not queue.second_bucket.take(now):
                self._throttled.add(queue)
                continue
            batch, position = queue.waiting.popleft()
            if batch.done.done():  # cancelled by its caller
                self._mark_sendable(queue)
                continue
            queue.in_flight += 1
            self.in_flight += 1
            sent_queries.append((upstream, upstream.send_bulk_query(batch, position, queue, now)))
            if queue.waiting and queue.in_flight < self._max_per_zone:
                queue.is_queued = True
                sendable.append(queue)

    def settle_nxdomain(self, query: UdpQuery) -> None:
        self.settle(query, NXDOMAIN_ANSWER)

    def record_denial_size(self, query: UdpQuery, size: int) -> None:
        """Accept denials of this size without parsing from now on.

        Only for bulk checks: interactive ones need the negative TTL, so theirs are all parsed.
        """
        if self._for_bulk_checks and len(query.queue.denial_sizes) < MAX_DENIAL_SIZES:
            query.queue.denial_sizes.add(size)

    def settle(self, query: UdpQuery, result: LookupResult) -> None:
        """Record the final result of a query."""
        queue = query.queue
        self.in_flight -= 1
        queue.in_flight -= 1
        if isinstance(result, LookupFailed) and result.reason == TIMED_OUT.reason:
            self._record_timeout(queue)
        else:
            queue.consecutive_timeouts = 0
        may_send = not (
            self._for_bulk_checks and queue.consecutive_timeouts and queue.in_flight
        )  # one at a time after a timeout
        if queue.waiting and may_send and not queue.is_queued and queue not in self._throttled:
            queue.is_queued = True
            self._sendable.append(queue)
        query.batch.set_result(query.position, result)

    def pop_overdue(self, now: float) -> list[tuple[Upstream, UdpQuery]]:
        """Remove and return the queries whose retransmission timeout has passed."""
        expired, sent_queries = [], self._sent_queries
        while sent_queries:
            upstream, query = sent_queries[0]
            is_open = query.udp_socket.in_flight.get(query.message_id) is query
            if is_open and now - query.sent_at < upstream.rtt.timeout_s(0):
                break
            sent_queries.popleft()
            if is_open:
                expired.append((upstream, query))
        return expired

    def resume_throttled(self) -> None:
        """Requeue zones that had used up their rate limit."""
        for queue in [queue for queue in self._throttled if queue.second_bucket]:
            self._throttled.discard(queue)
            self._mark_sendable(queue)

    def close(self) -> None:
        """Fail every open query with a timeout."""
        for queue in self._queues.values():
            self._fail_queue(queue)
        for _, query in self._sent_queries:
            if query.udp_socket.in_flight.pop(query.message_id, None) is query:
                self.settle(query, TIMED_OUT)
        self._sent_queries.clear()

    def _add_queue(self, apex: str) -> ZoneQueue:
        queue = self._queues[apex] = ZoneQueue(
            apex, self._rate_limits.get(apex, UNLIMITED), self.settle_nxdomain, self._on_irregular_reply
        )
        share = max(MIN_PER_ZONE, MAX_FAIR_SHARES * self._limit // len(self._queues))
        self._max_per_zone = min(self._limit, share) if self._for_bulk_checks else self._limit
        return queue

    @property
    def has_sendable(self) -> bool:
        return bool(self._sendable)

    def _enqueue(self, queue: ZoneQueue, batch: QueryBatch, position: int) -> None:
        queue.waiting.append((batch, position))
        self._mark_sendable(queue)

    def _mark_sendable(self, queue: ZoneQueue) -> None:
        if (
            queue.waiting
            and not queue.is_queued
            and queue.in_flight < self._max_per_zone
            and queue not in self._throttled
        ):
            queue.is_queued = True
            self._sendable.append(queue)

    def _record_timeout(self, queue: ZoneQueue) -> None:
        queue.consecutive_timeouts += 1
        if queue.consecutive_timeouts == MAX_CONSECUTIVE_TIMEOUTS and self._for_bulk_checks:
            self._fail_queue(queue)

    def _fail_queue(self, queue: ZoneQueue) -> None:
        while queue.waiting:
            batch, position = queue.waiting.popleft()
            batch.set_result(position, TIMED_OUT)

    def _probe_zone(self, queue: ZoneQueue, batch: QueryBatch, now: float) -> None:
        """Queue a probe of an unresponsive zone; nothing waits for its result."""
        if queue.next_probe_at <= now:
            queue.next_probe_at = now + ZONE_PROBE_INTERVAL_S
            self._enqueue(queue, QueryBatch(batch.label, batch.label_wire, 1, batch.timeout_s), 0)


class FullPath(Protocol):
    """What the bulk path needs of the DNS client."""

    async def await_answer(self, query: Query) -> DnsAnswer: ...

    def flush(self) -> None: ...


class BulkClient:
    """Sends batches over `upstreams`.

    `limit` bounds the queries in flight; `rate_limits` (bulk checks only) bounds each zone.
    """

    def __init__(
        self,
        full_path: FullPath,
        selector: ServerSelector,
        admit: Callable[[Query], None],
        upstreams: Sequence[Upstream],
        limit: int,
        rate_limits: Mapping[str, RateLimit] | None,
    ) -> None:
        self._full_path = full_path
        self._selector = selector
        self._admit = admit
        self._upstreams = upstreams
        self._limit = limit
        self._queries = BulkQueries(limit, rate_limits, self._on_irregular_reply)
        self._handed_over: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Open queries on this path; those handed to the full path count there."""
        return max(0, len(self._queries) - len(self._handed_over))

    async def query_many(
        self, label: str, apexes: Sequence[str], timeout_s: float, on_answer: OnAnswer | None
    ) -> list[LookupResult]:
        """Query `label.apex` for every apex; results are in the order of the apexes."""
        batch = self._queries.enqueue_batch(label, apexes, timeout_s, asyncio.get_running_loop().time(), on_answer)
        self._full_path.flush()
        if batch.pending:
            await batch.done
        return batch.results

    def send_pending(self, other_in_flight: int, now: float) -> None:
        """Send what the limit allows beside `other_in_flight` queries of the full path."""
        if self._queries.has_sendable:
            self._queries.send_pending(
                self._upstreams[self._selector.order(now)[0]], self._limit - other_in_flight, now
            )

    def tick(self, now: float) -> None:
        """Hand overdue queries to the full path."""
        for upstream, query in self._queries.pop_overdue(now):
            if query.batch.done.done():  # cancelled by its caller
                del query.udp_socket.in_flight[query.message_id]
                self._queries.settle(query, TIMED_OUT)
            else:
                self._requery_in_full(upstream, query, now)
        self._queries.resume_throttled()

    async def close(self) -> None:
        self._queries.close()
        await asyncio.gather(*self._handed_over, return_exceptions=True)

    def _on_irregular_reply(self, number: int, query: UdpQuery, reply: bytes) -> None:
        """Parse complete answers and denials here; hand any other reply to the full path."""
        upstream, now = self._upstreams[number], asyncio.get_running_loop().time()
        is_exact = reply.startswith(query.question_wire, HEADER_BYTES) and reply[4:6] == COUNT_ONE
        if is_exact and not reply[2] & TC and failure_reason(reply) is None:
            answer = parse_plain_reply(Question(query.name, "A", query.question_wire, case_mask=0), reply)
            if answer:
                if not answer.exists:
                    self._queries.record_denial_size(query, len(reply) - len(query.question_wire))
                del query.udp_socket.in_flight[query.message_id]
                upstream.record_answers(query.question_wire, 1, now - query.sent_at)
                self._queries.settle(query, answer)
                return
        upstream.on_response(self._requery_in_full(upstream, query, now), reply, now)

    def _requery_in_full(self, upstream: Upstream, bulk_query: UdpQuery, now: float) -> InFlight:
        """Turn a bulk query into a full one, which may be retried, sent elsewhere, or use TCP."""
        question, timeout_s = encode_question(bulk_query.name, "A"), bulk_query.batch.timeout_s
        future: asyncio.Future[DnsAnswer | Alias] = asyncio.get_running_loop().create_future()
        query = Query(question, future, False, timeout_s, bulk_query.sent_at + timeout_s, edns=False)
        fallbacks = [number for number in self._selector.order(now) if number != upstream.number]
        query.upstream_order, query.attempts = [upstream.number, *fallbacks], 1
        query.due = bulk_query.sent_at + upstream.rtt.timeout_s(0)
        in_flight = query.in_flight[upstream.number] = upstream.promote(bulk_query, query)
        self._admit(query)
        task = asyncio.create_task(self._run_full_query(bulk_query, query))
        self._handed_over.add(task)
        task.add_done_callback(self._handed_over.discard)
        return in_flight

    async def _run_full_query(self, bulk_query: UdpQuery, query: Query) -> None:
        try:
            result: LookupResult = await self._full_path.await_answer(query)
        except LookupFailed as error:
            result = error
        self._queries.settle(bulk_query, result)
        self._full_path.flush()
