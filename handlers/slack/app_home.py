"""App Home: renders a user's overview as a Home tab view and publishes it.

All text is rendered as in messages, so none of it is markup. Tables become lines, to fit phones.
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
from handlers.messages.problems import format_time
from handlers.slack.block_kit import Block, render_message
from handlers.slack.clients import CALL_ERRORS, Clients, error_code
from handlers.slack.requests import SlackRequest
from handlers.slack.responder import SlackTimeouts

View = dict[str, Any]

ADD_WATCH, REFRESH = "home-watch", "home-again"  # action ids
MAX_BLOCKS = 100  # docs.slack.dev, Home tab views
VISIBILITY_NOTE = "You see the channels that you are in; only you see this page."
TRUNCATED_NOTE = "There is more than this page can hold: type `watches` in a channel."


def home_view(overview: Overview, at: datetime, result: Card | None = None) -> View:
    """The Home tab view; `result` is the outcome of the user's last action, shown first."""
    top = [*_header_blocks(at), *(_card_blocks(result) if result else ())]
    incidents, watches, rest = _group_sections(overview.watched)
    bottom = [*_section_blocks(rest), *_section_blocks(overview.health)]
    middle = _fit_cards([*_all_cards(incidents), *_all_cards(watches)], MAX_BLOCKS - len(top) - len(bottom))
    return {"type": "home", "blocks": [*top, *middle, *bottom]}


def _header_blocks(at: datetime) -> list[Block]:
    card = Card(
        "mailcheck",
        footnote=f"Status at {format_time(at)}. {VISIBILITY_NOTE}",
        buttons=(_button("Watch something …", True), _button("Refresh")),
    )
    *blocks, actions = render_message(card)["blocks"]
    for element, action in zip(actions["elements"], (ADD_WATCH, REFRESH), strict=True):
        element["action_id"] = action
    return [*blocks, actions]


def _button(label: str, primary: bool = False) -> Button:
    return Button(label, command="home", primary=primary)


def _group_sections(watched: Iterable[Section]) -> tuple[list[Section], list[Section], list[Section]]:
    """Incidents, watches, and the rest; only watches are truncated to fit."""
    groups: tuple[list[Section], list[Section], list[Section]] = ([], [], [])
    for section in watched:
        groups[{"Incidents": 0, "Watches": 1}.get(section.title, 2)].append(section)
    return groups


def _all_cards(sections: Iterable[Section]) -> list[Card]:
    return [card for section in sections for card in section.cards]


def _section_blocks(sections: Iterable[Section]) -> list[Block]:
    return [block for card in _all_cards(sections) for block in _card_blocks(card)]


def _fit_cards(cards: Iterable[Card], max_blocks: int) -> list[Block]:
    """The first cards that fit in `max_blocks`, and a note if some do not."""
    blocks: list[Block] = []
    for card in cards:
        card_blocks = _card_blocks(card)
        if len(blocks) + len(card_blocks) > max_blocks - 1:
            return [*blocks, *render_message(Card(TRUNCATED_NOTE))["blocks"]]
        blocks += card_blocks
    return blocks


def _card_blocks(card: Card) -> list[Block]:
    """Blocks of a card without its buttons, which would go stale on a persistent page."""
    payload = render_message(table_as_lines(replace(card, buttons=())))
    return [
        *payload["blocks"],
        *(block for attachment in payload.get("attachments", ()) for block in attachment["blocks"]),
    ]


def table_as_lines(card: Card) -> Card:
    """The card with each table row as a line: two cells as text, the others as detail."""
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


CHANNEL_TYPES = "public_channel,private_channel"
PAGE_SIZE, MAX_PAGES = (200, 25)  # channels; later ones are not shown, which fails on the safe side

OverviewLoader = Callable[[str, Mapping[str, str]], Awaitable[Overview]]  # workspace, channel names by id

log = structlog.get_logger()


async def empty_overview(_team: str, _names: Mapping[str, str]) -> Overview:
    """Default loader: an empty overview."""
    return Overview()


class AppHomePublisher:
    """Publishes the Home tab of a user when it is opened or after an action on it.

    A user sees only channels that Slack lists for them at that moment; nothing is cached.
    """

    def __init__(self, clients: Clients, load_overview: OverviewLoader, timeouts: SlackTimeouts) -> None:
        self._clients, self._load_overview, self._timeouts = clients, load_overview, timeouts
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def publish(self, team: str, user: str, result: Card | None = None) -> None:
        """Publish the view; errors are logged.

        One publication per user at a time: without `result`, a concurrent call is skipped.
        """
        lock = self._locks.setdefault((team, user), asyncio.Lock())
        if result or not lock.locked():
            async with lock:
                await self._render_and_publish(team, user, result)

    async def _render_and_publish(self, team: str, user: str, result: Card | None) -> None:
        try:
            overview = await self._load_overview(team, await self._channels(team, user))
            client = await self._clients.with_retries(team)
            at = datetime.fromtimestamp(self._timeouts.now(), UTC)
            await client.views_publish(user_id=user, view=home_view(overview, at, result))
        except CALL_ERRORS as error:
            log.warning("app home not published", platform="slack", team=team, error=error_code(error))

    async def _channels(self, team: str, user: str) -> dict[str, str]:
        """Names by id of the channels the user is in (docs.slack.dev, users.conversations).

        Private channels are listed only where the bot is a member too.
        """
        client = await self._clients.with_retries(team)
        direct_message = await client.conversations_open(users=user)
        names, cursor = {str(direct_message["channel"]["id"]): "Direct messages with mailcheck"}, ""
        for _ in range(MAX_PAGES):
            page = await client.users_conversations(
                user=user, types=CHANNEL_TYPES, exclude_archived=True, limit=PAGE_SIZE, cursor=cursor
            )
            names |= {
                str(channel["id"]): f"#{channel.get('name', channel['id'])}" for channel in page.get("channels") or ()
            }
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                break
        return names


class AppHomeResponder:
    """Responder that shows the answer of a request at the top of the App Home."""

    def __init__(self, publisher: AppHomePublisher, request: SlackRequest) -> None:
        self._publisher, self._request = publisher, request

    async def progress(self, card: Card) -> None:
        await self.send(card)

    async def send(self, card: Card) -> None:
        await self._publisher.publish(self._request.team, self._request.user, card)
