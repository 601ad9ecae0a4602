"""Other people's mail servers are not asked again and again: what one showed is good for ten minutes, for everybody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from bot.visits import Probe, SmtpFacts

GOOD_FOR_S = 600.0
MOST_REMEMBERED = 1000


class Sparing:
    """A Probe that visits a mail server once in ten minutes; those who ask meanwhile get what that visit brought back."""

    def __init__(self, probe: Probe, clock: Callable[[], float] = time.monotonic) -> None:
        self._probe = probe
        self._clock = clock
        self._visits: dict[str, tuple[float, asyncio.Task[SmtpFacts]]] = {}

    async def __call__(self, name: str, /) -> SmtpFacts:
        begun, visit = self._visits.get(name, (0.0, None))
        if visit is None or visit.cancelled() or self._clock() - begun >= GOOD_FOR_S:
            visit = asyncio.ensure_future(self._probe(name))
            self._visits.pop(name, None)
            self._visits[name] = (self._clock(), visit)
            if len(self._visits) > MOST_REMEMBERED:
                del self._visits[next(iter(self._visits))]
        return await asyncio.shield(visit)  # one who turns away takes it from nobody else
