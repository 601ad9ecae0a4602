"""Fake platform: messages in memory, and errors injected by tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from bot.monitoring.models import Channel
from handlers.message import Card
from tests.support.stored_watches import Clock


@dataclass
class PostedMessage:
    """A posted message; `card` is its latest edit."""

    channel: Channel
    id: str
    key: str
    thread: str
    at: datetime
    card: Card
    broadcast: bool = False
    edits: int = 0


@dataclass
class FakeChannel:
    """Implements `MessagePoster`. `before` and `after` may raise around the effect of a call."""

    clock: Clock
    before: Callable[[str], None] = lambda _: None
    after: Callable[[str], None] = lambda _: None
    posted: list[PostedMessage] = field(default_factory=list)
    direct_messages: list[tuple[str, Card]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    ids: count[int] = field(default_factory=lambda: count(1))

    async def post(self, channel: Channel, card: Card, thread: str = "", key: str = "", broadcast: bool = False) -> str:
        self._record_call("post")
        message = PostedMessage(channel, f"m{next(self.ids)}", key, thread, self.clock(), card, broadcast)
        self.posted.append(message)
        self.after("post")
        return message.id

    async def update(self, channel: Channel, message: str, card: Card) -> None:
        self._record_call("update")
        (message_to_edit,) = [item for item in self.posted if (item.channel, item.id) == (channel, message)]
        message_to_edit.card, message_to_edit.edits = card, message_to_edit.edits + 1
        self.after("update")

    async def find(self, channel: Channel, key: str, since: datetime, thread: str = "") -> str | None:
        self._record_call("find")
        candidates = [
            item for item in self.posted if item.channel == channel and item.at >= since and item.thread == thread
        ]
        return next((item.id for item in candidates if item.key == key), None)

    async def notify_user(self, channel: Channel, user: str, card: Card) -> None:
        self._record_call("notify_user")
        self.direct_messages.append((user, card))

    def _record_call(self, call: str) -> None:
        self.calls.append(call)
        self.before(call)

    def titles(self) -> list[str]:
        return [item.card.title for item in self.posted]
