"""Conversation references in memory, for tests of one process."""

from __future__ import annotations

from dataclasses import replace

from handlers.ports import Channel
from handlers.teams.conversation_references import ConversationReference


class MemoryConversationReferences:
    """Conversation references that end with the process."""

    def __init__(self) -> None:
        self._known: dict[Channel, ConversationReference] = {}

    async def store(self, conversation: ConversationReference) -> None:
        before = self._known.get(conversation.channel)
        team = conversation.team or (before.team if before else "")
        self._known[conversation.channel] = replace(conversation, team=team)

    async def get(self, channel: Channel) -> ConversationReference | None:
        return self._known.get(channel)

    async def delete(self, tenant: str, owner_id: str) -> tuple[Channel, ...]:
        removed = [
            room
            for room, known in self._known.items()
            if room.workspace == tenant and owner_id in (known.id, known.team)
        ]
        for room in removed:
            del self._known[room]
        return tuple(removed)
