"""HTTPS client against hostile servers: bounded size and time, named errors, no redirects."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import tracemalloc
from pathlib import Path

import pytest

from bot.net.https_fetch import MAX_RESPONSE_BYTES, fetch
from bot.probe_results import HttpPage, ProbeError, ProbeFailed
from tests.support.certificate_authority import EXPIRED, CertificateAuthority
from tests.support.dns_world import World, Zone
from tests.support.forbidden_addresses import FETCH_RESULTS, FORBIDDEN, METHODS, fetch_result, http_reply
from tests.support.forbidden_addresses import HOST as FORBIDDEN_HOST
from tests.support.public_addresses import PUBLIC, LoopbackNetwork, Script, scripted_server

HOST = "mta-sts.example.com"
URL = f"https://{HOST}/.well-known/mta-sts.txt"
ZONE: Zone = {HOST: {"A": [PUBLIC]}}
LONG_TIMEOUT_S, SHORT_TIMEOUT_S = 10.0, 0.4
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"


@pytest.fixture(scope="module")
def server_tls(authority: CertificateAuthority) -> ssl.SSLContext:
    return authority.server_context(HOST)


def respond_with(*parts: bytes) -> Script:
    """Read the request, send this response, close."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()

    return script


def respond_forever(head: bytes, part: bytes, every_s: float = 0.0) -> Script:
    """Send `part` without end."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(every_s)

    return script


async def get(
    network: LoopbackNetwork,
    tls_context: ssl.SSLContext,
    url: str = URL,
    zone: Zone = ZONE,
    timeout_s: float = LONG_TIMEOUT_S,
) -> HttpPage:
    return await fetch(url, World(zone), timeout_s=timeout_s, tls_context=tls_context, backend=network.backend)


async def fetch_error(
    network: LoopbackNetwork,
    tls_context: ssl.SSLContext,
    url: str = URL,
    zone: Zone = ZONE,
    timeout_s: float = LONG_TIMEOUT_S,
) -> ProbeFailed:
    with pytest.raises(ProbeFailed) as error:
        await get(network, tls_context, url, zone, timeout_s)
    return error.value


async def test_page_is_fetched_from_resolved_address(
    authority: CertificateAuthority, server_tls: ssl.SSLContext
) -> None:
    requests: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(HEAD + b"Content-Length: 5\r\n\r\nhello")

    async with scripted_server(script, server_tls) as network:
        page = await get(network, authority.client_context())
    assert page.certificate_expires is not None
    assert page == HttpPage(URL, "text/plain", b"hello", page.certificate_expires)
    assert network.dialled == [(PUBLIC, 443)]
    lines = requests[0].decode().split("\r\n")
    assert lines[0] == "GET /.well-known/mta-sts.txt HTTP/1.1"
    assert f"Host: {HOST}" in lines
    assert "Accept-Encoding: identity" in lines


async def test_proxy_environment_is_ignored(
    authority: CertificateAuthority, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with scripted_server(respond_with(HEAD, b"Content-Length: 0\r\n\r\n"), server_tls) as network:
        assert (await get(network, authority.client_context())).body == b""
    assert network.dialled == [(PUBLIC, 443)]


@pytest.mark.parametrize(
    ("response", "expected", "detail"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", ProbeError.STATUS, "404"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ProbeError.STATUS, "204"),
        (b"HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1/\r\n\r\n", ProbeError.REDIRECT, "https://127.0.0.1/"),
        (b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", ProbeError.REDIRECT, "/elsewhere"),
        (
            HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(1 << 20)),
            ProbeError.MALFORMED,
            "packed, which was not asked for",
        ),
        (b"220 mx.example.com ESMTP\r\n", ProbeError.MALFORMED, None),
        (HEAD + b"Content-Length: 9\r\n\r\nshort", ProbeError.MALFORMED, None),
        (HEAD + b"Content-Length: minus one\r\n\r\n", ProbeError.MALFORMED, None),
        (HEAD + b"Content-Length: 26214400\r\n\r\n" + bytes(1 << 20), ProbeError.TOO_LARGE, ""),
        (b"", ProbeError.MALFORMED, None),
    ],
)
async def test_unusable_response_raises_named_error(
    authority: CertificateAuthority,
    server_tls: ssl.SSLContext,
    response: bytes,
    expected: ProbeError,
    detail: str | None,
) -> None:
    async with scripted_server(respond_with(response), server_tls) as network:
        error = await fetch_error(network, authority.client_context())
    assert error.error is expected
    assert detail in (None, error.detail)
    assert len(network.dialled) == 1


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (HEAD + b"\r\n", bytes(64 * 1024)),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 1000),
        (HEAD + b"Content-Encoding: gzip\r\n", b"X-More: " + bytes(4096).replace(b"\0", b"x") + b"\r\n"),
        (HEAD, b"X-Line: " + b"x" * 500 + b"\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        (b"HTTP/1.1 200 ", b"O" * 4096),
    ],
    ids=["body", "chunks", "headers", "short-headers", "continue", "status-line"],
)
async def test_endless_response_stops_at_64_kib(
    authority: CertificateAuthority, server_tls: ssl.SSLContext, head: bytes, part: bytes
) -> None:
    async with scripted_server(respond_forever(head, part), server_tls) as network:
        tls_context = authority.client_context()
        error = await fetch_error(network, tls_context)
    assert error.error is ProbeError.TOO_LARGE


async def test_size_limit_covers_headers_and_body(authority: CertificateAuthority, server_tls: ssl.SSLContext) -> None:
    body = bytes(MAX_RESPONSE_BYTES - 1024)
    async with scripted_server(
        respond_with(HEAD, b"Content-Length: %d\r\n\r\n" % len(body), body), server_tls
    ) as network:
        assert (await get(network, authority.client_context())).body == body
    body = bytes(MAX_RESPONSE_BYTES)
    async with scripted_server(
        respond_with(HEAD, b"Content-Length: %d\r\n\r\n" % len(body), body), server_tls
    ) as network:
        assert (await fetch_error(network, authority.client_context())).error is ProbeError.TOO_LARGE


async def test_large_response_uses_little_memory(authority: CertificateAuthority, server_tls: ssl.SSLContext) -> None:
    tls_context = authority.client_context()
    async with scripted_server(
        respond_with(HEAD, b"Content-Length: 26214400\r\n\r\n", *[bytes(4096)] * 6400), server_tls
    ) as network:
        tracemalloc.start()
        await fetch_error(network, tls_context)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 5 << 20


@pytest.mark.parametrize(
    ("field", "seconds"), [("120", 120.0), ("Fri, 31 Dec 2027 23:59:59 GMT", 0.0), ("9" * 20, 0.0)]
)
async def test_retry_after_of_busy_server_is_read(
    authority: CertificateAuthority, server_tls: ssl.SSLContext, field: str, seconds: float
) -> None:
    reply = f"HTTP/1.1 429 Too Many Requests\r\nRetry-After: {field}\r\nContent-Length: 0\r\n\r\n".encode()
    async with scripted_server(respond_with(reply), server_tls) as network:
        error = await fetch_error(network, authority.client_context())
    assert (error.detail, error.retry_after_s) == ("429", seconds)


@pytest.mark.parametrize(
    ("head", "part"),
    [(HEAD + b"\r\n", b"x"), (b"HTTP/1.1 200 O", b"K"), (HEAD, b"X-A: b\r\n")],
    ids=["body", "status-line", "headers"],
)
async def test_slow_response_times_out(
    authority: CertificateAuthority, server_tls: ssl.SSLContext, head: bytes, part: bytes
) -> None:
    async with (
        asyncio.timeout(LONG_TIMEOUT_S),
        scripted_server(respond_forever(head, part, every_s=0.02), server_tls) as network,
    ):
        error = await fetch_error(network, authority.client_context(), timeout_s=SHORT_TIMEOUT_S)
    assert error.error is ProbeError.TIMEOUT


async def test_stalled_handshake_times_out(authority: CertificateAuthority) -> None:
    async def script(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with scripted_server(script) as network:
        assert (
            await fetch_error(network, authority.client_context(), timeout_s=SHORT_TIMEOUT_S)
        ).error is ProbeError.TIMEOUT


def old_tls(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_fetch_distinguishes_certificate_errors(authority: CertificateAuthority, tmp_path: Path) -> None:
    other_authority = CertificateAuthority.create(tmp_path)
    cases = {
        ProbeError.EXPIRED: authority.server_context(HOST, days=EXPIRED),
        ProbeError.WRONG_NAME: authority.server_context("www.example.net"),
        ProbeError.SELF_SIGNED: authority.server_context(HOST, self_signed=True),
        ProbeError.UNTRUSTED: other_authority.server_context(HOST),
        ProbeError.NO_TLS: old_tls(authority.server_context(HOST)),
    }
    results = {}
    for expected, context in cases.items():
        async with scripted_server(respond_with(HEAD), context) as network:
            results[expected] = (await fetch_error(network, authority.client_context())).error
    assert results == {expected: expected for expected in cases}


async def test_server_without_tls_is_no_tls(authority: CertificateAuthority) -> None:
    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx.example.com ESMTP\r\n")
        await writer.drain()

    async with scripted_server(script) as network:
        assert (await fetch_error(network, authority.client_context())).error is ProbeError.NO_TLS


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ({}, ProbeError.NO_ADDRESS),
        ({HOST: {"TXT": ["x"]}}, ProbeError.NO_ADDRESS),
        ({HOST: {"A": "servfail"}}, ProbeError.NO_ANSWER),
    ],
)
async def test_host_without_public_address_is_not_contacted(
    authority: CertificateAuthority, zone: Zone, expected: ProbeError
) -> None:
    network = LoopbackNetwork(port=9)
    assert (await fetch_error(network, authority.client_context(), zone=zone)).error is expected
    assert network.dialled == []


@pytest.mark.parametrize("method", METHODS)
async def test_fetch_never_dials_forbidden_address(authority: CertificateAuthority, method: str) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(http_reply(await reader.readuntil(b"\r\n\r\n")))

    expected = FETCH_RESULTS[method]
    dialled = [] if expected is ProbeError.SPECIAL else [(PUBLIC, 443)]
    results = {}
    async with scripted_server(script, authority.server_context(FORBIDDEN_HOST)) as network:
        trust = authority.client_context()
        for ip in FORBIDDEN:
            network.dialled.clear()
            result = await fetch_result(method, ip, trust, network.backend)
            results[ip] = (result, list(network.dialled))
    assert results == dict.fromkeys(FORBIDDEN, (expected, dialled))


async def test_fetch_uses_ipv4_if_aaaa_lookup_fails(
    authority: CertificateAuthority, server_tls: ssl.SSLContext
) -> None:
    async with scripted_server(respond_with(HEAD, b"Content-Length: 0\r\n\r\n"), server_tls) as network:
        await get(network, authority.client_context(), zone={HOST: {"A": [PUBLIC], "AAAA": "timeout"}})
    assert network.dialled == [(PUBLIC, 443)]


async def test_next_address_is_tried_after_connect_error(authority: CertificateAuthority) -> None:
    async with scripted_server(respond_with()) as closed_network:
        pass
    assert (
        await fetch_error(closed_network, authority.client_context(), zone={HOST: {"A": [PUBLIC, "1.2.3.5"]}})
    ).error is ProbeError.UNREACHABLE
    assert closed_network.dialled == [(PUBLIC, 443), ("1.2.3.5", 443)]


@pytest.mark.parametrize(
    "url",
    [
        f"http://{HOST}/",
        f"https://{HOST}:8443/",
        f"https://user@{HOST}/",
        f"https://{HOST}@127.0.0.1/",
        f"https://{HOST}\\@127.0.0.1/",
        f"https://{HOST}/a b",
        f"https://{HOST}/\r\nX-Header: x",
        f"https://{HOST}:port/",
        "https:///path",
        "https://[::1/",
        "https://exämple.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "//example.com/",
        "",
    ],
)
async def test_url_other_than_plain_https_is_rejected(authority: CertificateAuthority, url: str) -> None:
    network = LoopbackNetwork(port=9)
    assert (await fetch_error(network, authority.client_context(), url=url)).error is ProbeError.BAD_URL
    assert network.dialled == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost", "127.0.0.1.example"])
async def test_obfuscated_address_is_resolved_as_name(authority: CertificateAuthority, host: str) -> None:
    network = LoopbackNetwork(port=9)
    error = await fetch_error(network, authority.client_context(), url=f"https://{host}/")
    assert error.error is ProbeError.NO_ADDRESS
    assert network.dialled == []
