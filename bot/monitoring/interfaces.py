"""Persistence interfaces of monitoring: the watch repository and the outbox.

`bot.monitoring.repository` implements both on Redis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from bot.models import Report
from bot.monitoring.dnsbl_quarantine import ListNotice
from bot.monitoring.history import History
from bot.monitoring.models import Alert, Channel, ChannelText, Follow, Incident, Watch
from bot.monitoring.stored_types import Timestamp

MAX_WATCHES_PER_CHANNEL = 50
MAX_WATCHES_PER_WORKSPACE = 500
EPOCH = datetime.fromtimestamp(0, UTC)


class TooManyWatches(Exception):
    """The channel or the workspace is at its limit; the message is one sentence."""


class Clock(Protocol):
    """The time of all processes, as aware datetimes; `bot.storage.redis_clock` implements it."""

    def __call__(self) -> datetime: ...

    async def correct(self) -> None:
        """Correct it by the clock of the store, once a poll round. Raises StoreUnavailable."""


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """Settings of a channel.

    `update_mode`: how updates of an alert are shown, in a word of the delivery. `creator_only`: only
    its creator may mute or remove a watch. `list_notices`: this channel, one per workspace, gets
    notices about unreliable lists. `weekly_digest`: it gets a weekly digest. `follow`: what its
    watches follow that do not say it themselves.
    """

    update_mode: str = "thread"
    reminders: bool = True
    creator_only: bool = False
    list_notices: bool = False
    weekly_digest: bool = False
    follow: Follow = Follow.ALL


@dataclass(frozen=True, slots=True)
class StoredWatch:
    """A stored watch with its state; list budgets can make `interval` longer than requested.

    `removed`: it is no longer polled, and known only because alerts about it are not sent yet.
    """

    watch: Watch
    incident: Incident
    next_poll_at: datetime | None = None
    interval: timedelta | None = None
    paused: bool = False
    removed: bool = False


class WatchRepository(Protocol):
    """Watches by channel. A watch of another channel is treated as missing."""

    async def add(self, watch: Watch, incident: Incident, due: datetime, reports: Sequence[Report] = ()) -> bool:
        """Store a watch with its baseline; False if it exists. Raises TooManyWatches.

        `reports` of the first poll hold the texts of the domain's records.
        """

    async def find(self, channel: Channel, query: str) -> Sequence[StoredWatch]:
        """The watches that the query names, as `find_watches` matches them; several where it is ambiguous."""

    async def get(self, channel: Channel, watch_id: str) -> StoredWatch | None:
        """The watch with this id, without its due time; a removed one while alerts about it wait."""

    async def list_watches(self, channel: Channel) -> Sequence[StoredWatch]: ...

    async def list_channels(self, platform: str, workspace: str) -> Sequence[Channel]:
        """Channels of a workspace with watches; may include some whose watches were removed."""

    async def change(self, watch: Watch, changed: Watch) -> bool:
        """Replace a stored watch by one with the same id; its incident and history stay.

        False if it does not exist, or is no longer as given.
        """

    async def remove(self, channel: Channel, watch_id: str) -> bool: ...

    async def update_incident(self, channel: Channel, watch_id: str, incident: Incident, expected: Incident) -> bool:
        """Replace the incident if it still equals `expected`; False: reload and retry."""

    async def history(self, channel: Channel, watch_id: str) -> History:
        """History of a watch; empty if nothing happened or the watch does not exist."""

    async def histories(self, channel: Channel) -> Mapping[str, History]:
        """Non-empty histories of the channel's watches by watch id."""

    async def settings(self, channel: Channel) -> ChannelSettings: ...

    async def set_settings(self, channel: Channel, settings: ChannelSettings) -> None: ...

    async def pause_channel(self, channel: Channel) -> None:
        """Pause the watches of a channel that cannot be posted to, for at most 30 days."""

    async def pause_workspace(self, platform: str, workspace: str) -> None:
        """Pause all channels of a workspace that cannot be posted to."""

    async def resume_channel(self, channel: Channel) -> bool:
        """Resume a channel and its workspace. True if the channel's watches were paused."""

    async def resume_workspace(self, platform: str, workspace: str) -> bool:
        """Resume a workspace; channels paused on their own stay paused. True if it was paused."""

    async def purge_channel(self, channel: Channel) -> None:
        """Delete everything of a channel that removed the bot or no longer exists."""

    async def purge_workspace(self, platform: str, workspace: str) -> None:
        """Delete everything of a workspace that removed the bot."""

    async def audit(self, channel: Channel, actor: str, action: str, old: str = "", new: str = "") -> None:
        """Append a line to the audit stream of the workspace."""


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """An alert to be posted; its watch is read by id. `send_started_at` is the time of the attempt that has not ended.

    `snapshot`: the watch at the time of the alert, in messages that earlier versions stored.
    """

    id: str
    channel: ChannelText
    alert: Alert
    send_started_at: Timestamp | None = None
    attempts: int = 0
    snapshot: StoredWatch | None = None

    @property
    def is_root(self) -> bool:
        return self.alert.is_root

    @property
    def thread_key(self) -> str:
        return self.alert.thread_key

    @property
    def at(self) -> datetime:
        return self.alert.at

    @property
    def earliest_post_at(self) -> datetime:
        """Lower bound for a search of the message in the channel history."""
        return self.alert.watching_since


@dataclass(frozen=True, slots=True)
class ListNoticeMessage:
    """A notice about the list called `list_name`. One that ends a condition edits the first one."""

    id: str
    channel: ChannelText
    notice: ListNotice
    list_name: str
    at: Timestamp
    send_started_at: Timestamp | None = None
    attempts: int = 0

    @property
    def is_root(self) -> bool:
        return self.notice.is_root

    @property
    def thread_key(self) -> str:
        return f"list.{self.notice.thread_key}"

    @property
    def earliest_post_at(self) -> datetime:
        return EPOCH


@dataclass(frozen=True, slots=True)
class ChannelMessage:
    """A message about a channel as a whole: it begins no thread that later ones would join."""

    id: str
    channel: ChannelText
    at: Timestamp
    send_started_at: Timestamp | None = None
    attempts: int = 0

    @property
    def is_root(self) -> bool:
        return True

    @property
    def thread_key(self) -> str:
        return self.id

    @property
    def earliest_post_at(self) -> datetime:
        return self.at


@dataclass(frozen=True, slots=True)
class DigestMessage(ChannelMessage):
    """A digest of the week before `at`; its content is read when it is sent."""


@dataclass(frozen=True, slots=True)
class FollowMessage(ChannelMessage):
    """Which checks, by id, the watches of a channel follow since an upgrade; sent once."""

    follows: tuple[str, ...] = ()


OutboxMessage = AlertMessage | ListNoticeMessage | DigestMessage | FollowMessage


class Outbox(Protocol):
    """Outbox messages in order by channel, removed only by `mark_sent` or `mark_dropped`."""

    async def ready_channels(self) -> Sequence[Channel]:
        """Channels with messages that may be sent now."""

    async def peek(self, channel: Channel) -> OutboxMessage | None: ...

    async def begin_attempt(self, message: OutboxMessage, now: datetime) -> OutboxMessage | None:
        """Record the attempt before the API call and return the updated message.

        None if another process has started to send it, or has sent it, since it was read.
        """

    async def revert_attempt(self, message: OutboxMessage, retry_at: datetime) -> None:
        """Revert an attempt that definitely failed, unless another one has started since."""

    async def delay(self, message: OutboxMessage, until: datetime) -> None:
        """Delay the channel until then; never shortens a delay."""

    async def mark_sent(self, message: OutboxMessage, message_id: str) -> None:
        """Remove a posted message; the message id of a root is stored under its thread key."""

    async def mark_dropped(self, message: OutboxMessage, reason: str) -> None: ...

    async def root_message_id(self, channel: Channel, thread_key: str) -> str | None:
        """Message id of the root of a thread; None while it is not posted."""

    async def store_started_at(self) -> datetime:
        """Start time of the store; attempts before a restart may have been lost."""
