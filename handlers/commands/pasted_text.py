"""Commands about pasted or attached text: bounces, mail logs and message headers. No lookups."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bot.bounces.pasted_text import TextAnalysis
from bot.bounces.text_input import MAX_BYTES, is_text
from bot.parser_process.process import TextUnreadable
from handlers.message import Card
from handlers.messages.bounces import analysis_card, lines_read_text, reading_card
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
CODE_FENCE = "```"  # people paste logs as code

# Verb, chunks, and what gets the number of lines read; raises TextUnreadable.
ParseText = Callable[[str, Sequence[bytes], Callable[[int], None]], Awaitable[TextAnalysis]]


@dataclass(frozen=True, slots=True)
class PastedTextCommands:
    """Explains pasted text, one at a time, so that large files do not take all memory."""

    parse: ParseText
    _semaphore: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1), repr=False)

    def acknowledge_request(self, verb: str, text: str, files: Sequence[File]) -> Card:
        """The acknowledgement. Raises BadCommand if there is no text."""
        if not text and not files:
            raise BadCommand(NOTHING_PASTED[verb])
        return reading_card("file" if files else TEXT_KINDS[verb])

    async def handle(
        self, verb: str, text: str, files: Sequence[File], on_progress: ProgressCallback = ignore_progress
    ) -> Card:
        """The explanation. Raises one of READ_ERRORS with one sentence."""
        async with self._semaphore:
            chunks = [text.replace(CODE_FENCE, "\n").encode("utf-8", "replace")] if text and not files else []
            for file in files:
                content = await file.read(MAX_BYTES - sum(map(len, chunks)))
                if not is_text(content):
                    raise FileUnreadable(NOT_TEXT)
                chunks += [b"\n\n", content] if chunks else [content]
            return analysis_card(await self.parse(verb, chunks, lambda number: on_progress(lines_read_text(number))))


READ_ERRORS = (BadCommand, FileUnreadable, TextUnreadable)
