"""A fetch that leaves a server alone for a while after it said that it is asked too often."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

from bot.probe_results import Fetch, HttpPage, ProbeError, ProbeFailed

BUSY = ("429", "503")  # RFC 6585 §4, RFC 9110 §15.6.4
MIN_PAUSE_S, MAX_PAUSE_S = 600.0, 24 * 3600.0


class PoliteFetch:
    """Fetches pages; raises ProbeFailed(STATUS) without a request while the host is left alone.

    For servers that are few and asked by everybody, such as registries: every host is remembered.
    """

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._busy_until: dict[str, float] = {}

    async def __call__(self, url: str, /) -> HttpPage:
        host = urlsplit(url).hostname or ""
        if self._clock() < self._busy_until.get(host, 0.0):
            raise ProbeFailed(ProbeError.STATUS, BUSY[0])
        try:
            return await self._fetch(url)
        except ProbeFailed as failed:
            if failed.error is ProbeError.STATUS and failed.detail in BUSY:
                pause_s = min(max(failed.retry_after_s, MIN_PAUSE_S), MAX_PAUSE_S)
                self._busy_until[host] = self._clock() + pause_s
            raise
