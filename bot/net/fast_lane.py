"""Where the fast lane of sweeps meets the careful road: what to do with a reply that is not plain, and with silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from bot.model import Answer, LookupFailed
from bot.net.answers import Alias
from bot.net.choice import Choice
from bot.net.flight import SILENCE, Flight, Heard, Outcome, Plain, Query
from bot.net.lanes import Lanes
from bot.net.pace import Pace
from bot.net.upstream import Upstream
from bot.net.wire import HEADER, ONE, TC, Question, failure, question, read_plain


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
