"""Fetching from servers that may be anything: what is kept is small, what goes wrong has a name, and nothing is followed."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import time
import tracemalloc
from pathlib import Path

import pytest

from bot.net.fetch import MOST_OCTETS, fetch
from bot.visits import Page, Trouble, VisitFailed
from tests.authority import EXPIRED, Authority
from tests.bot.net import forbidden
from tests.bot.net.elsewhere import PUBLIC, Elsewhere, Script, listening
from tests.dns_world import World, Zone

HOST = "mta-sts.example.com"
URL = f"https://{HOST}/.well-known/mta-sts.txt"
ZONE: Zone = {HOST: {"A": [PUBLIC]}}
LONG_S, SHORT_S = 10.0, 0.4
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"


@pytest.fixture(scope="module")
def shown(authority: Authority) -> ssl.SSLContext:
    return authority.server(HOST)


def saying(*parts: bytes) -> Script:
    """Reads the request, then says this and hangs up."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()

    return script


def repeating(head: bytes, part: bytes, every_s: float = 0.0) -> Script:
    """Says `part` for ever."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(every_s)

    return script


async def get(
    elsewhere: Elsewhere, trust: ssl.SSLContext, url: str = URL, zone: Zone = ZONE, within_s: float = LONG_S
) -> Page:
    return await fetch(url, World(zone), within_s=within_s, trust=trust, line=elsewhere.line)


async def trouble(
    elsewhere: Elsewhere, trust: ssl.SSLContext, url: str = URL, zone: Zone = ZONE, within_s: float = LONG_S
) -> VisitFailed:
    with pytest.raises(VisitFailed) as failed:
        await get(elsewhere, trust, url, zone, within_s)
    return failed.value


async def test_a_page_is_fetched_from_the_address_that_the_name_leads_to(
    authority: Authority, shown: ssl.SSLContext
) -> None:
    asked: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(HEAD + b"Content-Length: 5\r\n\r\nhello")

    async with listening(script, shown) as elsewhere:
        page = await get(elsewhere, authority.visitor())
    assert page == Page(URL, "text/plain", b"hello")
    assert elsewhere.dialled == [(PUBLIC, 443)]
    lines = asked[0].decode().split("\r\n")
    assert lines[0] == "GET /.well-known/mta-sts.txt HTTP/1.1"
    assert f"Host: {HOST}" in lines
    assert "Accept-Encoding: identity" in lines


async def test_nothing_comes_from_the_environment(
    authority: Authority, shown: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with listening(saying(HEAD, b"Content-Length: 0\r\n\r\n"), shown) as elsewhere:
        assert (await get(elsewhere, authority.visitor())).body == b""
    assert elsewhere.dialled == [(PUBLIC, 443)]


@pytest.mark.parametrize(
    ("said", "why", "detail"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Trouble.STATUS, "404"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Trouble.STATUS, "204"),
        (b"HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1/\r\n\r\n", Trouble.REDIRECT, "https://127.0.0.1/"),
        (b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", Trouble.REDIRECT, "/elsewhere"),
        (HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(1 << 20)), Trouble.GARBLED, "packed, which was not asked for"),
        (b"220 mx.example.com ESMTP\r\n", Trouble.GARBLED, None),
        (HEAD + b"Content-Length: 9\r\n\r\nshort", Trouble.GARBLED, None),
        (HEAD + b"Content-Length: minus one\r\n\r\n", Trouble.GARBLED, None),
        (HEAD + b"Content-Length: 26214400\r\n\r\n" + bytes(1 << 20), Trouble.TOO_LARGE, ""),
        (b"", Trouble.GARBLED, None),
    ],
)  # fmt: skip
async def test_what_is_no_page_has_a_name(
    authority: Authority, shown: ssl.SSLContext, said: bytes, why: Trouble, detail: str | None
) -> None:
    async with listening(saying(said), shown) as elsewhere:
        failed = await trouble(elsewhere, authority.visitor())
    assert failed.trouble is why
    assert detail in (None, failed.detail)
    assert len(elsewhere.dialled) == 1


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
async def test_an_endless_answer_is_left_after_64_kib(
    authority: Authority, shown: ssl.SSLContext, head: bytes, part: bytes
) -> None:
    async with listening(repeating(head, part), shown) as elsewhere:
        trust = authority.visitor()
        failed = await trouble(elsewhere, trust)
    assert failed.trouble is Trouble.TOO_LARGE


async def test_the_limit_is_on_what_is_read_and_a_smaller_page_is_kept_whole(
    authority: Authority, shown: ssl.SSLContext
) -> None:
    body = bytes(MOST_OCTETS - 1024)
    async with listening(saying(HEAD, b"Content-Length: %d\r\n\r\n" % len(body), body), shown) as elsewhere:
        assert (await get(elsewhere, authority.visitor())).body == body
    body = bytes(MOST_OCTETS)
    async with listening(saying(HEAD, b"Content-Length: %d\r\n\r\n" % len(body), body), shown) as elsewhere:
        assert (await trouble(elsewhere, authority.visitor())).trouble is Trouble.TOO_LARGE


async def test_a_large_answer_takes_little_memory(authority: Authority, shown: ssl.SSLContext) -> None:
    trust = authority.visitor()
    async with listening(saying(HEAD, b"Content-Length: 26214400\r\n\r\n", *[bytes(4096)] * 6400), shown) as elsewhere:
        tracemalloc.start()
        await trouble(elsewhere, trust)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 5 << 20


@pytest.mark.parametrize(
    ("head", "part"),
    [(HEAD + b"\r\n", b"x"), (b"HTTP/1.1 200 O", b"K"), (HEAD, b"X-A: b\r\n")],
    ids=["body", "status-line", "headers"],
)
async def test_a_drip_does_not_hold_the_caller(
    authority: Authority, shown: ssl.SSLContext, head: bytes, part: bytes
) -> None:
    started = time.monotonic()
    async with listening(repeating(head, part, every_s=0.02), shown) as elsewhere:
        failed = await trouble(elsewhere, authority.visitor(), within_s=SHORT_S)
    assert failed.trouble is Trouble.TIMEOUT
    assert SHORT_S <= time.monotonic() - started < LONG_S


async def test_a_handshake_that_stalls_does_not_hold_the_caller(authority: Authority) -> None:
    async def script(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(script) as elsewhere:
        assert (await trouble(elsewhere, authority.visitor(), within_s=SHORT_S)).trouble is Trouble.TIMEOUT


def old_tls(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_certificates_that_do_not_hold_are_told_apart(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority.found(tmp_path)
    cases = {
        Trouble.EXPIRED: authority.server(HOST, days=EXPIRED),
        Trouble.WRONG_NAME: authority.server("www.example.net"),
        Trouble.SELF_SIGNED: authority.server(HOST, self_signed=True),
        Trouble.UNTRUSTED: stranger.server(HOST),
        Trouble.NO_TLS: old_tls(authority.server(HOST)),
    }
    told = {}
    for why, context in cases.items():
        async with listening(saying(HEAD), context) as elsewhere:
            told[why] = (await trouble(elsewhere, authority.visitor())).trouble
    assert told == {why: why for why in cases}


async def test_a_server_that_speaks_no_tls_is_told_apart(authority: Authority) -> None:
    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx.example.com ESMTP\r\n")
        await writer.drain()

    async with listening(script) as elsewhere:
        assert (await trouble(elsewhere, authority.visitor())).trouble is Trouble.NO_TLS


@pytest.mark.parametrize(
    ("zone", "why"),
    [
        ({}, Trouble.NO_ADDRESS),
        ({HOST: {"TXT": ["x"]}}, Trouble.NO_ADDRESS),
        ({HOST: {"A": "servfail"}}, Trouble.NO_ANSWER),
    ],
)
async def test_a_name_without_an_address_is_not_dialled(authority: Authority, zone: Zone, why: Trouble) -> None:
    elsewhere = Elsewhere(port=9)
    assert (await trouble(elsewhere, authority.visitor(), zone=zone)).trouble is why
    assert elsewhere.dialled == []


@pytest.mark.parametrize("way", forbidden.WAYS)
async def test_no_way_makes_fetch_dial_a_forbidden_address(authority: Authority, way: str) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(forbidden.reply(await reader.readuntil(b"\r\n\r\n")))

    expected = forbidden.WEB[way]
    dialled = [] if expected is Trouble.SPECIAL else [(PUBLIC, 443)]
    told = {}
    async with listening(script, authority.server(forbidden.HOST)) as elsewhere:
        trust = authority.visitor()
        for ip in forbidden.FORBIDDEN:
            elsewhere.dialled.clear()
            said = await forbidden.web(way, ip, trust, elsewhere.line)
            told[ip] = (said, list(elsewhere.dialled))
    assert told == dict.fromkeys(forbidden.FORBIDDEN, (expected, dialled))


async def test_a_name_that_answers_in_part_is_fetched_from_what_is_known(
    authority: Authority, shown: ssl.SSLContext
) -> None:
    async with listening(saying(HEAD, b"Content-Length: 0\r\n\r\n"), shown) as elsewhere:
        await get(elsewhere, authority.visitor(), zone={HOST: {"A": [PUBLIC], "AAAA": "timeout"}})
    assert elsewhere.dialled == [(PUBLIC, 443)]


async def test_the_next_address_is_tried_where_one_is_closed(authority: Authority) -> None:
    async with listening(saying()) as gone:
        pass
    assert (
        await trouble(gone, authority.visitor(), zone={HOST: {"A": [PUBLIC, "1.2.3.5"]}})
    ).trouble is Trouble.UNREACHABLE
    assert gone.dialled == [(PUBLIC, 443), ("1.2.3.5", 443)]


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
async def test_only_plain_https_is_fetched(authority: Authority, url: str) -> None:
    elsewhere = Elsewhere(port=9)
    assert (await trouble(elsewhere, authority.visitor(), url=url)).trouble is Trouble.BAD_URL
    assert elsewhere.dialled == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost", "127.0.0.1.example"])
async def test_a_disguised_address_is_a_name_that_does_not_exist(authority: Authority, host: str) -> None:
    elsewhere = Elsewhere(port=9)
    failed = await trouble(elsewhere, authority.visitor(), url=f"https://{host}/")
    assert failed.trouble is Trouble.NO_ADDRESS
    assert elsewhere.dialled == []
