"""The only door to other people's web pages. It follows nothing, unpacks nothing and remembers nothing.

This is httpcore without httpx above it: no proxies from the environment, no redirects, no cookies and no decompression
are there to be switched off. What is left is one request, over a backend of ours that decides where it may connect.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpcore

from bot.models import Address, Lookup
from bot.net.ssrf_guard import resolve_public
from bot.net.tls import trouble_of, web_trust
from bot.probe_results import Page, Trouble, VisitFailed

WITHIN_S = 6.0
CONNECT_WITHIN_S = 2.0  # for one address, so that a dead one leaves time for the next
MOST_OCTETS = 64 * 1024  # of the whole answer, its head included; RFC 8461 §3.3 suggests this size for a policy
MOST_ADDRESSES = 4
PORT = 443
HEADERS = (
    (b"User-Agent", b"mailcheck"),
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"identity"),
    (b"Connection", b"close"),
)
VISIBLE = re.compile("[!-~]+")


async def fetch(
    url: str,
    lookup: Lookup,
    *,
    within_s: float = WITHIN_S,
    most_octets: int = MOST_OCTETS,
    trust: ssl.SSLContext | None = None,
    line: httpcore.AsyncNetworkBackend | None = None,
) -> Page:
    """Get one page over HTTPS, port 443, from a public address. Raises VisitFailed for anything but a page of status 200.

    `within_s` is for everything from the first DNS question on, `most_octets` for everything that is read of the answer.
    `trust` says whose certificates are believed; `line` connects to an address that the guard has let through.
    """
    goal = _goal(url)
    guarded = Guarded(lookup, line or httpcore.AnyIOBackend(), most_octets)
    try:
        async with asyncio.timeout(within_s):
            return await _get(url, goal, trust or web_trust(), guarded)
    except TimeoutError as late:
        raise VisitFailed(Trouble.TIMEOUT, f"{within_s:g} s") from late
    except httpcore.ProtocolError as garbled:
        raise VisitFailed(Trouble.GARBLED, str(garbled)) from garbled
    except (httpcore.NetworkError, ssl.SSLError) as broken:
        raise VisitFailed(Trouble.HUNG_UP, str(broken)) from broken


def _goal(url: str) -> httpcore.URL:
    """The URL in parts that leave nothing to be read twice; raises VisitFailed(BAD_URL)."""
    try:
        parts = urlsplit(url)
        plain = parts.port in (None, PORT) and parts.username is None
    except ValueError:
        raise VisitFailed(Trouble.BAD_URL, url) from None
    if not (VISIBLE.fullmatch(url) and parts.scheme == "https" and parts.hostname and plain):
        raise VisitFailed(Trouble.BAD_URL, url)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return httpcore.URL(scheme=b"https", host=parts.hostname.encode(), port=PORT, target=target.encode())


async def _get(url: str, goal: httpcore.URL, trust: ssl.SSLContext, guarded: Guarded) -> Page:
    async with (
        httpcore.AsyncConnectionPool(ssl_context=trust, max_connections=1, network_backend=guarded) as pool,
        pool.stream("GET", goal, headers=HEADERS) as response,
    ):
        told = {name.lower(): value.decode("latin-1") for name, value in reversed(response.headers)}
        if 300 <= response.status < 400:
            raise VisitFailed(Trouble.REDIRECT, told.get(b"location", ""))
        if response.status != 200:
            raise VisitFailed(Trouble.STATUS, str(response.status))
        if told.get(b"content-encoding", "identity").lower() != "identity":
            raise VisitFailed(Trouble.GARBLED, "packed, which was not asked for")
        body = await response.aread()
    return Page(url, told.get(b"content-type", "").partition(";")[0].strip().lower(), body)


class Guarded(httpcore.AsyncNetworkBackend):
    """Connects to public addresses only, each spelt out, and reads at most so many octets from them."""

    def __init__(self, lookup: Lookup, line: httpcore.AsyncNetworkBackend, most_octets: int) -> None:
        self._lookup = lookup
        self._line = line
        self._most = most_octets

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        if port != PORT:
            raise VisitFailed(Trouble.BAD_URL, f"port {port}")
        addresses = await resolve_public(host, self._lookup)
        return Bounded(await self._first_that_opens(addresses[:MOST_ADDRESSES]), self._most)

    async def _first_that_opens(self, addresses: Sequence[Address]) -> httpcore.AsyncNetworkStream:
        for ip in addresses:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._line.connect_tcp(str(ip), PORT, timeout=CONNECT_WITHIN_S)
        raise VisitFailed(Trouble.UNREACHABLE, ", ".join(map(str, addresses)))


class Bounded(httpcore.AsyncNetworkStream):
    """A connection of which no more than `most` octets are read, whatever they are: head, body or 100 Continue."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, most: int) -> None:
        self._stream = stream
        self._left = most

    async def read(self, max_bytes: int, *args: Any, **named: Any) -> bytes:
        if self._left <= 0:
            raise VisitFailed(Trouble.TOO_LARGE)
        octets = await self._stream.read(min(max_bytes, self._left), *args, **named)
        self._left -= len(octets)
        return octets

    async def write(self, buffer: bytes, *args: Any, **named: Any) -> None:
        await self._stream.write(buffer, *args, **named)

    async def start_tls(self, *args: Any, **named: Any) -> httpcore.AsyncNetworkStream:
        try:
            return Bounded(await self._stream.start_tls(*args, **named), self._left)
        except httpcore.ConnectError as failed:
            raise VisitFailed(trouble_of(failed.__cause__), str(failed)) from failed

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
