"""Interfaces between commands and chat platforms, and the errors that platforms raise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from bot.monitoring.models import Channel
from handlers.message import Card
from handlers.verbs import ChatRequest, File, FileUnreadable, ProgressCallback, VerbTable, ignore_progress

__all__ = [
    "Ack",
    "CannotServe",
    "ChatRequest",
    "CommandHandler",
    "File",
    "HistoryUnavailable",
    "MessageNotFound",
    "Platform",
    "RetryAfter",
    "ServeRole",
]
__all__ += [
    "Channel",
    "ChannelUnavailable",
    "DeliveryUnknown",
    "FileUnreadable",
    "MessagePoster",
    "ProgressCallback",
    "Rejected",
    "WorkspaceUnavailable",
    "ignore_progress",
]


@dataclass(frozen=True, slots=True)
class Ack:
    """The immediate reply. Without `needs_work` it is the whole answer."""

    card: Card
    needs_work: bool


class ServeRole(StrEnum):
    """What a process runs: the HTTP and chat side, the workers, or both."""

    ALL = "all"
    WEB = "web"
    WORKER = "worker"


class CannotServe(Exception):
    """The bot cannot start or go on; the message is one sentence that says what to do."""


class CommandHandler(Protocol):
    """Handles commands and membership events; the same for every platform."""

    @property
    def verbs(self) -> VerbTable[Any]:
        """Parses the texts that the platform receives, once each."""

    def acknowledge(self, request: ChatRequest, /) -> Ack:
        """Pure and instant, to be sent within the platform's time limit."""

    async def handle(self, request: ChatRequest, on_progress: ProgressCallback = ..., /) -> Card:
        """Run an acknowledged command; `on_progress` gets short texts while a long one runs.

        Raises nothing: a failure is a card, and its details go to the log.
        """

    async def on_channel_joined(self, channel: Channel, /) -> Card | None:
        """The bot can post in the channel again; returns a card if watches were resumed."""

    async def on_channel_left(self, channel: Channel, /) -> None:
        """The bot was removed from the channel, or the channel was deleted."""

    async def on_token_revoked(self, platform: str, workspace: str, /) -> None:
        """The workspace revoked the bot's token, for good or to rotate it."""

    async def on_token_restored(self, platform: str, workspace: str, /) -> None:
        """The workspace accepts the bot's token again."""

    async def on_uninstalled(self, platform: str, workspace: str, /) -> None:
        """The workspace uninstalled the bot."""


class DeliveryUnknown(Exception):
    """The message may or may not have been posted: no answer, or an ambiguous one."""


class RetryAfter(Exception):
    """Not done; may be retried after `seconds`."""

    def __init__(self, reason: str, seconds: float) -> None:
        super().__init__(reason)
        self.seconds = seconds


class ChannelUnavailable(Exception):
    """The channel is archived or unknown, or the bot is not a member."""


class WorkspaceUnavailable(Exception):
    """The workspace uninstalled the bot or revoked its token."""


class Rejected(Exception):
    """The platform rejects the message, even as plain text; not done."""


class MessageNotFound(Exception):
    """The message to edit no longer exists; not done."""


class HistoryUnavailable(Exception):
    """The platform does not let the bot read the channel history."""


class MessagePoster(Protocol):
    """Posts messages to a platform. A message is named by the id that `post` returned.

    Every method raises RetryAfter, DeliveryUnknown, ChannelUnavailable, WorkspaceUnavailable,
    Rejected or MessageNotFound, and nothing else.
    """

    async def post(self, channel: Channel, card: Card, thread: str = "", key: str = "", broadcast: bool = False) -> str:
        """Post a card, in `thread` if given; returns the message id.

        `key` is stored with the message for `find`. `broadcast` also shows a reply in the channel.
        """

    async def update(self, channel: Channel, message: str, card: Card) -> None:
        """Replace an earlier message."""

    async def find(self, channel: Channel, key: str, since: datetime, thread: str = "") -> str | None:
        """The id of the message with `key` posted since then. Also raises HistoryUnavailable."""

    async def notify_user(self, channel: Channel, user: str, card: Card) -> None:
        """Send a card to one user of the channel's workspace, privately."""


class Platform(MessagePoster, Protocol):
    """A connected chat platform."""

    @property
    def name(self) -> str: ...

    async def run(self) -> None:
        """Listen until cancelled, then finish pending work."""

    async def deliver(self, job: Mapping[str, str], /) -> None:
        """Answer a queued request; `job` is its serialized form."""
