"""Everything on its way: the rounds of the fast lane, single questions on the careful road, and the links that they share.

Who may be on the wire: a bounded number of questions, and a person's before a sweep's.
"""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from bot.models import Answer, LookupFailed
from bot.net.dns_message import Alias
from bot.net.dns_wire import Question, ending
from bot.net.rate_limit import Pace, day_bucket, second_bucket

Outcome = Answer | LookupFailed
Heard = Callable[[int, Outcome], None]
Odd = Callable[[int, "Plain", bytes], None]

NOT_THERE = Answer("", "A", exists=False)  # one for all: a sweep is denied a thousand times for each answer it gets
SILENCE = LookupFailed("timeout")
MALFORMED = LookupFailed("malformed")
DAY_LIMIT = LookupFailed("day-limit")
MISSES = 5  # questions in a row that a zone leaves unanswered before sweeps leave it alone
SIZES = 16  # of a denial; a zone has a few, by what its servers add
REST_S = 1.0  # then one question in this time finds out whether it is back


class Round:
    """Questions about one thing, asked of several zones together; `done` is one future for all of them.

    `outcomes` stand in the order of the zones: silence until something better is known. `heard(place, outcome)` is called
    for each as it comes.
    """

    __slots__ = ("done", "head", "heard", "label", "left", "outcomes", "patience")

    def __init__(self, label: str, head: bytes, count: int, patience: float, heard: Heard | None = None) -> None:
        self.label, self.head, self.patience, self.heard = label, head, patience, heard
        self.left = count
        self.outcomes: list[Outcome] = [SILENCE] * count
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def tell(self, place: int, outcome: Outcome) -> None:
        self.outcomes[place] = outcome
        self.left -= 1
        if self.heard and not self.done.done():
            self.heard(place, outcome)
        if not self.left and not self.done.done():
            self.done.set_result(None)


class Lane:
    """One zone: the questions that wait for their turn, and how it has answered so far. Only `Lanes` changes it.

    `deny(plain)` is called where the zone has no such name, which is verified by then, and `odd(number, plain, reply)`, with
    the number of the server, for every other reply that has the id of one of its questions. `whole` are the octets behind
    the question of denials that were read to their end: one of another size is read in full, for it may be cut.
    """

    __slots__ = (
        *("apex", "case", "day", "deny", "flying", "length", "misses"),
        *("number", "odd", "ready", "rests_until", "second", "waiting", "whole"),
    )

    def __init__(self, apex: str, pace: Pace, now: float, deny: Callable[[Plain], None], odd: Odd) -> None:
        self.deny, self.odd = deny, odd
        self.apex = apex
        wire, self.case = ending(apex)
        self.length, self.number = len(wire), int.from_bytes(wire, "big")
        self.second, self.day = second_bucket(pace, now), day_bucket(pace, now)
        self.waiting: deque[tuple[Round, int]] = deque()
        self.flying = 0
        self.whole: set[int] = set()
        self.ready = False  # it stands in the queue of those that may send
        self.misses = 0
        self.rests_until = 0.0

    @property
    def rests(self) -> bool:
        """Whether the zone has been silent so often that nobody waits for it any more."""
        return self.misses >= MISSES


class Plain(NamedTuple):
    """A question on the wire, sent once: `asked` is what must come back, letter by letter, on this `link` with this `ident`."""

    asked: bytes
    round: Round
    place: int
    lane: Lane
    link: Link
    ident: bytes
    sent: float

    @property
    def name(self) -> str:
        return f"{self.round.label}.{self.lane.apex}"


@dataclass(slots=True, eq=False)
class Query:
    """One question until it is settled.

    `order` holds the numbers of the servers still to be asked, `turn` counts the sends; `due` is when the next one
    follows and `deadline` when the caller stops waiting. `reason` is what the caller is told if nobody answers.
    """

    question: Question
    future: asyncio.Future[Answer | Alias]
    bulk: bool
    patience: float
    deadline: float
    edns: bool
    order: list[int] = field(default_factory=list)
    due: float = 0.0
    turn: int = 0
    reason: str = "timeout"
    flights: dict[int, Flight] = field(default_factory=dict)
    stream: asyncio.Task[None] | None = None

    def blame(self, reason: str) -> None:
        """The first server's own word is the reason; silence is one only where nobody said anything."""
        if self.reason == "timeout":
            self.reason = reason

    def answer(self, outcome: Answer | Alias) -> None:
        if not self.future.done():
            self.future.set_result(outcome)

    def fail(self) -> None:
        if not self.future.done():
            self.future.set_exception(LookupFailed(self.reason, f"{self.question.name} {self.question.kind}"))

    def land(self, number: int) -> None:
        """No longer listen to the server of that number."""
        if flight := self.flights.pop(number, None):
            flight.land()

    def end(self) -> None:
        """No longer listen to anyone."""
        for number in list(self.flights):
            self.land(number)
        if self.stream:
            self.stream.cancel()
            self.stream = None


@dataclass(slots=True, eq=False)
class Link:
    """A connected socket, with a source port the kernel drew, and the questions that wait on it by their id."""

    socket: socket.socket
    opened: float
    flights: dict[bytes, Flight | Plain] = field(default_factory=dict)
    used: int = 0


@dataclass(slots=True, eq=False)
class Flight:
    """A datagram at the server of that `number`. It is sent again unchanged, so that a late answer to the first copy still counts."""

    query: Query
    number: int
    link: Link
    ident: bytes
    asked: bytes
    packet: bytes
    sent: float
    sends: int = 0
    doubtful: bytes = b""  # a reply whose letter case is not what was asked: of use only if no better one comes

    def land(self) -> None:
        """No longer listen for its answer."""
        self.link.flights.pop(self.ident, None)


class Window:
    """`limit` questions fly at once, of them at most `bulk_limit` for sweeps; the others wait in the order they came."""

    def __init__(self, limit: int, bulk_limit: int) -> None:
        self.flying: dict[Query, None] = {}
        self._people: OrderedDict[Query, None] = OrderedDict()
        self._bulk: OrderedDict[Query, None] = OrderedDict()
        self._limit, self._bulk_limit = limit, bulk_limit
        self.bulk_flying = 0

    def __len__(self) -> int:
        return len(self.flying) + len(self._people) + len(self._bulk)

    def enter(self, query: Query) -> None:
        (self._bulk if query.bulk else self._people)[query] = None

    def board(self, query: Query) -> None:
        """It is on the wire already, in the place of a question of the fast lane."""
        self.flying[query] = None

    def next(self) -> Query | None:
        """The next question that may fly, now counted as flying."""
        if len(self.flying) >= self._limit:
            return None
        if self._people:
            query, _ = self._people.popitem(last=False)
        elif self._bulk and self.bulk_flying < self._bulk_limit:
            query, _ = self._bulk.popitem(last=False)
            self.bulk_flying += 1
        else:
            return None
        self.flying[query] = None
        return query

    def leave(self, query: Query) -> None:
        """It is settled or given up, wherever it stood."""
        if query not in self.flying:
            (self._bulk if query.bulk else self._people).pop(query, None)
            return
        del self.flying[query]
        self.bulk_flying -= query.bulk

    def everyone(self) -> list[Query]:
        return [*self.flying, *self._people, *self._bulk]

    def due(self, now: float) -> list[Query]:
        """Those whose next copy is due, and those whose deadline has passed, queued or flying."""
        waiting = [query for query in self._people if query.deadline <= now]
        return waiting + [query for query in self.flying if query.due <= now or query.deadline <= now]
