"""A process of its own that asks many questions at once: `python -m tests.support.single_flight_process REDIS_URL` and a line to begin.

It says on one line how many questions it had to ask itself, and how many answers it has.
"""

from __future__ import annotations

import asyncio
import sys

from bot.models import Answer
from bot.storage.cache import AnswerCache
from bot.storage.circuit_breaker import Circuit
from bot.storage.redis_client import client

QUESTIONS = 100


async def main() -> None:
    asked = 0

    async def fetch(number: int) -> Answer:
        async def ask() -> Answer:
            nonlocal asked
            asked += 1
            await asyncio.sleep(0.1)
            return Answer(f"{number}.example", "A", (f"192.0.2.{number}",), ttl=300)

        return await cache.fetch(f"{number}.example", "A", ask)

    async with client(sys.argv[1], 5.0) as redis:
        await redis.ping()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        cache = AnswerCache(Circuit(redis))
        answers = await asyncio.gather(*(fetch(number) for number in range(QUESTIONS)))
        await cache.settle()
    print(asked, len({answer.records for answer in answers}))


if __name__ == "__main__":
    asyncio.run(main())
