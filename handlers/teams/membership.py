"""Who is only a guest where they speak. No activity says so, so Teams is asked, but only where it makes a difference.

Source: "Get Teams specific context for your bot" at learn.microsoft.com/microsoftteams: a member has a `tenantId`, and a
`userRole` that is `user`, `guest` or `anonymous`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import replace

import structlog

from handlers.ports import Answering, Later, MessageGone, Rejected, RoomGone, Unsure
from handlers.teams.connector_client import Connector
from handlers.teams.conversation_references import Conversation, Kind
from handlers.teams.requests import Errand, said
from handlers.teams.throttle import Pace

AT_HOME = "user"
ASK_WITHIN_S = 2.0
REMEMBERED_S = 3_600.0
MOST = 10_000

log = structlog.get_logger()


class Guests:
    """Remembers for an hour what it was told. A person whom Teams does not tell about in time is taken for a member: what a
    guest may not do is a courtesy among people who share a channel, and everything that is done carries a name."""

    def __init__(self, connector: Connector, commands: Answering, pace: Pace) -> None:
        self._connector, self._commands, self._pace = connector, commands, pace
        self._known: OrderedDict[tuple[str, str], tuple[float, bool]] = OrderedDict()

    async def marked(self, errand: Errand) -> Errand:
        """The errand, as that of a stranger where a guest gave it and may not have it done."""
        as_stranger, acknowledge = replace(errand, stranger=True), self._commands.acknowledgement
        if errand.stranger or errand.conversation.kind is Kind.PERSONAL:
            return errand
        if acknowledge(as_stranger.ask) == acknowledge(errand.ask):
            return errand
        return as_stranger if await self._is_guest(errand.conversation, errand.user) else errand

    async def _is_guest(self, place: Conversation, user: str) -> bool:
        key, now = (place.id, user), self._pace.now()
        until, guest = self._known.get(key, (now, False))
        if now < until:
            return guest
        try:
            async with asyncio.timeout(ASK_WITHIN_S):
                member = await self._connector.member(place, user)
        except MessageGone:
            guest = True  # of another team that the channel is shared with
        except (Later, Unsure, RoomGone, Rejected, TimeoutError) as why:
            log.info("not known whether a guest asks", platform="teams", channel=place.id, why=str(why))
            return False
        else:
            guest = said(member, "userRole") not in ("", AT_HOME) or said(member, "tenantId") not in ("", place.tenant)
        self._known[key] = (now + REMEMBERED_S, guest)
        while len(self._known) > MOST:
            self._known.popitem(last=False)
        return guest
