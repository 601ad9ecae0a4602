"""The fast lane of sweeps: plain address questions by the thousand, without a future, a task or a timer for each.

A question stays in it as long as all goes well: one datagram out, one plain reply back. Whatever is not plain (silence, an
error, a cut, a changed letter case) is handed to the careful road of `transport`. Every zone has a lane of its own, and
the lanes take turns, so a slow or silent list holds back nobody's questions but its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from bot.model import LookupFailed
from bot.net.flight import (
    DAY_LIMIT,
    MALFORMED,
    MISSES,
    NOT_THERE,
    REST_S,
    SILENCE,
    SIZES,
    Heard,
    Lane,
    Odd,
    Outcome,
    Plain,
    Round,
)
from bot.net.pace import UNLIMITED, Pace
from bot.net.upstream import Upstream
from bot.net.wire import LONGEST_QUESTION, beginning

LEAST_OF_A_LANE = 4  # questions on the wire, however many lanes there are
SHARES_OF_A_LANE = 4  # and no more than this many times its even share


class Lanes:
    """`limit` questions fly at once, all lanes together; those that left for the careful road count until they are settled.

    Sweeps have `paces` and spare a zone that is slow or silent; without them, for people, every zone is asked at once.
    """

    def __init__(self, limit: int, paces: Mapping[str, Pace] | None, odd: Odd) -> None:
        self.flying = 0
        self._odd = odd
        self._sparing = paces is not None
        self._limit = limit
        self._paces = paces or {}
        self._lanes: dict[str, Lane] = {}
        self._most = limit  # of one lane
        self._ready: deque[Lane] = deque()
        self._parked: set[Lane] = set()  # out of questions for this second
        self._sent: deque[tuple[Upstream, Plain]] = deque()

    def __len__(self) -> int:
        return self.flying + sum(len(lane.waiting) for lane in self._lanes.values())

    def enter(
        self, label: str, apexes: Sequence[str], patience: float, now: float, heard: Heard | None = None
    ) -> Round:
        """A round about `label`; a name that DNS cannot carry is not asked."""
        head = beginning(label)
        round_ = Round(label, head or b"", len(apexes), patience, heard)
        for place, apex in enumerate(apexes):
            lane = self._lanes.get(apex) or self._open(apex, now)
            if head is None or len(head) + lane.length > LONGEST_QUESTION:
                round_.tell(place, MALFORMED)
            elif lane.rests and self._sparing:
                round_.tell(place, SILENCE)
                self._look_again(lane, round_, now)
            elif lane.day and not lane.day.take(now):
                round_.tell(place, DAY_LIMIT)
            else:
                self._wait(lane, round_, place)
        return round_

    def fly(self, upstream: Upstream, room: int, now: float) -> None:
        """Send what may be sent now, each lane in its turn, until so many fly."""
        ready, sent = self._ready, self._sent
        while ready and self.flying < room:
            lane = ready.popleft()
            lane.ready = False
            if not lane.waiting:  # its zone fell silent, and nobody waits for it any more
                continue
            if lane.second and not lane.second.take(now):
                self._parked.add(lane)
                continue
            round_, place = lane.waiting.popleft()
            if round_.done.done():  # its caller has gone
                self._make_ready(lane)
                continue
            lane.flying += 1
            self.flying += 1
            sent.append((upstream, upstream.send_plain(round_, place, lane, now)))
            if lane.waiting and lane.flying < self._most:
                lane.ready = True
                ready.append(lane)

    def deny(self, plain: Plain) -> None:
        self.settle(plain, NOT_THERE)

    def read_whole(self, plain: Plain, octets: int) -> None:
        """A sweep need not read the denials of that size any more. Those for people are all read: their TTL is wanted."""
        if self._sparing and len(plain.lane.whole) < SIZES:
            plain.lane.whole.add(octets)

    def settle(self, plain: Plain, outcome: Outcome) -> None:
        """The zone has spoken, or the careful road has given up."""
        lane = plain.lane
        self.flying -= 1
        lane.flying -= 1
        if isinstance(outcome, LookupFailed) and outcome.reason == SILENCE.reason:
            self._missed(lane)
        else:
            lane.misses = 0
        trusted = not (self._sparing and lane.misses and lane.flying)  # one by one, since it was silent once
        if lane.waiting and trusted and not lane.ready and lane not in self._parked:
            lane.ready = True
            self._ready.append(lane)
        plain.round.tell(plain.place, outcome)

    def overdue(self, now: float) -> list[tuple[Upstream, Plain]]:
        """The questions that have been on the wire for longer than their server takes; they are no longer looked at here."""
        found, sent = [], self._sent
        while sent:
            upstream, plain = sent[0]
            flies = plain.link.flights.get(plain.ident) is plain
            if flies and now - plain.sent < upstream.round_trip.wait(0):
                break
            sent.popleft()
            if flies:
                found.append((upstream, plain))
        return found

    def refill(self) -> None:
        """Lanes that used up their second go on when there is a question to be had."""
        for lane in [lane for lane in self._parked if lane.second]:
            self._parked.discard(lane)
            self._make_ready(lane)

    def close(self) -> None:
        """Nobody is left waiting: what is not known is silence."""
        for lane in self._lanes.values():
            self._give_up(lane)
        for _, plain in self._sent:
            if plain.link.flights.pop(plain.ident, None) is plain:
                self.settle(plain, SILENCE)
        self._sent.clear()

    def _open(self, apex: str, now: float) -> Lane:
        lane = self._lanes[apex] = Lane(apex, self._paces.get(apex, UNLIMITED), now, self.deny, self._odd)
        share = max(LEAST_OF_A_LANE, SHARES_OF_A_LANE * self._limit // len(self._lanes))
        self._most = min(self._limit, share) if self._sparing else self._limit
        return lane

    @property
    def ready(self) -> bool:
        return bool(self._ready)

    def _wait(self, lane: Lane, round_: Round, place: int) -> None:
        lane.waiting.append((round_, place))
        self._make_ready(lane)

    def _make_ready(self, lane: Lane) -> None:
        if lane.waiting and not lane.ready and lane.flying < self._most and lane not in self._parked:
            lane.ready = True
            self._ready.append(lane)

    def _missed(self, lane: Lane) -> None:
        lane.misses += 1
        if lane.misses == MISSES and self._sparing:
            self._give_up(lane)

    def _give_up(self, lane: Lane) -> None:
        while lane.waiting:
            round_, place = lane.waiting.popleft()
            round_.tell(place, SILENCE)

    def _look_again(self, lane: Lane, like: Round, now: float) -> None:
        """A question of our own, for which nobody waits."""
        if lane.rests_until <= now:
            lane.rests_until = now + REST_S
            self._wait(lane, Round(like.label, like.head, 1, like.patience), 0)
