"""Messages of the web chat in bounded memory, and their events for open pages."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from handlers.message import Card
from handlers.ports import ChannelUnavailable, MessageNotFound

MAX_MESSAGES = 500  # per channel, replies included
MAX_REPLIES = 100  # per thread
MAX_EVENTS = 500  # for pages that reconnect
MAX_QUEUED_EVENTS = 200  # per subscriber
BOT = ""


@dataclass(frozen=True, slots=True)
class WebChannel:
    name: str
    topic: str


ALERTS = "alerts"
CHANNELS = (
    WebChannel("mail", "Ask about an address or a domain"),
    WebChannel(ALERTS, "What watched addresses and domains report"),
    WebChannel("scratch", "Try things out"),
)


@dataclass(frozen=True, slots=True)
class Message:
    """A user's message has `text`, the bot's a `card`; `only_for` limits it to one user.

    `replies` counts the public ones. `id` is the Unix time in milliseconds, made unique, so ids are
    ordered and never repeat those of an earlier run.
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
        """Whether it shows in the channel, outside of threads."""
        return not self.thread or self.broadcast

    def visible_to(self, person: str) -> bool:
        return self.only_for in ("", person)


def new_message(channel: str, thread: str, **fields: Any) -> Message:
    """A message that has no id and no time yet."""
    return Message("", channel, datetime.min, thread=thread, **fields)


def display_name(person: str) -> str:
    """Name that other users see, since users give none."""
    return f"Guest {person[:4]}"


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """A new or changed message; numbered without gaps."""

    number: int
    message: Message
    is_new: bool


@dataclass(slots=True, eq=False)
class Subscriber:
    """An open page. `behind` is set once it lost events and must reload."""

    queue: asyncio.Queue[MessageEvent | None] = field(default_factory=lambda: asyncio.Queue(MAX_QUEUED_EVENTS))
    behind: bool = False


@dataclass(slots=True)
class ChannelLog:
    """Messages of a channel by id, oldest first; `truncated` once old ones were dropped."""

    channel: WebChannel
    messages: dict[str, Message] = field(default_factory=dict)
    truncated: bool = False


class MessageLog:
    """All channels and their subscribers."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._channels: Mapping[str, ChannelLog] = {channel.name: ChannelLog(channel) for channel in CHANNELS}
        self._last_id = 0
        self._events: deque[MessageEvent] = deque(maxlen=MAX_EVENTS)
        self._subscribers: set[Subscriber] = set()
        self._closed = False
        self.last_event_number = 0  # of the last event

    # Reading

    def channel_log(self, channel: str) -> ChannelLog:
        """Raises ChannelUnavailable."""
        if channel not in self._channels:
            raise ChannelUnavailable(f"there is no channel {channel[:40]!r}")
        return self._channels[channel]

    def find(self, channel: str, message: str) -> Message:
        """Raises ChannelUnavailable or MessageNotFound."""
        stored = self.channel_log(channel).messages.get(message)
        if stored is None:
            raise MessageNotFound("it is older than what the web chat keeps")
        return stored

    def visible(self, channel: str, person: str, thread: str = "") -> Sequence[Message]:
        """What a user sees in a channel, or in a thread including its root; oldest first."""
        messages = self.channel_log(channel).messages.values()
        messages_here = (m for m in messages if (thread in (m.id, m.thread) if thread else m.in_channel))
        return [message for message in messages_here if message.visible_to(person)]

    def all_messages(self) -> Iterator[Message]:
        for channel_log in self._channels.values():
            yield from channel_log.messages.values()

    # Writing

    def append(self, message: Message) -> Message:
        """Add a message and set its id and time. Raises ChannelUnavailable or MessageNotFound."""
        channel_log = self.channel_log(message.channel)
        if message.thread:
            self.find(message.channel, message.thread)
        at = self._now()
        self._last_id = max(self._last_id + 1, int(at.timestamp() * 1000))
        stored = replace(message, id=str(self._last_id), at=at)
        channel_log.messages[stored.id] = stored
        self._publish(stored, new=True)
        self._count_reply(stored)
        self._trim(channel_log, thread_root=stored.thread)
        return stored

    def update(self, changed: Message) -> None:
        """Replace the message with this id. Raises ChannelUnavailable or MessageNotFound."""
        previous = self.find(changed.channel, changed.id)
        self.channel_log(changed.channel).messages[changed.id] = changed
        self._publish(changed, new=False)
        if previous.only_for and not changed.only_for:
            self._count_reply(changed)

    def _count_reply(self, reply: Message) -> None:
        """Increment the reply count of the root of a public reply."""
        root = self.channel_log(reply.channel).messages.get(reply.thread)
        if root and not reply.only_for:
            self.update(replace(root, replies=root.replies + 1))

    def _trim(self, channel_log: ChannelLog, thread_root: str) -> None:
        """Drop the oldest replies of a thread, and the oldest messages with their threads."""
        replies = [m.id for m in channel_log.messages.values() if thread_root and m.thread == thread_root]
        for message_id in replies[:-MAX_REPLIES]:
            del channel_log.messages[message_id]
        while len(channel_log.messages) > MAX_MESSAGES:
            oldest = next(m.id for m in channel_log.messages.values() if not m.thread and m.id != thread_root)
            for message_id in [m.id for m in channel_log.messages.values() if oldest in (m.id, m.thread)]:
                del channel_log.messages[message_id]
            channel_log.truncated = True

    # Subscribing

    @contextmanager
    def subscribe(self, after: int) -> Iterator[tuple[Sequence[MessageEvent], Subscriber]]:
        """Events after `after`, and a subscriber for later ones; None in its queue ends it.

        The subscriber is `behind` from the start if events after `after` were dropped.
        """
        missed = [event for event in self._events if event.number > after]
        subscriber = Subscriber(behind=after > self.last_event_number or self.last_event_number - after > len(missed))
        self._subscribers.add(subscriber)
        if self._closed:
            subscriber.queue.put_nowait(None)
        try:
            yield missed, subscriber
        finally:
            self._subscribers.discard(subscriber)

    @property
    def subscriber_count(self) -> int:
        return len(self._subscribers)

    def close(self) -> None:
        """End all subscriptions, also later ones, so that the server can stop."""
        self._closed = True
        for subscriber in self._subscribers:
            if subscriber.queue.full():
                subscriber.queue.get_nowait()
            subscriber.queue.put_nowait(None)

    def _publish(self, message: Message, new: bool) -> None:
        self.last_event_number += 1
        event = MessageEvent(self.last_event_number, message, new)
        self._events.append(event)
        for subscriber in self._subscribers:
            if subscriber.queue.full():
                subscriber.behind = True
            else:
                subscriber.queue.put_nowait(event)
