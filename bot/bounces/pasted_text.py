"""Reads text that people paste or attach: a bounce, a mail log or a message header. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from bot.bounces.classify import Bounce
from bot.bounces.mail_log import LogSummary, decode_lines, summarize_with_examples
from bot.bounces.message_headers import MAX_CHARS, HeaderAnalysis, analyze_headers

MAX_HEADER_LINES = 20_000  # of a header


@dataclass(frozen=True, slots=True)
class LogAnalysis:
    """The first refusals of a text and the counts of all."""

    examples: tuple[Bounce, ...]
    summary: LogSummary


TextAnalysis = LogAnalysis | HeaderAnalysis


def analyze_text(verb: str, chunks: Iterable[bytes]) -> TextAnalysis:
    """Analyze the text for the verb `bounce` or `headers`. Raises LogTooBig and NotText.

    `chunks` may be read twice: a message header given to `bounce` is analyzed as a header.
    """
    if verb == "bounce":
        examples, summary = summarize_with_examples(decode_lines(chunks))
        if examples or not (headers := analyze_headers(_header_text(chunks))).hops:
            return LogAnalysis(tuple(examples), summary)
        return headers
    return analyze_headers(_header_text(chunks))


def _header_text(chunks: Iterable[bytes]) -> str:
    return "\n".join(islice(decode_lines(chunks), MAX_HEADER_LINES))[:MAX_CHARS]
