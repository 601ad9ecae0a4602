"""Worker of the task queue that survives what it cannot read: each damaged entry or key is dropped by itself.

docket ends at an entry that it did not write, and waits for ever on a key of another type.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any

from docket import Docket, Execution, Worker
from docket.dependencies import AdmissionBlocked
from redis.exceptions import RedisError, ResponseError

MEND_INTERVAL_S = 1.0
LAST_ID = b"18446744073709551615-18446744073709551615"  # a stream with this id takes no more entries
BATCH = 1000
# Of errors of Redis, those about one value; the others are about the server, and pass.
VALUE_ERRORS = ("WRONGTYPE", "not an integer", "attempt to")

# Called with the key, the entry in it (or nothing) and the reason, which does not contain the value.
Report = Callable[[str, str, str], None]
Message = Mapping[bytes, bytes]


class QueueWorker(Worker):
    """docket's worker, which sees readable entries only, and drops a task whose own record is damaged."""

    def __init__(self, docket: Docket, report: Report, **options: Any) -> None:
        super().__init__(docket, **options)
        self._report = report

    async def _worker_loop(self, redis: Any, forever: bool = False) -> None:
        await super()._worker_loop(_ReadableEntries(redis, self.docket, self._report), forever)  # type: ignore[arg-type]

    async def _execute(self, execution: Execution, session: Any) -> None:
        try:
            await super()._execute(execution, session)
        except AdmissionBlocked:
            raise
        except Exception as error:
            if isinstance(error, RedisError) and not is_value_error(error):
                raise
            docket, key = self.docket, execution.key
            self._report(docket.runs_key(key), "", type(error).__name__)
            await _drop_entry(docket, execution.message_id or b"0-1")
            async with docket.redis() as redis:
                await redis.delete(docket.runs_key(key), docket.key(f"progress:{key}"), docket.stream_id_key(key))
            execution._acked = True


class _ReadableEntries:
    """A Redis client from which docket reads the entries of its stream; unreadable ones are dropped."""

    def __init__(self, redis: Any, docket: Docket, report: Report) -> None:
        self._redis, self._docket, self._report = redis, docket, report

    def __getattr__(self, name: str) -> Any:
        return getattr(self._redis, name)

    async def xreadgroup(self, **arguments: Any) -> Any:
        reply = await self._redis.xreadgroup(**arguments)
        return [(stream, await self._readable(entries)) for stream, entries in reply]

    async def xautoclaim(self, **arguments: Any) -> Any:
        cursor, entries, *rest = await self._redis.xautoclaim(**arguments)
        return [cursor, await self._readable(entries), *rest]

    async def _readable(self, entries: Sequence[tuple[bytes, Message]]) -> list[tuple[bytes, Message]]:
        readable = []
        for entry_id, message in entries:
            if reason := message and await unreadable_reason(self._docket, message):
                self._report(self._docket.stream_key, entry_id.decode(), reason)
                await _drop_entry(self._docket, entry_id)
            else:
                readable.append((entry_id, message))
        return readable


async def unreadable_reason(docket: Docket, message: Message) -> str:
    """Why docket cannot run an entry; empty if it can."""
    try:
        arguments, options = (_unpickle(message[name]) for name in (b"args", b"kwargs"))
        if not isinstance(arguments, tuple) or not all(isinstance(each, str) for each in arguments) or options != {}:
            raise TypeError("a task takes ids")
        execution = await Execution.from_message(docket, dict(message), sync=False)
        execution.when.timestamp()  # docket raises for a year that is too far away
        if execution.when.tzinfo is None or max(execution.attempt, execution.generation) >= 1 << 53:
            raise ValueError("not written by a queue")
    except Exception as error:  # unpickling may raise anything
        return type(error).__name__
    return ""


class _PlainUnpickler(pickle.Unpickler):
    """Reads values without classes, so that reading an entry never runs code out of it."""

    def find_class(self, *_name: str) -> Any:
        raise pickle.UnpicklingError("only plain values")


def _unpickle(data: bytes) -> Any:
    return _PlainUnpickler(BytesIO(data)).load()


async def _drop_entry(docket: Docket, entry_id: bytes) -> None:
    async with docket.redis() as redis, redis.pipeline() as pipeline:
        pipeline.xack(docket.stream_key, docket.worker_group_name, entry_id)
        pipeline.xdel(docket.stream_key, entry_id)
        await pipeline.execute()


async def mend(docket: Docket, worker_name: str, report: Report) -> None:
    """Drop what stops the whole queue: keys of another type, a full stream, delayed tasks that cannot run."""
    types = _types(docket, worker_name)
    async with docket.redis() as client:
        redis: Any = client
        async with redis.pipeline() as pipeline:
            for key in types:
                pipeline.type(key)
            found = await pipeline.execute()
        for (key, wanted), kind in zip(types.items(), found, strict=True):
            if kind not in (wanted, b"none"):
                report(key, "", "wrong type" if wanted else "not used")
                await redis.delete(key)
        lease = docket.redelivery_sweep_key
        if await redis.ttl(lease) == -1:  # nobody would sweep again
            report(lease, "", "without expiry")
            await redis.delete(lease)
        if await redis.exists(docket.stream_key):
            information = await redis.xinfo_stream(docket.stream_key)
            if information["last-generated-id"] == LAST_ID:
                report(docket.stream_key, LAST_ID.decode(), "no more ids")
                await redis.delete(docket.stream_key)
        for name in await redis.zrangebyscore(docket.queue_key, 0, time.time() + 2 * MEND_INTERVAL_S, 0, BATCH):
            if reason := await _unreadable_delayed(docket, redis, name):
                report(docket.queue_key, name.decode("utf-8", "backslashreplace"), reason)
                await redis.zrem(docket.queue_key, name)
                await redis.delete(_parked_key(docket, name))


def _types(docket: Docket, worker_name: str) -> dict[str, bytes]:
    """Keys of the queue with the type that docket needs; empty for one that this bot never writes."""
    return {
        docket.stream_key: b"stream",
        docket.queue_key: b"zset",
        docket.workers_set: b"zset",
        docket.worker_tasks_set(worker_name): b"set",
        docket.redelivery_sweep_key: b"string",
        docket.strike_list.strike_key: b"",  # an unreadable strike holds back every task
        **{docket.task_workers_set(task): b"zset" for task in docket.tasks},
    }


async def _unreadable_delayed(docket: Docket, redis: Any, name: bytes) -> str:
    """Why a delayed task cannot be moved to the stream; empty if it can, or has been."""
    try:
        message = await redis.hgetall(_parked_key(docket, name))
        if not message:
            return ""
        if not (reason := await unreadable_reason(docket, message)):
            await redis.hlen(docket.runs_key(message[b"key"].decode()))
    except ResponseError as error:
        if not is_value_error(error):
            raise
        return "wrong type"
    return reason


def _parked_key(docket: Docket, name: bytes) -> bytes:
    return docket.prefix.encode() + b":" + name


def is_value_error(error: Exception) -> bool:
    return isinstance(error, ResponseError) and any(part in str(error) for part in VALUE_ERRORS)
