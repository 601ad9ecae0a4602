"""Outbox in Redis: messages by channel, in order. A message is removed once sent or dropped.

    mc1:outbox:CHANNEL          list of "message id, line break, text"
    mc1:waiting                 channel → when its first message may be sent
    mc1:intent:CHANNEL          of the first message: at, tries, by
    mc1:thread:CHANNEL:THREAD   message id of the thread root, for 90 days after its last use

The digest schedule of the channels that want one:

    mc1:digests   channel → due; set with the settings, advanced when a digest is enqueued
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis

from bot.storage.lua_script import LuaScript, store_errors
from bot.storage.unreadable import UnreadableValues, check_text
from bot.storage.watch_store import MAX_CLOCK_SKEW_S, format_timestamp, new_operation_id

DIGESTS_KEY = "mc1:digests"
THREAD_TTL_S = int(timedelta(days=90).total_seconds())
MAX_ATTEMPTS = 1_000_000
LATEST_TIMESTAMP = 1e10  # the year 2286


@dataclass(frozen=True, slots=True)
class OutboxHead:
    """The first message of a channel; `send_started_at` is set while an attempt is open."""

    id: str
    text: str
    send_started_at: float | None
    attempts: int


class OutboxStore:
    """Methods raise StoreUnavailable if Redis does not answer. Times are Unix timestamps."""

    def __init__(self, redis: Redis, unreadable: UnreadableValues | None = None) -> None:
        self._redis: Any = redis  # redis-py types allow bytes; this client decodes
        self._unreadable = unreadable or UnreadableValues(redis)
        self._step_script, self._set_aside_script, self._clamp_script, self._announce_script = (
            LuaScript(redis, f"{name}.lua", self._unreadable)
            for name in ("outbox_step", "outbox_set_aside", "field_clamp", "outbox_announce")
        )

    async def announce(self, workspace: str, channel: str, message: tuple[str, str]) -> bool:
        """Enqueue a message, an id with its text, that a channel gets once; False if it did already."""
        return bool(await self._announce_script(workspace, channel, "\n".join(message)))

    async def ready_channels(self, now: float, max_delay_s: float) -> list[str]:
        """Channels whose delay is over; one that is longer than `max_delay_s` is ended."""
        async with store_errors(), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zrangebyscore("mc1:waiting", "-inf", format_timestamp(now))
            pipeline.zrangebyscore("mc1:waiting", f"({format_timestamp(now + max_delay_s)}", "+inf")
            replies = await pipeline.execute(raise_on_error=False)
            ready, too_late = [self._unreadable.usable("mc1:waiting", reply, None) for reply in replies]
        if ready is None or too_late is None:
            return await self._restore_waiting()
        await self.end_delays(too_late)
        return [*ready, *too_late]

    async def peek(self, channel: str) -> OutboxHead | None:
        async with store_errors(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.lindex(f"mc1:outbox:{channel}", 0)
            pipeline.hgetall(f"mc1:intent:{channel}")
            replies = await pipeline.execute(raise_on_error=False)
        message = self._unreadable.usable(f"mc1:outbox:{channel}", replies[0], "")
        intent_key = f"mc1:intent:{channel}"
        intent = self._unreadable.usable(intent_key, replies[1], None)
        if message == "" and isinstance(replies[0], Exception):
            await self._set_aside_script(channel, "")
            return None
        if message is None:
            return None
        attempt = None if intent is None else self._unreadable.parse(intent_key, "", lambda: parse_intent(intent))
        if attempt is None:
            await self._unreadable.set_aside(intent_key, "")
        id, _, text = message.partition("\n")
        return OutboxHead(id, text, *(attempt or (None, 0)))

    async def set_aside(self, channel: str, head: OutboxHead, reason: str) -> bool:
        """Move a message that cannot be read out of the way of the next one; it is not deleted."""
        self._unreadable.report(f"mc1:outbox:{channel}", head.id, reason)
        return bool(await self._set_aside_script(channel, f"{head.id}\n{head.text}"))

    async def _restore_waiting(self) -> list[str]:
        """Build the index of channels with messages anew; all of them may be sent now."""
        await self._unreadable.set_aside("mc1:waiting", "zset")
        async with store_errors():
            keys = [key async for key in self._redis.scan_iter("mc1:outbox:*", count=1000)]
            channels = [key.removeprefix("mc1:outbox:") for key in keys]
            if channels:
                await self._redis.zadd("mc1:waiting", dict.fromkeys(channels, 0), nx=True)
        return channels

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
        key = f"mc1:thread:{channel}:{thread_key}"
        async with store_errors():
            reply = await self._unreadable.read(key, self._redis.getex(key, ex=THREAD_TTL_S), False)
        if reply is False:
            await self._unreadable.set_aside(key, "string")
        return self._unreadable.parse(key, "", lambda: check_text(str(reply))) if reply else None

    async def end_delays(self, channels: Sequence[str]) -> None:
        """End the delay of channels that have messages."""
        if channels:
            async with store_errors():
                added = self._redis.zadd("mc1:waiting", dict.fromkeys(channels, 0), xx=True)
                await self._unreadable.read("mc1:waiting", added, 0)

    async def uptime_s(self) -> int:
        """Uptime of the Redis server in seconds."""
        async with store_errors():
            return int((await self._redis.info("server"))["uptime_in_seconds"])

    async def _run_step(self, step: str, channel: str, message_id: str, *values: str | int) -> bool:
        arguments = [*values, *("", 0, "", "")[len(values) :]]
        return bool(await self._step_script(new_operation_id(), step, channel, message_id, *arguments, THREAD_TTL_S))


def parse_intent(fields: Mapping[str, str]) -> tuple[float | None, int]:
    """Start of the open attempt, and the number of attempts. Raises ValueError."""
    at, attempts = float(fields["at"]) if "at" in fields else None, int(fields.get("tries", 0))
    if not 0 <= attempts < MAX_ATTEMPTS or (at is not None and not 0 <= at < LATEST_TIMESTAMP):
        raise ValueError("out of range")
    return at, attempts


class DigestStore:
    """Methods raise StoreUnavailable if Redis does not answer. Times are Unix timestamps."""

    def __init__(self, redis: Redis, unreadable: UnreadableValues | None = None) -> None:
        self._redis: Any = redis  # redis-py types allow bytes; this client decodes
        self._unreadable = unreadable or UnreadableValues(redis)
        self._enqueue_script = LuaScript(redis, "digest_enqueue.lua", self._unreadable)

    async def due(self, now: float, limit: int) -> list[tuple[str, float]]:
        """Channels with the time their digest was due, the longest overdue first."""
        async with store_errors():
            ready = self._redis.zrangebyscore(DIGESTS_KEY, "-inf", format_timestamp(now), 0, limit, withscores=True)
            rows = await self._unreadable.read(DIGESTS_KEY, ready, [])
        return [(channel, float(due)) for channel, due in rows]

    async def further_than(self, latest: float) -> list[tuple[str, float]]:
        """Channels with a digest due after `latest`, with that time."""
        async with store_errors():
            later = self._redis.zrangebyscore(DIGESTS_KEY, f"({format_timestamp(latest)}", "+inf", withscores=True)
            rows = await self._unreadable.read(DIGESTS_KEY, later, [])
        return [(channel, float(due)) for channel, due in rows]

    async def enqueue(self, channel: str, due: float, next_at: float, message: tuple[str, str] | None) -> bool:
        """Enqueue a digest, an id with its text (None: nothing to report), and schedule the next.

        False if that was done already, or the channel no longer wants one.
        """
        return bool(await self._enqueue_script(channel, repr(due), format_timestamp(next_at), "\n".join(message or ())))

    async def rebuild(self, due_times: Mapping[str, float]) -> None:
        """Store the times of all digests anew."""
        await self._unreadable.set_aside(DIGESTS_KEY, "zset")
        if due_times:
            async with store_errors():
                await self._redis.zadd(DIGESTS_KEY, due_times, nx=True)
