"""`mailcheck headers`: the way one message took."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.bounces.headers import read_headers, to_json
from handlers.messages import path_card
from handlers.terminal.command import Json, say
from handlers.terminal.pasted import pasted_header


def headers(
    file: Annotated[str, typer.Argument(help="A message or its headers; - is standard input.")] = "-",
    as_json: Json = False,
) -> None:
    """The path of one message, the address that left its organisation, and its authentication results."""
    path = read_headers(pasted_header(file))
    say(to_json(path), path_card(path), as_json=as_json)
