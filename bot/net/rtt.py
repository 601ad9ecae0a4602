"""How long to wait for one server before asking again (RFC 6298, with bounds that fit DNS)."""

from __future__ import annotations

UNKNOWN = 0.2
SHORTEST, LONGEST = 0.05, 0.4


class RoundTrip:
    """Smoothed round trip and its spread, in seconds.

    An answer that came after a second copy is measured from the first one: that errs on the side of patience, where
    leaving it out (Karn) would keep a wait that is too short for ever.
    """

    __slots__ = ("_smooth", "_spread", "wait")

    def __init__(self) -> None:
        self._smooth: float | None = None
        self._spread = 0.0
        self.wait = UNKNOWN

    def measured(self, seconds: float) -> None:
        sample = min(seconds, LONGEST)
        if self._smooth is None:
            self._smooth, self._spread = sample, sample / 2
        else:
            self._spread += (abs(self._smooth - sample) - self._spread) / 4
            self._smooth += (sample - self._smooth) / 8
        self.wait = min(max(self._smooth + 4 * self._spread, SHORTEST), LONGEST)
