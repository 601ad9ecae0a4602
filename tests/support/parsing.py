"""Parsing of pasted text without a process of its own, for tests of everything around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot.bounces.pasted_text import TextAnalysis, analyze_text
from handlers.commands.pasted_text import PastedTextCommands


async def parse_here(verb: str, chunks: Sequence[bytes], _on_progress: Callable[[int], None]) -> TextAnalysis:
    return analyze_text(verb, chunks)


def pasted_text_commands() -> PastedTextCommands:
    return PastedTextCommands(parse_here)
