"""A request between the acknowledgement and the answer, on any platform."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import pytest

from bot.storage.circuit_breaker import CircuitBreaker
from handlers.background import TaskSet
from handlers.commands import VERBS
from handlers.message import Card
from handlers.ports import Channel, ChatRequest
from handlers.request_dispatcher import BUSY, SLOW_NOTE, Progress, RequestDispatcher, progress_card
from tests.handlers.slack.conftest import ANSWER, BAD_INPUT, ScriptedCommands

TEXT = "203.0.113.5 example.com"
numbers = count(1)


@dataclass(frozen=True)
class FakeRequest:
    text: str = TEXT
    id: str = field(default_factory=lambda: str(next(numbers)))

    @property
    def chat_request(self) -> ChatRequest:
        return ChatRequest(Channel("fake", "workspace", "channel"), "ada", VERBS.parse(self.text))

    def to_job(self, _verbs: object = None) -> dict[str, str]:
        return {"id": self.id, "text": self.text}


@dataclass
class FakePlatform:
    """A dispatcher with its queue, and the cards that it sent.

    The queue `works`, `fails`, or `hangs` after it has accepted the job.
    """

    queue: str = "works"
    progress_after: float = 5.0
    commands: ScriptedCommands = field(default_factory=ScriptedCommands)
    jobs: list[dict[str, str]] = field(default_factory=list)
    sent: list[Card] = field(default_factory=list)
    card_sent: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.commands.released.set()
        breaker = CircuitBreaker(timeout_s=0.01)

        async def enqueue(job: dict[str, str]) -> None:
            await breaker.call(lambda: self._enqueue(job))

        self.dispatcher: RequestDispatcher[FakeRequest] = RequestDispatcher(
            self.commands, enqueue, lambda job: FakeRequest(job["text"], job["id"]), lambda _: self, self.progress_after
        )

    async def _enqueue(self, job: dict[str, str]) -> None:
        if self.queue == "fails":
            raise ConnectionError
        self.jobs.append(job)
        if self.queue == "hangs":
            await asyncio.Event().wait()

    async def progress(self, card: Card) -> None:
        await self.send(card)

    async def send(self, card: Card) -> None:
        self.sent.append(card)
        self.card_sent.set()

    @contextmanager
    def at_limit(self) -> Iterator[None]:
        """While the dispatcher accepts no more work in this process."""
        self.dispatcher.tasks, tasks = TaskSet(limit=0), self.dispatcher.tasks
        yield
        self.dispatcher.tasks = tasks


async def test_accepted_request_is_enqueued_and_not_run() -> None:
    platform, request = FakePlatform(), FakeRequest()
    assert (await platform.dispatcher.accept(request)).needs_work
    assert (platform.jobs, platform.commands.requests) == ([request.to_job()], [])


async def test_accept_nowait_acknowledges_before_enqueuing() -> None:
    platform, request = FakePlatform(), FakeRequest()
    assert platform.dispatcher.accept_nowait(request).needs_work
    assert platform.jobs == []
    await platform.dispatcher.wait_enqueued()
    assert (platform.jobs, platform.sent) == ([request.to_job()], [])


async def test_invalid_request_is_refused_without_work() -> None:
    platform = FakePlatform()
    for ack in (
        await platform.dispatcher.accept(FakeRequest("nonsense")),
        platform.dispatcher.accept_nowait(FakeRequest("nonsense")),
    ):
        assert (ack.card, ack.needs_work) == (BAD_INPUT, False)
    await platform.dispatcher.drain()
    assert platform.jobs == []


async def test_queued_job_is_answered() -> None:
    platform = FakePlatform()
    await platform.dispatcher.deliver(FakeRequest().to_job())
    assert platform.sent == [ANSWER]


@pytest.mark.parametrize("nowait", [False, True])
@pytest.mark.parametrize("queue", ["fails", "hangs"])
async def test_request_without_queue_runs_here_exactly_once(queue: str, nowait: bool) -> None:
    platform, request = FakePlatform(queue), FakeRequest()
    if nowait:
        ack = platform.dispatcher.accept_nowait(request)
    else:
        ack = await platform.dispatcher.accept(request)
    assert ack.needs_work
    await platform.dispatcher.drain()
    await platform.dispatcher.deliver(request.to_job())  # the queue had accepted it after all
    assert platform.sent == [ANSWER]


async def test_request_at_limit_without_queue_is_refused() -> None:
    platform = FakePlatform("fails")
    with platform.at_limit():
        for ack in (await platform.dispatcher.accept(FakeRequest()), platform.dispatcher.accept_nowait(FakeRequest())):
            assert (ack.card.title, ack.needs_work) == (BUSY, False)


async def test_acknowledged_request_that_cannot_run_gets_busy_card() -> None:
    platform = FakePlatform("fails")
    assert platform.dispatcher.accept_nowait(FakeRequest()).needs_work
    with platform.at_limit():
        await platform.dispatcher.wait_enqueued()
    assert [card.title for card in platform.sent] == [BUSY]


async def test_slow_answer_sends_progress_once() -> None:
    platform = FakePlatform(progress_after=0.01)
    platform.commands.released.clear()
    answering = asyncio.create_task(platform.dispatcher.deliver(FakeRequest().to_job()))
    await platform.card_sent.wait()
    assert [card.footnote for card in platform.sent] == [SLOW_NOTE]
    platform.commands.released.set()
    await answering
    assert platform.sent[1:] == [ANSWER]


async def test_drain_finishes_running_requests() -> None:
    platform = FakePlatform("fails")
    platform.commands.released.clear()
    await platform.dispatcher.accept(FakeRequest())
    draining = asyncio.create_task(platform.dispatcher.drain())
    platform.commands.released.set()
    await draining
    assert platform.sent == [ANSWER]


async def test_progress_yields_only_the_latest_changed_text() -> None:
    progress, answer = Progress(), asyncio.create_task(unfinished_answer())
    updates = progress.updates(answer, after=0, interval=0)
    assert await anext(updates) == ""
    for number in range(1_000):
        progress(f"{number} of 1,000 addresses checked")
    assert await anext(updates) == "999 of 1,000 addresses checked"
    waiting = asyncio.create_task(anext(updates, None))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    answer.cancel()
    assert await waiting is None


async def test_progress_waits_the_interval_between_updates() -> None:
    progress, answer = Progress(), asyncio.create_task(unfinished_answer())
    updates = progress.updates(answer, after=0, interval=3_600)
    await anext(updates)
    progress("changed")
    waiting = asyncio.create_task(anext(updates, None))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    answer.cancel()
    assert await waiting is None


@pytest.mark.parametrize(
    ("text", "footnote", "expected"),
    [
        ("", "", SLOW_NOTE),
        ("", "62 lists", "62 lists"),
        ("3 of 4 addresses checked", "62 lists", "3 of 4 addresses checked"),
    ],
)
def test_progress_card_footnote_is_text_or_default(text: str, footnote: str, expected: str) -> None:
    card = progress_card(Card("Checking …", footnote=footnote), text)
    assert card == Card("Checking …", footnote=expected)


async def unfinished_answer() -> Card:
    await asyncio.Event().wait()
    return Card("")
