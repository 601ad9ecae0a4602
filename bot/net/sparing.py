"""Other people's mail servers are not asked again and again: what one showed is good for ten minutes, for everybody.

From the visits it also shows whether port 25 is open from here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from bot.visits import Probe, SmtpFacts, Trouble

GOOD_FOR_S = 600.0
MOST_REMEMBERED = 1000
ENOUGH = 3  # so many servers, of which none could be reached, and port 25 is taken for shut
NEVER_CONNECTED = (Trouble.UNREACHABLE, Trouble.SPECIAL, Trouble.NO_ADDRESS, Trouble.NO_ANSWER)


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

    def port_open(self) -> bool | None:
        """Whether port 25 is open from here, as far as the visits of the last ten minutes tell; None where they do not."""
        since = self._clock() - GOOD_FOR_S
        ended = [visit for begun, visit in self._visits.values() if begun > since and _has_ended(visit)]
        troubles = [visit.result().trouble for visit in ended]
        if any(trouble not in NEVER_CONNECTED for trouble in troubles):
            return True
        return False if troubles.count(Trouble.UNREACHABLE) >= ENOUGH else None


def _has_ended(visit: asyncio.Task[SmtpFacts]) -> bool:
    return visit.done() and not visit.cancelled() and visit.exception() is None
