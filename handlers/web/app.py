"""Web chat platform: answers commands typed on its page and posts messages there.

Messages are in this process's memory, so commands run here and nothing is queued.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog
from starlette.routing import Mount

from bot.demo import Demo
from bot.resilience.rate_limit import RateLimiter
from bot.settings import HostPort
from handlers.background import TaskSet
from handlers.message import Card
from handlers.messages.overview import Overview
from handlers.ports import Channel, ChatRequest, CommandHandler, File, MessageNotFound
from handlers.request_dispatcher import DRAIN_S, Progress, busy_ack, progress_card
from handlers.web.dashboard import OverviewLoader, cached_overview, empty_overview
from handlers.web.message_log import Message, MessageLog, display_name, new_message
from handlers.web.pages import Pages
from handlers.web.sessions import FAILED_LOGINS, PUBLIC_PATHS, SessionGate, required_password

WORKSPACE = "local"
PROGRESS_AFTER_S = 2.0
MAX_STORED_TEXT = 8_000  # characters of a command that are displayed
COMMAND_PREFIX = re.compile(r"\s*[/@]mailcheck\b[\s:,]*", re.IGNORECASE)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WebTimeouts:
    """Clocks, and `progress_after`: seconds until the first progress text."""

    progress_after: float = PROGRESS_AFTER_S
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock: Callable[[], float] = time.monotonic


class WebChat:
    """The platform `web`; all its channels are in the workspace `local`."""

    name = "web"

    def __init__(
        self,
        commands: CommandHandler,
        load_overview: OverviewLoader = empty_overview,
        demo: Demo | None = None,
        timeouts: WebTimeouts | None = None,
    ) -> None:
        self._commands, self._demo, self._timeouts = commands, demo, timeouts or WebTimeouts()
        self._tasks = TaskSet()
        self.message_log = MessageLog(self._timeouts.now)
        self._load_overview = cached_overview(load_overview, self._timeouts.clock)

    def routes(self, address: HostPort, password: str = "", publish_status: bool = False) -> list[Mount]:
        """The page behind its session gate; to be mounted last.

        With `publish_status`, the read-only `/status` is open without a session. Raises CannotServe
        if the page would be reachable from a network without a password.
        """
        secret = required_password(address, password)
        pages = Pages(self, self._demo, address).build_app()
        return [
            Mount(
                "/",
                app=SessionGate(
                    pages,
                    secret,
                    RateLimiter(FAILED_LOGINS, self._timeouts.clock),
                    public_paths=PUBLIC_PATHS if publish_status else (),
                ),
            )
        ]

    async def run(self) -> None:
        """Serve until cancelled, then finish pending work; requests come through `routes`."""
        try:
            await asyncio.Event().wait()
        finally:
            await self.drain()

    async def drain(self) -> None:
        """Finish pending work and close the event streams, which would block shutdown."""
        await self._tasks.drain(DRAIN_S)
        self.message_log.close()

    # Commands

    def receive(self, channel: str, thread: str, person: str, text: str, files: tuple[File, ...] = ()) -> None:
        """Post the command and its acknowledgement, and answer in the background.

        Raises ChannelUnavailable or MessageNotFound.
        """
        typed = without_prefix(text)
        command = self._commands.verbs.parse(typed, has_files=bool(files))
        request = ChatRequest(
            Channel(self.name, WORKSPACE, channel), person, command, display_name(person), files=files
        )
        ack = self._commands.acknowledge(request)
        only_for = person if command.private or not ack.needs_work else ""
        self.message_log.append(
            new_message(channel, thread, author=person, text=typed[:MAX_STORED_TEXT], only_for=only_for)
        )
        reply = self.message_log.append(
            new_message(channel, thread, card=ack.card, only_for=person, pending=ack.needs_work)
        )
        if ack.needs_work and not self._tasks.start(self._answer(request, reply, ack.card)):
            self._show(reply, busy_ack().card, person)

    async def _answer(self, request: ChatRequest, message: Message, ack_card: Card) -> None:
        progress = Progress()
        answer = asyncio.create_task(self._commands.handle(request, progress))
        async for progress_text in progress.updates(answer, self._timeouts.progress_after):
            self._show(message, progress_card(ack_card, progress_text), message.only_for, pending=True)
        card = await answer
        self._show(message, card, request.user if request.command.private or card.private else "")

    def _show(self, message: Message, card: Card, only_for: str, pending: bool = False) -> None:
        try:
            current = self.message_log.find(message.channel, message.id)
            self.message_log.update(replace(current, card=card, only_for=only_for, pending=pending))
        except MessageNotFound:
            log.info("message already dropped", platform=self.name, channel=message.channel)

    @property
    def usages(self) -> Sequence[tuple[str, str]]:
        """What to type, and what it does."""
        return tuple(self._commands.verbs.usages)

    async def overview(self) -> Overview:
        return await self._load_overview()

    # Unsolicited messages

    async def deliver(self, job: Mapping[str, str]) -> None:
        """No-op: the web chat enqueues nothing."""
        log.warning("unexpected job for web chat", keys=sorted(job))

    async def post(self, channel: Channel, card: Card, thread: str = "", key: str = "", broadcast: bool = False) -> str:
        """Post a card. Raises ChannelUnavailable, or MessageNotFound for its thread."""
        message = new_message(channel.id, thread, card=card, key=key, broadcast=broadcast)
        return self.message_log.append(message).id

    async def update(self, channel: Channel, message: str, card: Card) -> None:
        """Replace a card. Raises ChannelUnavailable or MessageNotFound."""
        self.message_log.update(replace(self.message_log.find(channel.id, message), card=card))

    async def find(self, channel: Channel, key: str, since: datetime, thread: str = "") -> str | None:
        """The id of the message with the key. Raises ChannelUnavailable."""
        messages = self.message_log.channel_log(channel.id).messages.values()
        message_ids = (m.id for m in messages if m.key == key and m.at >= since and thread in ("", m.thread))
        return next(message_ids, None)

    async def notify_user(self, channel: Channel, user: str, card: Card) -> None:
        """Post a card visible to one user. Raises ChannelUnavailable."""
        self.message_log.append(new_message(channel.id, "", card=card, only_for=user))


def without_prefix(text: str) -> str:
    """The command without `/mailcheck` or `@mailcheck`, as people are used to type it elsewhere."""
    prefix = COMMAND_PREFIX.match(text)
    return (text[prefix.end() :] if prefix else text).strip()
