"""A pressed button, answered while Teams waits: with the card that stands in its place from now on, for all to see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from handlers.background import Work
from handlers.message import Card
from handlers.ports import Answering, Room
from handlers.request_dispatcher import answered, busy
from handlers.teams.requests import Errand
from handlers.teams.responder import Reply


@dataclass(frozen=True, slots=True)
class Pressed:
    """What Teams is told: the card that takes the place of the pressed one, or a sentence under it."""

    under: Card
    instead: Card | None = None


@dataclass(slots=True, eq=False)
class _Press:
    """One that is being answered; `drawn` is what its command put in the place of the message meanwhile."""

    errand: Errand
    drawn: Card | None = None


class Presses:
    """`within` is how long Teams may be made to wait, in seconds; what takes longer follows by itself."""

    def __init__(self, commands: Answering, work: Work, reply: Callable[[Errand], Reply], within: float) -> None:
        self._commands, self._work, self._reply, self._within = commands, work, reply, within
        self._open: set[_Press] = set()

    def redrawn(self, room: Room, message: str, card: Card) -> None:
        """A message was changed for all; whoever is pressing a button of it sees that, too."""
        for press in self._open:
            if (press.errand.conversation.room, press.errand.pressed) == (room, message):
                press.drawn = card

    async def answer(self, errand: Errand) -> Pressed:
        ack = self._commands.acknowledgement(errand.ask)
        if not ack.work:
            return Pressed(ack.card)
        press = _Press(errand)
        answering = asyncio.create_task(self._answered(press))
        await asyncio.wait({answering}, timeout=self._within)
        in_time = answering.done()
        if not self._work.start(self._show(press, answering, in_time)) and not in_time:
            answering.cancel()
            return Pressed(busy().card)
        if not in_time:
            return Pressed(ack.card)
        return Pressed(answering.result(), _instead(press, answering.result()))

    async def _answered(self, press: _Press) -> Card:
        self._open.add(press)
        try:
            return await answered(self._commands, press.errand.ask)
        finally:
            self._open.discard(press)

    async def _show(self, press: _Press, answering: asyncio.Task[Card], in_time: bool) -> None:
        """The answer for all to see; one for a single person is said only if they have not been told."""
        card, errand = await answering, press.errand
        if card == press.drawn:
            return
        if card.private:
            errand = replace(errand, in_place=False)
        if not (card.private and in_time):
            await self._reply(errand).say(card)


def _instead(press: _Press, card: Card) -> Card | None:
    return press.drawn or (card if press.errand.in_place and not card.private else None)
