"""A separate process that fetches many names at once.

`python -m tests.support.single_flight_process REDIS_URL`, and a line on stdin to start. Prints
how many queries it sent itself and how many answers it has.
"""

from __future__ import annotations

import asyncio
import sys

from bot.models import DnsAnswer
from bot.storage.cache import AnswerCache
from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.redis_client import open_client

QUERY_COUNT = 100


async def main() -> None:
    sent = 0

    async def fetch(number: int) -> DnsAnswer:
        async def query() -> DnsAnswer:
            nonlocal sent
            sent += 1
            await asyncio.sleep(0.1)
            return DnsAnswer(f"{number}.example", "A", (f"192.0.2.{number}",), ttl=300)

        return await cache.fetch(f"{number}.example", "A", query)

    async with open_client(sys.argv[1], 5.0) as redis:
        await redis.ping()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        cache = AnswerCache(redis, CircuitBreaker())
        answers = await asyncio.gather(*(fetch(number) for number in range(QUERY_COUNT)))
        await cache.flush()
    print(sent, len({answer.records for answer in answers}))


if __name__ == "__main__":
    asyncio.run(main())
