"""`mailcheck bounce` and `mailcheck headers`: read a file or standard input as a stream.

Parsed in this process, without a deadline: a text harms only the command of its own user, who can stop it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from bot.bounces.classify import Bounce, bounce_to_json
from bot.bounces.mail_log import MAX_BYTES, LogSummary, decode_lines, find_bounces, summarize_with_examples
from bot.bounces.message_headers import MAX_CHARS, analysis_to_json, analyze_headers
from handlers.cli.command import BadInput, Json, print_card, print_json, print_result
from handlers.messages import log_card, route_card

CHUNK_BYTES = 1 << 16


@contextmanager
def read_chunks(file: str) -> Iterator[Iterator[bytes]]:
    """The bytes of a file in chunks, standard input for `-`. Raises BadInput."""
    with ExitStack() as stack:
        path = Path("/dev/stdin" if file == "-" else file)
        try:
            source = stack.enter_context(path.open("rb", buffering=0))
        except OSError as error:
            raise BadInput(f"{file} cannot be read: {error.strerror}.") from None
        yield iter(lambda: source.read(CHUNK_BYTES), b"")


def iter_bounces(file: str) -> Iterator[Bounce]:
    """The refusals of a log or a bounce; for a list of replies, one per line. Raises LogTooBig."""
    with read_chunks(file) as chunks:
        yield from find_bounces(decode_lines(chunks), every_reply=True)


def summarize(file: str) -> tuple[list[Bounce], LogSummary]:
    """The first refusals and a summary of all. Raises LogTooBig."""
    with read_chunks(file) as chunks:
        return summarize_with_examples(decode_lines(chunks), every_reply=True)


def read_header_text(file: str) -> str:
    """The text of a message header, up to the length that the parser reads."""
    with read_chunks(file) as chunks:
        text = b""
        for chunk in chunks:
            text += chunk
            if len(text) > min(MAX_BYTES, 4 * MAX_CHARS):
                break
    return text.decode("utf-8", "replace")


def bounce(
    file: Annotated[str, typer.Argument(help="A log, a bounce or SMTP replies; - is standard input.")] = "-",
    as_json: Json = False,
) -> None:
    """What a bounce means: whose fault it is, which list, which address, and the one next step."""
    if as_json:
        for item in iter_bounces(file):
            print_json(bounce_to_json(item))
        return
    print_card(log_card(*summarize(file)))


def headers(
    file: Annotated[str, typer.Argument(help="A message or its headers; - is standard input.")] = "-",
    as_json: Json = False,
) -> None:
    """The path of one message, the address that left its organisation,
    and its authentication results.
    """
    path = analyze_headers(read_header_text(file))
    print_result(analysis_to_json(path), route_card(path), as_json=as_json)
