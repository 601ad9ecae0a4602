"""SMTP probe of mail servers: STARTTLS, certificate and reachability of port 25.

Results are cached for ten minutes, so that no server is probed repeatedly. They also show
whether port 25 is open from this host.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, Protocol

from bot.inputs.special_addresses import special_purpose_of
from bot.models import Address, Lookup
from bot.net.ssrf_guard import refuse_special, resolve_public
from bot.net.tls import handshake_error, mail_tls_context, peer_certificate
from bot.probe_results import Probe, ProbeError, ProbeFailed, SmtpProbeResult
from bot.resilience.single_flight import SingleFlight

PORT = 25
CONNECT_TIMEOUT_S = 8.0
PROBE_TIMEOUT_S = 7.0
QUIT_TIMEOUT_S = 1.0
MAX_LINE_BYTES = 4096
MAX_REPLY_LINES = 50  # of one reply
MAX_TEXT_LENGTH = 300  # characters stored of a line
DRAIN_BYTES = 1 << 20  # more than the read buffer can hold
EHLO_NAME = "mailcheck.invalid"  # reserved name (RFC 6761)
EHLO_UNSUPPORTED_CODES = (500, 502)  # EHLO not supported (RFC 5321 §4.1.4), so no STARTTLS either
QUIT_AFTER_ERRORS = (None, ProbeError.REFUSED, ProbeError.TLS_REFUSED, ProbeError.WRONG_NAME)
REPLY_LINE = re.compile(r"([2-5][0-9]{2})(?:([ -])(.*))?")

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[str, int], Awaitable[Connection]]


class AddressProbe(Protocol):
    """`probe` with its options bound."""

    async def __call__(self, ip: Address, name: str, /) -> SmtpProbeResult: ...


async def can_connect(ip: Address, timeout_s: float = CONNECT_TIMEOUT_S) -> bool:
    """Whether a TCP connection to port 25 of this public address opens; nothing is sent.

    Raises ValueError for a special-purpose address.
    """
    if reserved := special_purpose_of(ip):
        raise ValueError(f"{ip} is {reserved.name}")
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(str(ip), PORT)
    except (TimeoutError, OSError):
        return False
    writer.close()
    return True


async def dial(host: str, port: int) -> Connection:
    return await asyncio.open_connection(host, port, limit=MAX_LINE_BYTES)


async def probe(
    ip: Address,
    name: str,
    *,
    timeout_s: float = PROBE_TIMEOUT_S,
    ehlo_name: str = EHLO_NAME,
    tls_context: ssl.SSLContext | None = None,
    dial: Dial = dial,
) -> SmtpProbeResult:
    """Send EHLO, STARTTLS, EHLO again, and QUIT; returns what the server showed until then.

    The certificate must be for `name`. `tls_context` verifies everything but that name; `dial`
    connects to an address that passed the SSRF guard. Never raises.
    """
    deadline = asyncio.get_running_loop().time() + timeout_s
    try:
        refuse_special(ip)
        reader, writer = await _connect(str(ip), dial, timeout_s / 2)
    except ProbeFailed as error:
        return SmtpProbeResult(name, ip, error=error.error, reply=error.detail)
    session = SmtpSession(SmtpProbeResult(name, ip), ehlo_name, reader, writer)
    try:
        async with asyncio.timeout_at(deadline):
            await session.run(tls_context or mail_tls_context())
    except TimeoutError:
        session.update(error=ProbeError.TIMEOUT)
    except ProbeFailed as error:
        session.update(error=error.error, reply=error.detail)
    except asyncio.LimitOverrunError:
        session.update(error=ProbeError.TOO_LARGE)
    except (OSError, EOFError):
        session.update(error=ProbeError.CONNECTION_CLOSED)
    except asyncio.CancelledError:
        session.update(error=ProbeError.TIMEOUT)  # so that a cancelled probe does not wait for QUIT
        raise
    finally:
        await session.quit()
    return session.result


async def probe_host(name: str, lookup: Lookup, probe: AddressProbe = probe) -> SmtpProbeResult:
    """Probe a mail server by name, at its first address."""
    try:
        address, *_ = await resolve_public(name, lookup)
    except ProbeFailed as error:
        return SmtpProbeResult(name, error=error.error, reply=error.detail)
    return await probe(address, name)


async def _connect(ip: str, dial: Dial, timeout_s: float) -> Connection:
    try:
        async with asyncio.timeout(timeout_s):
            return await dial(ip, PORT)
    except OSError as error:  # a timeout is one too
        raise ProbeFailed(ProbeError.UNREACHABLE) from error


class SmtpReply(NamedTuple):
    """Code and text lines of a reply (RFC 5321 §4.2)."""

    code: int
    lines: tuple[str, ...]


class SmtpSession:
    """One SMTP session; `result` grows with each reply."""

    def __init__(
        self, result: SmtpProbeResult, ehlo_name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.result = result
        self._ehlo_name = ehlo_name
        self._reader = reader
        self._writer = writer

    def update(self, **changes: Any) -> None:
        self.result = replace(self.result, **changes)

    async def run(self, tls_context: ssl.SSLContext) -> None:
        greeting = await self._read_reply()
        self.update(greeting=greeting.lines[0])
        _require_code(greeting, 220, ProbeError.REFUSED)
        await self._ehlo()
        if "STARTTLS" not in self.result.capabilities:
            self.update(offers_tls=False)
            return
        self.update(offers_tls=True)
        _require_code(await self._command("STARTTLS"), 220, ProbeError.TLS_REFUSED)
        await self._start_tls(tls_context)
        await self._ehlo()
        self.update(requires_tls="REQUIRETLS" in self.result.capabilities)

    async def quit(self) -> None:
        """Send QUIT if the server still accepts commands, and close; errors are ignored."""
        if self.result.error in QUIT_AFTER_ERRORS:
            with suppress(OSError, EOFError, ProbeFailed, asyncio.LimitOverrunError):
                async with asyncio.timeout(QUIT_TIMEOUT_S):
                    await self._command("QUIT")
        self._writer.transport.abort()

    async def _ehlo(self) -> None:
        reply = await self._command(f"EHLO {self._ehlo_name}")
        if reply.code in EHLO_UNSUPPORTED_CODES:
            return
        _require_code(reply, 250, ProbeError.REFUSED)
        greeting, *extensions = reply.lines
        words = greeting.split()
        capabilities = (text.split()[0].upper() for text in extensions if text.strip())
        self.update(ehlo_name=words[0] if words else "", capabilities=tuple(capabilities))

    async def _start_tls(self, tls_context: ssl.SSLContext) -> None:
        """Start TLS. Plaintext buffered before it is discarded: it may have been injected."""
        self.update(early_bytes=await self._discard_buffered())
        try:
            await self._writer.start_tls(tls_context, server_hostname=self.result.name)
        except OSError as error:  # every error of ssl is one
            raise ProbeFailed(handshake_error(error)) from error
        tls = self._writer.get_extra_info("ssl_object")
        certificate = peer_certificate(tls)
        name_matches = certificate.covers(self.result.name)
        self.update(
            tls_version=tls.version(), certificate=certificate, error=None if name_matches else ProbeError.WRONG_NAME
        )

    async def _discard_buffered(self) -> int:
        try:
            async with asyncio.timeout(0):
                return len(await self._reader.read(DRAIN_BYTES))
        except TimeoutError:
            return 0

    async def _command(self, command: str) -> SmtpReply:
        self._writer.write(f"{command}\r\n".encode())
        await self._writer.drain()
        return await self._read_reply()

    async def _read_reply(self) -> SmtpReply:
        lines: list[str] = []
        for _ in range(MAX_REPLY_LINES):
            line = (await self._reader.readuntil(b"\n")).decode("utf-8", "replace").rstrip()
            match = REPLY_LINE.fullmatch(line)
            if match is None:
                raise ProbeFailed(ProbeError.MALFORMED, line[:MAX_TEXT_LENGTH])
            lines.append((match[3] or "")[:MAX_TEXT_LENGTH])
            if match[2] != "-":
                return SmtpReply(int(match[1]), tuple(lines))
        raise ProbeFailed(ProbeError.TOO_LARGE)


def _require_code(reply: SmtpReply, code: int, error: ProbeError) -> None:
    if reply.code != code:
        raise ProbeFailed(error, f"{reply.code} {' '.join(reply.lines)}"[:MAX_TEXT_LENGTH])


PROBE_TTL_S = 600.0
MAX_CACHED_PROBES = 1000
MIN_UNREACHABLE = 3  # unreachable servers after which port 25 counts as blocked
NEVER_CONNECTED = (ProbeError.UNREACHABLE, ProbeError.SPECIAL, ProbeError.NO_ADDRESS, ProbeError.NO_ANSWER)


class SmtpProbeCache:
    """Caches SMTP probes for ten minutes or `ttl_s`; concurrent callers share one probe."""

    def __init__(self, probe: Probe, clock: Callable[[], float] = time.monotonic, ttl_s: float = PROBE_TTL_S) -> None:
        self._probe = probe
        self._probes: SingleFlight[str, SmtpProbeResult] = SingleFlight(ttl_s, size=MAX_CACHED_PROBES, clock=clock)

    async def __call__(self, name: str, /) -> SmtpProbeResult:
        return await self._probes(name, partial(self._probe, name))

    def port_open(self) -> bool | None:
        """Whether port 25 is open from here by recent probes; None if unknown."""
        errors = [result.error for result in self._probes.results()]
        if any(error not in NEVER_CONNECTED for error in errors):
            return True
        return False if errors.count(ProbeError.UNREACHABLE) >= MIN_UNREACHABLE else None
