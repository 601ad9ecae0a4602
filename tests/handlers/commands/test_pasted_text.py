"""What people paste and attach: bounces, logs and headers, on every platform the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from bot.bounces.mail_log import MOST_BYTES
from handlers.commands import Commands
from handlers.commands.pasted_text import LINES_APART, NOTHING
from handlers.ports import Ask, File, Room, Unreadable
from tests.handlers.commands.test_router import commands
from tests.handlers.messages.test_bounces import HEADER, LISTED

ASK = Ask(Room("slack", "T0", "C0"), "U0", "")
LOG = "\n".join(
    f"Nov 24 07:40:13 mail postfix/smtp[2213]: {number:06X}: to=<a@example.com>, relay=mx.example.com[198.51.100.1]:25,"
    f" dsn=5.7.1, status=bounced (host mx.example.com[198.51.100.1] said: {LISTED} (in reply to RCPT TO command))"
    for number in range(20)
)


@dataclass(frozen=True)
class Attached:
    """A file in memory."""

    octets: bytes

    async def read(self, most: int) -> bytes:
        if len(self.octets) > most:
            raise Unreadable("The file is too large.")
        return self.octets


async def said(text: str, *files: bytes | File, by: Commands | None = None) -> tuple[str, bool]:
    """The title of the answer, and whether work was done for it."""
    attached = tuple(Attached(file) if isinstance(file, bytes) else file for file in files)
    ask = replace(ASK, text=text, files=attached)
    verbs = by or commands()
    return (await verbs.answer(ask)).title, verbs.acknowledgement(ask).work


@pytest.mark.parametrize("before", ["bounce ", "bounce\n", "BOUNCE  ", "bounce ```", "bounce\n```\n"])
async def test_a_pasted_bounce_is_explained(before: str) -> None:
    title, worked = await said(before + LISTED)
    assert worked
    assert "192.0.2.66" in title


async def test_a_pasted_log_keeps_its_lines() -> None:
    assert await said(f"bounce {LOG}") == ("20 refusals in 20 lines", True)


@pytest.mark.parametrize("text", [f"headers {HEADER}", f"headers\n{HEADER}", "headers " + HEADER.replace("\n", " ")])
async def test_pasted_headers_are_followed_even_when_the_chat_took_their_line_ends(text: str) -> None:
    assert await said(text) == ("The message left its organisation from 192.0.2.25", True)


async def test_a_header_that_came_as_a_bounce_is_followed_all_the_same() -> None:
    assert (await said(f"bounce {HEADER}"))[0] == "The message left its organisation from 192.0.2.25"


@pytest.mark.parametrize("verb", ["bounce", "headers"])
async def test_the_bare_word_says_where_to_paste(verb: str) -> None:
    assert await said(verb) == (NOTHING[verb], False)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
async def test_an_attached_log_is_summed_up(encoding: str) -> None:
    assert await said("bounce", LOG.encode(encoding)) == ("20 refusals in 20 lines", True)


async def test_several_files_are_one_log() -> None:
    title, _ = await said("bounce please look at these", LOG.encode(), LOG.encode())
    assert title.startswith("40 refusals")


@pytest.mark.parametrize("octets", [b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", b"PK\x03\x04\x14\x00\x00"])
async def test_what_is_no_text_is_said_to_be_none(octets: bytes) -> None:
    assert "not text" in (await said("bounce", octets))[0]


async def test_a_file_that_cannot_be_had_is_one_sentence() -> None:
    assert (await said("bounce", b"x" * (MOST_BYTES + 1)))[0] == "The file is too large."


async def test_who_asks_too_often_waits_for_this_as_for_anything_else() -> None:
    assert (await said(f"bounce {LISTED}", by=commands(wait="Please ask again in 12 s.")))[0].startswith("Please ask")


async def test_a_long_log_tells_how_many_lines_were_read() -> None:
    told: list[str] = []
    octets = b"nothing to see here\n" * (2 * LINES_APART + 10)
    await commands().answer(replace(ASK, text="bounce", files=(Attached(octets),)), told.append)
    assert told == ["5,000 lines read", "10,000 lines read"]
