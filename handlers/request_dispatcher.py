"""Acknowledges requests at once and answers them through the task queue.

While the queue is unavailable, requests are answered in this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar

from bot.storage import StoreUnavailable
from bot.storage.deduplicator import Deduplicator
from handlers.background import TaskSet
from handlers.message import Card
from handlers.messages import refusal_card
from handlers.ports import Ack, ChatRequest, CommandHandler
from handlers.verbs import VerbTable

DRAIN_S = 10.0
PROGRESS_INTERVAL_S = 2.0  # between two progress messages
ENQUEUE_DELAY_S = 0.003  # lets the acknowledgement leave first
SLOW_NOTE = "Some name servers are slow to answer; the result follows here."
BUSY = "Too many checks are under way; please try again in a minute."

Enqueue = Callable[[dict[str, str]], Awaitable[None]]


class Request(Protocol):
    """A platform's request; `to_job` is its serialized form for the queue."""

    @property
    def id(self) -> str: ...

    @property
    def chat_request(self) -> ChatRequest: ...

    def to_job(self, verbs: VerbTable[Any], /) -> dict[str, str]: ...


class Responder(Protocol):
    """Answers one request by whatever way is open. Raises nothing."""

    async def progress(self, card: Card, /) -> None:
        """Show progress, replacing earlier progress; the answer replaces it."""

    async def send(self, card: Card, /) -> None: ...


RequestT = TypeVar("RequestT", bound=Request)


class RequestDispatcher(Generic[RequestT]):
    """Acknowledges, enqueues and answers requests of one platform.

    `enqueue` hands a job to a process that calls `deliver`, which reads it with `read_job`; while it
    soon raises StoreUnavailable, the request is answered here. `progress_after` is in seconds.
    """

    def __init__(
        self,
        commands: CommandHandler,
        enqueue: Enqueue,
        read_job: Callable[[Mapping[str, str]], RequestT],
        responder: Callable[[RequestT], Responder],
        progress_after: float,
    ) -> None:
        self._commands, self._submit, self._read_job = commands, enqueue, read_job
        self._responder, self._progress_after = responder, progress_after
        self._answered_here, self.tasks, self._enqueuing = (Deduplicator(), TaskSet(), TaskSet())

    # Accepting

    async def accept(self, request: RequestT) -> Ack:
        """Acknowledge a request once it is queued or running here."""
        ack = self._commands.acknowledge(request.chat_request)
        return ack if not ack.needs_work or await self._enqueue(request) else busy_ack()

    def accept_nowait(self, request: RequestT) -> Ack:
        """Acknowledge first and enqueue right after, for platforms with a short deadline."""
        ack = self._commands.acknowledge(request.chat_request)
        if ack.needs_work and (self.tasks.full or not self._enqueuing.start(self._enqueue(request, acknowledged=True))):
            return busy_ack()
        return ack

    async def wait_enqueued(self) -> None:
        """Wait until all accepted requests are queued or running here."""
        await self._enqueuing.drain(DRAIN_S)

    async def drain(self) -> None:
        """Finish all accepted requests."""
        await self.wait_enqueued()
        await self.tasks.drain(DRAIN_S)
        await self.wait_enqueued()  # requests that the drained work accepted

    async def _enqueue(self, request: RequestT, acknowledged: bool = False) -> bool:
        """Enqueue or run a request; False if the queue is unavailable and this process is at its limit.

        An acknowledgement on its way leaves first, and a refusal then follows it.
        """
        if acknowledged:
            await asyncio.sleep(ENQUEUE_DELAY_S)
        try:
            await self._submit(request.to_job(self._commands.verbs))
        except StoreUnavailable:
            self._answered_here.seen_locally(request.id)  # the queue may have accepted it all the same
            if not self.tasks.start(self._answer(request)):
                if acknowledged:
                    await self._responder(request).send(busy_ack().card)
                return False
        return True

    # Answering

    def send(self, request: RequestT, card: Card) -> None:
        """Send a card that needs no work, where an acknowledgement cannot carry it."""
        self.tasks.start(self._responder(request).send(card))

    async def deliver(self, job: Mapping[str, str]) -> None:
        """Answer a queued request, unless this process has answered it already."""
        request = self._read_job(job)
        if not self._answered_here.seen_locally(request.id):
            await self._answer(request)

    async def _answer(self, request: RequestT) -> None:
        reply, progress, chat_request = self._responder(request), Progress(), request.chat_request
        begun: Card | None = None
        async with asyncio.TaskGroup() as group:
            answer = group.create_task(self._commands.handle(chat_request, progress))
            async for text in progress.updates(answer, self._progress_after):
                begun = begun or self._commands.acknowledge(chat_request).card
                await reply.progress(progress_card(begun, text))
            await reply.send(await answer)


class Progress:
    """Latest progress text of an answer; set by calling it, from any thread."""

    def __init__(self) -> None:
        self._text = ""

    def __call__(self, text: str) -> None:
        self._text = text

    async def updates(
        self, answer: asyncio.Task[Card], after: float, interval: float = PROGRESS_INTERVAL_S
    ) -> AsyncIterator[str]:
        """Progress texts until the answer is done.

        The first after `after` seconds, then each changed text, at least `interval` seconds apart.
        """
        last_text: str | None = None
        await asyncio.wait({answer}, timeout=after)
        while not answer.done():
            if self._text != last_text:
                last_text = self._text
                yield last_text
            await asyncio.wait({answer}, timeout=interval)


def progress_card(acknowledgement: Card, text: str) -> Card:
    """The acknowledgement card with a progress text as its footnote."""
    return replace(acknowledgement, footnote=text or acknowledgement.footnote or SLOW_NOTE)


def busy_ack() -> Ack:
    return Ack(refusal_card(BUSY), needs_work=False)
