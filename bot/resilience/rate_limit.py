"""Token buckets. A bucket is one number: the time at which it is full again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.resilience.ttl_cache import TtlCache

ROUNDING = 1e-6  # of a token: what sums of many times lose


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_second` tokens, and at most `burst` at once."""

    per_second: float
    burst: float


class TokenBucket:
    """Begins full. Pure: `now` is an argument, in seconds of any clock."""

    __slots__ = ("_full_at", "_last_token_s", "_token_s")

    def __init__(self, rate: Rate) -> None:
        self._token_s = 1 / rate.per_second
        self._last_token_s = (rate.burst - 1 + ROUNDING) * self._token_s  # a bucket that is full no later holds a token
        self._full_at = float("-inf")

    def take(self, now: float) -> bool:
        """Take one token; False if there is none."""
        full_at = self._full_at if self._full_at > now else now
        if full_at - now > self._last_token_s:
            return False
        self._full_at = full_at + self._token_s
        return True

    def wait_s(self, now: float) -> float:
        """Seconds until there is a token."""
        return max(0.0, self._full_at - now - self._last_token_s)

    def full_in_s(self, now: float) -> float:
        return max(0.0, self._full_at - now)

    def reserve(self, now: float) -> None:
        """Take one token, or the next one that there will be."""
        self._full_at = max(self._full_at, now) + self._token_s

    def block(self, now: float, seconds: float) -> None:
        """No token for so many seconds."""
        self._full_at = max(self._full_at, now + seconds + self._last_token_s)


class RateLimiter:
    """One bucket per key. The buckets of at most `max_keys` keys are kept, each until it is full again."""

    def __init__(self, rate: Rate, clock: Callable[[], float], max_keys: int = 10_000) -> None:
        self._rate, self._clock = rate, clock
        self._buckets: TtlCache[str, TokenBucket] = TtlCache(max_keys, clock)

    def wait_s(self, key: str) -> float:
        """Seconds until there is a token for this key."""
        kept = self._buckets.get(key)
        return kept[0].wait_s(self._clock()) if kept else 0.0

    def reserve(self, key: str) -> None:
        """Take one token, or the next one that there will be."""
        self._change(key, TokenBucket.reserve)

    def block(self, key: str, seconds: float) -> None:
        """No token for so many seconds."""
        self._change(key, lambda bucket, now: bucket.block(now, seconds))

    def _change(self, key: str, change: Callable[[TokenBucket, float], None]) -> None:
        kept, now = self._buckets.get(key), self._clock()
        bucket = kept[0] if kept else TokenBucket(self._rate)
        change(bucket, now)
        self._buckets.put(key, bucket, bucket.full_in_s(now))
