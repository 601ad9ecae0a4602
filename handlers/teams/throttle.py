"""Message rate of the bot in Teams, retries and their timeouts."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.resilience.rate_limit import Rate

# Teams allows a bot 7 messages in one second and 60 in thirty in a conversation, and 30 requests
# a second in a tenant ("Optimize your bot with rate limiting", learn.microsoft.com); these stay
# well below, since the figures are estimates.
CONVERSATION_RATE = Rate(per_second=1.0, burst=3.0)
TENANT_RATE = Rate(per_second=20.0, burst=20.0)


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
