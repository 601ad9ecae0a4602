from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bot.models import Answer, LookupFailed
from bot.net.dns_resolver import Manner, Resolver


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Wire:
    """A transport that answers when told to, and remembers what it was asked."""

    def __init__(self, ttl: int = 60) -> None:
        self.asked: list[tuple[str, str, bool]] = []
        self.cancelled = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.ttl = ttl
        self.fails: str | None = None

    async def query(self, name: str, kind: str, *, deadline_s: float = 3.0, bulk: bool = False) -> Answer:
        self.asked.append((name, kind, bulk))
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fails:
            raise LookupFailed(self.fails)
        return Answer(name, kind, (f"answer {len(self.asked)}",), ttl=self.ttl)


class Shelf:
    """A shared cache in a dict."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Answer] = {}

    async def fetch(
        self, name: str, kind: str, ask: Callable[[], Awaitable[Answer]], /, *, fresh: bool = False
    ) -> Answer:
        if fresh or (name, kind) not in self.kept:
            self.kept[name, kind] = await ask()
        return self.kept[name, kind]


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_an_answer_is_remembered_until_its_ttl_is_over() -> None:
    wire, clock = Wire(ttl=60), Clock()
    resolver = Resolver(wire, identity="192.0.2.53", clock=clock)
    first = await resolver("example.com", "TXT")
    clock.now += 59
    assert await resolver("Example.COM.", "TXT") == Answer("example.com", "TXT", first.records, ttl=1)
    clock.now += 1
    assert (await resolver("example.com", "TXT")).records == ("answer 2",)
    assert len(wire.asked) == 2


@pytest.mark.parametrize(("ttl", "after", "asked"), [(86400, 3599, 1), (86400, 3600, 2), (0, 0, 2), (1, 1, 2)])
async def test_nothing_is_kept_for_longer_than_an_hour_and_ttl_0_not_at_all(ttl: int, after: float, asked: int) -> None:
    wire, clock = Wire(ttl), Clock()
    resolver = Resolver(wire, identity="192.0.2.53", clock=clock)
    await resolver("example.com", "A")
    clock.now += after
    await resolver("example.com", "A")
    assert len(wire.asked) == asked


async def test_one_question_serves_a_hundred_callers() -> None:
    wire = Wire()
    wire.may_answer.clear()
    resolver = Resolver(wire, identity="192.0.2.53")
    callers = [asyncio.create_task(resolver("example.com", "TXT")) for _ in range(100)]
    await turns()
    wire.may_answer.set()
    answers = await asyncio.gather(*callers)
    assert {answer.records for answer in answers} == {("answer 1",)}
    assert len(wire.asked) == 1


async def test_a_caller_who_leaves_takes_nothing_from_the_others() -> None:
    wire = Wire()
    wire.may_answer.clear()
    resolver = Resolver(wire, identity="192.0.2.53")
    leaves, stays = (asyncio.create_task(resolver("example.com", "TXT")) for _ in range(2))
    await turns()
    leaves.cancel()
    await turns()
    wire.may_answer.set()
    assert (await stays).records == ("answer 1",)
    assert leaves.cancelled()
    assert wire.cancelled == 0


async def test_a_question_nobody_waits_for_is_taken_back() -> None:
    wire = Wire()
    wire.may_answer.clear()
    resolver = Resolver(wire, identity="192.0.2.53")
    callers = [asyncio.create_task(resolver("example.com", "TXT")) for _ in range(3)]
    await turns()
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    await turns()
    assert wire.cancelled == 1
    wire.may_answer.set()
    assert (await resolver("example.com", "TXT")).records == ("answer 2",)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_failure_reaches_everyone_and_is_forgotten() -> None:
    wire = Wire()
    wire.may_answer.clear()
    wire.fails = "servfail"
    resolver = Resolver(wire, identity="192.0.2.53")
    callers = [asyncio.create_task(resolver("example.com", "TXT")) for _ in range(3)]
    await turns()
    wire.may_answer.set()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["servfail"] * 3
    wire.fails = None
    assert (await resolver("example.com", "TXT")).records == ("answer 2",)


async def test_a_fresh_look_reads_no_cache_and_fills_it() -> None:
    wire, shelf = Wire(), Shelf()
    resolver = Resolver(wire, identity="192.0.2.53", shared=shelf)
    await resolver("example.com", "TXT")
    fresh = resolver.fresh()
    answers = await asyncio.gather(*(fresh("example.com", "TXT") for _ in range(10)))
    assert {answer.records for answer in answers} == {("answer 2",)}
    assert (await resolver("example.com", "TXT")).records == ("answer 2",)
    assert shelf.kept["example.com", "TXT"].records == ("answer 2",)


async def test_what_another_process_learned_is_not_asked_again() -> None:
    wire, shelf = Wire(), Shelf()
    shelf.kept["example.com", "TXT"] = Answer("example.com", "TXT", ("v=spf1 -all",), ttl=20)
    resolver = Resolver(wire, identity="192.0.2.53", shared=shelf)
    assert (await resolver("example.com", "TXT")).records == ("v=spf1 -all",)
    assert wire.asked == []
    shelf.kept.clear()
    await resolver("example.com", "TXT")
    assert wire.asked == []


async def test_the_least_used_answers_make_room() -> None:
    wire = Wire()
    resolver = Resolver(wire, identity="192.0.2.53", size=3)
    for name in ("a", "b", "c", "a", "d", "a", "b"):
        await resolver(f"{name}.example", "A")
    assert [name[0] for name, _, _ in wire.asked] == ["a", "b", "c", "d", "b"]


async def test_a_person_does_not_wait_behind_the_same_question_of_a_sweep() -> None:
    wire = Wire()
    wire.may_answer.clear()
    resolver = Resolver(wire, identity="192.0.2.53")
    sweep = resolver.asking(Manner(bulk=True))
    callers = [asyncio.create_task(look("example.com", "A")) for look in (sweep, resolver)]
    await turns()
    assert sorted(bulk for _, _, bulk in wire.asked) == [False, True]
    wire.may_answer.set()
    await asyncio.gather(*callers)
