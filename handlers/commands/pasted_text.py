"""Commands about pasted or attached text: bounces, mail logs and message headers. No lookups."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from bot.bounces.mail_log import summarize_with_examples
from bot.bounces.message_headers import MAX_CHARS, analyze_headers
from bot.bounces.text_input import MAX_BYTES, LogTooBig, NotText, decode_lines, is_text
from handlers.message import Card
from handlers.messages.bounces import lines_read_text, log_card, reading_card, route_card
from handlers.ports import File, FileUnreadable, ProgressCallback, ignore_progress
from handlers.verbs import BadCommand

TEXT_KINDS = {"bounce": "bounce", "headers": "header"}
NOTHING_PASTED = {
    "bounce": (
        "Nothing to explain yet: paste the bounce (`bounce 550 5.7.1 … blocked using …`), or send me the log as a file."
    ),
    "headers": (
        "Nothing to follow yet: paste the whole header (`headers Received: …`), or send me the message as a file."
    ),
}
NOT_TEXT = "That file is not text, so there is nothing to read in it; attach the log or the message as plain text."
MAX_HEADER_LINES = 20_000  # of a header
PROGRESS_INTERVAL_LINES = 5_000  # between progress updates
CODE_FENCE = "```"  # people paste logs as code


@dataclass(frozen=True, slots=True)
class PastedTextCommands:
    """Explains pasted text, one at a time, so that large logs do not take all threads."""

    _semaphore: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1), repr=False)

    def acknowledge_request(self, verb: str, text: str, files: Sequence[File]) -> Card:
        """The acknowledgement. Raises BadCommand if there is no text."""
        if not text and not files:
            raise BadCommand(NOTHING_PASTED[verb])
        return reading_card("file" if files else TEXT_KINDS[verb])

    async def handle(
        self, verb: str, text: str, files: Sequence[File], on_progress: ProgressCallback = ignore_progress
    ) -> Card:
        """The explanation. Raises BadCommand, LogTooBig or FileUnreadable with one sentence."""
        async with self._semaphore:
            chunks = [text.replace(CODE_FENCE, "\n").encode("utf-8", "replace")] if text and not files else []
            for file in files:
                content = await file.read(MAX_BYTES - sum(map(len, chunks)))
                if not is_text(content):
                    raise FileUnreadable(NOT_TEXT)
                chunks += [b"\n\n", content] if chunks else [content]
            return await asyncio.to_thread(explain, verb, chunks, on_progress)


def explain(verb: str, chunks: Sequence[bytes], on_progress: ProgressCallback = ignore_progress) -> Card:
    """Explain text; pure, and slow for a long log, so run it in a thread.

    A message header given to `bounce` is explained as a header.
    """
    if verb == "bounce":
        first, summary = summarize_with_examples(_with_progress(decode_lines(chunks), on_progress))
        if first or not (path := analyze_headers(_header_text(chunks))).hops:
            return log_card(first, summary)
        return route_card(path)
    return route_card(analyze_headers(_header_text(chunks)))


def _with_progress(lines: Iterable[str], on_progress: ProgressCallback) -> Iterator[str]:
    """The lines, with progress updates."""
    for number, line in enumerate(lines, 1):
        if number % PROGRESS_INTERVAL_LINES == 0:
            on_progress(lines_read_text(number))
        yield line


def _header_text(chunks: Sequence[bytes]) -> str:
    return "\n".join(islice(decode_lines(chunks), MAX_HEADER_LINES))[:MAX_CHARS]


READ_ERRORS = (BadCommand, LogTooBig, NotText, FileUnreadable)
