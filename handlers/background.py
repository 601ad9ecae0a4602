"""Background tasks of a process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger()


class TaskSet:
    """Bounded set of background tasks; keeps the references that asyncio does not keep."""

    def __init__(self, limit: int = 200) -> None:
        self._limit = limit
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def full(self) -> bool:
        return len(self._tasks) >= self._limit

    def start(self, coroutine: Coroutine[Any, Any, object]) -> bool:
        """Start a task; False if the set is full."""
        if self.full:
            coroutine.close()
            return False
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return True

    async def drain(self, timeout_s: float) -> None:
        """Wait at most `timeout_s` seconds for the tasks, then cancel them."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
        for task in late:
            task.cancel()
        if late:
            log.warning("tasks cancelled at shutdown", tasks=len(late))
            await asyncio.wait(late)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("background task failed", exc_info=error)
