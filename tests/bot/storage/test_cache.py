from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import pytest
from redis.asyncio import Redis

from bot.models import DnsAnswer, LookupFailed, Report, SharedFacts
from bot.storage import StoreUnavailable
from bot.storage.cache import MAX_ANSWER_TTL_S, REPORT_TTL_S, AnswerCache, RedisTextCache, ReportCache
from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.deduplicator import Deduplicator
from bot.storage.redis_client import open_client
from tests.support.redis_server import RedisServer
from tests.support.reports import CLEAN, HALF_UNKNOWN, LISTED, finding
from tests.support.reports import report as report_of
from tests.support.single_flight_process import QUERY_COUNT

T = TypeVar("T")
ANSWER = DnsAnswer("listed.example", "A", ("127.0.0.2", "127.0.0.4"), ttl=300, authentic=True)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeQuery:
    """Query double: returns this answer or raises it, and counts its calls."""

    def __init__(self, answer: DnsAnswer | Exception = ANSWER) -> None:
        self.answer = answer
        self.calls = 0
        self.started = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self) -> DnsAnswer:
        self.calls += 1
        self.started.set()
        await self.may_answer.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(autouse=True)
async def every_cache_key_has_a_ttl(redis: Redis) -> AsyncIterator[None]:
    """Keys without a TTL would fill a Redis that never evicts."""
    yield
    keys = [key async for key in redis.scan_iter("*")]
    assert [key for key in keys if await redis.pttl(key) < 0] == []


@pytest.fixture
def cache(redis: Redis) -> AnswerCache:
    return AnswerCache(redis, CircuitBreaker())


async def fetch(cache: AnswerCache, query: Callable[[], Awaitable[DnsAnswer]], name: str = ANSWER.name) -> DnsAnswer:
    answer = await cache.fetch(name, "A", query)
    await cache.flush()
    return answer


@pytest.mark.parametrize(
    "answer",
    [
        ANSWER,
        DnsAnswer("clean.example", "A", exists=False, ttl=60),
        DnsAnswer("empty.example", "A", ttl=60),
        DnsAnswer("odd.example", "A", ("\ufffd “quoted” \\ / \x00", "?", "="), ttl=60),
        DnsAnswer("www.example", "A", ("192.0.2.1",), ttl=60, aliases=("a.example", "b.example")),
        DnsAnswer("many.example", "A", tuple(f"192.0.2.{n}" for n in range(200)), ttl=60),
    ],
)
async def test_answer_round_trips_through_cache(cache: AnswerCache, answer: DnsAnswer) -> None:
    query = FakeQuery(answer)
    assert await fetch(cache, query, answer.name) == answer
    assert abs((again := await fetch(cache, query, answer.name)).ttl - answer.ttl) <= 1
    assert replace(again, ttl=answer.ttl) == answer
    assert query.calls == 1


@pytest.mark.parametrize(
    ("ttl", "stored_s"),
    [(0, None), (-5, None), (1, 1), (300, 300), (86_400, MAX_ANSWER_TTL_S), (2**31, MAX_ANSWER_TTL_S)],
)
@pytest.mark.parametrize("exists", [True, False])
async def test_answer_ttl_is_limited_to_an_hour(
    redis: Redis, cache: AnswerCache, ttl: int, stored_s: int | None, exists: bool
) -> None:
    await fetch(cache, FakeQuery(DnsAnswer(ANSWER.name, "A", ttl=ttl, exists=exists)))
    ttls = [await redis.pttl(key) async for key in redis.scan_iter("*")]
    assert ttls == ([] if stored_s is None else [pytest.approx(stored_s * 1000, abs=500)])


async def test_cache_stores_no_secret_that_a_list_repeats(redis: Redis) -> None:
    cache = AnswerCache(redis, CircuitBreaker(), "192.0.2.53", ["S3cretkey"])
    asked = DnsAnswer("5.s3cretkey.zen.example", "TXT", ("you asked 5.S3CRETKEY.zen.example",), ttl=300)
    await cache.fetch(asked.name, "TXT", FakeQuery(asked))
    await cache.flush()
    values = [await redis.get(key) for key in await redis.keys("mc1:dns:*")]
    assert values
    assert "s3cretkey" not in "".join([*map(str, values), *await redis.keys()]).lower()


async def test_cache_key_ignores_case_but_not_type(cache: AnswerCache) -> None:
    query = FakeQuery()
    await fetch(cache, query, "Example.COM")
    assert (await cache.fetch("example.com", "A", query)).name == "example.com"
    await cache.fetch("example.com", "TXT", query)
    assert query.calls == 2


async def test_resolvers_share_no_answers(redis: Redis) -> None:
    query, breaker = FakeQuery(), CircuitBreaker()
    await fetch(AnswerCache(redis, breaker, view="192.0.2.53"), query)
    await fetch(AnswerCache(redis, breaker, view="198.51.100.53"), query)
    assert query.calls == 2


async def test_customer_key_is_not_stored(redis: Redis, cache: AnswerCache) -> None:
    await fetch(cache, FakeQuery(), "4.2.0.192.hush-1.zen.dq.spamhaus.example")
    (key,) = await redis.keys("*")
    assert "hush-1" not in str(key)
    assert "hush-1" not in str(await redis.get(key))


async def test_many_answers_are_stored_and_read_in_one_call(redis: Redis, cache: AnswerCache) -> None:
    answers = [DnsAnswer(f"{n}.example", "A", exists=n % 2 == 0, ttl=60 if n else 0) for n in range(100)]
    for answer in answers:
        cache.store(answer)
    await cache.flush()
    before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    cached = await cache.get_many([*(answer.name for answer in answers), "other.example"], "A")
    after = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    assert {name: answer.exists for name, answer in cached.items()} == {a.name: a.exists for a in answers[1:]}
    assert after - before == 1
    assert await cache.get_many([answers[1].name], "TXT") == {}


async def test_failure_is_raised_uncached(redis: Redis, cache: AnswerCache) -> None:
    with pytest.raises(LookupFailed, match="timeout"):
        await fetch(cache, FakeQuery(LookupFailed("timeout")))
    await cache.flush()
    assert await redis.dbsize() == 0
    assert await fetch(cache, FakeQuery()) == ANSWER


async def test_cancelled_query_releases_its_claim(redis: Redis, cache: AnswerCache) -> None:
    query = FakeQuery()
    query.may_answer.clear()
    task = asyncio.create_task(cache.fetch(ANSWER.name, "A", query))
    await query.started.wait()
    task.cancel()
    await asyncio.wait((task,))
    await cache.flush()
    assert await redis.dbsize() == 0


async def test_followers_get_answer_of_leader(cache: AnswerCache) -> None:
    query = FakeQuery()
    query.may_answer.clear()
    fetches = asyncio.gather(*(cache.fetch(ANSWER.name, "A", query) for _ in range(50)))
    await query.started.wait()
    query.may_answer.set()
    assert {answer.records for answer in await fetches} == {ANSWER.records}
    assert query.calls == 1


@pytest.mark.parametrize("garbage", ["=not json", "=[1]", "=7", "=[true,false,7]", "rubbish", ""])
async def test_unreadable_entry_is_replaced(redis: Redis, cache: AnswerCache, garbage: str) -> None:
    query = FakeQuery()
    await fetch(cache, query)
    (key,) = await redis.keys("*")
    await redis.set(key, garbage, px=2000)
    assert await fetch(cache, query) == ANSWER
    assert (await fetch(cache, query)).records == ANSWER.records
    assert query.calls == 2


@pytest.mark.parametrize("stored", ['=[true,false,["192.0.2.99"]]', "?another-process-1"])
async def test_entry_from_before_the_clock_was_set_back_is_replaced(
    redis: Redis, cache: AnswerCache, stored: str
) -> None:
    query = FakeQuery()
    await fetch(cache, query)
    (key,) = await redis.keys("*")
    await redis.set(key, stored, ex=MAX_ANSWER_TTL_S + 3600)
    async with asyncio.timeout(1):  # a follower would wait longer
        assert await fetch(cache, query) == ANSWER
    assert query.calls == 2
    assert await redis.ttl(key) <= MAX_ANSWER_TTL_S


async def test_entry_of_wrong_type_affects_no_other_key(redis: Redis) -> None:
    query, breaker = FakeQuery(), CircuitBreaker()
    cache = AnswerCache(redis, breaker)
    await fetch(cache, query)
    (key,) = await redis.keys("*")
    await redis.delete(key)
    await redis.rpush(key, "a list")
    await redis.expire(key, 60)
    answers = await asyncio.gather(*(cache.fetch(name, "A", query) for name in (ANSWER.name, "b.example", "c.example")))
    await cache.flush()
    assert {answer.records for answer in answers} == {ANSWER.records}
    assert not breaker.is_open


async def test_two_hundred_fetches_cost_few_round_trips(redis: Redis, cache: AnswerCache) -> None:
    names = [f"{number}.example" for number in range(200)]
    before = (await redis.info("commandstats")).get("cmdstat_evalsha", {"calls": 0})["calls"]
    for _ in range(2):
        await asyncio.gather(*(cache.fetch(name, "A", FakeQuery()) for name in names))
        await cache.flush()
    after = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    assert after - before <= 12


async def test_two_processes_query_each_name_once(redis: Redis, redis_url: str) -> None:
    async def start_process() -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.single_flight_process", redis_url, stdin=PIPE, stdout=PIPE
        )

    processes = [await start_process(), await start_process()]
    for process in processes:
        assert process.stdout is not None
        await process.stdout.readline()
    outputs = [(await process.communicate(b"\n"))[0].split() for process in processes]
    assert [int(answers) for _, answers in outputs] == [QUERY_COUNT, QUERY_COUNT]
    assert sum(int(queries) for queries, _ in outputs) == QUERY_COUNT


class CountingBreaker(CircuitBreaker):
    """Counts the calls that are sent to Redis."""

    sent = 0

    async def call(self, call: Callable[[], Awaitable[T]]) -> T:
        async def counted() -> T:
            self.sent += 1
            return await call()

        return await super().call(counted)


async def test_hung_redis_costs_the_process_one_timeout(redis: Redis, redis_server: RedisServer) -> None:
    clock = Clock()
    async with open_client(redis_server.url, 1.0) as hung_client:
        breaker = CountingBreaker(clock=clock)
        cache, reports, texts = (
            AnswerCache(hung_client, breaker),
            ReportCache(hung_client, breaker),
            RedisTextCache(hung_client, breaker, "health"),
        )
        await fetch(cache, FakeQuery())
        seen_before = Deduplicator(hung_client, breaker)
        breaker.sent = 0
        with redis_server.hung():
            query = FakeQuery()
            answers = await asyncio.gather(*(cache.fetch(f"{n}.example", "A", query) for n in range(200)))
            assert [answer.records for answer in answers] == [ANSWER.records] * 200
            assert breaker.is_open
            assert await reports.fetch("order", makes(CLEAN)) == (CLEAN, False)
            assert await texts.get_many(["zen"]) == {}
            await texts.set_many({"zen": "alive"}, 60)
            assert [await seen_before(key) for key in ("event", "event")] == [False, True]
            with pytest.raises(StoreUnavailable):
                await breaker.call(hung_client.ping)
            assert breaker.sent == 1
        assert breaker.is_open  # until the breaker closes, even though Redis is back
        clock.now += 5
        assert not breaker.is_open
        assert (await fetch(cache, query)).records == ANSWER.records
        assert query.calls == 200  # cached before


async def test_unreachable_redis_is_skipped() -> None:
    async with open_client("redis://127.0.0.1:1", 1.0) as unreachable:
        breaker = CircuitBreaker()
        assert await fetch(AnswerCache(unreachable, breaker), FakeQuery()) == ANSWER
        assert breaker.is_open


def makes(report: Report) -> Callable[[], Awaitable[Report]]:
    async def make() -> Report:
        return report

    return make


async def test_repeated_request_returns_cached_report(redis: Redis) -> None:
    reports = ReportCache(redis, CircuitBreaker())
    assert await reports.fetch("192.0.2.1 as mta", makes(CLEAN)) == (CLEAN, False)
    await reports.flush()
    assert await reports.fetch("192.0.2.1 as mta", makes(LISTED)) == (CLEAN, True)
    assert await reports.fetch("192.0.2.1 as client", makes(HALF_UNKNOWN)) == (HALF_UNKNOWN, False)
    (key, *_) = await redis.keys("*")
    assert 0 < await redis.ttl(key) <= REPORT_TTL_S


async def test_fresh_report_replaces_cached_one(redis: Redis) -> None:
    reports = ReportCache(redis, CircuitBreaker())
    await reports.fetch("order", makes(CLEAN))
    await reports.flush()
    assert await reports.fetch("order", makes(LISTED), fresh=True) == (LISTED, False)
    await reports.flush()
    assert await reports.fetch("order", makes(CLEAN)) == (LISTED, True)


@pytest.mark.parametrize("fresh", [False, True])
async def test_new_report_is_returned_before_it_is_encoded(redis: Redis, fresh: bool) -> None:
    reports, facts = ReportCache(redis, CircuitBreaker()), SharedFacts(state="listed")
    made = report_of(finding("mx")._replace(facts=facts))
    returned, _ = await reports.fetch("order", makes(made), fresh)
    assert returned is made
    assert "text" not in vars(facts)
    await reports.flush()
    assert "text" in vars(facts)


async def test_report_from_before_the_clock_was_set_back_is_replaced(redis: Redis) -> None:
    old, new = report_of(finding("mx")), report_of(finding("spf"))
    reports = ReportCache(redis, CircuitBreaker())
    await reports.fetch("order", makes(old))
    await reports.flush()
    (key,) = await redis.keys("*")
    await redis.expire(key, 3600)
    assert await ReportCache(redis, CircuitBreaker()).fetch("order", makes(new)) == (new, False)


async def test_concurrent_requests_of_two_processes_share_one_report(redis: Redis) -> None:
    made = 0

    async def make() -> Report:
        nonlocal made
        made += 1
        await asyncio.sleep(0)
        return CLEAN

    caches = [ReportCache(redis, CircuitBreaker()) for _ in range(10)]
    reports = await asyncio.gather(*(cache.fetch("order", make) for cache in caches))
    assert sorted(cached for _, cached in reports) == [False] + [True] * 9
    assert all(report == CLEAN for report, _ in reports)
    assert made == 1


async def test_concurrent_requests_of_one_process_share_the_object(redis: Redis) -> None:
    reports, may_end = ReportCache(redis, CircuitBreaker()), asyncio.Event()

    async def make() -> Report:
        await may_end.wait()
        return CLEAN

    cancelled = asyncio.create_task(reports.fetch("order", make))
    others = [asyncio.create_task(reports.fetch("order", make)) for _ in range(3)]
    await asyncio.sleep(0)
    cancelled.cancel()
    may_end.set()
    results = await asyncio.gather(*others)
    assert all(report is CLEAN and cached for report, cached in results)
    await reports.flush()
    (one, _), (other, _) = await asyncio.gather(*(reports.fetch("order", makes(LISTED)) for _ in range(2)))
    assert one is other  # decoded once
    assert one == CLEAN


async def test_flush_cancels_reports_still_being_made(redis: Redis) -> None:
    reports, started = ReportCache(redis, CircuitBreaker()), asyncio.Event()

    async def never_ends() -> Report:
        started.set()
        await asyncio.Event().wait()
        return CLEAN

    waiting = asyncio.create_task(reports.fetch("order", never_ends))
    await started.wait()
    await reports.flush()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await redis.dbsize() == 0


@pytest.mark.parametrize("garbage", ["=not json", "={}", '={"target": 7}', "=[]"])
async def test_unreadable_report_is_made_again(redis: Redis, garbage: str) -> None:
    reports = ReportCache(redis, CircuitBreaker())
    await reports.fetch("order", makes(CLEAN))
    await reports.flush()
    (key,) = await redis.keys("*")
    await redis.set(key, garbage, px=2000)
    assert await reports.fetch("order", makes(LISTED)) == (LISTED, False)


async def test_report_with_text_that_is_not_unicode_is_cached(redis: Redis) -> None:
    reports, odd = ReportCache(redis, CircuitBreaker()), report_of(finding("mx", summary="a lone \ud800 surrogate"))
    await reports.fetch("order", makes(odd))
    await reports.flush()
    assert await reports.fetch("order", makes(CLEAN)) == (odd, True)


async def test_texts_are_cached_for_their_ttl(redis: Redis) -> None:
    texts = RedisTextCache(redis, CircuitBreaker(), "health")
    await texts.set_many({"zen": "alive", "sorbs": "emptied"}, 60)
    await texts.set_many({"never": "kept"}, 0)
    assert await texts.get_many(["zen", "sorbs", "other", "never"]) == {"zen": "alive", "sorbs": "emptied"}
    assert await texts.get_many([]) == {}
    assert await RedisTextCache(redis, CircuitBreaker(), "health", view="192.0.2.53").get_many(["zen"]) == {}
    assert {await redis.ttl(key) for key in await redis.keys("*")} <= {59, 60}
