"""The memory that histories take in the embedded server: `python -m benchmarks.history [--watches 100000]`.

Three fleets of watches, each held against its bound in bytes a watch: one in which nothing ever happened, one as they are
(a tenth of the watches were on a list, up to eight times each), and one in which every history is as large as it can be.
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

from benchmarks.watches import NOW, used, watch
from bot.monitoring.history import ACKNOWLEDGED, MOST_SPANS, MOST_TRACKS, History, Span, Track, compacted, to_text
from bot.storage.embedded_valkey import Embedded
from bot.storage.redis_client import client

AT_ONCE = 500
HOUR = timedelta(hours=1)
NOBODY = 10.0  # bytes a watch
USUAL, FULL = 150.0, 4_096.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """`history` makes the text of the watch with this number; empty for none. `most` is the bound, in bytes a watch."""

    name: str
    history: Callable[[int], str]
    most: float


def usual(number: int) -> str:
    return text_of(1 + number % 3, 1 + number % 8, number) if number % 10 == 0 else ""


def full(number: int) -> str:
    return text_of(MOST_TRACKS, MOST_SPANS, number)


def text_of(tracks: int, spells: int, seed: int) -> str:
    """Spells of random length on so many lists; the last compaction leaves spans that count many of them."""
    rolled, held, at = random.Random(seed), list[Track](), NOW - timedelta(days=700)
    for number in range(tracks):
        spans, since = [], at
        for _ in range(spells):
            since += HOUR * rolled.randint(1, 40)
            length = HOUR * rolled.randint(1, 90)
            spans.append(Span(since, since + length, 1, length, length))
            since += length
        key = ACKNOWLEDGED if number == 1 else f"blocklist:list-{number}.example"
        held.append(Track(key, f"Blocklist number {number} of a fleet", tuple(spans)))
    return to_text(compacted(History(tuple(held)), NOW))


async def measure(redis: Redis, fleet: Fleet, watches: int) -> float:
    """Bytes a watch: the histories alone, as the store keeps them by room."""
    await redis.flushall()
    before = await used(redis)
    for start in range(0, watches, AT_ONCE):
        async with redis.pipeline(transaction=False) as pipeline:
            for one, number in ((watch(number), number) for number in range(start, min(start + AT_ONCE, watches))):
                if text := fleet.history(number):
                    pipeline.hset(f"mc1:history:{one.room}", one.id, text)
            await pipeline.execute()
    return (await used(redis) - before) / watches


async def main(watches: int) -> int:
    ready = [full(seed) for seed in range(16)]  # compacting a hundred thousand anew would measure Python
    fleets = [
        Fleet("nothing ever happened", lambda _: "", NOBODY),
        Fleet("a tenth was listed, up to eight times", usual, USUAL),
        Fleet("every history is full", lambda number: ready[number % len(ready)], FULL),
    ]
    good = True
    with tempfile.TemporaryDirectory() as folder:
        async with Embedded(Path(folder)) as server, client(server.url, 30.0) as redis:
            for fleet in fleets:
                each = await measure(redis, fleet, watches)
                good = good and each <= fleet.most
                total = f"{each * watches / 1e6:.1f} MB"
                print(
                    f"{fleet.name}: {each:.0f} bytes a watch (bound: {fleet.most:.0f}), {total} for {watches} watches"
                )
    return 0 if good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--watches", type=int, default=100_000)
    sys.exit(asyncio.run(main(parser.parse_args().watches)))
