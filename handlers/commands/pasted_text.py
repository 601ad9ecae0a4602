"""Verbs about pasted text: a bounce or a log explained, a header followed. Nothing is looked up; a button does that next."""

from __future__ import annotations

import asyncio
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from bot.bounces.mail_log import MOST_BYTES, LogTooBig, sum_up, text_lines
from bot.bounces.message_headers import MOST_CHARACTERS, read_headers
from handlers.commands.parser import BadCommand
from handlers.message import Card
from handlers.messages.bounces import bounces_card, lines_read, path_card, reading_card
from handlers.ports import File, Told, Unreadable, untold

NAMES = {"bounce": "bounce", "headers": "header"}
NOTHING = {
    "bounce": "Nothing to explain yet: paste the bounce (`bounce 550 5.7.1 … blocked using …`), or send me the log as a file.",
    "headers": "Nothing to follow yet: paste the whole header (`headers Received: …`), or send me the message as a file.",
}
NOT_TEXT = "That file is not text, so there is nothing to read in it; attach the log or the message as plain text."
MOST_LINES = 20_000  # of a header
LINES_APART = 5_000  # between two words of how many were read
FENCE = "```"  # people paste logs as code


@dataclass(frozen=True, slots=True)
class Pasted:
    """One text is read at a time, so that neither ten logs nor one of ten megabytes hold up anything else for long."""

    _one: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1), repr=False)

    def begun(self, verb: str, text: str, files: Sequence[File]) -> Card:
        """What is said at once. Raises BadCommand where nothing was pasted."""
        if not text and not files:
            raise BadCommand(NOTHING[verb])
        return reading_card("file" if files else NAMES[verb])

    async def answer(self, verb: str, text: str, files: Sequence[File], told: Told = untold) -> Card:
        """Raises BadCommand, LogTooBig or Unreadable with one sentence."""
        async with self._one:
            pieces = [text.replace(FENCE, "\n").encode("utf-8", "replace")] if text and not files else []
            for file in files:
                octets = await file.read(MOST_BYTES - sum(map(len, pieces)))
                if not is_text(octets):
                    raise Unreadable(NOT_TEXT)
                pieces += [b"\n\n", octets] if pieces else [octets]
            return await asyncio.to_thread(explained, verb, pieces, not files, told)


def explained(verb: str, pieces: Sequence[bytes], every_reply: bool, told: Told = untold) -> Card:
    """Pure, and slow for a long log: for a thread. A header that came as a bounce is followed all the same."""
    if verb == "bounce":
        first, summary = sum_up(_counted(text_lines(pieces), told), every_reply)
        if summary.refusals or not (path := read_headers(_text(pieces))).hops:
            return bounces_card(first, summary)
        return path_card(path)
    return path_card(read_headers(_text(pieces)))


def is_text(octets: bytes) -> bool:
    """Whether a file may be a text: pictures and archives have zeros, of texts only UTF-16, which says so."""
    return b"\0" not in octets[:1_024] or octets.startswith((BOM_UTF16_LE, BOM_UTF16_BE))


def _counted(lines: Iterable[str], told: Told) -> Iterator[str]:
    """The lines, while somebody hears how many there were so far."""
    for number, line in enumerate(lines, 1):
        if number % LINES_APART == 0:
            told(lines_read(number))
        yield line


def _text(pieces: Sequence[bytes]) -> str:
    return "\n".join(islice(text_lines(pieces), MOST_LINES))[:MOST_CHARACTERS]


REFUSALS = (BadCommand, LogTooBig, Unreadable)
