"""Published query limits of DNS zones as token buckets. Pure: `now` is an argument."""

from __future__ import annotations

from dataclasses import dataclass

DAY_S = 86_400
BULK_SHARE = 0.9  # the rest of a limit is reserved for interactive checks


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Query limits of an operator; None if no limit is known."""

    per_second: float | None = None
    per_day: float | None = None


UNLIMITED = RateLimit()


class TokenBucket:
    """Token bucket: starts with `size` tokens and refills at `rate` per second."""

    __slots__ = ("_at", "_rate", "_size", "_tokens")

    def __init__(self, size: float, rate: float, now: float) -> None:
        self._size, self._rate, self._at = size, rate, now
        self._tokens = size

    def take(self, now: float) -> bool:
        """Take one token; False if there is none."""
        self._tokens = min(self._size, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def second_bucket(limit: RateLimit, now: float) -> TokenBucket | None:
    """Bucket of one second, for bulk queries; holds at least one token."""
    if limit.per_second is None:
        return None
    rate = limit.per_second * BULK_SHARE
    return TokenBucket(max(1.0, rate), rate, now)


def day_bucket(limit: RateLimit, now: float) -> TokenBucket | None:
    """Bucket of one day, for bulk queries: usable at once, refilled continuously."""
    if limit.per_day is None:
        return None
    size = limit.per_day * BULK_SHARE
    return TokenBucket(max(1.0, size), size / DAY_S, now)
