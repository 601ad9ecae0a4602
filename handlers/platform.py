"""What the verbs need to know of a chat platform, and what a platform must be able to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from handlers.card import Card


@dataclass(frozen=True, slots=True)
class Room:
    """Where something was said; `space` is the workspace, tenant or server, as the platform names it."""

    platform: str
    space: str
    channel: str


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person typed, or the command of the button they pressed; `private` when only they shall see the answer."""

    room: Room
    user: str
    text: str
    private: bool = False


@dataclass(frozen=True, slots=True)
class Ack:
    """What is said at once. Without `work` it is the whole answer, and nothing is to be run."""

    card: Card
    work: bool


class Part(StrEnum):
    """What one process of the bot does: hear and answer, or only one of the two."""

    ALL = "all"
    WEB = "web"
    WORKER = "worker"


class CannotServe(Exception):
    """The bot cannot start, or not go on; the message is one sentence that says what to do."""


class Answering(Protocol):
    """Text in, card out; the same for every platform."""

    def acknowledgement(self, ask: Ask, /) -> Ack:
        """Pure and instant, so that a platform can say it before its own time limit."""

    async def answer(self, ask: Ask, /) -> Card: ...


class Platform(Protocol):
    """A chat platform in service."""

    @property
    def name(self) -> str: ...

    async def run(self) -> None:
        """Listens until cancelled, then finishes what was begun."""

    async def deliver(self, job: Mapping[str, str], /) -> None:
        """Answers one ask that a listener handed over; `job` is what it handed over."""

    async def post(self, room: Room, card: Card, thread: str = "") -> str:
        """Says a card in a room, in a thread if one is named; returns the thread that replies to it belong in."""
