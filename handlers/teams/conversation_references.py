"""Conversation references: sent with every activity, and not available otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from handlers.ports import Channel


class ConversationType(StrEnum):
    """Conversation types of Teams; only a channel has threads."""

    PERSONAL = "personal"
    GROUP = "groupChat"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class ConversationReference:
    """A conversation and the connector service it is reached through.

    The newest `service_url` is the valid one. `id` has no thread part, `bot` is the bot's id
    there, `team` is empty outside a team.
    """

    tenant: str
    id: str
    kind: ConversationType
    service_url: str
    bot: str
    team: str = ""

    @property
    def channel(self) -> Channel:
        return Channel("teams", self.tenant, self.id)

    def thread_id(self, root: str) -> str:
        """Conversation id of a thread; chats have no threads, so it is their own."""
        return f"{self.id};messageid={root}" if root and self.kind is ConversationType.CHANNEL else self.id

    def to_record(self) -> dict[str, str]:
        """Serialize for the queue or the store."""
        return {
            "tenant": self.tenant,
            "id": self.id,
            "kind": str(self.kind),
            "service_url": self.service_url,
            "bot": self.bot,
            "team": self.team,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, str]) -> ConversationReference:
        """Parse a record. Raises KeyError or ValueError."""
        fields = {name: record[name] for name in ("tenant", "id", "service_url", "bot", "team")}
        return cls(kind=ConversationType(record["kind"]), **fields)


class ConversationReferences(Protocol):
    """Conversation references, shared by all processes while the bot is installed.

    `store` and `get` raise StoreUnavailable.
    """

    async def store(self, conversation: ConversationReference, /) -> None: ...

    async def get(self, channel: Channel, /) -> ConversationReference | None: ...

    async def delete(self, tenant: str, owner_id: str, /) -> tuple[Channel, ...]:
        """Delete a conversation, or all of a team, by id; returns their channels."""
