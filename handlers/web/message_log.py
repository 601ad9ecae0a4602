"""What was said in the web chat, kept in memory and bounded, and the news of it for every page that is open. No IO."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from handlers.message import Card
from handlers.ports import MessageGone, RoomGone

MOST_MESSAGES = 500  # in a channel, replies counted
MOST_REPLIES = 100  # in a thread
MOST_NEWS = 500  # remembered for a page that lost its connection for a moment
MOST_WAITING = 200  # news that a slow page may be behind
BOT = ""


@dataclass(frozen=True, slots=True)
class Channel:
    name: str
    topic: str


ALERTS = "alerts"
CHANNELS = (
    Channel("mail", "Ask about an address or a domain"),
    Channel(ALERTS, "What watched addresses and domains report"),
    Channel("scratch", "Try things out"),
)


@dataclass(frozen=True, slots=True)
class Message:
    """One message. A person's has `text`, the bot's a `card`; `only_for` names the one person who sees it, if not all do.

    `replies` counts those that all may see. `id` is the millisecond it was said at, made unique: so it orders messages, and names none of an earlier run.
    """

    id: str
    channel: str
    at: datetime
    author: str = BOT
    text: str = ""
    card: Card | None = None
    thread: str = ""
    only_for: str = ""
    key: str = ""
    broadcast: bool = False
    pending: bool = False
    replies: int = 0

    @property
    def in_channel(self) -> bool:
        """Outside of threads."""
        return not self.thread or self.broadcast

    def seen_by(self, person: str) -> bool:
        return self.only_for in ("", person)


def unsaid(channel: str, thread: str, **parts: Any) -> Message:
    """A message before the channel has given it its id and its time."""
    return Message("", channel, datetime.min, thread=thread, **parts)


def guest(person: str) -> str:
    """What others call a person: nobody gives a name here."""
    return f"Guest {person[:4]}"


@dataclass(frozen=True, slots=True)
class News:
    """A message that is new, or that has changed; numbered without gaps."""

    number: int
    message: Message
    new: bool


@dataclass(slots=True, eq=False)
class Listener:
    """One open page. `behind` is set once it could not keep up, and must look at everything anew."""

    news: asyncio.Queue[News | None] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))
    behind: bool = False


@dataclass(slots=True)
class Kept:
    """A channel's messages by id, oldest first; `forgot` is set once older ones are gone."""

    channel: Channel
    messages: dict[str, Message] = field(default_factory=dict)
    forgot: bool = False


class Channels:
    """All channels, and who listens to them. `now` is handed in."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._rooms: Mapping[str, Kept] = {channel.name: Kept(channel) for channel in CHANNELS}
        self._last_id = 0
        self._news: deque[News] = deque(maxlen=MOST_NEWS)
        self._listeners: set[Listener] = set()
        self._closed = False
        self.number = 0  # of the last news

    # What was said

    def room(self, channel: str) -> Kept:
        """Raises RoomGone where there is no such channel."""
        if channel not in self._rooms:
            raise RoomGone(f"there is no channel {channel[:40]!r}")
        return self._rooms[channel]

    def find(self, channel: str, message: str) -> Message:
        """Raises RoomGone or MessageGone."""
        found = self.room(channel).messages.get(message)
        if found is None:
            raise MessageGone("it is older than what the web chat keeps")
        return found

    def seen(self, channel: str, person: str, thread: str = "") -> Sequence[Message]:
        """What a person sees in a channel, or in a thread of it from its root on; oldest first."""
        messages = self.room(channel).messages.values()
        here = (m for m in messages if (thread in (m.id, m.thread) if thread else m.in_channel))
        return [message for message in here if message.seen_by(person)]

    def all(self) -> Iterator[Message]:
        for room in self._rooms.values():
            yield from room.messages.values()

    # What is said

    def say(self, message: Message) -> Message:
        """Adds a message, whose id and time are set here. Raises RoomGone, and MessageGone where its thread is gone."""
        room = self.room(message.channel)
        if message.thread:
            self.find(message.channel, message.thread)
        at = self._now()
        self._last_id = max(self._last_id + 1, int(at.timestamp() * 1000))
        said = replace(message, id=str(self._last_id), at=at)
        room.messages[said.id] = said
        self._tell(said, new=True)
        self._count(said)
        self._forget(room, spared=said.thread)
        return said

    def change(self, changed: Message) -> None:
        """Puts a changed message in the place of the one with its id. Raises RoomGone or MessageGone."""
        was = self.find(changed.channel, changed.id)
        self.room(changed.channel).messages[changed.id] = changed
        self._tell(changed, new=False)
        if was.only_for and not changed.only_for:
            self._count(changed)

    def _count(self, reply: Message) -> None:
        """One more under its root, where all may see it."""
        root = self.room(reply.channel).messages.get(reply.thread)
        if root and not reply.only_for:
            self.change(replace(root, replies=root.replies + 1))

    def _forget(self, room: Kept, spared: str) -> None:
        """Of a thread the oldest reply goes first; of a channel the oldest message, and its thread with it."""
        replies = [m.id for m in room.messages.values() if spared and m.thread == spared]
        for gone in replies[:-MOST_REPLIES]:
            del room.messages[gone]
        while len(room.messages) > MOST_MESSAGES:
            oldest = next(m.id for m in room.messages.values() if not m.thread and m.id != spared)
            for gone in [m.id for m in room.messages.values() if oldest in (m.id, m.thread)]:
                del room.messages[gone]
            room.forgot = True

    # Who hears of it

    @contextmanager
    def listening(self, after: int) -> Iterator[tuple[Sequence[News], Listener]]:
        """What came after that number, and a queue for what comes from now on; None in it ends the listening.

        The listener is `behind` from the start where the news after that number are no longer known.
        """
        missed = [news for news in self._news if news.number > after]
        listener = Listener(behind=after > self.number or self.number - after > len(missed))
        self._listeners.add(listener)
        if self._closed:
            listener.news.put_nowait(None)
        try:
            yield missed, listener
        finally:
            self._listeners.discard(listener)

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def hang_up(self) -> None:
        """Ends every listening, those that begin later too, so that the server can stop."""
        self._closed = True
        for listener in self._listeners:
            if listener.news.full():
                listener.news.get_nowait()
            listener.news.put_nowait(None)

    def _tell(self, message: Message, new: bool) -> None:
        self.number += 1
        news = News(self.number, message, new)
        self._news.append(news)
        for listener in self._listeners:
            if listener.news.full():
                listener.behind = True
            else:
                listener.news.put_nowait(news)
