"""Watches as texts: by room, by subject, and by when each subject is to be looked at. No watch ever expires by itself.

A subject is one question that rooms may share: a role and what is followed, such as `mta 203.0.113.5 example.com`.
What is remembered of a watch is stored behind the operation that wrote it, which both guards against writing over what
somebody else wrote, and tells an operation that is sent again from a new one.

    mc1:watches:ROOM     id → watch                   mc1:subject:SUBJECT  set of "id room"
    mc1:incidents:ROOM   id → "operation incident"    mc1:looks, mc1:asks, mc1:tells   subject → due
    mc1:history:ROOM     id → history, written only together with the incident
    mc1:rooms:SPACE      room → how many watches      mc1:wishes           space, kind, interval → questions a look
    mc1:resting   room or space → until when         mc1:settings:SPACE, mc1:audit:SPACE, mc1:stretched
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
    """A room and the space that it belongs to, as texts."""

    room: str
    space: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A watch as text. `wishes` are the questions of one look, by space, kind of list and interval."""

    place: Place
    id: str
    subject: str
    watch: str
    wishes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is kept of one watch; `by` is the operation that wrote the incident and its history (empty: there is none)."""

    room: str
    id: str
    watch: str
    by: str
    incident: str
    history: str = ""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A subject that is ours until `lease`, with every watch that follows it and does not rest."""

    subject: str
    lease: str
    watches: tuple[Remembered, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What a look did to one watch; `letters` are ids with the texts that the room must get; no `history`: as it was."""

    of: Remembered
    incident: str
    letters: Sequence[tuple[str, str]] = ()
    history: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a look: what changed, and when to look, to ask what is in question, and only to speak (None: not so)."""

    claimed: Claimed
    changes: Sequence[Change]
    look_at: float | None = None
    ask_at: float | None = None
    tell_at: float | None = None


class WatchStore:
    """Every method raises StoreUnavailable where Redis does not answer. Times are seconds since 1970."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its types allow for bytes, which a client that decodes never gives
        self._add, self._remove, self._change, self._claim, self._apply = (
            Script(redis, f"{name}.lua")
            for name in ("watch_add", "watch_remove", "watch_change", "looks_claim", "looks_apply")
        )

    async def add(self, entry: Entry, incident: str, history: str, due: float, most: tuple[int, int]) -> str:
        """`added`, `had`, or which has its share already: `room` or `space`; `most` are those shares."""
        place = entry.place
        words = (operation(), place.room, place.space, entry.id, entry.watch, incident, history, entry.subject)
        return str(await self._add(*words, score(due), *most, *flat(entry.wishes)))

    async def remove(self, entry: Entry) -> bool:
        place = entry.place
        words = (operation(), place.room, place.space, entry.id, entry.subject)
        return bool(await self._remove(*words, *flat(entry.wishes)))

    async def change(self, to: Change, subject: str, tell_at: float | None) -> bool:
        """Replaces an incident that nobody replaced since it was read; what there is to tell of it is told by `tell_at`."""
        words = (to.of.room, to.of.id, to.of.by, to.incident, to.history, subject)
        return bool(await self._change(operation(), *words, "" if tell_at is None else score(tell_at)))

    async def of_room(self, room: str) -> list[Remembered]:
        async with answering(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hgetall(f"mc1:watches:{room}")
            pipeline.hgetall(f"mc1:incidents:{room}")
            watches, incidents = await pipeline.execute()
        return [remembered(room, id, watch, incidents[id]) for id, watch in watches.items() if id in incidents]

    async def history(self, room: str, id: str) -> str:
        async with answering():
            return str(await self._redis.hget(f"mc1:history:{room}", id) or "")

    async def histories(self, room: str) -> dict[str, str]:
        """Of all its watches that have one, by id."""
        async with answering():
            return dict(await self._redis.hgetall(f"mc1:history:{room}"))

    async def due(self, subjects: Sequence[str]) -> list[float | None]:
        """When each subject is looked at next."""
        if not subjects:
            return []
        async with answering():
            return list(await self._redis.zmscore(LOOKS, subjects))

    async def subjects(self) -> AsyncIterator[str]:
        """Every subject that anybody follows, in no order."""
        async with answering():
            async for subject, _ in self._redis.zscan_iter(LOOKS, count=1000):
                yield subject

    async def hasten(self, dues: Mapping[str, float]) -> None:
        """Looks at these subjects by these times, where they were to be looked at later."""
        if dues:
            async with answering():
                await self._redis.zadd(LOOKS, dues, xx=True, lt=True)

    async def claim(self, now: float, leases_s: tuple[float, float], most: int, schedule: str = LOOKS) -> list[Claimed]:
        """Subjects that are due in a schedule: a range alone, or several others.

        Each is due again after its lease (of a single address or domain, and of a range), if `apply` does not come before.
        """
        leases = [score(now + lease_s) for lease_s in leases_s]
        rows = await self._claim(schedule, score(now), *leases, most, score(now + RESTED_S))
        return [Claimed(subject, lease, tuple(remembered(*row) for row in watches)) for subject, lease, watches in rows]

    async def apply(self, ends: Sequence[Ended], again_at: float, schedule: str = LOOKS) -> list[str]:
        """Stores looks; for each `done`, `late` (the lease was over), or `again` (a watch was changed meanwhile, or its room
        has too many letters: nothing of that watch is stored, and the subject is due at `again_at`)."""
        if not ends:
            return []
        rows = json.dumps([row(end) for end in ends], separators=(",", ":"))
        return list(await self._apply(schedule, MOST_LETTERS, score(again_at), rows))

    async def overdue_s(self, now: float) -> float:
        """How long the look that waits longest has been due."""
        async with answering():
            first = await self._redis.zrange(LOOKS, 0, 0, withscores=True)
        return max(0.0, now - first[0][1]) if first else 0.0

    async def wishes(self) -> dict[str, int]:
        async with answering():
            return {name: int(number) for name, number in (await self._redis.hgetall("mc1:wishes")).items()}


def row(end: Ended) -> list[Any]:
    """A look's end as `looks_apply.lua` reads it."""
    changes = [
        [c.of.room, c.of.id, c.of.by, operation(), c.incident, c.history, [f"{id}\n{text}" for id, text in c.letters]]
        for c in end.changes
    ]
    dues = ["" if at is None else score(at) for at in (end.look_at, end.ask_at, end.tell_at)]
    return [end.claimed.subject, end.claimed.lease, *dues, changes]


def remembered(room: str, id: str, watch: str, held: str, history: str = "") -> Remembered:
    by, _, incident = held.partition(" ")
    return Remembered(room, id, watch, by, incident, history)


def operation() -> str:
    return secrets.token_hex(4)


def score(at: float) -> str:
    return f"{at:.3f}"


def flat(wishes: Mapping[str, int]) -> list[str | int]:
    return [word for pair in wishes.items() for word in pair]
