"""Zone queues by themselves, without sockets."""

from __future__ import annotations

from typing import Any

from bot.models import LookupFailed
from bot.net.dns_bulk import Lanes
from bot.net.dns_query import MISSES, SILENCE, Lane, Plain, Round


class RecordingUpstream:
    """Records every query and answers none."""

    def __init__(self) -> None:
        self.sent: list[Plain] = []

    def send_plain(self, batch: Round, position: int, queue: Lane, now: float) -> Plain:
        unused: Any = None
        self.sent.append(Plain(b"", batch, position, queue, unused, b"", now))
        return self.sent[-1]


async def test_zone_suspended_while_queued_blocks_no_other() -> None:
    unused: Any = None
    upstream: Any = RecordingUpstream()
    queries = Lanes(100, {}, unused)
    batches = [queries.enter(f"{n}", ["silent.example"], 2.0, 0.0) for n in range(MISSES + 1)]
    queries.fly(upstream, MISSES, 0.0)
    queries.enter("5", ["other.example"], 2.0, 0.0)
    for query in list(upstream.sent):
        queries.settle(query, SILENCE)
    assert all(
        isinstance(batch.outcomes[0], LookupFailed) and batch.done.done() for batch in batches
    )
    queries.fly(upstream, 100, 0.0)
    assert [query.name for query in upstream.sent[MISSES:]] == ["5.other.example"]
