"""Pasted and attached bounces, logs and headers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from bot.bounces.mail_log import MAX_BYTES
from bot.bounces.pasted_text import TextAnalysis, analyze_text
from bot.parser_process.process import TextUnreadable
from handlers.commands import VERBS, CommandRouter
from handlers.commands.pasted_text import NOTHING_PASTED, PastedTextCommands
from handlers.ports import Channel, ChatRequest, File, FileUnreadable
from tests.handlers.commands.test_router import commands
from tests.handlers.messages.test_bounces import HEADER, LISTED
from tests.support.field_data import OWN_FOLDER, rows

REQUEST = ChatRequest(Channel("slack", "T0", "C0"), "U0", VERBS.parse("bounce"))
LOG = "\n".join(
    f"Nov 24 07:40:13 mail postfix/smtp[2213]: {number:06X}: to=<a@example.com>,"
    " relay=mx.example.com[198.51.100.1]:25, dsn=5.7.1, status=bounced"
    f" (host mx.example.com[198.51.100.1] said: {LISTED} (in reply to RCPT TO command))"
    for number in range(20)
)


@dataclass(frozen=True)
class Attached:
    """Attached file in memory."""

    content: bytes

    async def read(self, max_bytes: int) -> bytes:
        if len(self.content) > max_bytes:
            raise FileUnreadable("The file is too large.")
        return self.content


async def run(text: str, *files: bytes | File, router: CommandRouter | None = None) -> tuple[str, bool]:
    """Title of the response, and whether it needed work after the acknowledgement."""
    attached = tuple(Attached(file) if isinstance(file, bytes) else file for file in files)
    request = replace(REQUEST, command=VERBS.parse(text), files=attached)
    commands_in_use = router or commands()
    ack = commands_in_use.acknowledge(request)
    card = await commands_in_use.handle(request) if ack.needs_work else ack.card
    return card.title, ack.needs_work


@pytest.mark.parametrize("prefix", ["bounce ", "bounce\n", "BOUNCE  ", "bounce ```", "bounce\n```\n"])
async def test_pasted_bounce_is_explained(prefix: str) -> None:
    title, needs_work = await run(prefix + LISTED)
    assert needs_work
    assert "192.0.2.66" in title


async def test_pasted_log_preserves_line_breaks() -> None:
    assert await run(f"bounce {LOG}") == ("20 messages not delivered: blocklist (Spamhaus ZEN)", True)


@pytest.mark.parametrize("text", [f"headers {HEADER}", f"headers\n{HEADER}", "headers " + HEADER.replace("\n", " ")])
async def test_pasted_headers_without_line_breaks_are_parsed(text: str) -> None:
    assert await run(text) == ("The message left its organization from 192.0.2.25", True)


async def test_header_given_to_bounce_is_explained_as_header() -> None:
    assert (await run(f"bounce {HEADER}"))[0] == "The message left its organization from 192.0.2.25"


@pytest.mark.parametrize("verb", ["bounce", "headers"])
async def test_paste_verb_without_text_explains_what_to_paste(verb: str) -> None:
    assert await run(verb) == (NOTHING_PASTED[verb], False)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
async def test_attached_log_is_summarized(encoding: str) -> None:
    assert await run("bounce", LOG.encode(encoding)) == ("20 messages not delivered: blocklist (Spamhaus ZEN)", True)


@pytest.mark.parametrize("text", [row["text"] for row in rows(OWN_FOLDER, "pasted") if "text" in row])
async def test_pasted_text_and_its_file_give_the_same_answer(text: str) -> None:
    assert await run(f"bounce\n{text}") == await run("bounce", text.encode())


async def test_several_files_are_read_as_one_log() -> None:
    title, _ = await run("bounce please look at these", LOG.encode(), LOG.encode())
    assert title.startswith("40 messages")


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", b"PK\x03\x04\x14\x00\x00"])
async def test_binary_file_is_refused(content: bytes) -> None:
    assert "not text" in (await run("bounce", content))[0]


async def test_unreadable_file_is_refused_with_its_reason() -> None:
    assert (await run("bounce", b"x" * (MAX_BYTES + 1)))[0] == "The file is too large."


async def test_rate_limit_applies_to_pasted_text() -> None:
    assert (await run(f"bounce {LISTED}", router=commands(refusal="Please ask again in 12 s.")))[0].startswith(
        "Please ask"
    )


async def test_lines_read_are_reported_as_progress() -> None:
    async def parse(verb: str, chunks: Sequence[bytes], on_progress: Callable[[int], None]) -> TextAnalysis:
        on_progress(5_000)
        return analyze_text(verb, chunks)

    updates: list[str] = []
    await PastedTextCommands(parse).handle("bounce", LISTED, (), updates.append)
    assert updates == ["5,000 lines read"]


async def test_text_that_cannot_be_parsed_is_refused_with_its_reason() -> None:
    async def parse(*_: object) -> TextAnalysis:
        raise TextUnreadable("It takes too long.")

    router = replace(commands(), pasted_text=PastedTextCommands(parse))
    assert await run(f"bounce {LISTED}", router=router) == ("It takes too long.", True)
