"""The ways an answer reaches a person in Teams: their thread, the place of an earlier message, or a chat with them alone."""

from __future__ import annotations

import structlog

from handlers.card import Card
from handlers.teams.adaptive import in_words, message
from handlers.teams.connector import DRAWN_WRONG, Connector, MessageGone, NotSaid
from handlers.teams.conversations import Conversation
from handlers.teams.errands import Errand

NOT_ALONE = "Add mailcheck to your own apps first: only then can it write to you alone."

log = structlog.get_logger()


async def say(connector: Connector, to: Conversation, card: Card, thread: str = "") -> str:
    """Says a card, or its words where Teams does not like how it is drawn; returns the id. Raises NotSaid."""
    try:
        return await connector.say(to, message(card), thread)
    except NotSaid as refused:
        if refused.status not in DRAWN_WRONG:
            raise
        log.error("teams refused how a message was drawn", platform="teams", why=str(refused))
    return await connector.say(to, in_words(card), thread)


class Reply:
    """Everything said to one errand: progress at most once, then the answer in its place. Nothing is raised."""

    def __init__(self, errand: Errand, connector: Connector) -> None:
        self._errand, self._connector = errand, connector
        self._place, self._thread, self._said = errand.conversation, errand.thread, errand.replaces
        self._alone = False

    async def progress(self, card: Card) -> None:
        """That the work goes on; said only where the answer will take its place."""
        if self._said or not await self._in_private():
            return
        try:
            self._said = await say(self._connector, self._place, card, self._thread)
        except NotSaid as why:
            log.info("progress not said", **self._about(str(why)))

    async def say(self, card: Card) -> None:
        allowed = await self._in_private()
        try:
            await self._deliver(card if allowed else Card(NOT_ALONE, private=True))
        except NotSaid as why:
            log.warning("answer not delivered", **self._about(str(why)))

    async def _deliver(self, card: Card) -> None:
        if not self._said or not await self._in_its_place(card):
            await say(self._connector, self._place, card, self._thread)

    async def _in_its_place(self, card: Card) -> bool:
        """False where the earlier message is gone, or cannot become this card. Raises NotSaid."""
        try:
            await self._connector.change(self._place, self._said, message(card), self._thread)
        except NotSaid as refused:
            if not isinstance(refused, MessageGone) and refused.status not in DRAWN_WRONG:
                raise
            log.info("said anew", **self._about(str(refused)))
            return False
        return True

    async def _in_private(self) -> bool:
        """Moves to a chat with the person where nobody else is to see it; False where there is none to be had."""
        if not self._errand.private or self._alone:
            return True
        try:
            self._place = await self._connector.aside(self._errand.conversation, self._errand.user)
        except NotSaid as why:
            log.info("no chat with the person", **self._about(str(why)))
            return False
        self._thread, self._alone = "", True
        return True

    def _about(self, why: str) -> dict[str, str]:
        room = self._errand.conversation.room
        return {"platform": "teams", "team": room.space, "channel": room.channel, "why": why}
