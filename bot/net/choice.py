"""Which name server a question goes to first, and how a silent one is noticed to be back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from bot.net.flight import Query
from bot.net.upstream import Upstream
from bot.net.wire import question

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
