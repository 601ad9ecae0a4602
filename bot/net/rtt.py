"""How long to wait for one server before asking again (RFC 6298, with bounds that fit DNS)."""

from __future__ import annotations

UNKNOWN = 0.2
SHORTEST, LONGEST = 0.05, 0.4
A_REPEAT, MOST_TRUST = 5, 50  # for five measures one repeat is put down to loss, ten at most
RAREST = 0.8  # between two copies, however often it was asked already


class RoundTrip:
    """Smoothed round trip and its spread, in seconds.

    Only an answer to a question that was sent once is a measure (Karn). Now and then a datagram is lost, and that says
    nothing; but where many questions had to be repeated for few measures, the first wait of the next ones grows until
    there is a measure again: a wait that is too short does not stay.
    """

    __slots__ = ("_first", "_smooth", "_spread", "_trust", "_usual")

    def __init__(self) -> None:
        self._trust = 0
        self._smooth: float | None = None
        self._spread = 0.0
        self._usual = self._first = UNKNOWN

    @property
    def usual_s(self) -> float | None:
        """The smoothed round trip; None before the first measure."""
        return self._smooth

    def wait(self, copies: int) -> float:
        """The seconds to wait after a datagram of which so many copies went out before."""
        return min(self._usual * (1 << copies), RAREST) if copies else self._first

    def measured(self, seconds: float) -> None:
        self._trust = min(self._trust + 1, MOST_TRUST)
        sample = seconds if seconds < LONGEST else LONGEST
        if self._smooth is None:
            self._smooth, self._spread = sample, sample / 2
        else:
            self._spread += (abs(self._smooth - sample) - self._spread) / 4
            self._smooth += (sample - self._smooth) / 8
        wait = self._smooth + 4 * self._spread
        self._usual = self._first = SHORTEST if wait < SHORTEST else LONGEST if wait > LONGEST else wait

    def missed(self) -> None:
        """A question had to be repeated."""
        if self._trust >= A_REPEAT:
            self._trust -= A_REPEAT
        else:
            self._first = min(self._first * 2, LONGEST)
