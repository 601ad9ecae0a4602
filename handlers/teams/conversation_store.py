"""Conversations in the store that every process of the bot shares, and that survives a restart."""

from __future__ import annotations

from bot.storage.record_store import Directory
from handlers.ports import Room
from handlers.teams.conversation_references import Conversation


class Kept:
    """`Conversations` over a directory; an activity that names no team does not take away what another said."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def remember(self, conversation: Conversation) -> None:
        places = [place for place in (conversation.id, conversation.team) if place]
        groups = [_key(conversation.tenant, place) for place in places]
        await self._directory.put(_key(conversation.tenant, conversation.id), conversation.record(), groups)

    async def recall(self, room: Room) -> Conversation | None:
        record = await self._directory.get(_key(room.space, room.channel))
        return Conversation.of({"team": "", "tenant": "", "bot": "", **record}) if record else None

    async def forget(self, tenant: str, place: str) -> tuple[Room, ...]:
        gone = await self._directory.drop(_key(tenant, place))
        return tuple(Room("teams", *key.split(" ", 1)) for key in gone)


def _key(tenant: str, place: str) -> str:
    return f"{tenant} {place}"
