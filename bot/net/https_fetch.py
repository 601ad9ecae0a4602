"""HTTPS client for pages of third parties: public addresses only, no redirects, bounded size.

Built on httpcore without httpx: no proxies from the environment, no redirects, cookies or
decompression that would have to be turned off. The network backend decides where to connect.
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
from bot.net.tls import handshake_error, peer_certificate, web_tls_context
from bot.probe_results import HttpPage, ProbeError, ProbeFailed

FETCH_TIMEOUT_S = 6.0
CONNECT_TIMEOUT_S = 2.0  # per address, so that an unreachable one leaves time for the next
MAX_RESPONSE_BYTES = 64 * 1024  # headers and body; RFC 8461 §3.3 suggests this limit for a policy
MAX_ADDRESSES = 4
PORT = 443
HEADERS = (
    (b"User-Agent", b"mailcheck"),
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"identity"),
    (b"Connection", b"close"),
)
VISIBLE_ASCII = re.compile("[!-~]+")


async def fetch(
    url: str,
    lookup: Lookup,
    *,
    timeout_s: float = FETCH_TIMEOUT_S,
    max_bytes: int = MAX_RESPONSE_BYTES,
    tls_context: ssl.SSLContext | None = None,
    backend: httpcore.AsyncNetworkBackend | None = None,
) -> HttpPage:
    """Get one page over HTTPS, port 443, from a public address.

    `timeout_s` covers everything from the first DNS query on, `max_bytes` the whole response.
    `tls_context` defaults to the public CAs; `backend` connects to addresses that passed the SSRF
    guard. Raises ProbeFailed for anything but a page with status 200.
    """
    request_url = _request_url(url)
    guarded_backend = GuardedBackend(lookup, backend or httpcore.AnyIOBackend(), max_bytes)
    try:
        async with asyncio.timeout(timeout_s):
            return await _get(url, request_url, tls_context or web_tls_context(), guarded_backend)
    except TimeoutError as error:
        raise ProbeFailed(ProbeError.TIMEOUT, f"{timeout_s:g} s") from error
    except httpcore.ProtocolError as error:
        raise ProbeFailed(ProbeError.MALFORMED, str(error)) from error
    except (httpcore.NetworkError, ssl.SSLError) as error:
        raise ProbeFailed(ProbeError.CONNECTION_CLOSED, str(error)) from error


def _request_url(url: str) -> httpcore.URL:
    """Parse the URL strictly. Raises ProbeFailed(BAD_URL)."""
    try:
        parts = urlsplit(url)
        is_plain = parts.port in (None, PORT) and parts.username is None
    except ValueError:
        raise ProbeFailed(ProbeError.BAD_URL, url) from None
    if not (VISIBLE_ASCII.fullmatch(url) and parts.scheme == "https" and parts.hostname and is_plain):
        raise ProbeFailed(ProbeError.BAD_URL, url)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return httpcore.URL(scheme=b"https", host=parts.hostname.encode(), port=PORT, target=target.encode())


async def _get(url: str, request_url: httpcore.URL, tls_context: ssl.SSLContext, backend: GuardedBackend) -> HttpPage:
    async with (
        httpcore.AsyncConnectionPool(ssl_context=tls_context, max_connections=1, network_backend=backend) as pool,
        pool.stream("GET", request_url, headers=HEADERS) as response,
    ):
        headers = {name.lower(): value.decode("latin-1") for name, value in reversed(response.headers)}
        if 300 <= response.status < 400:
            raise ProbeFailed(ProbeError.REDIRECT, headers.get(b"location", ""))
        if response.status != 200:
            raise ProbeFailed(ProbeError.STATUS, str(response.status), _seconds(headers.get(b"retry-after", "")))
        if headers.get(b"content-encoding", "identity").lower() != "identity":
            raise ProbeFailed(ProbeError.MALFORMED, "packed, which was not asked for")
        connection = response.extensions["network_stream"].get_extra_info("ssl_object")
        body = await response.aread()
    media_type = headers.get(b"content-type", "").partition(";")[0].strip().lower()
    return HttpPage(url, media_type, body, peer_certificate(connection).expires if connection else None)


def _seconds(retry_after: str) -> float:
    """The delay in a Retry-After field (RFC 9110 §10.2.3); 0 for a date, which few servers send."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdecimal() and len(retry_after) < 8 else 0.0


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to public addresses only and limits the bytes read."""

    def __init__(self, lookup: Lookup, backend: httpcore.AsyncNetworkBackend, max_bytes: int) -> None:
        self._lookup = lookup
        self._backend = backend
        self._max_bytes = max_bytes

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        if port != PORT:
            raise ProbeFailed(ProbeError.BAD_URL, f"port {port}")
        addresses = await resolve_public(host, self._lookup)
        return LimitedStream(await self._connect_first(addresses[:MAX_ADDRESSES]), self._max_bytes)

    async def _connect_first(self, addresses: Sequence[Address]) -> httpcore.AsyncNetworkStream:
        for ip in addresses:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._backend.connect_tcp(str(ip), PORT, timeout=CONNECT_TIMEOUT_S)
        raise ProbeFailed(ProbeError.UNREACHABLE, ", ".join(map(str, addresses)))


class LimitedStream(httpcore.AsyncNetworkStream):
    """A stream that reads at most `limit` bytes in all: headers, body and 1xx responses."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, limit: int) -> None:
        self._stream = stream
        self._remaining = limit

    async def read(self, max_bytes: int, *args: Any, **kwargs: Any) -> bytes:
        if self._remaining <= 0:
            raise ProbeFailed(ProbeError.TOO_LARGE)
        data = await self._stream.read(min(max_bytes, self._remaining), *args, **kwargs)
        self._remaining -= len(data)
        return data

    async def write(self, buffer: bytes, *args: Any, **kwargs: Any) -> None:
        await self._stream.write(buffer, *args, **kwargs)

    async def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        try:
            return LimitedStream(await self._stream.start_tls(*args, **kwargs), self._remaining)
        except httpcore.ConnectError as error:
            raise ProbeFailed(handshake_error(error.__cause__), str(error)) from error

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
