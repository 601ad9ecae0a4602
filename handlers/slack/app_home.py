"""The App Home: one person's overview as a view of Slack's. Pure.

Every part is drawn as in a message, so that no text in it is markup. A table becomes lines, which a phone can show.

Drawing App Homes: whose channels are whose, when a page is drawn again, and what is said on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from weakref import WeakValueDictionary

import structlog

from handlers.message import Button, Card, Line
from handlers.messages.overview import Overview, Section
from handlers.messages.problems import when
from handlers.slack.block_kit import Block, message
from handlers.slack.clients import UNSAID, Clients, reason
from handlers.slack.requests import Errand
from handlers.slack.responder import Pace

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


KINDS = "public_channel,private_channel"
A_PAGE, MOST_PAGES = 200, 25  # channels: what lies beyond is not shown, which keeps the secret on the safe side

Look = Callable[[str, Mapping[str, str]], Awaitable[Overview]]  # a workspace, and names of channels by id

log = structlog.get_logger()


async def nothing(_team: str, _names: Mapping[str, str]) -> Overview:
    """For a bot that looks after nothing."""
    return Overview()


class Homes:
    """Each person's page, drawn when they open it and when they did something there, and not otherwise.

    Nobody sees a channel that Slack does not name as theirs at that moment: nothing of it is remembered.
    """

    def __init__(self, clients: Clients, look: Look, pace: Pace) -> None:
        self._clients, self._look, self._pace = clients, look, pace
        self._drawing: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def draw(self, team: str, user: str, said: Card | None = None) -> None:
        """One drawing at a time for a person: opening the page again while it is drawn draws it no second time, and what is
        said waits for its turn. Nothing is raised."""
        drawing = self._drawing.setdefault((team, user), asyncio.Lock())
        if said or not drawing.locked():
            async with drawing:
                await self._publish(team, user, said)

    async def _publish(self, team: str, user: str, said: Card | None) -> None:
        try:
            overview = await self._look(team, await self._channels(team, user))
            client = await self._clients.patient(team)
            at = datetime.fromtimestamp(self._pace.now(), UTC)
            await client.views_publish(user_id=user, view=home_view(overview, at, said))
        except UNSAID as error:
            log.warning("home not drawn", platform="slack", team=team, why=reason(error))

    async def _channels(self, team: str, user: str) -> dict[str, str]:
        """The channels that a person is in, private ones only where the bot is, too (docs.slack.dev, users.conversations)."""
        client = await self._clients.patient(team)
        alone = await client.conversations_open(users=user)
        names, cursor = {str(alone["channel"]["id"]): "Direct messages with mailcheck"}, ""
        for _ in range(MOST_PAGES):
            page = await client.users_conversations(
                user=user, types=KINDS, exclude_archived=True, limit=A_PAGE, cursor=cursor
            )
            names |= {str(one["id"]): f"#{one.get('name', one['id'])}" for one in page.get("channels") or ()}
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                break
        return names


class OnHome:
    """The reply to an errand of the App Home: it stands on top of that page, which shows what became of it."""

    def __init__(self, homes: Homes, errand: Errand) -> None:
        self._homes, self._errand = homes, errand

    async def progress(self, card: Card) -> None:
        await self.say(card)

    async def say(self, card: Card) -> None:
        await self._homes.draw(self._errand.team, self._errand.user, card)
