"""Message rate of the bot in Teams, retries and their timeouts."""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

# Teams allows a bot 7 messages in one second and 60 in thirty in a conversation, and 30 requests
# a second in a tenant ("Optimize your bot with rate limiting", learn.microsoft.com); these stay
# well below, since the figures are estimates.
CONVERSATION_RATE = (1.0, 3.0)
TENANT_RATE = (20.0, 20.0)


@dataclass(frozen=True, slots=True)
class TeamsTimeouts:
    """Timeouts and retry policy, in seconds, with an injected clock.

    Progress is shown after `progress_after`; a card action waits at most `action_timeout_s`.
    A call is tried `tries` times with full jitter below `backoff`, doubled up to `max_backoff`.
    """

    progress_after: float = 2.0
    action_timeout_s: float = 4.0
    tries: int = 5
    backoff: float = 0.5
    max_backoff: float = 30.0
    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random_fraction: Callable[[], float] = random.random

    def wait(self, failures: int) -> float:
        """Backoff after so many failures in a row, with full jitter."""
        return self.random_fraction() * min(self.max_backoff, self.backoff * 2.0 ** (failures - 1))


class MessageThrottle:
    """Token buckets by key: a rate per second and a burst."""

    MAX_KEYS = 10_000

    def __init__(self, rate: tuple[float, float], now: Callable[[], float]) -> None:
        (self._per_second, self._burst), self._now = rate, now
        self._free_at: OrderedDict[str, float] = OrderedDict()  # time when a bucket is full again

    def wait(self, key: str) -> float:
        """Seconds until a token is available."""
        now = self._now()
        full_at = max(self._free_at.get(key, now), now)
        return max(0.0, full_at - now - (self._burst - 1) / self._per_second)

    def take(self, key: str) -> None:
        now = self._now()
        self._free_at[key] = max(self._free_at.pop(key, now), now) + 1 / self._per_second
        while len(self._free_at) > self.MAX_KEYS:
            self._free_at.popitem(last=False)

    def block(self, key: str, seconds: float) -> None:
        """Block a key for so long, after a Retry-After."""
        until = self._now() + seconds + (self._burst - 1) / self._per_second
        self._free_at[key] = max(self._free_at.pop(key, until), until)
