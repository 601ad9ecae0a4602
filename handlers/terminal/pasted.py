"""`mailcheck bounce` and `mailcheck headers`: a file or standard input, read as it comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bot.bounces.headers import MOST_CHARACTERS
from bot.bounces.logs import MOST_BYTES, Summary, bounces, sum_up, text_lines
from bot.bounces.replies import Bounce
from handlers.terminal.command import BadQuestion

CHUNK = 1 << 16


@contextmanager
def chunks_of(file: str) -> Iterator[Iterator[bytes]]:
    """A file's bytes piece by piece, standard input for `-`. Raises BadQuestion."""
    with ExitStack() as stack:
        try:
            source = stack.enter_context(Path("/dev/stdin" if file == "-" else file).open("rb", buffering=0))
        except OSError as why:
            raise BadQuestion(f"{file} cannot be read: {why.strerror}.") from None
        yield iter(lambda: source.read(CHUNK), b"")


def each_bounce(file: str) -> Iterator[Bounce]:
    """The refusals of a log or a bounce; where the input is a list of replies, one verdict a line. Raises LogTooBig."""
    with chunks_of(file) as chunks:
        yield from bounces(text_lines(chunks), every_reply=True)


def summed_up(file: str) -> tuple[list[Bounce], Summary]:
    """The first refusals and what all of them add up to."""
    with chunks_of(file) as chunks:
        return sum_up(text_lines(chunks), every_reply=True)


def pasted_header(file: str) -> str:
    """The text of a header, as much of it as is ever read."""
    with chunks_of(file) as chunks:
        text = b""
        for chunk in chunks:
            text += chunk
            if len(text) > min(MOST_BYTES, 4 * MOST_CHARACTERS):
                break
    return text.decode("utf-8", "replace")
