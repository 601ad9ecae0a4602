"""A worker in a process of its own: `python -m tests.support.task_queue_worker REDIS_URL`. Its task never ends."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from bot.task_queue import Jobs


async def report(ask_id: str) -> None:
    print(ask_id, flush=True)
    await asyncio.Event().wait()


async def main() -> None:
    async with Jobs(sys.argv[1], redeliver_after=timedelta(milliseconds=400)) as jobs:
        jobs.register(report)
        await jobs.work(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main())
