"""Watches in Redis as texts: by channel, by poll target, and by due time. Watches never expire.

A poll target is what channels may share: a role and what is watched, such as
`mta 203.0.113.5 example.com`. The text of an incident follows the operation that wrote it: that
version prevents lost updates, and it shows whether an operation was repeated.

    mc1:watches:CHANNEL       id → watch
    mc1:incidents:CHANNEL     id → "operation incident"
    mc1:history:CHANNEL       id → history, written only together with the incident
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

from bot.storage.lua_script import Script, answering

LOOKS, ASKS, TELLS = "mc1:looks", "mc1:asks", "mc1:tells"
MOST_LETTERS = 500
RESTED_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Place:
    """A channel and its workspace, as texts."""

    room: str
    space: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A watch as text. `demand`: queries per poll by workspace, kind of list and interval."""

    place: Place
    id: str
    subject: str
    watch: str
    wishes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Remembered:
    """A stored watch; `version` is the operation that wrote the incident and history."""

    room: str
    id: str
    watch: str
    by: str
    incident: str
    history: str = ""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A poll target claimed until `lease`, with all its watches that are not paused."""

    subject: str
    lease: str
    watches: tuple[Remembered, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What a poll changed in one watch.

    `messages` for the outbox of the channel are ids with texts; an empty `history` changes nothing.
    """

    of: Remembered
    incident: str
    letters: Sequence[tuple[str, str]] = ()
    history: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """Result of a poll of one target.

    Changed watches, and the times of the next poll, of the next recheck and of the next
    notification without a query (None: not scheduled).
    """

    claimed: Claimed
    changes: Sequence[Change]
    look_at: float | None = None
    ask_at: float | None = None
    tell_at: float | None = None


class WatchStore:
    """Methods raise StoreUnavailable if Redis does not answer. Times are Unix timestamps."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # redis-py types allow bytes; this client decodes
        (
            self._add_script,
            self._remove_script,
            self._update_script,
            self._claim_script,
            self._apply_script,
        ) = (
            Script(redis, f"{name}.lua")
            for name in ("watch_add", "watch_remove", "watch_update", "poll_claim", "poll_apply")
        )

    async def add(
        self, entry: Entry, incident: str, history: str, due: float, limits: tuple[int, int]
    ) -> str:
        """Returns `added`, `had` (it exists), `room` or `space` (that limit is reached).

        `limits` are the watches per channel and per workspace.
        """
        channel = entry.place
        arguments = (
            operation(),
            channel.room,
            channel.space,
            entry.id,
            entry.watch,
            incident,
            history,
            entry.subject,
        )
        return str(await self._add_script(*arguments, score(due), *limits, *flat(entry.wishes)))

    async def remove(self, entry: Entry) -> bool:
        channel = entry.place
        arguments = (operation(), channel.room, channel.space, entry.id, entry.subject)
        return bool(await self._remove_script(*arguments, *flat(entry.wishes)))

    async def change(self, update: Change, subject: str, notify_at: float | None) -> bool:
        """Replace an incident unless its version changed; `notify_at`: pending notifications."""
        arguments = (
            update.of.room,
            update.of.id,
            update.of.by,
            update.incident,
            update.history,
            subject,
        )
        return bool(
            await self._update_script(
                operation(), *arguments, "" if notify_at is None else score(notify_at)
            )
        )

    async def of_room(self, channel: str) -> list[Remembered]:
        async with answering(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hgetall(f"mc1:watches:{channel}")
            pipeline.hgetall(f"mc1:incidents:{channel}")
            watches, incidents = await pipeline.execute()
        return [
            remembered(channel, id, watch, incidents[id])
            for id, watch in watches.items()
            if id in incidents
        ]

    async def history(self, channel: str, id: str) -> str:
        async with answering():
            return str(await self._redis.hget(f"mc1:history:{channel}", id) or "")

    async def histories(self, channel: str) -> dict[str, str]:
        """Histories of a channel, by watch id."""
        async with answering():
            return dict(await self._redis.hgetall(f"mc1:history:{channel}"))

    async def due(self, targets: Sequence[str]) -> list[float | None]:
        """Time of the next poll of each target."""
        if not targets:
            return []
        async with answering():
            return list(await self._redis.zmscore(LOOKS, targets))

    async def subjects(self) -> AsyncIterator[str]:
        """Every watched target, in no order."""
        async with answering():
            async for target, _ in self._redis.zscan_iter(LOOKS, count=1000):
                yield target

    async def hasten(self, due_times: Mapping[str, float]) -> None:
        """Move later polls of these targets to these times."""
        if due_times:
            async with answering():
                await self._redis.zadd(LOOKS, due_times, xx=True, lt=True)

    async def claim(
        self, now: float, leases_s: tuple[float, float], limit: int, schedule: str = LOOKS
    ) -> list[Claimed]:
        """Claim due targets of a schedule: one range alone, or several others.

        Each is due again after its lease (of a single target, of a range) unless `apply` is called.
        """
        leases = [score(now + lease_s) for lease_s in leases_s]
        rows = await self._claim_script(schedule, score(now), *leases, limit, score(now + RESTED_S))
        return [
            Claimed(target, lease, tuple(remembered(*row) for row in watches))
            for target, lease, watches in rows
        ]

    async def apply(
        self, results: Sequence[Ended], retry_at: float, schedule: str = LOOKS
    ) -> list[str]:
        """Store poll results; returns a status for each.

        `done`; `late` (the lease had expired); `again` (a watch was changed meanwhile or its
        outbox is full: nothing of that watch is stored, the target is due at `retry_at`).
        """
        if not results:
            return []
        rows = json.dumps([row(result) for result in results], separators=(",", ":"))
        return list(await self._apply_script(schedule, MOST_LETTERS, score(retry_at), rows))

    async def overdue_s(self, now: float) -> float:
        """Seconds since the longest overdue poll was due."""
        async with answering():
            longest_overdue = await self._redis.zrange(LOOKS, 0, 0, withscores=True)
        return max(0.0, now - longest_overdue[0][1]) if longest_overdue else 0.0

    async def wishes(self) -> dict[str, int]:
        async with answering():
            return {
                name: int(number)
                for name, number in (await self._redis.hgetall("mc1:wishes")).items()
            }


def row(result: Ended) -> list[Any]:
    """A poll result in the format of `poll_apply.lua`."""
    changes = [
        [
            update.of.room,
            update.of.id,
            update.of.by,
            operation(),
            update.incident,
            update.history,
            [f"{id}\n{text}" for id, text in update.letters],
        ]
        for update in result.changes
    ]
    due_times = [
        "" if at is None else score(at) for at in (result.look_at, result.ask_at, result.tell_at)
    ]
    return [result.claimed.subject, result.claimed.lease, *due_times, changes]


def remembered(channel: str, id: str, watch: str, value: str, history: str = "") -> Remembered:
    version, _, incident = value.partition(" ")
    return Remembered(channel, id, watch, version, incident, history)


def operation() -> str:
    return secrets.token_hex(4)


def score(at: float) -> str:
    return f"{at:.3f}"


def flat(demand: Mapping[str, int]) -> list[str | int]:
    return [item for pair in demand.items() for item in pair]
