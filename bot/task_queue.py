"""Task queue over docket: named tasks that take ids, with payloads stored beside the queue."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import chain, repeat
from typing import Any

from docket import Disposition, Docket, Execution
from docket.dependencies import current_execution
from redis.exceptions import RedisError, ResponseError

from bot.queue_worker import MEND_INTERVAL_S, QueueWorker, Report, mend

log = logging.getLogger(__name__)

NAME = "mailcheck"
CONCURRENCY = 20
POLL_INTERVAL = timedelta(milliseconds=20)  # docket's default interval limits a burst to 80 tasks a second
REDELIVER_AFTER = timedelta(seconds=30)
REDELIVERIES = 5
DRAIN_S = 8.0
RECONNECT_AFTER_S = 1.0
RESTART_DELAYS_S = (1, 2, 4, 8, 16, 30)  # after faults in a row
# redis-py's default limit is 100 connections, and over RESP3 it hands out pooled connections
# that the server has closed.
CONNECTIONS = "max_connections=500&protocol=2"
PAYLOAD_TTL_S = 1800  # an answer that is later finds nobody waiting

Task = Callable[..., Awaitable[None]]


def log_unreadable(key: str, entry: str, reason: str) -> None:
    log.error("Of the queue, %s %s cannot be read (%s); it is dropped.", key, entry, reason)


class TaskQueue:
    """At-least-once tasks shared by all processes on the same Redis.

    A task whose worker died runs again; one that keeps killing its worker is dropped with an
    error in the log. Use as an async context manager; processes that only enqueue register the
    same tasks. A call that fails may have added its task: retry with the same key. `report` gets
    each entry and key that cannot be read, and is dropped.
    """

    def __init__(
        self, redis_url: str, *, redeliver_after: timedelta = REDELIVER_AFTER, report: Report = log_unreadable
    ) -> None:
        url = f"{redis_url}{'&' if '?' in redis_url else '?'}{CONNECTIONS}"
        # execution_ttl 0: the record of a finished task is not needed.
        self._docket = Docket(name=NAME, url=url, execution_ttl=timedelta(0))
        self._redeliver_after = redeliver_after
        self._report = report
        self._worker_name = f"{socket.gethostname()}#{os.getpid()}"
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> TaskQueue:
        await self._stack.enter_async_context(self._docket)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def register(self, *tasks: Task) -> None:
        """Register tasks under their function names; arguments are ids only (they are logged)."""
        for task in tasks:
            self._docket.register(self._with_redelivery_limit(task))

    def register_job(self, name: str, answer: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        """Register the task that gets the payloads of `submit`; an expired payload is dropped."""

        async def run(payload_id: str) -> None:
            if (payload := await self.payload(payload_id)) is not None:
                await answer(payload)

        run.__name__ = name
        self.register(run)

    async def enqueue(self, name: str, *ids: str, key: str | None = None) -> bool:
        """Add a task; False if one with this key waits or runs already."""
        execution = await self._docket.add(name, key=key)(*ids)
        return execution.disposition is Disposition.SCHEDULED

    async def submit(self, name: str, payload: Mapping[str, Any], *, key: str | None = None) -> str:
        """Store a payload (JSON values) and add the task that gets its id."""
        payload_id = secrets.token_urlsafe(12)
        async with self._docket.redis() as redis:
            await redis.set(payload_key(payload_id), json.dumps(payload), ex=PAYLOAD_TTL_S)
        await self.enqueue(name, payload_id, key=key)
        return payload_id

    async def payload(self, payload_id: str) -> dict[str, Any] | None:
        """The payload of an id, also when the task runs again; None once it has expired, or if it cannot be read."""
        try:
            async with self._docket.redis() as redis:
                text = await redis.get(payload_key(payload_id))
            payload = None if text is None else json.loads(text)
            if payload is not None and not isinstance(payload, dict):
                raise TypeError("a payload is an object")
        except (ResponseError, ValueError, TypeError, RecursionError) as error:
            log.error("The payload %s cannot be read (%s); its task is dropped.", payload_id, type(error).__name__)
            return None
        return payload

    async def work(self, stop: asyncio.Event) -> None:
        """Run tasks until `stop` is set; then finish running ones, leaving slow ones to others."""
        running = asyncio.create_task(self._run_worker(), name="jobs")
        mending = asyncio.create_task(self._mend_regularly(), name="jobs: mend")
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        # The first cancel makes docket drain, the second abandons a Redis that does not answer.
        running.cancel()
        _, late = await asyncio.wait((running,), timeout=DRAIN_S)
        if late:
            running.cancel()
            await asyncio.wait((running,))
        mending.cancel()
        await asyncio.wait((mending,))
        if not running.cancelled():
            running.result()

    async def _run_worker(self) -> None:
        """Run docket's worker until this is cancelled; after a fault it starts again."""
        for delay_s in chain(RESTART_DELAYS_S, repeat(RESTART_DELAYS_S[-1])):
            worker = QueueWorker(
                self._docket,
                self._report,
                name=self._worker_name,
                concurrency=CONCURRENCY,
                minimum_check_interval=POLL_INTERVAL,
                scheduling_resolution=timedelta(milliseconds=250),
                redelivery_timeout=self._redeliver_after,
                reconnection_delay=timedelta(seconds=RECONNECT_AFTER_S),
            )
            try:
                async with worker:
                    await worker.run_forever()
                return
            except Exception:
                log.exception("The worker of the queue failed; it starts again in %d s.", delay_s)
            await asyncio.sleep(delay_s)

    async def _mend_regularly(self) -> None:
        while True:
            try:
                await mend(self._docket, self._worker_name, self._report)
            except RedisError as error:
                log.debug("The queue was not looked through: %s", error)
            except Exception:
                log.exception("The queue was not looked through.")
            await asyncio.sleep(MEND_INTERVAL_S)

    def _with_redelivery_limit(self, task: Task) -> Task:
        async def attempt(*ids: str) -> None:
            execution = current_execution.get()
            if execution.redelivered and await self._redeliveries(execution) > REDELIVERIES:
                log.error("The task %s(%s) killed its worker repeatedly; it is dropped.", task.__name__, ", ".join(ids))
                return
            await task(*ids)

        attempt.__name__ = attempt.__qualname__ = task.__name__
        return attempt

    async def _redeliveries(self, execution: Execution) -> int:
        """How often Redis redelivered this task; the count survives worker deaths."""
        message = execution.message_id or b"-"
        async with self._docket.redis() as redis:
            pending = await redis.xpending_range(
                self._docket.stream_key, self._docket.worker_group_name, min=message, max=message, count=1
            )
        return sum(entry["times_delivered"] - 1 for entry in pending)


def payload_key(payload_id: str) -> str:
    return f"mc1:ask:{payload_id}"
