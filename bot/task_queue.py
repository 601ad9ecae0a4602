"""The seam over docket, the job engine: tasks are named functions that take ids, and what an id stands for is an ask."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

from docket import Disposition, Docket, Execution, Worker
from docket.dependencies import current_execution
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

NAME = "mailcheck"
CONCURRENCY = 20
POLL = timedelta(milliseconds=20)  # docket's own pace would hold a burst to 80 tasks a second
REDELIVER_AFTER = timedelta(seconds=30)
REDELIVERIES = 5
DRAIN_S = 8.0
# redis-py's own limit is 100 connections, and over RESP3 it hands out pooled ones that the server has closed.
CONNECTIONS = "max_connections=500&protocol=2"
ASK_S = 1800  # a Slack response_url lives as long

Task = Callable[..., Awaitable[None]]


class JobsAway(Exception):
    """The queue did not take the task in time. It may have arrived all the same, so hand it in again under its key."""


class Jobs:
    """Tasks run at least once, in any process that works on the same Redis: a task whose worker died runs again.

    A task that keeps killing its worker is parked: it is dropped, with an error in the log. Use as an async context
    manager; processes that only enqueue register the same tasks.
    """

    def __init__(self, redis_url: str, *, redeliver_after: timedelta = REDELIVER_AFTER) -> None:
        url = f"{redis_url}{'&' if '?' in redis_url else '?'}{CONNECTIONS}"
        # execution_ttl 0: nobody reads the record of a task that ended.
        self._docket = Docket(name=NAME, url=url, execution_ttl=timedelta(0))
        self._redeliver_after = redeliver_after
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Jobs:
        await self._stack.enter_async_context(self._docket)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def register(self, *tasks: Task) -> None:
        """Make tasks known under their function names. Their arguments are ids, nothing else: they are logged."""
        for task in tasks:
            self._docket.register(self._parking(task))

    async def enqueue(self, name: str, *ids: str, key: str | None = None, within: float) -> bool:
        """Hand in a task; False where one with this key waits or runs already. Raises JobsAway after `within` seconds."""
        async with bounded(within):
            return await self._add(name, ids, key)

    async def submit(self, name: str, ask: Mapping[str, Any], *, key: str | None = None, within: float) -> str:
        """Store an ask (JSON values) and hand in the task that gets its id. Raises JobsAway after `within` seconds."""
        ask_id = secrets.token_urlsafe(12)
        async with bounded(within):
            async with self._docket.redis() as redis:
                await redis.set(ask_key(ask_id), json.dumps(ask), ex=ASK_S)
            await self._add(name, (ask_id,), key)
        return ask_id

    async def asked(self, ask_id: str) -> dict[str, Any] | None:
        """The ask behind an id, also when the task runs again; None half an hour after it was made."""
        async with self._docket.redis() as redis:
            text = await redis.get(ask_key(ask_id))
        return None if text is None else json.loads(text)

    async def work(self, stop: asyncio.Event) -> None:
        """Run tasks until `stop` is set; then finish those that run, and leave to others what takes too long."""
        async with Worker(
            self._docket,
            concurrency=CONCURRENCY,
            minimum_check_interval=POLL,
            scheduling_resolution=timedelta(milliseconds=250),
            redelivery_timeout=self._redeliver_after,
            reconnection_delay=timedelta(seconds=1),
        ) as worker:
            running = asyncio.create_task(worker.run_forever(), name="jobs")
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            # The first cancel makes docket drain, the second makes it let go: also of a Redis that does not answer.
            running.cancel()
            _, late = await asyncio.wait((running,), timeout=DRAIN_S)
            if late:
                running.cancel()
                await asyncio.wait((running,))
            if not running.cancelled():
                running.result()

    async def _add(self, name: str, ids: tuple[str, ...], key: str | None) -> bool:
        execution = await self._docket.add(name, key=key)(*ids)
        return execution.disposition is Disposition.SCHEDULED

    def _parking(self, task: Task) -> Task:
        async def attempt(*ids: str) -> None:
            execution = current_execution.get()
            if execution.redelivered and await self._redeliveries(execution) > REDELIVERIES:
                log.error(
                    "The task %s(%s) ended its worker again and again; it is parked.", task.__name__, ", ".join(ids)
                )
                return
            await task(*ids)

        attempt.__name__ = attempt.__qualname__ = task.__name__
        return attempt

    async def _redeliveries(self, execution: Execution) -> int:
        """How often Redis gave this task to another worker; its own count outlives every worker."""
        message = execution.message_id or b"-"
        async with self._docket.redis() as redis:
            pending = await redis.xpending_range(
                self._docket.stream_key, self._docket.worker_group_name, min=message, max=message, count=1
            )
        return sum(entry["times_delivered"] - 1 for entry in pending)


@asynccontextmanager
async def bounded(within: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(within):
            yield
    except (RedisError, OSError) as problem:  # TimeoutError is an OSError
        raise JobsAway("The job queue does not answer.") from problem


def ask_key(ask_id: str) -> str:
    return f"mc1:ask:{ask_id}"
