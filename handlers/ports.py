"""What the verbs need to know of a chat platform, and what a platform must be able to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.monitoring.models import Room
from handlers.message import Card

__all__ = ["Ack", "Answering", "Ask", "Blind", "CannotServe", "File", "Later", "MessageGone", "Part", "Platform"]
__all__ += ["Rejected", "Room", "RoomGone", "SpaceGone", "Speaking", "Unreadable", "Unsure"]


class Unreadable(Exception):
    """A file cannot be had; the message is one sentence that says what to do instead."""


class File(Protocol):
    """A file that somebody attached."""

    async def read(self, most: int, /) -> bytes:
        """What is in it. Raises Unreadable, also where it has more than `most` octets."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person typed, or the command of the button they pressed; `private` when only they shall see the answer.

    `user` is the platform's id and `name` what people call them (text of a stranger; empty where the platform does not
    say). A `stranger` is of another workspace than the bot's, as in a shared channel, and may look but not change anything.
    `files` are what they attached. `place` is the message of the bot that the answer takes the place of; empty where it is
    a message of its own.
    """

    room: Room
    user: str
    text: str
    private: bool = False
    name: str = ""
    stranger: bool = False
    files: tuple[File, ...] = ()
    place: str = ""


Told = Callable[[str], None]  # from any thread


def untold(_words: str) -> None:
    """For an answer of which nobody wants to know how far it is."""


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

    async def answer(self, ask: Ask, told: Told = ..., /) -> Card:
        """`told` hears now and then, in a few words, how far a long answer is."""

    async def rejoined(self, room: Room, /) -> Card | None:
        """The bot may speak in the room again; a card where that is worth a word."""

    async def removed_from(self, room: Room, /) -> None:
        """The bot was taken out of the room, or the room is no more."""

    async def silenced(self, platform: str, space: str, /) -> None:
        """The workspace took the bot's token back: for good, or to give it another one."""

    async def returned(self, platform: str, space: str, /) -> None:
        """The workspace takes the bot's token."""

    async def removed(self, platform: str, space: str, /) -> None:
        """The workspace removed the bot."""


class Unsure(Exception):
    """It may stand in the room, or not: there was no answer, or one that leaves it open."""


class Later(Exception):
    """Surely not done; it may be tried again after so many seconds."""

    def __init__(self, why: str, seconds: float) -> None:
        super().__init__(why)
        self.seconds = seconds


class RoomGone(Exception):
    """The bot cannot speak in the room: it is archived, unknown, or the bot is no member."""


class SpaceGone(Exception):
    """The workspace removed the bot, or took its token back."""


class Rejected(Exception):
    """The platform does not take the message, not even in plain words; surely not done."""


class MessageGone(Exception):
    """The message that was named is no more; surely not done."""


class Blind(Exception):
    """The platform cannot be asked what stands in the room."""


class Speaking(Protocol):
    """A platform where the bot may speak unasked. A message is named by the id that `post` returned.

    Every method raises Later, Unsure, RoomGone, SpaceGone, Rejected or MessageGone, and nothing else.
    """

    async def post(self, room: Room, card: Card, thread: str = "", key: str = "", broadcast: bool = False) -> str:
        """Says a card, as a reply where a message is named as `thread`; returns the message. A `key` is carried along, so
        that `find` finds it. `broadcast`: the reply shall be seen outside of its thread, too."""

    async def update(self, room: Room, message: str, card: Card) -> None:
        """Puts a card in the place of an earlier message."""

    async def find(self, room: Room, key: str, since: datetime, thread: str = "") -> str | None:
        """The message that carries the key, said since then; in a thread where one is named. Raises Blind, too."""

    async def tell(self, room: Room, user: str, card: Card) -> None:
        """Says a card to one person of the room's workspace, and to nobody else."""


class Platform(Speaking, Protocol):
    """A chat platform in service."""

    @property
    def name(self) -> str: ...

    async def run(self) -> None:
        """Listens until cancelled, then finishes what was begun."""

    async def deliver(self, job: Mapping[str, str], /) -> None:
        """Answers one ask that a listener handed over; `job` is what it handed over."""
