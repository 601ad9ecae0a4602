"""The figures of `benchmarks.watches` at a fiftieth of its size, with room for a busy machine."""

from __future__ import annotations

from redis.asyncio import Redis

from benchmarks.watches import measure


async def test_two_thousand_watches_are_small_and_fast(redis: Redis) -> None:
    figures = await measure(redis, 2_000)
    assert figures.bytes_each <= 900  # a small store spreads its tables over fewer watches
    assert figures.applied_per_s >= 2_000
    assert max(figures.slowest_ms.values()) <= 500
