"""Watches in Redis as texts: by channel, by poll target, and by due time. Watches never expire.

A poll target is what channels may share: a role and what is watched, such as
`mta 203.0.113.5 example.com`. The text of an incident follows the operation that wrote it: that
version prevents lost updates, and it shows whether an operation was repeated.

    mc1:watches:CHANNEL       id → watch
    mc1:incidents:CHANNEL     id → "operation incident"
    mc1:history:CHANNEL       id → history, written only together with the incident
    mc1:removed:CHANNEL       id → watch that was removed while messages of the channel waited
    mc1:subject:TARGET        set of "id channel"
    mc1:looks, mc1:asks, mc1:tells   target → due poll, recheck, notification
    mc1:rooms:WORKSPACE       channel → number of watches
    mc1:wishes                workspace, kind, interval → queries per poll
    mc1:resting               channel or workspace → until when
    mc1:settings:WORKSPACE, mc1:audit:WORKSPACE, mc1:stretched
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from bot.storage.lua_script import LuaScript, store_errors
from bot.storage.unreadable import UnreadableValues, is_text

POLL_SCHEDULE, RECHECK_SCHEDULE, NOTIFY_SCHEDULE = "mc1:looks", "mc1:asks", "mc1:tells"
MAX_OUTBOX_MESSAGES = 500
PAUSED_RECHECK_S = 6 * 3600.0
REMOVED_TTL_S = 60 * 86400  # longer than any message waits
UNREADABLE_RETRY_S = 3600.0
RESTORE_WITHIN_S = 300.0  # a schedule that is built anew polls everything within this time
TARGET_PREFIX = "mc1:subject:"
SCAN_COUNT = 1000
MAX_CLOCK_SKEW_S = 5.0  # between the clocks of two processes that work
CLAMP_BATCH = 200  # targets per script, so that others do not wait


@dataclass(frozen=True, slots=True)
class ChannelLocation:
    """A channel and its workspace, as texts."""

    channel: str
    workspace: str


@dataclass(frozen=True, slots=True)
class WatchEntry:
    """A watch as text. `demand`: queries per poll by workspace, kind of list and interval."""

    channel: ChannelLocation
    id: str
    target: str
    watch: str
    demand: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class WatchRow:
    """A stored watch; `version` is the operation that wrote the incident and history."""

    channel: str
    id: str
    watch: str
    version: str
    incident: str
    history: str = ""


@dataclass(frozen=True, slots=True)
class ClaimedTarget:
    """A poll target claimed until `lease`, with all its watches that are not paused."""

    target: str
    lease: str
    watches: tuple[WatchRow, ...]


@dataclass(frozen=True, slots=True)
class WatchUpdate:
    """What a poll changed in one watch.

    `messages` for the outbox of the channel are ids with texts; an empty `history` changes nothing.
    """

    row: WatchRow
    incident: str
    messages: Sequence[tuple[str, str]] = ()
    history: str = ""


@dataclass(frozen=True, slots=True)
class PollResultRow:
    """Result of a poll of one target.

    Changed watches, and the times of the next poll, of the next recheck and of the next
    notification without a query (None: not scheduled).
    """

    claimed: ClaimedTarget
    updates: Sequence[WatchUpdate]
    next_poll_at: float | None = None
    recheck_at: float | None = None
    notify_at: float | None = None


@dataclass(frozen=True, slots=True)
class DueLimits:
    """How far ahead a due time can be, in seconds, where the interval of a watch does not say it.

    `jitter` is the largest factor on an interval; `instead_s`: where one that is too far ahead goes.
    """

    jitter: float
    furthest_s: float
    furthest_muted_s: float
    instead_s: float = 0.0


class WatchStore:
    """Methods raise StoreUnavailable if Redis does not answer. Times are Unix timestamps."""

    def __init__(self, redis: Redis, unreadable: UnreadableValues | None = None) -> None:
        self._redis: Any = redis  # redis-py types allow bytes; this client decodes
        self._unreadable = unreadable or UnreadableValues(redis)
        (self._add_script, self._remove_script, self._update_script, self._claim_script, self._apply_script) = (
            LuaScript(redis, f"{name}.lua", self._unreadable)
            for name in ("watch_add", "watch_remove", "watch_update", "poll_claim", "poll_apply")
        )
        self._clamp_script = LuaScript(redis, "due_clamp.lua", self._unreadable)
        self._change_script = LuaScript(redis, "watch_change.lua", self._unreadable)

    async def add(self, entry: WatchEntry, incident: str, history: str, due: float, limits: tuple[int, int]) -> str:
        """Returns `added`, `had` (it exists), `room` or `space` (that limit is reached).

        `limits` are the watches per channel and per workspace.
        """
        channel = entry.channel
        arguments = (
            new_operation_id(),
            channel.channel,
            channel.workspace,
            entry.id,
            entry.watch,
            incident,
            history,
            entry.target,
        )
        return str(await self._add_script(*arguments, format_timestamp(due), *limits, *flatten(entry.demand)))

    async def remove(self, entry: WatchEntry) -> bool:
        channel = entry.channel
        arguments = (new_operation_id(), channel.channel, channel.workspace, entry.id, entry.target, REMOVED_TTL_S)
        return bool(await self._remove_script(*arguments, *flatten(entry.demand)))

    async def change(self, before: WatchEntry, after: WatchEntry, due: float) -> bool:
        """Replace a watch that still has the text of `before`, and poll it by `due`; else False."""
        names = before.demand.keys() | after.demand.keys()
        demand = {name: after.demand.get(name, 0) - before.demand.get(name, 0) for name in sorted(names)}
        arguments = (before.channel.channel, before.id, before.watch, after.watch, before.target, after.target)
        changed_demand = flatten({name: number for name, number in demand.items() if number})
        return bool(await self._change_script(new_operation_id(), *arguments, format_timestamp(due), *changed_demand))

    async def update_incident(self, update: WatchUpdate, target: str, notify_at: float | None) -> bool:
        """Replace an incident unless its version changed; `notify_at`: pending notifications."""
        arguments = (update.row.channel, update.row.id, update.row.version, update.incident, update.history, target)
        return bool(
            await self._update_script(
                new_operation_id(), *arguments, "" if notify_at is None else format_timestamp(notify_at)
            )
        )

    async def get(self, channel: str, id: str) -> tuple[WatchRow | None, str]:
        """A watch, and its text if it was removed and messages about it may wait."""
        keys = [f"mc1:{part}:{channel}" for part in ("watches", "incidents", "removed")]
        async with store_errors(), self._redis.pipeline(transaction=True) as pipeline:
            for key in keys:
                pipeline.hget(key, id)
            replies = await pipeline.execute(raise_on_error=False)
        watch, incident, removed = (
            self._unreadable.usable(key, reply, None) for key, reply in zip(keys, replies, strict=True)
        )
        return parse_row(channel, id, watch, incident) if watch and incident else None, removed or ""

    async def list_watches(self, channel: str) -> list[WatchRow]:
        async with store_errors(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hgetall(f"mc1:watches:{channel}")
            pipeline.hgetall(f"mc1:incidents:{channel}")
            replies = await pipeline.execute(raise_on_error=False)
        keys = (f"mc1:watches:{channel}", f"mc1:incidents:{channel}")
        watches, incidents = (self._unreadable.usable(key, reply, {}) for key, reply in zip(keys, replies, strict=True))
        return [parse_row(channel, id, watch, incidents[id]) for id, watch in watches.items() if id in incidents]

    async def history(self, channel: str, id: str) -> str:
        async with store_errors():
            key = f"mc1:history:{channel}"
            return str(await self._unreadable.read(key, self._redis.hget(key, id), None) or "")

    async def histories(self, channel: str) -> dict[str, str]:
        """Histories of a channel, by watch id."""
        async with store_errors():
            key = f"mc1:history:{channel}"
            return dict(await self._unreadable.read(key, self._redis.hgetall(key), {}))

    async def next_polls(self, targets: Sequence[str]) -> list[float | None]:
        """Time of the next poll of each target."""
        if not targets:
            return []
        async with store_errors():
            scores = self._redis.zmscore(POLL_SCHEDULE, targets)
            return list(await self._unreadable.read(POLL_SCHEDULE, scores, [None] * len(targets)))

    async def targets(self) -> AsyncIterator[str]:
        """Every watched target, in no order."""
        async with store_errors():
            if await self._redis.type(POLL_SCHEDULE) != "zset":
                return
            async for target, _ in self._redis.zscan_iter(POLL_SCHEDULE, count=SCAN_COUNT):
                yield target

    async def bring_forward(self, due_times: Mapping[str, float]) -> None:
        """Move later polls of these targets to these times."""
        if due_times:
            async with store_errors():
                added = self._redis.zadd(POLL_SCHEDULE, due_times, xx=True, lt=True)
                await self._unreadable.read(POLL_SCHEDULE, added, 0)

    async def claim(
        self, now: float, leases_s: tuple[float, float], limit: int, schedule: str = POLL_SCHEDULE
    ) -> list[ClaimedTarget]:
        """Claim due targets of a schedule: one range alone, or several others.

        Each is due again after its lease (of a single target, of a range) unless `apply` is called.
        """
        leases = [format_timestamp(now + lease_s) for lease_s in leases_s]
        rows = await self._claim_script(
            schedule, format_timestamp(now), *leases, limit, format_timestamp(now + PAUSED_RECHECK_S)
        )
        if rows is False:
            await self._restore_schedule(schedule, now)
            return []
        await self._put_off([target for target, _, _ in rows if not is_text(target)], now, schedule)
        return [
            ClaimedTarget(target, lease, self._parse_rows(watches))
            for target, lease, watches in rows
            if is_text(target)
        ]

    async def clamp(self, now: float, leases_s: tuple[float, float], limits: DueLimits, schedule: str) -> int:
        """Bring back due times that are further ahead than possible; returns their number."""
        lengths_s = (0.0, *leases_s, PAUSED_RECHECK_S, limits.furthest_s, limits.instead_s, limits.furthest_muted_s)
        times = [format_timestamp(now + length_s) for length_s in lengths_s]
        async with store_errors():
            later = self._redis.zrange(schedule, format_timestamp(now + leases_s[0]), "+inf", byscore=True)
            ahead = await self._unreadable.read(schedule, later, [])
        batches = [ahead[start : start + CLAMP_BATCH] for start in range(0, len(ahead), CLAMP_BATCH)]
        counts = [int(await self._clamp_script(schedule, *times, limits.jitter, *batch)) for batch in batches]
        return sum(counts)

    def _parse_rows(self, rows: Sequence[Sequence[str]]) -> tuple[WatchRow, ...]:
        """Rows of a claim; those that are not text are reported and left out."""
        parsed = []
        for channel, id, watch, value, history in rows:
            if is_text(f"{channel}{id}{watch}{value}"):
                parsed.append(parse_row(channel, id, watch, value, history))
            else:
                self._unreadable.report(f"mc1:watches:{channel}", id, "not UTF-8")
        return tuple(parsed)

    async def _put_off(self, targets: Sequence[str], now: float, schedule: str) -> None:
        """Poll targets whose names are not text are due again in an hour."""
        for target in targets:
            self._unreadable.report(schedule, target, "not UTF-8")
            async with store_errors():
                await self._redis.zadd(schedule, {target: now + UNREADABLE_RETRY_S}, xx=True)

    async def _restore_schedule(self, schedule: str, now: float) -> None:
        """Build a schedule that cannot be read anew from the watched targets.

        Rechecks and notifications follow from the next poll of their target.
        """
        await self._unreadable.set_aside(schedule, "zset")
        if schedule != POLL_SCHEDULE:
            return
        async with store_errors():
            keys = [key async for key in self._redis.scan_iter(f"{TARGET_PREFIX}*", count=SCAN_COUNT)]
            due_times = {
                key.removeprefix(TARGET_PREFIX): now + RESTORE_WITHIN_S * index / len(keys)
                for index, key in enumerate(keys)
            }
            if due_times:
                await self._redis.zadd(schedule, due_times, nx=True)

    async def rebuild_target(self, target: str, members: Sequence[str], now: float) -> None:
        """Store the watches of a target anew, each as "id channel", and poll it now."""
        key = f"{TARGET_PREFIX}{target}"
        await self._unreadable.set_aside(key, "set")
        if members:
            async with store_errors():
                await self._redis.sadd(key, *members)
            await self.bring_forward({target: now})

    async def apply(
        self, results: Sequence[PollResultRow], retry_at: float, schedule: str = POLL_SCHEDULE
    ) -> list[str]:
        """Store poll results; returns a status for each.

        `done`; `late` (the lease had expired); `again` (a watch was changed meanwhile or its
        outbox is full: nothing of that watch is stored, the target is due at `retry_at`).
        """
        if not results:
            return []
        rows = json.dumps([encode_result(result) for result in results], separators=(",", ":"))
        return list(await self._apply_script(schedule, MAX_OUTBOX_MESSAGES, format_timestamp(retry_at), rows))

    async def overdue_s(self, now: float) -> float:
        """Seconds since the longest overdue poll was due."""
        async with store_errors():
            first = self._redis.zrange(POLL_SCHEDULE, 0, 0, withscores=True)
            longest_overdue = await self._unreadable.read(POLL_SCHEDULE, first, [])
        return max(0.0, now - longest_overdue[0][1]) if longest_overdue else 0.0

    async def demand(self) -> dict[str, int]:
        async with store_errors():
            numbers = await self._unreadable.read("mc1:wishes", self._redis.hgetall("mc1:wishes"), {})
        readable = {
            name: self._unreadable.parse("mc1:wishes", name, parse_demand, name, n) for name, n in numbers.items()
        }
        return {name: number for name, number in readable.items() if number is not None}

    async def workspaces(self) -> list[str]:
        """Workspaces with watches, as `platform/workspace`, in order."""
        async with store_errors():
            demands = await self._unreadable.read("mc1:wishes", self._redis.hkeys("mc1:wishes"), None)
            if demands is not None:
                return sorted({name.partition(" ")[0] for name in demands})
            keys = [key async for key in self._redis.scan_iter("mc1:rooms:*", count=SCAN_COUNT)]
        return sorted(key.removeprefix("mc1:rooms:") for key in keys)


def encode_result(result: PollResultRow) -> list[Any]:
    """A poll result in the format of `poll_apply.lua`."""
    changes = [
        [
            update.row.channel,
            update.row.id,
            update.row.version,
            new_operation_id(),
            update.incident,
            update.history,
            [f"{id}\n{text}" for id, text in update.messages],
        ]
        for update in result.updates
    ]
    due_times = [
        "" if at is None else format_timestamp(at) for at in (result.next_poll_at, result.recheck_at, result.notify_at)
    ]
    return [result.claimed.target, result.claimed.lease, *due_times, changes]


def parse_demand(name: str, number: str) -> int:
    """Number of polled targets of `WORKSPACE KIND INTERVAL`. Raises ValueError for any other name."""
    _workspace, _kind, interval = name.rsplit(" ", 2)
    int(interval)
    return int(number)


def parse_row(channel: str, id: str, watch: str, value: str, history: str = "") -> WatchRow:
    version, _, incident = value.partition(" ")
    return WatchRow(channel, id, watch, version, incident, history)


def new_operation_id() -> str:
    return secrets.token_hex(4)


def format_timestamp(at: float) -> str:
    return f"{at:.3f}"


def flatten(demand: Mapping[str, int]) -> list[str | int]:
    return [item for pair in demand.items() for item in pair]
