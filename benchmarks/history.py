"""Memory of histories in the embedded server: `python -m benchmarks.history [--watches 100000]`.

Three scenarios, each with a limit in bytes per watch: no history, a realistic one (a tenth of the
watches were listed, up to eight times each), and every history at its maximum size.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from redis.asyncio import Redis

from benchmarks.watches import NOW, memory_used, numbered_watch
from bot.monitoring.history import (
    ACKNOWLEDGED,
    MAX_SPANS,
    MAX_TRACKS,
    History,
    Span,
    Track,
    compact_history,
    dump_history,
)
from bot.storage.embedded_valkey import EmbeddedValkey
from bot.storage.redis_client import open_client

BATCH_SIZE = 500
HOUR = timedelta(hours=1)
EMPTY_LIMIT, TYPICAL_LIMIT, FULL_LIMIT = 10.0, 150.0, 4_096.0  # bytes per watch


@dataclass(frozen=True, slots=True)
class Scenario:
    """`history` makes the stored text of a watch by its number; empty for none.

    `limit` is in bytes per watch.
    """

    name: str
    history: Callable[[int], str]
    limit: float


def typical(number: int) -> str:
    return history_text(1 + number % 3, 1 + number % 8, number) if number % 10 == 0 else ""


def full(number: int) -> str:
    return history_text(MAX_TRACKS, MAX_SPANS, number)


def history_text(tracks: int, listings: int, seed: int) -> str:
    """Listings of random length on so many lists, compacted as in production."""
    rng, result, start = random.Random(seed), list[Track](), NOW - timedelta(days=700)
    for number in range(tracks):
        spans, since = [], start
        for _ in range(listings):
            since += HOUR * rng.randint(1, 40)
            length = HOUR * rng.randint(1, 90)
            spans.append(Span(since, since + length, 1, length, length))
            since += length
        key = ACKNOWLEDGED if number == 1 else f"blocklist:list-{number}.example"
        result.append(Track(key, f"Blocklist number {number} of a fleet", tuple(spans)))
    return dump_history(compact_history(History(tuple(result)), NOW))


async def measure(redis: Redis, scenario: Scenario, watches: int) -> float:
    """Bytes per watch of the histories alone, stored by channel."""
    await redis.flushall()
    empty = await memory_used(redis)
    for start in range(0, watches, BATCH_SIZE):
        async with redis.pipeline(transaction=False) as pipeline:
            for number in range(start, min(start + BATCH_SIZE, watches)):
                if text := scenario.history(number):
                    watch = numbered_watch(number)
                    pipeline.hset(f"mc1:history:{watch.channel}", watch.id, text)
            await pipeline.execute()
    return (await memory_used(redis) - empty) / watches


async def main(watches: int) -> int:
    # Precomputed: compacting a hundred thousand histories would measure Python.
    full_texts = [full(seed) for seed in range(16)]
    scenarios = [
        Scenario("nothing ever happened", lambda _: "", EMPTY_LIMIT),
        Scenario("a tenth was listed, up to eight times", typical, TYPICAL_LIMIT),
        Scenario("every history is full", lambda number: full_texts[number % len(full_texts)], FULL_LIMIT),
    ]
    within_limits = True
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedValkey(Path(folder)) as server, open_client(server.url, 30.0) as redis:
            for scenario in scenarios:
                bytes_each = await measure(redis, scenario, watches)
                within_limits = within_limits and bytes_each <= scenario.limit
                print(
                    f"{scenario.name}: {bytes_each:.0f} bytes a watch"
                    f" (bound: {scenario.limit:.0f}),"
                    f" {bytes_each * watches / 1e6:.1f} MB for {watches} watches"
                )
    return 0 if within_limits else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--watches", type=int, default=100_000)
    sys.exit(asyncio.run(main(parser.parse_args().watches)))
