"""`mailcheck bounce`: what the refusals in a log, a bounce or a list of replies mean."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.bounces.replies import to_json
from handlers.messages import bounces_card
from handlers.terminal.command import Json, print_card, print_json
from handlers.terminal.pasted import each_bounce, summed_up


def bounce(
    file: Annotated[str, typer.Argument(help="A log, a bounce or SMTP replies; - is standard input.")] = "-",
    as_json: Json = False,
) -> None:
    """What a bounce means: whose fault it is, which list, which address, and the one next step."""
    if as_json:
        for found in each_bounce(file):
            print_json(to_json(found))
        return
    print_card(bounces_card(*summed_up(file)))
