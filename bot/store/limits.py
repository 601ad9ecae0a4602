"""How often a person and a channel may ask, and what was seen before: counts that every process shares."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from redis.asyncio import Redis

from bot.store.circuit import Away, Circuit

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


async def seen_before(redis: Redis, key: str) -> bool:
    """Was this key given before, by any process, in the last eleven minutes? From now on it was."""
    return not await redis.set(f"mc1:seen:{key}", "1", nx=True, ex=SEEN_S)
