"""The desk where a platform hands in its errands: acknowledged at once, answered by whoever has time for it.

That is a worker behind the queue; where the queue is away, it is this process. Whoever answers says how long it takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

import structlog

from handlers.background import Away, Fuse, Seen, Work
from handlers.message import Card
from handlers.messages import broken_card, refusal_card
from handlers.ports import Ack, Answering, Ask, Told, untold

DRAIN_S = 10.0
APART_S = 2.0  # between two words of how far an answer is
ACK_FIRST_S = 0.003  # for the acknowledgement to be on its way
STILL_AT_IT = "Some name servers are slow to answer; the result follows here."
BUSY = "Too many checks are under way; please try again in a minute."

Enqueue = Callable[[dict[str, str]], Awaitable[None]]

log = structlog.get_logger()


class Errand(Protocol):
    """One thing a person asked for, as a platform writes it down; `job` is the errand as text, for a queue."""

    @property
    def id(self) -> str: ...

    @property
    def ask(self) -> Ask: ...

    def job(self) -> dict[str, str]: ...


class Reply(Protocol):
    """All that is said to one errand, on whatever way is open. Nothing is raised."""

    async def progress(self, card: Card, /) -> None:
        """That the work goes on, and how far it is; in the place of the word before, and the answer takes its place."""

    async def say(self, card: Card, /) -> None: ...


E = TypeVar("E", bound=Errand)


class Desk(Generic[E]):
    """`enqueue` takes a job that some process gives to `answer_job`; while it fails, or hangs as `store` sees it, the work
    is done here and now. `progress_after` is when a person hears that the work goes on, in seconds.
    """

    def __init__(
        self,
        commands: Answering,
        enqueue: Enqueue,
        store: Fuse,
        reply: Callable[[E], Reply],
        progress_after: float,
    ) -> None:
        self._commands, self._enqueue, self._store = commands, enqueue, store
        self._reply, self._progress_after = reply, progress_after
        self._done_here, self.work, self._handing = Seen(), Work(), Work()

    # Taking

    async def take(self, errand: E) -> Ack:
        """What to say at once; by then the errand is in safe hands."""
        ack = self._commands.acknowledgement(errand.ask)
        return ack if not ack.work or await self._hand_over(errand) else busy()

    def take_unwaited(self, errand: E) -> Ack:
        """The same where the platform has no time: the errand is handed over right behind the acknowledgement."""
        ack = self._commands.acknowledgement(errand.ask)
        if ack.work and (self.work.full or not self._handing.start(self._hand_over_soon(errand))):
            return busy()
        return ack

    async def handed_over(self) -> None:
        """Waits until the queue has, or has refused, what was taken so far."""
        await self._handing.drain(DRAIN_S)

    async def drain(self) -> None:
        """Finishes what was begun."""
        await self.handed_over()
        await self.work.drain(DRAIN_S)
        await self.handed_over()  # a form that was not opened is asked for in words

    async def _hand_over(self, errand: E) -> bool:
        """False where nobody can do it: the queue is away, and there is too much to do here."""
        try:
            await self._store.through(lambda: self._enqueue(errand.job()))
        except Away:
            self._done_here.here(errand.id)  # the queue may have taken it all the same
            return self.work.start(self._answer(errand))
        return True

    async def _hand_over_soon(self, errand: E) -> None:
        await asyncio.sleep(ACK_FIRST_S)
        if not await self._hand_over(errand):
            await self._reply(errand).say(busy().card)

    # Answering

    def say(self, errand: E, card: Card) -> None:
        """Says a card that nothing has to be looked up for, where an acknowledgement cannot carry it."""
        self.work.start(self._reply(errand).say(card))

    async def answer_job(self, errand: E) -> None:
        """Answers an errand that came through the queue, unless that was done here already."""
        if not self._done_here.here(errand.id):
            await self._answer(errand)

    async def _answer(self, errand: E) -> None:
        reply, course = self._reply(errand), Course()
        async with asyncio.TaskGroup() as group:
            answer = group.create_task(answered(self._commands, errand.ask, course))
            async for words in course.news(answer, self._progress_after):
                await reply.progress(under_way(self._commands.acknowledgement(errand.ask).card, words))
            await reply.say(await answer)


class Course:
    """How far an answer is, as it was told last; told by calling it, from any thread."""

    def __init__(self) -> None:
        self._words = ""

    def __call__(self, words: str) -> None:
        self._words = words

    async def news(self, answer: asyncio.Task[Card], after: float, apart: float = APART_S) -> AsyncIterator[str]:
        """What is worth a word while the answer is being made: that it takes long, `after` seconds from now, and from then
        on how far it is, where that has changed, `apart` seconds from the word before."""
        said: str | None = None
        await asyncio.wait({answer}, timeout=after)
        while not answer.done():
            if self._words != said:
                said = self._words
                yield said
            await asyncio.wait({answer}, timeout=apart)


def under_way(begun: Card, words: str) -> Card:
    """What was said at once, with how far the answer is."""
    return replace(begun, footnote=words or begun.footnote or STILL_AT_IT)


async def answered(commands: Answering, ask: Ask, told: Told = untold) -> Card:
    """The answer, or one sentence where the command broke: its details are for the log."""
    try:
        return await commands.answer(ask, told)
    except Exception:
        log.exception("command broke", platform=ask.room.platform, channel=ask.room.channel)
        return broken_card()


def busy() -> Ack:
    return Ack(refusal_card(BUSY), work=False)
