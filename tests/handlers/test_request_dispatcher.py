"""What happens to an errand between the acknowledgement and the answer, whatever the platform."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import pytest

from handlers.background import Fuse, Work
from handlers.message import Card
from handlers.ports import Ask, Room
from handlers.request_dispatcher import BUSY, STILL_AT_IT, Course, Desk, under_way
from tests.handlers.slack.conftest import ANSWER, BAD_INPUT, Scripted

QUESTION = "203.0.113.5 example.com"
numbers = count(1)


@dataclass(frozen=True)
class Errand:
    text: str = QUESTION
    id: str = field(default_factory=lambda: str(next(numbers)))

    @property
    def ask(self) -> Ask:
        return Ask(Room("paper", "office", "letters"), "ada", self.text)

    def job(self) -> dict[str, str]:
        return {"id": self.id, "text": self.text}


@dataclass
class Office:
    """A desk, its queue, and everything that was said. The queue `works`, `fails`, or `hangs` with the job taken."""

    queue: str = "works"
    progress_after: float = 5.0
    commands: Scripted = field(default_factory=Scripted)
    jobs: list[dict[str, str]] = field(default_factory=list)
    said: list[Card] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.commands.free.set()
        store = Fuse(within=0.01)
        self.desk: Desk[Errand] = Desk(self.commands, self._enqueue, store, lambda _: self, self.progress_after)

    async def _enqueue(self, job: dict[str, str]) -> None:
        if self.queue == "fails":
            raise ConnectionError
        self.jobs.append(job)
        if self.queue == "hangs":
            await asyncio.Event().wait()

    async def progress(self, card: Card) -> None:
        await self.say(card)

    async def say(self, card: Card) -> None:
        self.said.append(card)
        self.news.set()

    @contextmanager
    def full(self) -> Iterator[None]:
        """With as much to do as the desk takes."""
        self.desk.work, free = Work(most=0), self.desk.work
        yield
        self.desk.work = free


async def test_what_is_taken_is_in_the_queue_and_no_work_was_done() -> None:
    office, errand = Office(), Errand()
    assert (await office.desk.take(errand)).work
    assert (office.jobs, office.commands.asked) == ([errand.job()], [])


async def test_an_acknowledgement_that_may_not_wait_comes_before_the_queue_is_asked() -> None:
    office, errand = Office(), Errand()
    assert office.desk.take_unwaited(errand).work
    assert office.jobs == []
    await office.desk.handed_over()
    assert (office.jobs, office.said) == ([errand.job()], [])


async def test_what_is_refused_at_sight_is_no_work() -> None:
    office = Office()
    for ack in (await office.desk.take(Errand("nonsense")), office.desk.take_unwaited(Errand("nonsense"))):
        assert (ack.card, ack.work) == (BAD_INPUT, False)
    await office.desk.drain()
    assert office.jobs == []


async def test_a_job_is_answered() -> None:
    office = Office()
    await office.desk.answer_job(Errand())
    assert office.said == [ANSWER]


@pytest.mark.parametrize("unwaited", [False, True])
@pytest.mark.parametrize("queue", ["fails", "hangs"])
async def test_with_the_queue_away_the_work_is_done_here_and_only_once(queue: str, unwaited: bool) -> None:
    office, errand = Office(queue), Errand()
    ack = office.desk.take_unwaited(errand) if unwaited else await office.desk.take(errand)
    assert ack.work
    await office.desk.drain()
    await office.desk.answer_job(errand)  # the queue had it after all
    assert office.said == [ANSWER]


async def test_with_too_much_to_do_nothing_more_is_taken() -> None:
    office = Office("fails")
    with office.full():
        for ack in (await office.desk.take(Errand()), office.desk.take_unwaited(Errand())):
            assert (ack.card.title, ack.work) == (BUSY, False)


async def test_what_can_be_done_nowhere_after_all_is_said() -> None:
    office = Office("fails")
    assert office.desk.take_unwaited(Errand()).work
    with office.full():
        await office.desk.handed_over()
    assert [card.title for card in office.said] == [BUSY]


async def test_a_slow_answer_says_once_that_it_goes_on() -> None:
    office = Office(progress_after=0.01)
    office.commands.free.clear()
    answering = asyncio.create_task(office.desk.answer_job(Errand()))
    await office.news.wait()
    assert [card.footnote for card in office.said] == [STILL_AT_IT]
    office.commands.free.set()
    await answering
    assert office.said[1:] == [ANSWER]


async def test_a_command_that_breaks_is_one_sentence_without_its_details() -> None:
    office = Office()
    await office.desk.answer_job(Errand("broken"))
    [card] = office.said
    assert card.title.startswith("Something broke here")
    assert "secret detail" not in repr(card)


async def test_work_under_way_is_finished_at_shutdown() -> None:
    office = Office("fails")
    office.commands.free.clear()
    await office.desk.take(Errand())
    draining = asyncio.create_task(office.desk.drain())
    office.commands.free.set()
    await draining
    assert office.said == [ANSWER]


async def test_what_is_told_of_an_answer_is_said_when_it_changed_and_never_too_often() -> None:
    """Told a thousand times between two words, only the last one is said; told nothing new, nothing is said."""
    course, answer = Course(), asyncio.create_task(later())
    news = course.news(answer, after=0, apart=0)
    assert await anext(news) == ""
    for number in range(1_000):
        course(f"{number} of 1,000 addresses looked at")
    assert await anext(news) == "999 of 1,000 addresses looked at"
    waiting = asyncio.create_task(anext(news, None))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    answer.cancel()
    assert await waiting is None


async def test_two_words_stand_as_far_apart_as_they_should() -> None:
    course, answer = Course(), asyncio.create_task(later())
    news = course.news(answer, after=0, apart=3_600)
    await anext(news)
    course("news")
    waiting = asyncio.create_task(anext(news, None))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    answer.cancel()
    assert await waiting is None


@pytest.mark.parametrize(
    ("words", "footnote", "says"),
    [
        ("", "", STILL_AT_IT),
        ("", "62 lists", "62 lists"),
        ("3 of 4 addresses looked at", "62 lists", "3 of 4 addresses looked at"),
    ],
)
def test_what_was_said_at_once_moves_on_with_the_answer(words: str, footnote: str, says: str) -> None:
    assert under_way(Card("Checking …", footnote=footnote), words) == Card("Checking …", footnote=says)


async def later() -> Card:
    await asyncio.Event().wait()
    return Card("")
