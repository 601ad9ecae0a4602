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
from bot.bounces.log_summary import LogSummary
from bot.bounces.mail_log import find_bounces, summarize_with_examples
from bot.bounces.message_headers import MAX_CHARS, analysis_to_json, analyze_headers
from bot.bounces.text_input import NotText, decode_lines
from handlers.cli.command import BadInput, Json, print_card, print_json, print_result
from handlers.messages import log_card, route_card
from handlers.messages.bounces import NO_HEADER

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
    """The refusals of a log or a bounce; for a list of replies, one per line. Raises BadInput."""
    with read_lines(file) as lines:
        yield from find_bounces(lines)


def summarize(file: str) -> tuple[list[Bounce], LogSummary]:
    """The first refusals and a summary of all. Raises BadInput."""
    with read_lines(file) as lines:
        return summarize_with_examples(lines)


@contextmanager
def read_lines(file: str) -> Iterator[Iterator[str]]:
    """The lines of a file of any size, unpacked and decoded. Raises BadInput."""
    try:
        with read_chunks(file) as chunks:
            yield decode_lines(chunks, None)
    except NotText as error:
        raise BadInput(str(error)) from None


def read_header_text(file: str) -> str:
    """The text of a message header, up to the length that the parser reads. Raises BadInput."""
    parts, size = [], 0
    with read_lines(file) as lines:
        for line in lines:
            parts.append(line)
            size += len(line) + 1
            if size > MAX_CHARS:
                break
    return "\n".join(parts)


def bounce(
    file: Annotated[str, typer.Argument(help="A log, a bounce or SMTP replies; - is standard input.")] = "-",
    as_json: Json = False,
) -> None:
    """What a bounce means: who has to fix it, which list, which address, and the next step.

    Exit status 0: nothing was refused, 1: refusals, 2: not text.
    """
    if as_json:
        has_refusals = False
        for item in iter_bounces(file):
            has_refusals = True
            print_json(bounce_to_json(item))
    else:
        bounces, summary = summarize(file)
        has_refusals = bool(bounces)
        print_card(log_card(bounces, summary))
    if has_refusals:
        raise typer.Exit(1)


def headers(
    file: Annotated[str, typer.Argument(help="A message or its headers; - is standard input.")] = "-",
    as_json: Json = False,
) -> None:
    """The route of one message, the address that left its organization, and its authentication results."""
    path = analyze_headers(read_header_text(file))
    if not path.is_header:
        raise BadInput(NO_HEADER)
    print_result(analysis_to_json(path), route_card(path), as_json=as_json)
