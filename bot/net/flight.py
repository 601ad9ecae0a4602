"""A question on its way: the query a caller waits for, and its datagrams at one server each."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field

from bot.model import Answer, LookupFailed
from bot.net.answers import Alias
from bot.net.lane import Plain
from bot.net.wire import Question


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
