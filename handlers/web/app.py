"""The web chat in service: what is typed on its page is answered there, and what the bot says unasked appears there.

Messages live in the memory of this process, so it answers for itself: nothing is handed to a queue or another process.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog
from starlette.routing import Mount

from bot.demo import DemoWorld
from bot.settings import HostPort
from handlers.background import Work
from handlers.message import Card
from handlers.messages.overview import Overview
from handlers.ports import Answering, Ask, File, MessageGone, Room
from handlers.request_dispatcher import DRAIN_S, Course, answered, busy, under_way
from handlers.web.dashboard import Glance, Look, nothing
from handlers.web.message_log import Channels, Message, guest, unsaid
from handlers.web.pages import Pages
from handlers.web.sessions import PUBLIC, Guard, Tries, password_for

SPACE = "local"
PROGRESS_AFTER_S = 2.0
LONGEST_KEPT = 8_000  # characters of what was typed that are kept to be shown
COMMAND = re.compile(r"\s*[/@]mailcheck\b[\s:,]*", re.IGNORECASE)
PRIVATE = re.compile(r"^private(\s+|$)|\s+private$", re.IGNORECASE)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """Time, handed in; `progress_after` is in seconds."""

    progress_after: float = PROGRESS_AFTER_S
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock: Callable[[], float] = time.monotonic


class Web:
    """The platform `web`: its rooms are the channels of the page, all in the space `local`."""

    name = "web"

    def __init__(
        self,
        commands: Answering,
        look: Look = nothing,
        demo: DemoWorld | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._commands, self._demo, self._pace = commands, demo, pace or Pace()
        self._work = Work()
        self.channels = Channels(self._pace.now)
        self._glance = Glance(look, self._pace.clock)

    def routes(self, listening: HostPort, password: str = "", published: bool = False) -> list[Mount]:
        """The page, behind its guard; to be mounted last. Raises CannotServe where a network could reach it unasked.

        Where it is `published`, its read-only part at `/status` is open to whoever a proxy lets through.
        """
        secret = password_for(listening, password)
        pages = Pages(self, self._demo, listening).site()
        return [Mount("/", app=Guard(pages, secret, Tries(self._pace.clock), published=PUBLIC if published else ()))]

    async def run(self) -> None:
        """Serves until cancelled, then finishes what was begun; people come through `routes`."""
        try:
            await asyncio.Event().wait()
        finally:
            await self.drain()

    async def drain(self) -> None:
        """Finishes what was begun, and hangs up on open pages, which would hold up the end of the server."""
        await self._work.drain(DRAIN_S)
        self.channels.hang_up()

    # What a person does

    def hear(self, channel: str, thread: str, person: str, text: str, files: tuple[File, ...] = ()) -> None:
        """Takes what was typed and attached, says so at once, and answers in its own time. Raises RoomGone or MessageGone."""
        words, private = as_typed(text)
        ask = Ask(Room(self.name, SPACE, channel), person, words, private, guest(person), files=files)
        ack = self._commands.acknowledgement(ask)
        alone = person if private or not ack.work else ""
        self.channels.say(unsaid(channel, thread, author=person, text=words[:LONGEST_KEPT], only_for=alone))
        said = self.channels.say(unsaid(channel, thread, card=ack.card, only_for=person, pending=ack.work))
        if ack.work and not self._work.start(self._answer(ask, said, ack.card)):
            self._show(said, busy().card, person)

    async def _answer(self, ask: Ask, said: Message, begun: Card) -> None:
        course = Course()
        answer = asyncio.create_task(answered(self._commands, ask, course))
        async for words in course.news(answer, self._pace.progress_after):
            self._show(said, under_way(begun, words), said.only_for, pending=True)
        card = await answer
        self._show(said, card, ask.user if ask.private or card.private else "")

    def _show(self, said: Message, card: Card, only_for: str, pending: bool = False) -> None:
        try:
            found = self.channels.find(said.channel, said.id)
            self.channels.change(replace(found, card=card, only_for=only_for, pending=pending))
        except MessageGone:
            log.info("the channel has moved on", platform=self.name, channel=said.channel)

    async def overview(self) -> Overview:
        return await self._glance.overview()

    # What the bot says unasked

    async def deliver(self, job: Mapping[str, str]) -> None:
        """Nothing is ever handed over, so there is nothing to do."""
        log.warning("job of the web chat", keys=sorted(job))

    async def post(self, room: Room, card: Card, thread: str = "", key: str = "", broadcast: bool = False) -> str:
        """Says a card; returns the message. Raises RoomGone, or MessageGone for its thread."""
        message = unsaid(room.channel, thread, card=card, key=key, broadcast=broadcast)
        return self.channels.say(message).id

    async def update(self, room: Room, message: str, card: Card) -> None:
        """Puts a card in the place of an earlier one. Raises RoomGone or MessageGone."""
        self.channels.change(replace(self.channels.find(room.channel, message), card=card))

    async def find(self, room: Room, key: str, since: datetime, thread: str = "") -> str | None:
        """The message that carries the key. Raises RoomGone."""
        messages = self.channels.room(room.channel).messages.values()
        found = (m.id for m in messages if m.key == key and m.at >= since and thread in ("", m.thread))
        return next(found, None)

    async def tell(self, room: Room, user: str, card: Card) -> None:
        """Says a card to one person. Raises RoomGone."""
        self.channels.say(unsaid(room.channel, "", card=card, only_for=user))


def as_typed(text: str) -> tuple[str, bool]:
    """A command without what stands before it in other chats; True where only the one who typed it shall see the answer."""
    bare = COMMAND.sub("", text, count=1) if COMMAND.match(text) else text
    words = PRIVATE.sub("", bare.strip(), count=1)
    return words.strip(), words != bare.strip()
