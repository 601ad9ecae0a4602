"""SMTP probe against well-behaved and hostile mail servers."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from bot.net import smtp_probe
from bot.net.smtp_probe import MAX_TEXT_LENGTH, can_connect, probe, probe_host
from bot.probe_results import ProbeError, SmtpProbeResult
from tests.support.certificate_authority import EXPIRED, CertificateAuthority
from tests.support.dns_world import World
from tests.support.forbidden_addresses import FORBIDDEN, METHODS, PROBE_RESULTS, probe_result
from tests.support.public_addresses import PUBLIC, LoopbackNetwork, Script, scripted_server

NAME = "mx.example.com"
IP = ip_address(PUBLIC)
LONG_TIMEOUT_S, SHORT_TIMEOUT_S = 10.0, 0.4
EHLO = ("250-mx.example.com greets you", "250-SIZE 52428800", "250-STARTTLS", "250 PIPELINING")
SECURE = ("250-mx.example.com greets you", "250-REQUIRETLS", "250 PIPELINING")


def mail_server(
    tls: ssl.SSLContext | None = None,
    *,
    banner: Sequence[str] = ("220 mx.example.com ESMTP",),
    ehlo: Sequence[str] = EHLO,
    ready: str = "220 go ahead",
    early: bytes = b"",
    commands: list[str] | None = None,
) -> Script:
    """Scripted mail server; starts TLS after `ready` if it has a certificate."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def send(*lines: str, raw: bytes = b"") -> None:
            writer.write("".join(f"{line}\r\n" for line in lines).encode() + raw)

        send(*banner)
        secure = False
        while line := (await reader.readline()).decode().strip():
            if commands is not None:
                commands.append(line)
            match line.split()[0]:
                case "EHLO":
                    send(*(SECURE if secure else ehlo))
                case "STARTTLS":
                    send(ready, raw=early)
                    await writer.drain()
                    if tls and ready.startswith("220"):
                        await writer.start_tls(tls)
                        secure = True
                case "QUIT":
                    send("221 bye")
                    await writer.drain()
                    return

    return script


async def run_probe(
    network: LoopbackNetwork, authority: CertificateAuthority, timeout_s: float = LONG_TIMEOUT_S
) -> SmtpProbeResult:
    tls_context = authority.client_context(check_hostname=False)
    return await probe(IP, NAME, timeout_s=timeout_s, tls_context=tls_context, dial=network.dial)


async def test_probe_reads_name_tls_and_certificate(authority: CertificateAuthority) -> None:
    commands: list[str] = []
    async with scripted_server(mail_server(authority.server_context(NAME), commands=commands)) as network:
        result = await run_probe(network, authority)
    assert network.dialled == [(PUBLIC, 25)]
    assert commands == ["EHLO mailcheck.invalid", "STARTTLS", "EHLO mailcheck.invalid", "QUIT"]
    assert result.error is None
    assert (result.greeting, result.ehlo_name) == ("mx.example.com ESMTP", NAME)
    assert result.capabilities == ("REQUIRETLS", "PIPELINING")
    assert (result.offers_tls, result.tls_version, result.requires_tls) == (True, "TLSv1.3", True)
    assert result.early_bytes == 0
    assert result.certificate is not None
    assert result.certificate.names == (NAME,)
    assert timedelta(days=1) < result.certificate.expires - datetime.now(UTC) <= timedelta(days=2)


async def test_server_without_starttls_gets_quit(authority: CertificateAuthority) -> None:
    commands: list[str] = []
    async with scripted_server(mail_server(ehlo=("250-mx.example.com", "250 SIZE"), commands=commands)) as network:
        result = await run_probe(network, authority)
    assert (result.offers_tls, result.error, result.capabilities) == (False, None, ("SIZE",))
    assert commands[-1] == "QUIT"


@pytest.mark.parametrize("code", [500, 502])
async def test_server_without_ehlo_has_no_starttls(authority: CertificateAuthority, code: int) -> None:
    async with scripted_server(mail_server(ehlo=(f"{code} what?",))) as network:
        result = await run_probe(network, authority)
    assert (result.offers_tls, result.error, result.ehlo_name) == (False, None, "")


@pytest.mark.parametrize(
    ("server", "error", "offers_tls", "reply"),
    [
        (mail_server(ready="454 TLS not available"), ProbeError.TLS_REFUSED, True, "454 TLS not available"),
        (
            mail_server(banner=("554-no", "554 your address is listed")),
            ProbeError.REFUSED,
            None,
            "554 no your address is listed",
        ),
        (mail_server(banner=("421 too busy",)), ProbeError.REFUSED, None, "421 too busy"),
        (mail_server(ehlo=("550 say who you are",)), ProbeError.REFUSED, None, "550 say who you are"),
        (mail_server(banner=("SSH-2.0-OpenSSH_9.9",)), ProbeError.MALFORMED, None, "SSH-2.0-OpenSSH_9.9"),
        (mail_server(banner=("220 " + "x" * 5_000_000,)), ProbeError.TOO_LARGE, None, ""),
        (mail_server(banner=["220-and on"] * 1000), ProbeError.TOO_LARGE, None, ""),
        (mail_server(ehlo=["250-AND-ON"] * 1000), ProbeError.TOO_LARGE, None, ""),
        (mail_server(ready="220 " + "x" * 9000), ProbeError.TOO_LARGE, True, ""),
    ],
    ids=["454", "554", "421", "ehlo-550", "ssh", "huge-banner", "lines", "ehlo-lines", "huge-ready"],
)
async def test_failed_session_has_named_error(
    authority: CertificateAuthority, server: Script, error: ProbeError, offers_tls: bool | None, reply: str
) -> None:
    async with scripted_server(server) as network:
        result = await run_probe(network, authority)
    assert (result.error, result.offers_tls, result.reply) == (error, offers_tls, reply)


async def test_long_reply_line_is_shortened(authority: CertificateAuthority) -> None:
    async with scripted_server(mail_server(banner=("554 " + "x" * 4000,))) as network:
        result = await run_probe(network, authority)
    assert len(result.greeting) == len(result.reply) == MAX_TEXT_LENGTH


async def test_plaintext_before_tls_is_discarded_and_counted(authority: CertificateAuthority) -> None:
    early = b"250-mx.example.net owns you\r\n250 REQUIREEVIL\r\n"
    async with scripted_server(mail_server(authority.server_context(NAME), early=early)) as network:
        result = await run_probe(network, authority)
    assert result.early_bytes == len(early)
    assert result.ehlo_name == NAME
    assert result.capabilities == ("REQUIRETLS", "PIPELINING")


async def test_probe_distinguishes_certificate_errors(authority: CertificateAuthority, tmp_path: Path) -> None:
    cases = {
        ProbeError.EXPIRED: authority.server_context(NAME, days=EXPIRED),
        ProbeError.SELF_SIGNED: authority.server_context(NAME, self_signed=True),
        ProbeError.UNTRUSTED: CertificateAuthority.create(tmp_path).server_context(NAME),
        ProbeError.WRONG_NAME: authority.server_context("www.example.net"),
    }
    results = {}
    for expected, context in cases.items():
        async with scripted_server(mail_server(context)) as network:
            results[expected] = await run_probe(network, authority)
    assert {expected: result.error for expected, result in results.items()} == {
        expected: expected for expected in cases
    }
    assert all(result.offers_tls for result in results.values())
    mismatch = results[ProbeError.WRONG_NAME]
    assert mismatch.certificate is not None
    assert mismatch.certificate.names == ("www.example.net",)
    assert mismatch.requires_tls


async def test_failed_handshake_after_starttls_is_no_tls(authority: CertificateAuthority) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx.example.com ESMTP\r\n")
        await reader.readline()
        writer.write(b"250-mx.example.com\r\n250 STARTTLS\r\n")
        await reader.readline()
        writer.write(b"220 go ahead\r\n")
        await reader.readexactly(1)  # of a handshake
        writer.write(b"500 what?\r\n")
        await writer.drain()

    async with scripted_server(script) as network:
        result = await run_probe(network, authority)
    assert (result.offers_tls, result.error) == (True, ProbeError.NO_TLS)


async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"2")
        await writer.drain()
        await asyncio.sleep(0.02)


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def greet_and_hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mx.example.com\r\n")
    await asyncio.Event().wait()


@pytest.mark.parametrize("server", [drip, silent, greet_and_hang])
async def test_tarpit_times_out(authority: CertificateAuthority, server: Script) -> None:
    async with asyncio.timeout(LONG_TIMEOUT_S), scripted_server(server) as network:
        result = await run_probe(network, authority, SHORT_TIMEOUT_S)
    assert result.error is ProbeError.TIMEOUT


async def test_missing_quit_reply_changes_nothing(authority: CertificateAuthority) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx\r\n")
        await reader.readline()
        writer.write(b"250 mx.example.com\r\n")
        await reader.read()

    async with asyncio.timeout(LONG_TIMEOUT_S), scripted_server(script) as network:
        result = await run_probe(network, authority)
    assert (result.offers_tls, result.error) == (False, None)


async def test_cancelled_probe_does_not_wait_for_quit(
    authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_probe, "QUIT_TIMEOUT_S", 3 * LONG_TIMEOUT_S)
    greeted = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx.example.com\r\n")
        await reader.readline()
        greeted.set()
        await reader.read()

    async with asyncio.timeout(LONG_TIMEOUT_S), scripted_server(script) as network:
        task = asyncio.create_task(run_probe(network, authority))
        await greeted.wait()
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("greeting", [b"", b"220 mx.example", b"220 mx.example.com ESMTP\r\n"])
async def test_connection_reset_is_reported(authority: CertificateAuthority, greeting: bytes) -> None:
    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()

    async with scripted_server(script) as network:
        assert (await run_probe(network, authority)).error is ProbeError.CONNECTION_CLOSED


async def test_closed_port_is_unreachable(authority: CertificateAuthority) -> None:
    async with scripted_server(silent) as closed_network:
        pass
    assert (await run_probe(closed_network, authority)).error is ProbeError.UNREACHABLE

    async def hang(_host: str, _port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        await asyncio.Event().wait()
        raise AssertionError

    assert (await probe(IP, NAME, timeout_s=SHORT_TIMEOUT_S, dial=hang)).error is ProbeError.UNREACHABLE


@pytest.mark.parametrize("method", METHODS)
async def test_probe_never_dials_forbidden_address(method: str) -> None:
    expected = PROBE_RESULTS[method]
    dialled = [] if expected is ProbeError.SPECIAL else [(PUBLIC, 25)]
    results = {}
    async with scripted_server(mail_server(banner=("554 go away",))) as network:
        for ip in FORBIDDEN:
            network.dialled.clear()
            result = await probe_result(method, ip, network.dial)
            results[ip] = (result, list(network.dialled))
    assert results == dict.fromkeys(FORBIDDEN, (expected, dialled))


@pytest.mark.parametrize("ip", FORBIDDEN)
async def test_reaches_never_dials_forbidden_address(ip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dialled: list[str] = []

    async def record(host: str, _port: int) -> None:
        dialled.append(host)
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio, "open_connection", record)
    with pytest.raises(ValueError, match=f"^{re.escape(str(ip_address(ip)))} is "):
        await can_connect(ip_address(ip))
    assert dialled == []


async def test_host_is_probed_at_first_address() -> None:
    async def fake_probe(ip: object, name: str, /) -> SmtpProbeResult:
        return SmtpProbeResult(name, greeting=str(ip))

    world = World({NAME: {"A": [PUBLIC, "1.2.3.5"], "AAAA": ["2a00::25"]}})
    assert (await probe_host(NAME, world, fake_probe)).greeting == PUBLIC
    assert (await probe_host("gone.example", world, fake_probe)).error is ProbeError.NO_ADDRESS
