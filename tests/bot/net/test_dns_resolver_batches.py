"""Batches through the caches: cached names are not queried, open queries are shared."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from bot.models import DnsAnswer, LookupFailed, LookupResult, OnAnswer
from bot.net.dns_resolver import AnswerMemory, CachedBatches
from tests.support.eventually import eventually

APEXES = ["a.example", "b.example", "c.example"]
NAMES = [f"1.{apex}" for apex in APEXES]


class FakeClient:
    """DNS client that answers the queries of a batch one by one, when allowed to."""

    def __init__(self) -> None:
        self.queries: list[list[str]] = []
        self.cancelled = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.failing: set[str] = set()

    async def query_many(
        self, label: str, apexes: Sequence[str], /, *, bulk: bool = False, on_answer: OnAnswer | None = None
    ) -> list[LookupResult]:
        names = [f"{label}.{apex}" for apex in apexes]
        self.queries.append(names)
        assert on_answer is not None
        results: list[LookupResult] = []
        try:
            for position, name in enumerate(names):
                await self.may_answer.wait()
                results.append(
                    LookupFailed("servfail") if name in self.failing else DnsAnswer(name, "A", exists=False, ttl=60)
                )
                on_answer(position, results[-1])
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return results


class FakeSharedCache:
    """Shared cache in a dict; counts its reads."""

    def __init__(self) -> None:
        self.entries: dict[str, DnsAnswer] = {}
        self.read_count = 0

    async def get_many(self, names: Sequence[str], rdtype: str, /) -> dict[str, DnsAnswer]:
        self.read_count += 1
        await asyncio.sleep(0)
        return {name: self.entries[name] for name in names if name in self.entries}

    def store(self, answer: DnsAnswer, /) -> None:
        self.entries[answer.name] = answer


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def shared_cache() -> FakeSharedCache:
    return FakeSharedCache()


@pytest.fixture
def batches(client: FakeClient, shared_cache: FakeSharedCache) -> CachedBatches:
    return make_batches(client, shared_cache)


def make_batches(client: FakeClient, shared_cache: FakeSharedCache | None) -> CachedBatches:
    return CachedBatches(client, AnswerMemory(), shared_cache)


async def run_batch(batches: CachedBatches, apexes: Sequence[str] = APEXES, fresh: bool = False) -> list[object]:
    """Run a batch; returns names and failure reasons, and checks them against the callbacks."""
    received: dict[int, LookupResult] = {}
    results = await batches.lookup_many("1", apexes, fresh=fresh, on_answer=received.__setitem__)
    assert [received[position] for position in range(len(apexes))] == results
    return [result.reason if isinstance(result, LookupFailed) else result.name for result in results]


async def run_loop(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_cached_answers_are_not_queried_again(client: FakeClient, shared_cache: FakeSharedCache) -> None:
    here = make_batches(client, shared_cache)
    assert await run_batch(here, APEXES[:2]) == NAMES[:2]
    assert await run_batch(here) == NAMES
    assert await run_batch(make_batches(client, shared_cache)) == NAMES
    assert client.queries == [NAMES[:2], NAMES[2:]]
    assert shared_cache.read_count == 3


async def test_failure_is_reported_uncached(
    client: FakeClient, shared_cache: FakeSharedCache, batches: CachedBatches
) -> None:
    client.failing = {NAMES[1]}
    assert await run_batch(batches) == [NAMES[0], "servfail", NAMES[2]]
    assert set(shared_cache.entries) == {NAMES[0], NAMES[2]}
    client.failing = set()
    assert await run_batch(batches) == NAMES
    assert client.queries == [NAMES, NAMES[1:2]]


async def test_fresh_batch_bypasses_and_fills_caches(
    client: FakeClient, shared_cache: FakeSharedCache, batches: CachedBatches
) -> None:
    await run_batch(batches)
    shared_cache.entries.clear()
    assert await run_batch(batches, fresh=True) == NAMES
    assert (client.queries, shared_cache.read_count, set(shared_cache.entries)) == ([NAMES, NAMES], 1, set(NAMES))


async def test_concurrent_batches_share_queries(client: FakeClient, batches: CachedBatches) -> None:
    client.may_answer.clear()
    tasks = [asyncio.create_task(run_batch(batches, APEXES[n % 2 :])) for n in range(10)]
    await run_loop()
    client.may_answer.set()
    assert await asyncio.gather(*tasks) == [NAMES[n % 2 :] for n in range(10)]
    assert client.queries == [NAMES]


@pytest.mark.parametrize("shared", [True, False])
async def test_cancelled_caller_leaves_shared_batch_running(
    client: FakeClient, shared_cache: FakeSharedCache, shared: bool
) -> None:
    rounds = make_batches(client, shared_cache if shared else None)
    client.may_answer.clear()
    first, second = asyncio.create_task(run_batch(rounds)), asyncio.create_task(run_batch(rounds))
    await run_loop()
    first.cancel()
    await run_loop()
    client.may_answer.set()
    assert await second == NAMES
    assert (client.queries, client.cancelled, first.cancelled()) == ([NAMES], 0, True)


async def test_batch_without_callers_is_cancelled_but_cached(
    client: FakeClient, shared_cache: FakeSharedCache, batches: CachedBatches
) -> None:
    positions: list[int] = []

    def on_answer(position: int, _: LookupResult) -> None:
        positions.append(position)
        client.may_answer.clear()

    task = asyncio.create_task(batches.lookup_many("1", APEXES, fresh=False, on_answer=on_answer))
    await eventually(lambda: bool(positions))
    task.cancel()
    await run_loop()
    assert (client.cancelled, positions) == (1, [0])
    assert set(shared_cache.entries) == {NAMES[0]}
    client.may_answer.set()
    assert await run_batch(batches) == NAMES


async def test_duplicate_zone_is_queried_once_reported_twice(client: FakeClient, batches: CachedBatches) -> None:
    assert await run_batch(batches, [*APEXES, APEXES[0]]) == [*NAMES, NAMES[0]]
    assert client.queries == [NAMES]


async def test_empty_batch_sends_no_query(client: FakeClient, batches: CachedBatches) -> None:
    assert await run_batch(batches, []) == []
    assert client.queries == []
