"""Worker process whose task never ends: `python -m tests.support.task_queue_worker REDIS_URL`."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from bot.task_queue import TaskQueue


async def report(payload_id: str) -> None:
    print(payload_id, flush=True)
    await asyncio.Event().wait()


async def main() -> None:
    async with TaskQueue(sys.argv[1], redeliver_after=timedelta(milliseconds=400)) as task_queue:
        task_queue.register(report)
        await task_queue.work(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main())
