"""A platform in memory: what stands in each room, and bad days by script or by chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from bot.monitoring.models import Room
from handlers.message import Card
from tests.support.stored_watches import Clock


@dataclass
class Said:
    """One message as people see it; `card` is its latest edit."""

    room: Room
    id: str
    key: str
    thread: str
    at: datetime
    card: Card
    broadcast: bool = False
    edits: int = 0


@dataclass
class RoomOfPeople:
    """Implements `Speaking`. `before` and `after` may raise: before a call has its effect, or when it has had it."""

    clock: Clock
    before: Callable[[str], None] = lambda _: None
    after: Callable[[str], None] = lambda _: None
    said: list[Said] = field(default_factory=list)
    told: list[tuple[str, Card]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    ids: count[int] = field(default_factory=lambda: count(1))

    async def post(self, room: Room, card: Card, thread: str = "", key: str = "", broadcast: bool = False) -> str:
        self._begin("post")
        message = Said(room, f"m{next(self.ids)}", key, thread, self.clock(), card, broadcast)
        self.said.append(message)
        self.after("post")
        return message.id

    async def update(self, room: Room, message: str, card: Card) -> None:
        self._begin("update")
        (found,) = [said for said in self.said if (said.room, said.id) == (room, message)]
        found.card, found.edits = card, found.edits + 1
        self.after("update")

    async def find(self, room: Room, key: str, since: datetime, thread: str = "") -> str | None:
        self._begin("find")
        inside = [said for said in self.said if said.room == room and said.at >= since and said.thread == thread]
        return next((said.id for said in inside if said.key == key), None)

    async def tell(self, room: Room, user: str, card: Card) -> None:
        self._begin("tell")
        self.told.append((user, card))

    def _begin(self, call: str) -> None:
        self.calls.append(call)
        self.before(call)

    def titles(self) -> list[str]:
        return [said.card.title for said in self.said]
