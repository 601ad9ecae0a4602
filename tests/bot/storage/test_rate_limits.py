from __future__ import annotations

from redis.asyncio import Redis

from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.rate_limits import SEEN_TTL_S, WINDOW_S, Deduplicator, RateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_020.0

    def __call__(self) -> float:
        return self.now


async def test_request_over_limit_waits_for_next_minute(redis: Redis) -> None:
    clock = Clock()
    limiter = RateLimiter(CircuitBreaker(redis), clock)
    waits = [await limiter.acquire({"user": 10, "channel": 20}) for _ in range(11)]
    assert waits[:10] == [0] * 10
    assert waits[10] == WINDOW_S - int(clock.now % WINDOW_S)
    clock.now += waits[10]
    assert await limiter.acquire({"user": 10, "channel": 20}) == 0


async def test_channel_limit_counts_all_users(redis: Redis) -> None:
    limiter = RateLimiter(CircuitBreaker(redis), Clock())
    waits = [await limiter.acquire({f"user-{n}": 10, "channel": 20}) for n in range(21)]
    assert [bool(wait) for wait in waits] == [False] * 20 + [True]


async def test_counters_expire_after_a_minute(redis: Redis) -> None:
    await RateLimiter(CircuitBreaker(redis), Clock()).acquire({"user": 10})
    ttls = [await redis.ttl(key) async for key in redis.scan_iter("mc1:asked:*")]
    assert ttls
    assert all(0 < ttl <= WINDOW_S for ttl in ttls)


async def test_key_is_deduplicated_across_processes(redis: Redis) -> None:
    first, second = Deduplicator(redis), Deduplicator(redis)
    assert not await first("a")
    await first.flush()
    assert [await second("a"), await second("b")] == [True, False]
    assert 0 < await redis.ttl("mc1:seen:a") <= SEEN_TTL_S
