"""The only door to other people's port 25: does it open, and what does the mail server behind it say about TLS?

Other people's mail servers are not asked again and again: what one showed is good for ten minutes, for everybody.

From the visits it also shows whether port 25 is open from here.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from bot.inputs.special_addresses import special
from bot.models import Address, Lookup
from bot.net.ssrf_guard import refuse_special, resolve_public
from bot.net.tls import certificate_of, mail_trust, trouble_of
from bot.probe_results import Probe, SmtpFacts, Trouble, VisitFailed

PORT = 25
CONNECT_WITHIN_S = 8.0
PROBE_WITHIN_S = 7.0
GOODBYE_WITHIN_S = 1.0
MOST_LINE_OCTETS = 4096
MOST_LINES = 50  # of one reply
MOST_TEXT = 300  # that is kept of a line
EVERYTHING = 1 << 20  # more than a reader with such short lines ever holds
OUR_NAME = "mailcheck.invalid"  # RFC 6761: a name that nobody has
NO_ESMTP = (500, 502)  # EHLO is unknown here (RFC 5321 §4.1.4), and so STARTTLS is too
STILL_LISTENING = (None, Trouble.REFUSED, Trouble.TLS_REFUSED, Trouble.WRONG_NAME)
LINE = re.compile(r"([2-5][0-9]{2})(?:([ -])(.*))?")

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[str, int], Awaitable[Connection]]


class ProbeAddress(Protocol):
    """`probe`, with its manner already chosen."""

    async def __call__(self, ip: Address, name: str, /) -> SmtpFacts: ...


async def reaches(ip: Address, within_s: float = CONNECT_WITHIN_S) -> bool:
    """Does a TCP connection to port 25 of this public address open? It is closed again without a word.

    Raises ValueError for a special-purpose address: the bot connects to none, ever.
    """
    if reserved := special(ip):
        raise ValueError(f"{ip} is {reserved.name}")
    try:
        async with asyncio.timeout(within_s):
            _, writer = await asyncio.open_connection(str(ip), PORT)
    except (TimeoutError, OSError):
        return False
    writer.close()
    return True


async def dial(host: str, port: int) -> Connection:
    return await asyncio.open_connection(host, port, limit=MOST_LINE_OCTETS)


async def probe(
    ip: Address,
    name: str,
    *,
    within_s: float = PROBE_WITHIN_S,
    our_name: str = OUR_NAME,
    trust: ssl.SSLContext | None = None,
    dial: Dial = dial,
) -> SmtpFacts:
    """Greet the mail server, ask for TLS, greet again, and leave; what it showed until then is in the facts. Never raises.

    `name` is what its certificate must be for. `trust` verifies everything but that name; `dial` connects to an address
    that the guard has let through.
    """
    deadline = asyncio.get_running_loop().time() + within_s
    try:
        refuse_special(ip)
        reader, writer = await _connect(str(ip), dial, within_s / 2)
    except VisitFailed as failed:
        return SmtpFacts(name, ip, trouble=failed.trouble, reply=failed.detail)
    visit = Visit(SmtpFacts(name, ip), our_name, reader, writer)
    try:
        async with asyncio.timeout_at(deadline):
            await visit.look(trust or mail_trust())
    except TimeoutError:
        visit.learn(trouble=Trouble.TIMEOUT)
    except VisitFailed as failed:
        visit.learn(trouble=failed.trouble, reply=failed.detail)
    except asyncio.LimitOverrunError:
        visit.learn(trouble=Trouble.TOO_LARGE)
    except (OSError, EOFError):
        visit.learn(trouble=Trouble.HUNG_UP)
    except asyncio.CancelledError:
        visit.learn(trouble=Trouble.TIMEOUT)  # who is called away does not wait for a goodbye either
        raise
    finally:
        await visit.leave()
    return visit.facts


async def probe_host(name: str, lookup: Lookup, probe: ProbeAddress = probe) -> SmtpFacts:
    """Probe a mail server by its name, at its first address."""
    try:
        first, *_ = await resolve_public(name, lookup)
    except VisitFailed as failed:
        return SmtpFacts(name, trouble=failed.trouble, reply=failed.detail)
    return await probe(first, name)


async def _connect(ip: str, dial: Dial, within_s: float) -> Connection:
    try:
        async with asyncio.timeout(within_s):
            return await dial(ip, PORT)
    except OSError as shut:  # a timeout is one too
        raise VisitFailed(Trouble.UNREACHABLE) from shut


class Reply(NamedTuple):
    """The code of a reply, and the text of each of its lines (RFC 5321 §4.2)."""

    code: int
    texts: tuple[str, ...]


class Visit:
    """One conversation with a mail server; `facts` grow while it speaks."""

    def __init__(
        self, facts: SmtpFacts, our_name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.facts = facts
        self._our_name = our_name
        self._reader = reader
        self._writer = writer

    def learn(self, **facts: Any) -> None:
        self.facts = replace(self.facts, **facts)

    async def look(self, trust: ssl.SSLContext) -> None:
        greeting = await self._reply()
        self.learn(greeting=greeting.texts[0])
        _refused_unless(greeting, 220, Trouble.REFUSED)
        await self._greet()
        if "STARTTLS" not in self.facts.capabilities:
            self.learn(offers_tls=False)
            return
        self.learn(offers_tls=True)
        _refused_unless(await self._ask("STARTTLS"), 220, Trouble.TLS_REFUSED)
        await self._encrypt(trust)
        await self._greet()
        self.learn(requires_tls="REQUIRETLS" in self.facts.capabilities)

    async def leave(self) -> None:
        """With a QUIT, where the server still listens; nothing that goes wrong now matters."""
        if self.facts.trouble in STILL_LISTENING:
            with suppress(OSError, EOFError, VisitFailed, asyncio.LimitOverrunError):
                async with asyncio.timeout(GOODBYE_WITHIN_S):
                    await self._ask("QUIT")
        self._writer.transport.abort()

    async def _greet(self) -> None:
        reply = await self._ask(f"EHLO {self._our_name}")
        if reply.code in NO_ESMTP:
            return
        _refused_unless(reply, 250, Trouble.REFUSED)
        first, *others = reply.texts
        words = first.split()
        capabilities = (text.split()[0].upper() for text in others if text.strip())
        self.learn(calls_itself=words[0] if words else "", capabilities=tuple(capabilities))

    async def _encrypt(self, trust: ssl.SSLContext) -> None:
        """TLS from here on. What came before it in clear is thrown away first: anyone on the way may have put it there."""
        self.learn(early_octets=await self._throw_away())
        try:
            await self._writer.start_tls(trust, server_hostname=self.facts.name)
        except OSError as failed:  # every error of ssl is one
            raise VisitFailed(trouble_of(failed)) from failed
        connection = self._writer.get_extra_info("ssl_object")
        certificate = certificate_of(connection)
        right = certificate.covers(self.facts.name)
        self.learn(
            tls_version=connection.version(),
            certificate=certificate,
            trouble=None if right else Trouble.WRONG_NAME,
        )

    async def _throw_away(self) -> int:
        try:
            async with asyncio.timeout(0):
                return len(await self._reader.read(EVERYTHING))
        except TimeoutError:
            return 0

    async def _ask(self, command: str) -> Reply:
        self._writer.write(f"{command}\r\n".encode())
        await self._writer.drain()
        return await self._reply()

    async def _reply(self) -> Reply:
        texts: list[str] = []
        for _ in range(MOST_LINES):
            line = (await self._reader.readuntil(b"\n")).decode("utf-8", "replace").rstrip()
            match = LINE.fullmatch(line)
            if match is None:
                raise VisitFailed(Trouble.GARBLED, line[:MOST_TEXT])
            texts.append((match[3] or "")[:MOST_TEXT])
            if match[2] != "-":
                return Reply(int(match[1]), tuple(texts))
        raise VisitFailed(Trouble.TOO_LARGE)


def _refused_unless(reply: Reply, code: int, trouble: Trouble) -> None:
    if reply.code != code:
        raise VisitFailed(trouble, f"{reply.code} {' '.join(reply.texts)}"[:MOST_TEXT])


GOOD_FOR_S = 600.0
MOST_REMEMBERED = 1000
ENOUGH = 3  # so many servers, of which none could be reached, and port 25 is taken for shut
NEVER_CONNECTED = (Trouble.UNREACHABLE, Trouble.SPECIAL, Trouble.NO_ADDRESS, Trouble.NO_ANSWER)


class Sparing:
    """A Probe that visits a mail server once in ten minutes; those who ask meanwhile get what that visit brought back."""

    def __init__(self, probe: Probe, clock: Callable[[], float] = time.monotonic) -> None:
        self._probe = probe
        self._clock = clock
        self._visits: dict[str, tuple[float, asyncio.Task[SmtpFacts]]] = {}

    async def __call__(self, name: str, /) -> SmtpFacts:
        begun, visit = self._visits.get(name, (0.0, None))
        if visit is None or visit.cancelled() or self._clock() - begun >= GOOD_FOR_S:
            visit = asyncio.ensure_future(self._probe(name))
            self._visits.pop(name, None)
            self._visits[name] = (self._clock(), visit)
            if len(self._visits) > MOST_REMEMBERED:
                del self._visits[next(iter(self._visits))]
        return await asyncio.shield(visit)  # one who turns away takes it from nobody else

    def port_open(self) -> bool | None:
        """Whether port 25 is open from here, as far as the visits of the last ten minutes tell; None where they do not."""
        since = self._clock() - GOOD_FOR_S
        ended = [visit for begun, visit in self._visits.values() if begun > since and _has_ended(visit)]
        troubles = [visit.result().trouble for visit in ended]
        if any(trouble not in NEVER_CONNECTED for trouble in troubles):
            return True
        return False if troubles.count(Trouble.UNREACHABLE) >= ENOUGH else None


def _has_ended(visit: asyncio.Task[SmtpFacts]) -> bool:
    return visit.done() and not visit.cancelled() and visit.exception() is None
