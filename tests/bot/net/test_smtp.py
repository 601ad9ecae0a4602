"""A mail server asked about TLS: whatever it says, the facts are right, they are few, and it ends in time."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from bot.net.smtp import GOODBYE_WITHIN_S, MOST_TEXT, probe, probe_host, reaches
from bot.visits import SmtpFacts, Trouble
from tests.authority import EXPIRED, Authority
from tests.bot.net import forbidden
from tests.bot.net.elsewhere import PUBLIC, Elsewhere, Script, listening
from tests.dns_world import World

NAME = "mx.example.com"
IP = ip_address(PUBLIC)
LONG_S, SHORT_S = 10.0, 0.4
EHLO = ("250-mx.example.com greets you", "250-SIZE 52428800", "250-STARTTLS", "250 PIPELINING")
SECURE = ("250-mx.example.com greets you", "250-REQUIRETLS", "250 PIPELINING")


def mail_server(
    tls: ssl.SSLContext | None = None,
    *,
    banner: Sequence[str] = ("220 mx.example.com ESMTP",),
    ehlo: Sequence[str] = EHLO,
    ready: str = "220 go ahead",
    early: bytes = b"",
    heard: list[str] | None = None,
) -> Script:
    """A mail server by its lines; it starts TLS after `ready` where it has a certificate to show."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(*lines: str, then: bytes = b"") -> None:
            writer.write("".join(f"{line}\r\n" for line in lines).encode() + then)

        say(*banner)
        secure = False
        while line := (await reader.readline()).decode().strip():
            if heard is not None:
                heard.append(line)
            match line.split()[0]:
                case "EHLO":
                    say(*(SECURE if secure else ehlo))
                case "STARTTLS":
                    say(ready, then=early)
                    await writer.drain()
                    if tls and ready.startswith("220"):
                        await writer.start_tls(tls)
                        secure = True
                case "QUIT":
                    say("221 bye")
                    await writer.drain()
                    return

    return script


async def look(elsewhere: Elsewhere, authority: Authority, within_s: float = LONG_S) -> SmtpFacts:
    trust = authority.visitor(check_hostname=False)
    return await probe(IP, NAME, within_s=within_s, trust=trust, dial=elsewhere.dial)


async def test_a_good_server_shows_its_name_its_tls_and_its_certificate(authority: Authority) -> None:
    heard: list[str] = []
    async with listening(mail_server(authority.server(NAME), heard=heard)) as elsewhere:
        facts = await look(elsewhere, authority)
    assert elsewhere.dialled == [(PUBLIC, 25)]
    assert heard == ["EHLO mailcheck.invalid", "STARTTLS", "EHLO mailcheck.invalid", "QUIT"]
    assert facts.trouble is None
    assert (facts.greeting, facts.calls_itself) == ("mx.example.com ESMTP", NAME)
    assert facts.capabilities == ("REQUIRETLS", "PIPELINING")
    assert (facts.offers_tls, facts.tls_version, facts.requires_tls) == (True, "TLSv1.3", True)
    assert facts.early_octets == 0
    assert facts.certificate is not None
    assert facts.certificate.names == (NAME,)
    assert timedelta(days=1) < facts.certificate.expires - datetime.now(UTC) <= timedelta(days=2)


async def test_a_server_without_starttls_is_left_politely(authority: Authority) -> None:
    heard: list[str] = []
    async with listening(mail_server(ehlo=("250-mx.example.com", "250 SIZE"), heard=heard)) as elsewhere:
        facts = await look(elsewhere, authority)
    assert (facts.offers_tls, facts.trouble, facts.capabilities) == (False, None, ("SIZE",))
    assert heard[-1] == "QUIT"


@pytest.mark.parametrize("code", [500, 502])
async def test_a_server_that_knows_no_ehlo_has_no_starttls(authority: Authority, code: int) -> None:
    async with listening(mail_server(ehlo=(f"{code} what?",))) as elsewhere:
        facts = await look(elsewhere, authority)
    assert (facts.offers_tls, facts.trouble, facts.calls_itself) == (False, None, "")


@pytest.mark.parametrize(
    ("server", "trouble", "offers", "reply"),
    [
        (mail_server(ready="454 TLS not available"), Trouble.TLS_REFUSED, True, "454 TLS not available"),
        (mail_server(banner=("554-no", "554 your address is listed")), Trouble.REFUSED, None, "554 no your address is listed"),
        (mail_server(banner=("421 too busy",)), Trouble.REFUSED, None, "421 too busy"),
        (mail_server(ehlo=("550 say who you are",)), Trouble.REFUSED, None, "550 say who you are"),
        (mail_server(banner=("SSH-2.0-OpenSSH_9.9",)), Trouble.GARBLED, None, "SSH-2.0-OpenSSH_9.9"),
        (mail_server(banner=("220 " + "x" * 5_000_000,)), Trouble.TOO_LARGE, None, ""),
        (mail_server(banner=["220-and on"] * 1000), Trouble.TOO_LARGE, None, ""),
        (mail_server(ehlo=["250-AND-ON"] * 1000), Trouble.TOO_LARGE, None, ""),
        (mail_server(ready="220 " + "x" * 9000), Trouble.TOO_LARGE, True, ""),
    ],
    ids=["454", "554", "421", "ehlo-550", "ssh", "huge-banner", "lines", "ehlo-lines", "huge-ready"],
)  # fmt: skip
async def test_what_ends_a_conversation_has_a_name(
    authority: Authority, server: Script, trouble: Trouble, offers: bool | None, reply: str
) -> None:
    async with listening(server) as elsewhere:
        facts = await look(elsewhere, authority)
    assert (facts.trouble, facts.offers_tls, facts.reply) == (trouble, offers, reply)


async def test_of_a_long_line_little_is_kept(authority: Authority) -> None:
    async with listening(mail_server(banner=("554 " + "x" * 4000,))) as elsewhere:
        facts = await look(elsewhere, authority)
    assert len(facts.greeting) == len(facts.reply) == MOST_TEXT


async def test_what_is_put_in_before_tls_is_thrown_away_and_told(authority: Authority) -> None:
    early = b"250-mx.example.net owns you\r\n250 REQUIREEVIL\r\n"
    async with listening(mail_server(authority.server(NAME), early=early)) as elsewhere:
        facts = await look(elsewhere, authority)
    assert facts.early_octets == len(early)
    assert facts.calls_itself == NAME
    assert facts.capabilities == ("REQUIRETLS", "PIPELINING")


async def test_certificates_that_do_not_hold_are_told_apart(authority: Authority, tmp_path: Path) -> None:
    cases = {
        Trouble.EXPIRED: authority.server(NAME, days=EXPIRED),
        Trouble.SELF_SIGNED: authority.server(NAME, self_signed=True),
        Trouble.UNTRUSTED: Authority.found(tmp_path).server(NAME),
        Trouble.WRONG_NAME: authority.server("www.example.net"),
    }
    told = {}
    for why, context in cases.items():
        async with listening(mail_server(context)) as elsewhere:
            told[why] = await look(elsewhere, authority)
    assert {why: facts.trouble for why, facts in told.items()} == {why: why for why in cases}
    assert all(facts.offers_tls for facts in told.values())
    wrong = told[Trouble.WRONG_NAME]
    assert wrong.certificate is not None
    assert wrong.certificate.names == ("www.example.net",)
    assert wrong.requires_tls


async def test_a_promise_of_tls_that_is_not_kept_is_told(authority: Authority) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx.example.com ESMTP\r\n")
        await reader.readline()
        writer.write(b"250-mx.example.com\r\n250 STARTTLS\r\n")
        await reader.readline()
        writer.write(b"220 go ahead\r\n")
        await reader.readexactly(1)  # of a handshake
        writer.write(b"500 what?\r\n")
        await writer.drain()

    async with listening(script) as elsewhere:
        facts = await look(elsewhere, authority)
    assert (facts.offers_tls, facts.trouble) == (True, Trouble.NO_TLS)


async def dripping(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"2")
        await writer.drain()
        await asyncio.sleep(0.02)


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def greeting_for_ever(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mx.example.com\r\n")
    await asyncio.Event().wait()


@pytest.mark.parametrize("server", [dripping, silent, greeting_for_ever])
async def test_a_tarpit_does_not_hold_the_caller(authority: Authority, server: Script) -> None:
    started = time.monotonic()
    async with listening(server) as elsewhere:
        facts = await look(elsewhere, authority, SHORT_S)
    assert facts.trouble is Trouble.TIMEOUT
    assert time.monotonic() - started < LONG_S


async def test_a_server_that_does_not_say_goodbye_changes_nothing(authority: Authority) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx\r\n")
        await reader.readline()
        writer.write(b"250 mx.example.com\r\n")
        await reader.read()

    started = time.monotonic()
    async with listening(script) as elsewhere:
        facts = await look(elsewhere, authority)
    assert (facts.offers_tls, facts.trouble) == (False, None)
    assert time.monotonic() - started < GOODBYE_WITHIN_S + 2


async def test_a_visit_that_is_called_off_ends_without_waiting_for_a_goodbye(authority: Authority) -> None:
    greeted = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx.example.com\r\n")
        await reader.readline()
        greeted.set()
        await reader.read()

    async with listening(script) as elsewhere:
        visit = asyncio.create_task(look(elsewhere, authority))
        await greeted.wait()
        started = time.monotonic()
        visit.cancel()
        await asyncio.wait([visit])
    assert visit.cancelled()
    assert time.monotonic() - started < GOODBYE_WITHIN_S


@pytest.mark.parametrize("said", [b"", b"220 mx.example", b"220 mx.example.com ESMTP\r\n"])
async def test_a_reset_is_told(authority: Authority, said: bytes) -> None:
    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()

    async with listening(script) as elsewhere:
        assert (await look(elsewhere, authority)).trouble is Trouble.HUNG_UP


async def test_a_shut_port_is_told_apart_from_a_slow_server(authority: Authority) -> None:
    async with listening(silent) as gone:
        pass
    assert (await look(gone, authority)).trouble is Trouble.UNREACHABLE

    async def never(_host: str, _port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        await asyncio.Event().wait()
        raise AssertionError

    assert (await probe(IP, NAME, within_s=SHORT_S, dial=never)).trouble is Trouble.UNREACHABLE


@pytest.mark.parametrize("way", forbidden.WAYS)
async def test_no_way_makes_probe_dial_a_forbidden_address(way: str) -> None:
    expected = forbidden.MAIL[way]
    dialled = [] if expected is Trouble.SPECIAL else [(PUBLIC, 25)]
    told = {}
    async with listening(mail_server(banner=("554 go away",))) as elsewhere:
        for ip in forbidden.FORBIDDEN:
            elsewhere.dialled.clear()
            said = await forbidden.mail(way, ip, elsewhere.dial)
            told[ip] = (said, list(elsewhere.dialled))
    assert told == dict.fromkeys(forbidden.FORBIDDEN, (expected, dialled))


@pytest.mark.parametrize("ip", forbidden.FORBIDDEN)
async def test_reaches_dials_no_forbidden_address(ip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dialled: list[str] = []

    async def note(host: str, _port: int) -> None:
        dialled.append(host)
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio, "open_connection", note)
    with pytest.raises(ValueError, match=f"^{re.escape(str(ip_address(ip)))} is "):
        await reaches(ip_address(ip))
    assert dialled == []


async def test_a_host_is_probed_at_its_first_address() -> None:
    async def note(ip: object, name: str, /) -> SmtpFacts:
        return SmtpFacts(name, greeting=str(ip))

    world = World({NAME: {"A": [PUBLIC, "1.2.3.5"], "AAAA": ["2a00::25"]}})
    assert (await probe_host(NAME, world, note)).greeting == PUBLIC
    assert (await probe_host("gone.example", world, note)).trouble is Trouble.NO_ADDRESS
