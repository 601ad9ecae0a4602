from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis

from bot.models import Answer, LookupFailed
from bot.storage.cache import LONGEST_ANSWER_S, REPORT_S, AnswerCache, Remembered, ReportCache
from bot.storage.circuit_breaker import Circuit
from bot.storage.redis_client import client
from tests.support.redis_server import RedisServer
from tests.support.single_flight_process import QUESTIONS

YES = Answer("listed.example", "A", ("127.0.0.2", "127.0.0.4"), ttl=300, authentic=True)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Asking:
    """Stands for DNS: gives this answer, or raises it, and counts how often it was asked."""

    def __init__(self, answer: Answer | Exception = YES) -> None:
        self.answer = answer
        self.times = 0
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self) -> Answer:
        self.times += 1
        self.asked.set()
        await self.go.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(autouse=True)
async def every_cache_key_has_a_ttl(redis: Redis) -> AsyncIterator[None]:
    """Cache keys without one would fill a Redis that never evicts."""
    yield
    keys = [key async for key in redis.scan_iter("*")]
    assert [key for key in keys if await redis.pttl(key) < 0] == []


@pytest.fixture
def cache(redis: Redis) -> AnswerCache:
    return AnswerCache(Circuit(redis))


async def fetch(cache: AnswerCache, ask: Callable[[], Awaitable[Answer]], name: str = YES.name) -> Answer:
    answer = await cache.fetch(name, "A", ask)
    await cache.settle()
    return answer


@pytest.mark.parametrize(
    "answer",
    [
        YES,
        Answer("clean.example", "A", exists=False, ttl=60),
        Answer("empty.example", "A", ttl=60),
        Answer("odd.example", "A", ("\ufffd “quoted” \\ / \x00", "?", "="), ttl=60),
        Answer("many.example", "A", tuple(f"192.0.2.{n}" for n in range(200)), ttl=60),
    ],
)
async def test_an_answer_comes_back_as_it_went_in(cache: AnswerCache, answer: Answer) -> None:
    ask = Asking(answer)
    assert await fetch(cache, ask, answer.name) == answer
    assert abs((again := await fetch(cache, ask, answer.name)).ttl - answer.ttl) <= 1
    assert (again.records, again.exists, again.authentic) == (answer.records, answer.exists, answer.authentic)
    assert ask.times == 1


@pytest.mark.parametrize(
    ("ttl", "kept_s"),
    [(0, None), (-5, None), (1, 1), (300, 300), (86_400, LONGEST_ANSWER_S), (2**31, LONGEST_ANSWER_S)],
)
@pytest.mark.parametrize("exists", [True, False])
async def test_an_answer_is_kept_as_long_as_it_says_and_an_hour_at_most(
    redis: Redis, cache: AnswerCache, ttl: int, kept_s: int | None, exists: bool
) -> None:
    await fetch(cache, Asking(Answer(YES.name, "A", ttl=ttl, exists=exists)))
    kept = [await redis.pttl(key) async for key in redis.scan_iter("*")]
    assert kept == ([] if kept_s is None else [pytest.approx(kept_s * 1000, abs=500)])


async def test_a_question_is_the_same_in_capitals_and_another_in_another_kind(cache: AnswerCache) -> None:
    ask = Asking()
    await fetch(cache, ask, "Example.COM")
    assert (await cache.fetch("example.com", "A", ask)).name == "example.com"
    await cache.fetch("example.com", "TXT", ask)
    assert ask.times == 2


async def test_two_resolvers_share_no_answers(redis: Redis) -> None:
    ask, circuit = Asking(), Circuit(redis)
    await fetch(AnswerCache(circuit, view="192.0.2.53"), ask)
    await fetch(AnswerCache(circuit, view="198.51.100.53"), ask)
    assert ask.times == 2


async def test_the_key_of_a_key_zone_is_nowhere_in_redis(redis: Redis, cache: AnswerCache) -> None:
    await fetch(cache, Asking(), "4.2.0.192.hush-1.zen.dq.spamhaus.example")
    (key,) = await redis.keys("*")
    assert "hush-1" not in str(key)
    assert "hush-1" not in str(await redis.get(key))


async def test_many_answers_are_kept_in_one_call_and_recalled_in_another(redis: Redis, cache: AnswerCache) -> None:
    answers = [Answer(f"{n}.example", "A", exists=n % 2 == 0, ttl=60 if n else 0) for n in range(100)]
    for answer in answers:
        cache.keep(answer)
    await cache.settle()
    before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    found = await cache.recall([*(answer.name for answer in answers), "other.example"], "A")
    after = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    assert {name: answer.exists for name, answer in found.items()} == {a.name: a.exists for a in answers[1:]}
    assert after - before == 1
    assert await cache.recall([answers[1].name], "TXT") == {}


async def test_a_failure_is_told_and_not_kept(redis: Redis, cache: AnswerCache) -> None:
    with pytest.raises(LookupFailed, match="timeout"):
        await fetch(cache, Asking(LookupFailed("timeout")))
    await cache.settle()
    assert await redis.dbsize() == 0
    assert await fetch(cache, Asking()) == YES


async def test_a_cancelled_question_gives_its_turn_back(redis: Redis, cache: AnswerCache) -> None:
    ask = Asking()
    ask.go.clear()
    asking = asyncio.create_task(cache.fetch(YES.name, "A", ask))
    await ask.asked.wait()
    asking.cancel()
    await asyncio.wait((asking,))
    await cache.settle()
    assert await redis.dbsize() == 0


async def test_who_waits_gets_the_answer_of_the_one_who_asks(cache: AnswerCache) -> None:
    ask = Asking()
    ask.go.clear()
    fetches = asyncio.gather(*(cache.fetch(YES.name, "A", ask) for _ in range(50)))
    await ask.asked.wait()
    ask.go.set()
    assert {answer.records for answer in await fetches} == {YES.records}
    assert ask.times == 1


async def test_who_waits_asks_as_soon_as_the_asker_has_failed(cache: AnswerCache) -> None:
    fails, works = Asking(LookupFailed("servfail")), Asking()
    fails.go.clear()
    first = asyncio.create_task(cache.fetch(YES.name, "A", fails))
    second = asyncio.create_task(cache.fetch(YES.name, "A", works))
    await fails.asked.wait()
    fails.go.set()
    with pytest.raises(LookupFailed):
        await first
    began = time.monotonic()
    assert await second == YES
    assert time.monotonic() - began < 0.5


async def test_nobody_waits_longer_than_their_patience_for_an_asker(cache: AnswerCache) -> None:
    stuck, works = Asking(), Asking()
    stuck.go.clear()
    first = asyncio.create_task(cache.fetch(YES.name, "A", stuck))
    second = asyncio.create_task(cache.fetch(YES.name, "A", works))
    began = time.monotonic()
    assert await second == YES
    assert 1.4 < time.monotonic() - began < 2
    stuck.go.set()
    await first
    await cache.settle()


@pytest.mark.parametrize("garbage", ["=not json", "=[1]", "=7", "=[true,false,7]", "rubbish", ""])
async def test_an_unreadable_entry_is_asked_again_and_replaced(redis: Redis, cache: AnswerCache, garbage: str) -> None:
    ask = Asking()
    await fetch(cache, ask)
    (key,) = await redis.keys("*")
    await redis.set(key, garbage, px=2000)
    assert await fetch(cache, ask) == YES
    assert (await fetch(cache, ask)).records == YES.records
    assert ask.times == 2


async def test_an_entry_of_another_type_hurts_no_other_question(redis: Redis, cache: AnswerCache) -> None:
    ask = Asking()
    await fetch(cache, ask)
    (key,) = await redis.keys("*")
    await redis.delete(key)
    await redis.rpush(key, "a list")
    await redis.expire(key, 60)
    answers = await asyncio.gather(*(cache.fetch(name, "A", ask) for name in (YES.name, "b.example", "c.example")))
    await cache.settle()
    assert {answer.records for answer in answers} == {YES.records}
    assert not cache.away


async def test_two_hundred_questions_cost_a_handful_of_round_trips(redis: Redis, cache: AnswerCache) -> None:
    names = [f"{number}.example" for number in range(200)]
    before = (await redis.info("commandstats")).get("cmdstat_evalsha", {"calls": 0})["calls"]
    for _ in range(2):
        await asyncio.gather(*(cache.fetch(name, "A", Asking()) for name in names))
        await cache.settle()
    after = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    assert after - before <= 12


async def test_of_two_processes_one_asks_each_question(redis: Redis, redis_url: str) -> None:
    async def begin() -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.single_flight_process", redis_url, stdin=PIPE, stdout=PIPE
        )

    processes = [await begin(), await begin()]
    for process in processes:
        assert process.stdout is not None
        await process.stdout.readline()
    said = [(await process.communicate(b"\n"))[0].split() for process in processes]
    assert [int(answers) for _, answers in said] == [QUESTIONS, QUESTIONS]
    assert sum(int(asked) for asked, _ in said) == QUESTIONS


async def test_a_hung_redis_costs_a_quarter_of_a_second_once(redis: Redis, redis_server: RedisServer) -> None:
    clock = Clock()
    async with client(redis_server.url, 1.0) as hangs:
        circuit = Circuit(hangs, clock=clock)
        cache, reports, health = AnswerCache(circuit), ReportCache(circuit), Remembered(circuit, "health")
        await fetch(cache, Asking())
        with redis_server.hung():
            began = time.monotonic()
            ask = Asking()
            answers = await asyncio.gather(*(cache.fetch(f"{n}.example", "A", ask) for n in range(200)))
            assert [answer.records for answer in answers] == [YES.records] * 200
            assert cache.away
            assert await reports.fetch("order", lambda: text("made")) == ("made", False)
            assert await health.recall(["zen"]) == {}
            await health.remember({"zen": "alive"}, 60)
            assert time.monotonic() - began < 0.4
        assert cache.away  # until its time is over, also when Redis is back
        clock.now += 5
        assert not cache.away
        assert (await fetch(cache, ask)).records == YES.records
        assert ask.times == 200  # the answer from before


async def test_a_redis_that_is_gone_is_done_without() -> None:
    async with client("redis://127.0.0.1:1", 1.0) as gone:
        cache = AnswerCache(Circuit(gone))
        assert not cache.away
        assert await fetch(cache, Asking()) == YES
        assert cache.away


async def text(value: str) -> str:
    return value


async def test_the_same_order_asked_again_is_one_check(redis: Redis) -> None:
    reports = ReportCache(Circuit(redis))
    assert await reports.fetch("192.0.2.1 as mta", lambda: text("one")) == ("one", False)
    await reports.settle()
    assert await reports.fetch("192.0.2.1 as mta", lambda: text("two")) == ("one", True)
    assert await reports.fetch("192.0.2.1 as client", lambda: text("other")) == ("other", False)
    (key, *_) = await redis.keys("*")
    assert 0 < await redis.ttl(key) <= REPORT_S


async def test_a_fresh_report_is_made_and_takes_the_place_of_the_old(redis: Redis) -> None:
    reports = ReportCache(Circuit(redis))
    await reports.fetch("order", lambda: text("old"))
    await reports.settle()
    assert await reports.fetch("order", lambda: text("new"), fresh=True) == ("new", False)
    await reports.settle()
    assert await reports.fetch("order", lambda: text("newer")) == ("new", True)


async def test_ten_people_who_ask_at_once_get_one_report(redis: Redis) -> None:
    made = 0

    async def make() -> str:
        nonlocal made
        made += 1
        await asyncio.sleep(0)
        return "report"

    caches = [ReportCache(Circuit(redis)) for _ in range(10)]
    got = await asyncio.gather(*(cache.fetch("order", make) for cache in caches))
    assert sorted(got) == [("report", False)] + [("report", True)] * 9
    assert made == 1


async def test_what_is_remembered_is_recalled_until_it_goes_stale(redis: Redis) -> None:
    health = Remembered(Circuit(redis), "health")
    await health.remember({"zen": "alive", "sorbs": "emptied"}, 60)
    await health.remember({"never": "kept"}, 0)
    assert await health.recall(["zen", "sorbs", "other", "never"]) == {"zen": "alive", "sorbs": "emptied"}
    assert await health.recall([]) == {}
    assert await Remembered(Circuit(redis), "health", view="192.0.2.53").recall(["zen"]) == {}
    assert {await redis.ttl(key) for key in await redis.keys("*")} <= {59, 60}
