"""The ways an answer reaches a person in Teams: their thread, the place of an earlier message, or a chat with them alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from handlers.charts import laid_out
from handlers.charts.png import png
from handlers.message import Card
from handlers.ports import Later, MessageGone, Rejected, RoomGone, Unsure
from handlers.teams.adaptive_card import Payload, in_words, message
from handlers.teams.connector_client import Connector
from handlers.teams.conversation_references import Conversation
from handlers.teams.requests import Errand
from handlers.teams.throttle import Pace

T = TypeVar("T")

NOT_ALONE = "Add mailcheck to your own apps first: only then can it write to you alone."
NOT_SAID = (Later, Unsure, RoomGone, MessageGone, Rejected)

log = structlog.get_logger()


async def say(connector: Connector, to: Conversation, card: Card, thread: str = "") -> str:
    """Says a card, or its words where Teams does not like how it is drawn; returns the message. Raises as `connector`."""
    for payload in await ways(card):
        try:
            return await connector.say(to, payload, thread)
        except Rejected as why:
            log.error("teams refused how a message was drawn", platform="teams", why=str(why))
    return await connector.say(to, in_words(card), thread)


async def change(connector: Connector, where: Conversation, earlier: str, card: Card, thread: str = "") -> None:
    """The same in the place of an earlier message."""
    for payload in await ways(card):
        try:
            return await connector.change(where, earlier, payload, thread)
        except Rejected as why:
            log.error("teams refused how a message was drawn", platform="teams", why=str(why))
    return await connector.change(where, earlier, in_words(card), thread)


async def ways(card: Card) -> list[Payload]:
    """The card as it can be drawn, the best first: with its picture, where it has one, and without."""
    if card.picture is None:
        return [message(card)]
    return [message(card, await asyncio.to_thread(png, laid_out(card.picture.timeline))), message(card)]


async def patiently(pace: Pace, call: Callable[[], Awaitable[T]]) -> T:
    """Calls until it is done, a few times at most. A person waits: better said twice than not at all."""
    for failures in range(1, pace.tries):
        try:
            return await call()
        except (Later, Unsure) as why:
            asked = why.seconds if isinstance(why, Later) else 0.0
            wait = min(max(asked, pace.wait(failures)), pace.longest)
            log.info("trying again", platform="teams", why=str(why), wait_s=round(wait, 2), failures=failures)
            await pace.sleep(wait)
    return await call()


class Reply:
    """Everything said to one errand: how far it is, then the answer in its place. Nothing is raised."""

    def __init__(self, errand: Errand, connector: Connector, pace: Pace) -> None:
        self._errand, self._connector, self._pace = errand, connector, pace
        self._place, self._thread, self._said = errand.conversation, errand.thread, errand.replaces
        self._alone = self._begun = False

    async def progress(self, card: Card) -> None:
        """That the work goes on; said only where the answer will take its place."""
        if (self._said and not self._begun) or not await self._in_private():
            return
        try:
            if self._begun:
                await change(self._connector, self._place, self._said, card, self._thread)
            else:
                self._said, self._begun = await say(self._connector, self._place, card, self._thread), True
        except NOT_SAID as why:
            log.info("progress not said", **self._about(str(why)))

    async def say(self, card: Card) -> None:
        allowed = await self._in_private()
        try:
            await self._deliver(card if allowed else Card(NOT_ALONE, private=True))
        except NOT_SAID as why:
            log.warning("answer not delivered", **self._about(str(why)))

    async def _deliver(self, card: Card) -> None:
        if self._said:
            try:
                return await self._patiently(
                    lambda: change(self._connector, self._place, self._said, card, self._thread)
                )
            except MessageGone as why:
                log.info("said anew", **self._about(str(why)))
        await self._patiently(lambda: say(self._connector, self._place, card, self._thread))
        return None

    async def _in_private(self) -> bool:
        """Moves to a chat with the person where nobody else is to see it; False where there is none to be had."""
        if not self._errand.private or self._alone:
            return True
        try:
            self._place = await self._patiently(lambda: self._connector.aside(self._place, self._errand.user))
        except NOT_SAID as why:
            log.info("no chat with the person", **self._about(str(why)))
            return False
        self._thread, self._alone = "", True
        return True

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        return await patiently(self._pace, call)

    def _about(self, why: str) -> dict[str, str]:
        room = self._errand.conversation.room
        return {"platform": "teams", "team": room.space, "channel": room.channel, "why": why}
