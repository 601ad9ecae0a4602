"""How often a person and a channel may ask, and what was seen before: counts that every process shares."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.storage.circuit_breaker import Away, Circuit

WINDOW_S = 60
SEEN_S = 660


class Allowance:
    """At most so many in a minute under each key; nothing is refused while Redis is away."""

    def __init__(self, circuit: Circuit, clock: Callable[[], float] = time.time) -> None:
        self._circuit = circuit
        self._clock = clock

    async def wait(self, most: Mapping[str, int]) -> int:
        """Counts one under every key; the seconds to wait where a key has had its share, else 0."""
        now = self._clock()
        minute = int(now // WINDOW_S)
        pipeline = self._circuit.redis.pipeline(transaction=True)
        for key in most:
            name = f"mc1:asked:{key}:{minute}"
            pipeline.incr(name)
            pipeline.expire(name, WINDOW_S)
        try:
            counts = (await self._circuit.run(pipeline.execute))[::2]
        except Away:
            return 0
        over = any(count > limit for count, limit in zip(counts, most.values(), strict=True))
        return WINDOW_S - int(now % WINDOW_S) if over else 0


class Sightings:
    """Was a key given before, by any process, in the last eleven minutes?

    Only a look is waited for: the note is written behind the answer, for the disk behind it costs a person a millisecond.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._notes: set[asyncio.Task[None]] = set()

    async def __call__(self, key: str) -> bool:
        name = f"mc1:seen:{key}"
        if await self._redis.exists(name):
            return True
        note = asyncio.create_task(self._note(name))
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)
        return False

    async def settle(self) -> None:
        """Wait until everything seen so far is noted."""
        await asyncio.gather(*self._notes)

    async def _note(self, name: str) -> None:
        # A note that is lost makes one replay possible, in another process, while Redis is away.
        with suppress(RedisError, OSError):
            await self._redis.set(name, "1", ex=SEEN_S)
