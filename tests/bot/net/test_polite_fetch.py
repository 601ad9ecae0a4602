"""A server that is asked too often is left alone for as long as it says."""

from __future__ import annotations

from contextlib import suppress

import pytest

from bot.net.polite_fetch import MAX_PAUSE_S, MIN_PAUSE_S, PoliteFetch
from bot.probe_results import HttpPage, ProbeError, ProbeFailed


class Server:
    """Answers with one status, and counts the requests."""

    def __init__(self, status: str = "200", retry_after_s: float = 0.0) -> None:
        self.status, self.retry_after_s, self.requests, self.now = status, retry_after_s, 0, 0.0

    async def __call__(self, url: str, /) -> HttpPage:
        self.requests += 1
        if self.status != "200":
            raise ProbeFailed(ProbeError.STATUS, self.status, self.retry_after_s)
        return HttpPage(url, "", b"")


async def requests_of(server: Server, fetch: PoliteFetch, host: str = "rdap.example") -> int:
    before = server.requests
    for number in range(3):
        with suppress(ProbeFailed):
            await fetch(f"https://{host}/domain/{number}.example")
    return server.requests - before


@pytest.mark.parametrize(
    ("status", "retry_after_s", "pause_s"),
    [("429", 0.0, MIN_PAUSE_S), ("429", 3600.0, 3600.0), ("503", 1.0, MIN_PAUSE_S), ("429", 9e6, MAX_PAUSE_S)],
)
async def test_busy_server_gets_one_request_until_its_pause_is_over(
    status: str, retry_after_s: float, pause_s: float
) -> None:
    server = Server(status, retry_after_s)
    fetch = PoliteFetch(server, lambda: server.now)
    assert await requests_of(server, fetch) == 1
    server.now = pause_s - 1
    assert await requests_of(server, fetch) == 0
    assert await requests_of(server, fetch, "other.example") == 1
    server.now, server.status = pause_s, "200"
    assert await requests_of(server, fetch) == 3


@pytest.mark.parametrize("status", ["404", "500"])
async def test_other_refusals_stop_no_further_request(status: str) -> None:
    server = Server(status)
    assert await requests_of(server, PoliteFetch(server, lambda: server.now)) == 3
