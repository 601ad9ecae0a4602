"""Zone queues by themselves, without sockets."""

from __future__ import annotations

from typing import Any

from bot.models import TIMED_OUT, LookupFailed
from bot.net.dns_bulk import BulkQueries
from bot.net.dns_query import MAX_CONSECUTIVE_TIMEOUTS, QueryBatch, UdpQuery, ZoneQueue


class RecordingUpstream:
    """Records every query and answers none."""

    def __init__(self) -> None:
        self.sent: list[UdpQuery] = []

    def send_bulk_query(self, batch: QueryBatch, position: int, queue: ZoneQueue, now: float) -> UdpQuery:
        unused: Any = None
        self.sent.append(UdpQuery(b"", batch, position, queue, unused, b"", now))
        return self.sent[-1]


async def test_zone_suspended_while_queued_blocks_no_other() -> None:
    unused: Any = None
    upstream: Any = RecordingUpstream()
    queries = BulkQueries(100, {}, unused)
    batches = [queries.enqueue_batch(f"{n}", ["silent.example"], 2.0, 0.0) for n in range(MAX_CONSECUTIVE_TIMEOUTS + 1)]
    queries.send_pending(upstream, MAX_CONSECUTIVE_TIMEOUTS, 0.0)
    queries.enqueue_batch("5", ["other.example"], 2.0, 0.0)
    for query in list(upstream.sent):
        queries.settle(query, TIMED_OUT)
    assert all(isinstance(batch.results[0], LookupFailed) and batch.done.done() for batch in batches)
    queries.send_pending(upstream, 100, 0.0)
    assert [query.name for query in upstream.sent[MAX_CONSECUTIVE_TIMEOUTS:]] == ["5.other.example"]
