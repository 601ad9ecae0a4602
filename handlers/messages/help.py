"""Messages about the bot: help, refusals and internal errors."""

from __future__ import annotations

from collections.abc import Iterable

from handlers.message import Card, Line, Table, Tone


def refusal_card(sentence: str) -> Card:
    """Refusal of a request; the sentence says what to type instead."""
    return Card(sentence, tone=Tone.WARN, private=True)


def internal_error_card() -> Card:
    return Card(
        "Internal error, logged. Try again; if it repeats, tell the admin of this bot.", tone=Tone.BAD, private=True
    )


def help_card(usages: Iterable[tuple[str, str]]) -> Card:
    """What to type, and what it does; `usages` are those of the verbs."""
    return Card(
        "What mailcheck can do",
        lines=(Line("Type an address, a domain, or both after the command."),),
        table=Table(("Type", "To"), tuple(usages)),
        private=True,
    )
