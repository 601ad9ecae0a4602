"""Where the bot may speak. Teams tells it with every activity, and there is no way to ask later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Protocol

from handlers.ports import Room


class Kind(StrEnum):
    """The three kinds of conversation; only a channel has threads."""

    PERSONAL = "personal"
    GROUP = "groupChat"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class Conversation:
    """Where to speak, and through which service: the newest `service_url` heard is the right one.

    `id` is without a thread, `bot` is what the bot is called there, `team` is empty outside of a team.
    """

    tenant: str
    id: str
    kind: Kind
    service_url: str
    bot: str
    team: str = ""

    @property
    def room(self) -> Room:
        return Room("teams", self.tenant, self.id)

    def thread(self, root: str) -> str:
        """The id under which a thread is spoken to; a chat has none, so there it is the chat."""
        return f"{self.id};messageid={root}" if root and self.kind is Kind.CHANNEL else self.id

    def record(self) -> dict[str, str]:
        """The conversation as text, for a queue or a store."""
        return {name: str(value) for name, value in asdict(self).items()}

    @classmethod
    def of(cls, record: Mapping[str, str]) -> Conversation:
        """The conversation that `record` made. Raises KeyError or ValueError where it is not one."""
        fields = {name: record[name] for name in ("tenant", "id", "service_url", "bot", "team")}
        return cls(kind=Kind(record["kind"]), **fields)


class Conversations(Protocol):
    """What is remembered, shared by all processes, for as long as the bot is installed there."""

    async def remember(self, conversation: Conversation, /) -> None: ...

    async def recall(self, room: Room, /) -> Conversation | None: ...

    async def forget(self, tenant: str, place: str, /) -> tuple[Room, ...]:
        """Forgets a conversation, or all of a team, by its id, and what else was kept for them; returns those rooms."""


class InThisProcess:
    """Conversations that are forgotten when the process ends."""

    def __init__(self) -> None:
        self._known: dict[Room, Conversation] = {}

    async def remember(self, conversation: Conversation) -> None:
        before = self._known.get(conversation.room)
        team = conversation.team or (before.team if before else "")
        self._known[conversation.room] = replace(conversation, team=team)

    async def recall(self, room: Room) -> Conversation | None:
        return self._known.get(room)

    async def forget(self, tenant: str, place: str) -> tuple[Room, ...]:
        gone = [r for r, known in self._known.items() if r.space == tenant and place in (known.id, known.team)]
        for room in gone:
            del self._known[room]
        return tuple(gone)
