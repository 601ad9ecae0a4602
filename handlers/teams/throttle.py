"""How fast the bot may speak in Teams, and for how long it tries again."""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

# Teams allows a bot 7 messages in one second and 60 in thirty in a conversation, and 30 requests a second in a tenant
# ("Optimize your bot with rate limiting", learn.microsoft.com); these stay well below, since the figures are estimates.
A_CONVERSATION = (1.0, 3.0)
A_TENANT = (20.0, 20.0)


@dataclass(frozen=True, slots=True)
class Pace:
    """Time, handed in; in seconds.

    `progress_after` is when a person hears that the work goes on, `press_within` how long Teams may wait for the answer
    to a button. A failed call is made `tries` times, with a random wait below `backoff`, doubled each time, up to `longest`.
    """

    progress_after: float = 2.0
    press_within: float = 4.0
    tries: int = 5
    backoff: float = 0.5
    longest: float = 30.0
    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random

    def wait(self, failures: int) -> float:
        """How long to wait after so many failures in a row: a random part, so that not all come back at once."""
        return self.chance() * min(self.longest, self.backoff * 2.0 ** (failures - 1))


class Turns:
    """Token buckets, one a key: so many a second, after a first few at once."""

    MOST = 10_000

    def __init__(self, rate: tuple[float, float], now: Callable[[], float]) -> None:
        (self._a_second, self._at_once), self._now = rate, now
        self._free_at: OrderedDict[str, float] = OrderedDict()  # when a bucket will be full again

    def wait(self, key: str) -> float:
        """The seconds until a turn comes."""
        now = self._now()
        full_at = max(self._free_at.get(key, now), now)
        return max(0.0, full_at - now - (self._at_once - 1) / self._a_second)

    def take(self, key: str) -> None:
        now = self._now()
        self._free_at[key] = max(self._free_at.pop(key, now), now) + 1 / self._a_second
        while len(self._free_at) > self.MOST:
            self._free_at.popitem(last=False)

    def rest(self, key: str, seconds: float) -> None:
        """Nobody has a turn for so long: Teams said so."""
        until = self._now() + seconds + (self._at_once - 1) / self._a_second
        self._free_at[key] = max(self._free_at.pop(key, until), until)
