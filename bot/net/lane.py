"""What flies in the fast lane: a round of plain address questions, one lane for each zone that they are asked of."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from bot.model import Answer, LookupFailed
from bot.net.pace import Pace, day_bucket, second_bucket
from bot.net.wire import ending

if TYPE_CHECKING:
    from bot.net.flight import Link
    from bot.net.upstream import Upstream

Outcome = Answer | LookupFailed
Heard = Callable[[int, Outcome], None]
Odd = Callable[["Upstream", "Plain", bytes], None]

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

    `deny(plain)` is called where the zone has no such name, which is verified by then, and `odd(upstream, plain, reply)` with
    every other reply that has the id of one of its questions. `whole` are the octets behind the question of denials that were
    read to their end: one of another size is read in full, for it may be cut.
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
