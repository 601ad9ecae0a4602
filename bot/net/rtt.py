"""How long to wait for one server before asking again (RFC 6298, with bounds that fit DNS)."""

from __future__ import annotations

UNKNOWN = 0.2
SHORTEST, LONGEST = 0.05, 0.4
RAREST = 0.8  # between two copies, however often it was asked already


class RoundTrip:
    """Smoothed round trip and its spread, in seconds.

    Only an answer to a question that was sent once is a measure (Karn). Each repeated one makes the first wait of the
    next questions longer until there is a measure again, so a wait that is too short does not stay.
    """

    __slots__ = ("_first", "_smooth", "_spread", "_usual")

    def __init__(self) -> None:
        self._smooth: float | None = None
        self._spread = 0.0
        self._usual = self._first = UNKNOWN

    def wait(self, copies: int) -> float:
        """The seconds to wait after a datagram of which so many copies went out before."""
        return min(self._usual * (1 << copies), RAREST) if copies else self._first

    def measured(self, seconds: float) -> None:
        sample = seconds if seconds < LONGEST else LONGEST
        if self._smooth is None:
            self._smooth, self._spread = sample, sample / 2
        else:
            self._spread += (abs(self._smooth - sample) - self._spread) / 4
            self._smooth += (sample - self._smooth) / 8
        wait = self._smooth + 4 * self._spread
        self._usual = self._first = SHORTEST if wait < SHORTEST else LONGEST if wait > LONGEST else wait

    def missed(self) -> None:
        self._first = min(self._first * 2, LONGEST)
