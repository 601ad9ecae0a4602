"""Guest detection. Activities do not carry the role, so Teams is queried where it matters.

Source: "Get Teams specific context for your bot" at learn.microsoft.com/microsoftteams: a member
has a `tenantId`, and a `userRole` that is `user`, `guest` or `anonymous`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from bot.resilience.single_flight import SingleFlight
from handlers.ports import ChannelUnavailable, DeliveryUnknown, MessageNotFound, Rejected, RetryAfter
from handlers.teams.connector_client import ConnectorClient
from handlers.teams.conversation_references import ConversationReference, ConversationType
from handlers.teams.requests import TeamsRequest, text_at
from handlers.teams.throttle import TeamsTimeouts
from handlers.verbs import VerbTable

MEMBER_ROLE = "user"
LOOKUP_TIMEOUT_S = 2.0
CACHE_TTL_S = 3_600.0
MAX_CACHED = 10_000

log = structlog.get_logger()


class MembershipCheck:
    """Marks requests of guests, cached for an hour.

    A user whose role is not known in time counts as a member: the limits of guests are a courtesy
    among people who share a channel, and every action carries a name.
    """

    def __init__(self, connector: ConnectorClient, verbs: VerbTable[Any], timeouts: TeamsTimeouts) -> None:
        self._connector, self._verbs = connector, verbs
        self._external: SingleFlight[tuple[str, str], bool] = SingleFlight(
            CACHE_TTL_S, size=MAX_CACHED, clock=timeouts.now
        )

    async def mark_external(self, request: TeamsRequest) -> TeamsRequest:
        """The request, marked external if a guest sent it and may not run it."""
        if request.is_external or request.conversation.kind is ConversationType.PERSONAL:
            return request
        if not self._verbs.changes(request.command):
            return request
        is_external = await self._is_external(request.conversation, request.user)
        return replace(request, is_external=True) if is_external else request

    async def _is_external(self, conversation: ConversationReference, user: str) -> bool:
        try:
            return await self._external((conversation.id, user), partial(self._query_role, conversation, user))
        except (RetryAfter, DeliveryUnknown, ChannelUnavailable, Rejected, TimeoutError) as error:
            log.info("role of user unknown", platform="teams", channel=conversation.id, reason=str(error))
            return False

    async def _query_role(self, conversation: ConversationReference, user: str) -> bool:
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S):
                member = await self._connector.member(conversation, user)
        except MessageNotFound:
            return True  # a member of another team of the shared channel
        is_member = text_at(member, "userRole") in ("", MEMBER_ROLE)
        return not is_member or text_at(member, "tenantId") not in ("", conversation.tenant)
