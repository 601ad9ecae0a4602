"""`mailcheck bounce` and `mailcheck headers`: a file or standard input, read as it comes.

`mailcheck bounce`: what the refusals in a log, a bounce or a list of replies mean.

`mailcheck headers`: the way one message took.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from bot.bounces.classify import Bounce, bounce_to_json
from bot.bounces.mail_log import MOST_BYTES, Summary, bounces, sum_up, text_lines
from bot.bounces.message_headers import MOST_CHARACTERS, path_to_json, read_headers
from handlers.cli.command import BadQuestion, Json, print_card, print_json, say
from handlers.messages import bounces_card, path_card

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


def bounce(
    file: Annotated[str, typer.Argument(help="A log, a bounce or SMTP replies; - is standard input.")] = "-",
    as_json: Json = False,
) -> None:
    """What a bounce means: whose fault it is, which list, which address, and the one next step."""
    if as_json:
        for found in each_bounce(file):
            print_json(bounce_to_json(found))
        return
    print_card(bounces_card(*summed_up(file)))


def headers(
    file: Annotated[str, typer.Argument(help="A message or its headers; - is standard input.")] = "-",
    as_json: Json = False,
) -> None:
    """The path of one message, the address that left its organisation, and its authentication results."""
    path = read_headers(pasted_header(file))
    say(path_to_json(path), path_card(path), as_json=as_json)
