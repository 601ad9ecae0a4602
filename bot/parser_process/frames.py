"""What the bot and the process that parses text send each other: frames of JSON, each after its length.

The bot sends a ParseRequest and then the octets of the text; the process sends any number of Progress and one result.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pydantic import TypeAdapter

from bot.bounces.pasted_text import TextAnalysis

LENGTH = struct.Struct(">I")
MAX_FRAME_BYTES = 8 * 2**20  # a result holds counts and a few lines


@dataclass(frozen=True, slots=True)
class ParseRequest:
    """`sizes`: octets of each chunk of the text, in order."""

    verb: str
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of the text was read; the first, of nothing, says that the process is ready."""

    octets_read: int = 0
    lines_read: int = 0


@dataclass(frozen=True, slots=True)
class TextRefused:
    """The text is not what can be parsed; one sentence for the user."""

    sentence: str


@dataclass(frozen=True, slots=True)
class ParseError:
    """The parser raised an exception that it should not raise."""

    stack_trace: str


ParseResult = TextAnalysis | TextRefused | ParseError

REQUEST: TypeAdapter[ParseRequest] = TypeAdapter(ParseRequest)
REPLY: TypeAdapter[Progress | ParseResult] = TypeAdapter(Progress | ParseResult)


def frame(payload: bytes) -> bytes:
    return LENGTH.pack(len(payload)) + payload
