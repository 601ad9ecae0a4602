"""The App Home: one person's overview as a view of Slack's. Pure.

Every part is drawn as in a message, so that no text in it is markup. A table becomes lines, which a phone can show.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from handlers.card import Button, Card, Line
from handlers.messages.overview import Overview, Section
from handlers.messages.subjects import when
from handlers.slack.blocks import Block, message

View = dict[str, Any]

ADD, AGAIN = "home-watch", "home-again"  # action ids
MOST_BLOCKS = 100  # docs.slack.dev, Home tab views
WHOSE = "You see the channels that you are in; nobody else sees this page."
MORE = "There is more than this page can hold: type `watches` in a channel."


def home_view(overview: Overview, at: datetime, said: Card | None = None) -> View:
    """`said` is the answer to what the person did here last; it stands on top."""
    top = [*_head(at), *(_drawn(said) if said else ())]
    incidents, watches, rest = _parted(overview.watched)
    bottom = [*_all_drawn(rest), *_all_drawn(overview.sight)]
    middle = _fitting([*_cards(incidents), *_cards(watches)], MOST_BLOCKS - len(top) - len(bottom))
    return {"type": "home", "blocks": [*top, *middle, *bottom]}


def _head(at: datetime) -> list[Block]:
    card = Card(
        "mailcheck",
        footnote=f"As things are at {when(at)}. {WHOSE}",
        buttons=(_button("Watch something …", True), _button("Look again")),
    )
    *blocks, actions = message(card)["blocks"]
    for element, action in zip(actions["elements"], (ADD, AGAIN), strict=True):
        element["action_id"] = action
    return [*blocks, actions]


def _button(label: str, primary: bool = False) -> Button:
    return Button(label, command="home", primary=primary)


def _parted(watched: Iterable[Section]) -> tuple[list[Section], list[Section], list[Section]]:
    """Only watches can be many, so they get the room that the others leave."""
    parts: tuple[list[Section], list[Section], list[Section]] = ([], [], [])
    for section in watched:
        parts[{"Incidents": 0, "Watches": 1}.get(section.title, 2)].append(section)
    return parts


def _cards(sections: Iterable[Section]) -> list[Card]:
    return [card for section in sections for card in section.cards]


def _all_drawn(sections: Iterable[Section]) -> list[Block]:
    return [block for card in _cards(sections) for block in _drawn(card)]


def _fitting(cards: Iterable[Card], room: int) -> list[Block]:
    """As many whole cards as there is room for, with a sentence in the place of the others."""
    blocks: list[Block] = []
    for card in cards:
        drawn = _drawn(card)
        if len(blocks) + len(drawn) > room - 1:
            return [*blocks, *message(Card(MORE))["blocks"]]
        blocks += drawn
    return blocks


def _drawn(card: Card) -> list[Block]:
    """What stands in the message of a card, without its buttons: a page that stays is no place for old ones."""
    payload = message(in_lines(replace(card, buttons=())))
    return [*payload["blocks"], *(block for bar in payload.get("attachments", ()) for block in bar["blocks"])]


def in_lines(card: Card) -> Card:
    """The same without a table: a line for each row, its first two cells as what is said, the others named below."""
    if card.table is None:
        return card
    names = card.table.columns[2:]
    lines = tuple(
        Line(
            ": ".join(row[:2]), detail=" · ".join(f"{name} {cell}" for name, cell in zip(names, row[2:], strict=False))
        )
        for row in card.table.rows
    )
    return replace(card, table=None, lines=(*card.lines, *lines))
