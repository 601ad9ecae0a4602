"""The fast lane of sweeps: plain address questions by the thousand, without a future, a task or a timer for each.

A question stays in it as long as all goes well: one datagram out, one plain reply back. Whatever is not plain (silence, an
error, a cut, a changed letter case) is handed to the careful road of `transport`. Every zone has a lane of its own, and
the lanes take turns, so a slow or silent list holds back nobody's questions but its own.

Where the fast lane of sweeps meets the careful road: what to do with a reply that is not plain, and with silence.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from bot.models import Answer, LookupFailed
from bot.net.dns_message import Alias
from bot.net.dns_query import (
    DAY_LIMIT,
    MALFORMED,
    MISSES,
    NOT_THERE,
    REST_S,
    SILENCE,
    SIZES,
    Flight,
    Heard,
    Lane,
    Odd,
    Outcome,
    Plain,
    Query,
    Round,
)
from bot.net.dns_upstream import Choice, Upstream
from bot.net.dns_wire import HEADER, LONGEST_QUESTION, ONE, TC, Question, beginning, failure, question, read_plain
from bot.net.rate_limit import UNLIMITED, Pace

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


class CarefulRoad(Protocol):
    """What the fast lane needs of the transport."""

    async def arrive(self, query: Query) -> Answer: ...

    def pump(self) -> None: ...


class FastLane:
    """Rounds of plain questions over `upstreams`; `limit` bounds those on the wire, `paces` (for sweeps) those of one zone."""

    def __init__(
        self,
        road: CarefulRoad,
        choice: Choice,
        board: Callable[[Query], None],
        upstreams: Sequence[Upstream],
        limit: int,
        paces: Mapping[str, Pace] | None,
    ) -> None:
        self._road = road
        self._choice = choice
        self._board = board
        self._upstreams = upstreams
        self._limit = limit
        self._lanes = Lanes(limit, paces, self._odd)
        self._handed: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Questions that wait or fly here; those handed to the careful road count there."""
        return max(0, len(self._lanes) - len(self._handed))

    async def ask(self, label: str, apexes: Sequence[str], patience_s: float, heard: Heard | None) -> list[Outcome]:
        """The outcome of `label.apex` for each of the zones, in their order."""
        asked = self._lanes.enter(label, apexes, patience_s, asyncio.get_running_loop().time(), heard)
        self._road.pump()
        if asked.left:
            await asked.done
        return asked.outcomes

    def fly(self, others: int, now: float) -> None:
        """Send what may be sent beside the `others` that are on the wire already."""
        if self._lanes.ready:
            self._lanes.fly(self._upstreams[self._choice.order(now)[0]], self._limit - others, now)

    def tick(self, now: float) -> None:
        """Hand over what has been without an answer for longer than its server usually takes."""
        for upstream, plain in self._lanes.overdue(now):
            if plain.round.done.done():  # its caller has gone
                del plain.link.flights[plain.ident]
                self._lanes.settle(plain, SILENCE)
            else:
                self._hand_over(upstream, plain, now)
        self._lanes.refill()

    async def close(self) -> None:
        self._lanes.close()
        await asyncio.gather(*self._handed, return_exceptions=True)

    def _odd(self, number: int, plain: Plain, reply: bytes) -> None:
        """A whole denial and an answer with addresses are read at once; anything else is the business of the careful road."""
        upstream, now = self._upstreams[number], asyncio.get_running_loop().time()
        exact = reply.startswith(plain.asked, HEADER) and reply[4:6] == ONE
        if exact and not reply[2] & TC and failure(reply) is None:
            answer = read_plain(Question(plain.name, "A", plain.asked, case=0), reply)
            if answer:
                if not answer.exists:
                    self._lanes.read_whole(plain, len(reply) - len(plain.asked))
                del plain.link.flights[plain.ident]
                upstream.heard(plain.asked, 1, now - plain.sent)
                self._lanes.settle(plain, answer)
                return
        upstream.hear(self._hand_over(upstream, plain, now), reply, now)

    def _hand_over(self, upstream: Upstream, plain: Plain, now: float) -> Flight:
        """From here on the question is one like any other: it is repeated, asked of other servers, or over TCP."""
        asked, patience = question(plain.name, "A"), plain.round.patience
        settled: asyncio.Future[Answer | Alias] = asyncio.get_running_loop().create_future()
        query = Query(asked, settled, False, patience, plain.sent + patience, edns=False)
        others = [number for number in self._choice.order(now) if number != upstream.number]
        query.order, query.turn = [upstream.number, *others], 1
        query.due = plain.sent + upstream.round_trip.wait(0)
        flight = query.flights[upstream.number] = upstream.take_over(plain, query)
        self._board(query)
        task = asyncio.create_task(self._carefully(plain, query))
        self._handed.add(task)
        task.add_done_callback(self._handed.discard)
        return flight

    async def _carefully(self, plain: Plain, query: Query) -> None:
        try:
            outcome: Outcome = await self._road.arrive(query)
        except LookupFailed as failed:
            outcome = failed
        self._lanes.settle(plain, outcome)
        self._road.pump()
