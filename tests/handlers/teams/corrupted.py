"""Valid cards with one element that Adaptive Cards 1.5 do not know."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from handlers.message import Button, Card, Line, Table, Tone
from handlers.messages.formatting import MUTE_DURATIONS
from handlers.teams.adaptive_card import card_content

Element = dict[str, Any]

GOOD = card_content(
    Card(
        "203.0.113.5 is on Example List",
        Tone.BAD,
        lines=(Line("Listed.", Tone.BAD, quote="spam seen"),),
        table=Table(("Address", "Where"), (("203.0.113.5", "Example List"),)),
        buttons=(Button("Acknowledge", "ack 1"), Button("Mute…", "mute 1", select=MUTE_DURATIONS)),
    )
)


def head(card: Element) -> Element:
    return dict_at(card, "body", 0)


def run(card: Element) -> Element:
    return dict_at(card, "body", 0, "items", 0, "inlines", 0)


def table(card: Element) -> Element:
    return next(element for element in card["body"] if element["type"] == "Table")


def folded(card: Element) -> Element:
    return dict_at(card, "actions", 1, "card")


def dict_at(part: Any, *path: str | int) -> Element:
    for step in path:
        part = part[step]
    found: Element = part
    return found


CORRUPTIONS: dict[str, Callable[[Element], None]] = {
    "a key of an element": lambda card: head(card).update(colour="red"),
    "a key of a text": lambda card: run(card).update(weigth="bolder"),
    "a key of a table": lambda card: table(card).update(firstRowAsHeader=True),
    "a key of a cell": lambda card: table(card)["rows"][0]["cells"][0].update(nope=True),
    "a key of an action": lambda card: dict_at(card, "actions", 0).update(verbs="ack"),
    "a key of an input": lambda card: dict_at(folded(card), "body", 0).update(nope=True),
    "a key of a folded action": lambda card: dict_at(folded(card), "actions", 0).update(nope=True),
    "a value": lambda card: head(card).update(style="dangerous"),
    "a spacing": lambda card: dict_at(card, "body", 1).update(spacing="huge"),
    "an element": lambda card: card["body"].append({"type": "Paragraph", "text": "x"}),
    "an action": lambda card: card["actions"].append({"type": "Action.Run", "title": "x"}),
}
# What the official parser says nothing about.
SMALL_CORRUPTIONS: dict[str, Callable[[Element], None]] = {
    "a key of a column": lambda card: table(card)["columns"][0].update(nope=True),
    "a key of a choice": lambda card: dict_at(folded(card), "body", 0, "choices", 0).update(nope=True),
    "a version": lambda card: card.update(version="1.6"),
}


def corrupted(how: Callable[[Element], None]) -> Element:
    card = deepcopy(GOOD)
    how(card)
    return card
