"""Outbox in Redis: messages by channel, in order. A message is removed once sent or dropped.

    mc1:outbox:CHANNEL          list of "message id, line break, text"
    mc1:waiting                 channel → when its first message may be sent
    mc1:intent:CHANNEL          of the first message: at, tries, by
    mc1:thread:CHANNEL:THREAD   message id of the thread root, for 90 days after its last use

The digest schedule of the channels that want one:

    mc1:digests   channel → due; set with the settings, advanced when a digest is enqueued
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis

from bot.storage.lua_script import LuaScript, store_errors
from bot.storage.watch_store import MAX_CLOCK_SKEW_S, format_timestamp, new_operation_id

THREAD_TTL_S = int(timedelta(days=90).total_seconds())


@dataclass(frozen=True, slots=True)
class OutboxHead:
    """The first message of a channel; `send_started_at` is set while an attempt is open."""

    id: str
    text: str
    send_started_at: float | None
    attempts: int


class OutboxStore:
    """Methods raise StoreUnavailable if Redis does not answer. Times are Unix timestamps."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # redis-py types allow bytes; this client decodes
        self._step_script = LuaScript(redis, "outbox_step.lua")
        self._clamp_script = LuaScript(redis, "field_clamp.lua")

    async def ready_channels(self, now: float, max_delay_s: float) -> list[str]:
        """Channels whose delay is over; one that is longer than `max_delay_s` is ended."""
        async with store_errors(), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zrangebyscore("mc1:waiting", "-inf", format_timestamp(now))
            pipeline.zrangebyscore("mc1:waiting", f"({format_timestamp(now + max_delay_s)}", "+inf")
            ready, too_late = await pipeline.execute()
        await self.end_delays(too_late)
        return [*ready, *too_late]

    async def peek(self, channel: str) -> OutboxHead | None:
        async with store_errors(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.lindex(f"mc1:outbox:{channel}", 0)
            pipeline.hgetall(f"mc1:intent:{channel}")
            message, intent = await pipeline.execute()
        if message is None:
            return None
        id, _, text = message.partition("\n")
        return OutboxHead(id, text, float(intent["at"]) if "at" in intent else None, int(intent.get("tries", 0)))

    async def clamp_attempt(self, channel: str, now: float, instead: float) -> bool:
        """Set the start of an attempt that lies ahead to `instead`, as it is not known."""
        latest = format_timestamp(now + MAX_CLOCK_SKEW_S)
        return bool(await self._clamp_script(f"mc1:intent:{channel}", "at", latest, format_timestamp(instead)))

    async def begin_attempt(self, channel: str, message_id: str, now: float, attempts: int) -> bool:
        """Record an attempt; False if the message was removed or another attempt began."""
        return await self._run_step("sending", channel, message_id, format_timestamp(now), attempts)

    async def revert_attempt(self, channel: str, message_id: str, retry_at: float, attempts: int) -> bool:
        """Revert an attempt and delay the channel; False if a later attempt was recorded."""
        return await self._run_step("held", channel, message_id, format_timestamp(retry_at), attempts)

    async def delay(self, channel: str, message_id: str, until: float) -> bool:
        return await self._run_step("waits", channel, message_id, format_timestamp(until))

    async def mark_sent(self, channel: str, message_id: str, thread_key: str, root_id: str) -> bool:
        """Remove a sent message; it becomes the root of `thread_key`, unless that is empty."""
        return await self._run_step("sent", channel, message_id, "", 0, thread_key, root_id)

    async def mark_dropped(self, channel: str, message_id: str) -> bool:
        return await self._run_step("dropped", channel, message_id)

    async def root_message_id(self, channel: str, thread_key: str) -> str | None:
        async with store_errors():
            root_id: str | None = await self._redis.getex(f"mc1:thread:{channel}:{thread_key}", ex=THREAD_TTL_S)
        return root_id

    async def end_delays(self, channels: Sequence[str]) -> None:
        """End the delay of channels that have messages."""
        if channels:
            async with store_errors():
                await self._redis.zadd("mc1:waiting", dict.fromkeys(channels, 0), xx=True)

    async def uptime_s(self) -> int:
        """Uptime of the Redis server in seconds."""
        async with store_errors():
            return int((await self._redis.info("server"))["uptime_in_seconds"])

    async def _run_step(self, step: str, channel: str, message_id: str, *values: str | int) -> bool:
        arguments = [*values, *("", 0, "", "")[len(values) :]]
        return bool(await self._step_script(new_operation_id(), step, channel, message_id, *arguments, THREAD_TTL_S))


class DigestStore:
    """Methods raise StoreUnavailable if Redis does not answer. Times are Unix timestamps."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # redis-py types allow bytes; this client decodes
        self._enqueue_script = LuaScript(redis, "digest_enqueue.lua")

    async def due(self, now: float, limit: int) -> list[tuple[str, float]]:
        """Channels with the time their digest was due, the longest overdue first."""
        async with store_errors():
            rows = await self._redis.zrangebyscore(
                "mc1:digests", "-inf", format_timestamp(now), 0, limit, withscores=True
            )
        return [(channel, float(due)) for channel, due in rows]

    async def further_than(self, latest: float) -> list[tuple[str, float]]:
        """Channels with a digest due after `latest`, with that time."""
        async with store_errors():
            rows = await self._redis.zrangebyscore(
                "mc1:digests", f"({format_timestamp(latest)}", "+inf", withscores=True
            )
        return [(channel, float(due)) for channel, due in rows]

    async def enqueue(self, channel: str, due: float, next_at: float, message: tuple[str, str] | None) -> bool:
        """Enqueue a digest, an id with its text (None: nothing to report), and schedule the next.

        False if that was done already, or the channel no longer wants one.
        """
        return bool(
            await self._enqueue_script(
                channel, format_timestamp(due), format_timestamp(next_at), "\n".join(message or ())
            )
        )
