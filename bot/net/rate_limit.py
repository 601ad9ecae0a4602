"""How fast a zone may be asked: the limits that its operator publishes, as buckets of questions. Pure; time comes from outside."""

from __future__ import annotations

from dataclasses import dataclass

DAY_S = 86_400
SHARE_OF_SWEEPS = 0.9  # the rest of a limit is kept for the checks of people


@dataclass(frozen=True, slots=True)
class Pace:
    """What an operator allows, in questions; None where no limit is known."""

    per_second: float | None = None
    per_day: float | None = None


UNLIMITED = Pace()


class Bucket:
    """Holds up to `size` questions, full at first, and fills by `rate` a second."""

    __slots__ = ("_at", "_rate", "_size", "_tokens")

    def __init__(self, size: float, rate: float, now: float) -> None:
        self._size, self._rate, self._at = size, rate, now
        self._tokens = size

    def take(self, now: float) -> bool:
        """Take one question out; False where there is none."""
        self._tokens = min(self._size, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def second_bucket(pace: Pace, now: float) -> Bucket | None:
    """A second's worth of questions, for sweeps; at least one, or nothing would ever be asked."""
    if pace.per_second is None:
        return None
    rate = pace.per_second * SHARE_OF_SWEEPS
    return Bucket(max(1.0, rate), rate, now)


def day_bucket(pace: Pace, now: float) -> Bucket | None:
    """A day's worth of questions, for sweeps: a short one may use it at once, a long one gets what the clock refills."""
    if pace.per_day is None:
        return None
    size = pace.per_day * SHARE_OF_SWEEPS
    return Bucket(max(1.0, size), size / DAY_S, now)
