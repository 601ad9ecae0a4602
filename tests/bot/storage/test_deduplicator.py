"""Deduplication: a key is new once, for this process and for all that share the store."""

from __future__ import annotations

from redis.asyncio import Redis

from bot.storage.deduplicator import MAX_KEYS, SEEN_TTL_S, Deduplicator
from bot.storage.redis_client import open_client


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def test_key_is_deduplicated_across_processes(redis: Redis) -> None:
    first, second = Deduplicator(redis), Deduplicator(redis)
    assert not await first("a")
    await first.flush()
    assert [await second(key) for key in ("a", "b", "b")] == [True, False, True]
    assert 0 < await redis.ttl("mc1:seen:a") <= SEEN_TTL_S


async def test_key_without_store_is_deduplicated_by_the_process() -> None:
    async with open_client("redis://127.0.0.1:1", 1.0) as unreachable:
        for deduplicator in (Deduplicator(), Deduplicator(unreachable)):
            assert [await deduplicator(key) for key in ("a", "a", "b")] == [False, True, False]


def test_local_keys_are_bounded_in_time_and_number() -> None:
    clock = Clock()
    deduplicator = Deduplicator(clock=clock)
    assert [deduplicator.seen_locally("old"), deduplicator.seen_locally("old")] == [False, True]
    clock.now += SEEN_TTL_S
    assert not deduplicator.seen_locally("old")
    for number in range(MAX_KEYS + 1):
        deduplicator.seen_locally(str(number))
    assert [deduplicator.seen_locally(str(MAX_KEYS)), deduplicator.seen_locally("0")] == [True, False]
