from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence

import pytest
from redis.asyncio import Redis

from bot.models import LookupFailed
from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.single_flight import MAX_BATCH_SIZE, CacheEntry, CrossProcessSingleFlight, RequestBatcher, load_script

REMAINING = pytest.approx(9000, abs=500)
CASES = {
    "nothing": (None, 1),
    "an answer": ("=text", ["text", REMAINING]),
    "an empty answer": ("=", ["", REMAINING]),
    "own claim, when its reply was lost": ("?me", 1),
    "claim of another process": ("?other", 0),
    "unknown format": ("odd", 1),
}


@pytest.mark.parametrize("lease_ms", [0, 9500])
@pytest.mark.parametrize(("stored", "expected"), CASES.values(), ids=CASES)
async def test_claim_script_is_idempotent(redis: Redis, stored: str | None, expected: object, lease_ms: int) -> None:
    if stored is not None:
        await redis.set("key", stored, px=9000)
    claim = redis.register_script(load_script("cache_claim.lua"))
    for _ in range(2):
        assert json.loads(await claim(["key"], [lease_ms, "me"])) == [expected]
    is_claimed = expected == 1 and lease_ms > 0
    assert await redis.get("key") == ("?me" if is_claimed else stored)


@pytest.mark.parametrize(
    ("stored", "ttl_ms", "remaining"),
    [
        ("?me", 9000, "=text"),
        ("?other", 9000, "=text"),
        (None, 9000, "=text"),
        ("?me", 0, None),
        ("?other", 0, "?other"),
        ("=text", 0, "=text"),
    ],
)
async def test_store_script_is_idempotent(redis: Redis, stored: str | None, ttl_ms: int, remaining: str | None) -> None:
    if stored is not None:
        await redis.set("key", stored, px=9000)
    store = redis.register_script(load_script("cache_store.lua"))
    for _ in range(2):
        await store(["key"], ["me", ttl_ms, "text"])
    assert await redis.get("key") == remaining


async def test_batcher_joins_requests_up_to_max_size() -> None:
    calls: list[int] = []

    async def double(numbers: Sequence[int]) -> list[int]:
        calls.append(len(numbers))
        return [2 * number for number in numbers]

    batcher = RequestBatcher(double)
    assert await asyncio.gather(*map(batcher.submit, range(MAX_BATCH_SIZE + 7))) == [
        2 * number for number in range(MAX_BATCH_SIZE + 7)
    ]
    assert calls == [MAX_BATCH_SIZE, 7]


async def test_failed_call_fails_each_request() -> None:
    async def fail(requests: Sequence[int]) -> list[int]:
        raise ValueError("no")

    batch = RequestBatcher(fail)
    futures = [batch.submit(1), batch.submit(2)]
    assert [str(error) for error in await asyncio.gather(*futures, return_exceptions=True)] == ["no", "no"]


async def test_cancelled_request_affects_no_other() -> None:
    async def echo(requests: Sequence[int]) -> list[int]:
        return list(requests)

    batch = RequestBatcher(echo)
    cancelled, waiting = batch.submit(1), batch.submit(2)
    cancelled.cancel()
    assert await waiting == 2
    await batch.flush()


async def fetch(single_flight: CrossProcessSingleFlight, make: Callable[[], Awaitable[str]]) -> str:
    text, _ = await single_flight.fetch("key", make, lambda text: CacheEntry(text, 60.0), lambda entry: entry.text)
    return text


class Leader:
    """Makes nothing until it may, and then fails."""

    def __init__(self) -> None:
        self.started, self.may_fail = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> str:
        self.started.set()
        await self.may_fail.wait()
        raise LookupFailed("servfail")


async def text() -> str:
    return "text"


@pytest.mark.parametrize("wait_timeout_s", [60.0, 0.1])
async def test_follower_fetches_once_leader_fails_or_is_late(redis: Redis, wait_timeout_s: float) -> None:
    single_flight = CrossProcessSingleFlight(redis, CircuitBreaker(), lease_s=60.0, wait_timeout_s=wait_timeout_s)
    leader = Leader()
    first = asyncio.create_task(fetch(single_flight, leader))
    await leader.started.wait()
    second = asyncio.create_task(fetch(single_flight, text))
    async with asyncio.timeout(10):
        if wait_timeout_s == 60.0:
            leader.may_fail.set()
        assert await second == "text"
        leader.may_fail.set()
        with pytest.raises(LookupFailed):
            await first
        await single_flight.flush()
