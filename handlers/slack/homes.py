"""Drawing App Homes: whose channels are whose, when a page is drawn again, and what is said on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from weakref import WeakValueDictionary

import structlog

from handlers.card import Card
from handlers.messages.overview import Overview
from handlers.slack.errands import Errand
from handlers.slack.home import home_view
from handlers.slack.refusals import UNSAID, reason
from handlers.slack.replies import Pace
from handlers.slack.workspaces import Clients

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
