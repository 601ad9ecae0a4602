"""What is kept of watches between two looks, and what rooms must still be told: the two memories behind watching.

The store provides both (`bot.storage.watch_store` through `bot.monitoring.repository`); the sweep writes, commands and delivery read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from bot.monitoring.dnsbl_quarantine import ListNote
from bot.monitoring.history import History
from bot.monitoring.models import Alert, Incident, Room, Watch

MOST_IN_A_ROOM = 50
MOST_IN_A_SPACE = 500
EVER = datetime.fromtimestamp(0, UTC)


class TooManyWatches(Exception):
    """The room or the workspace has its share; the message is one sentence."""


class Updates:
    """How a room hears of later events: in the thread, in the thread and broadcast, or only by the edited root."""

    THREAD = "thread"
    BROADCAST = "thread+broadcast"
    EDIT_ONLY = "edit-only"


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """What a room chose. `restrict` is True where only the one who made a watch may end or mute it. `lists`: here, and in no
    other room of the space, it is told when a list itself cannot be believed. `digest`: once a week it is told what became
    of all its watches."""

    updates: str = Updates.THREAD
    reminder: bool = True
    restrict: bool = False
    lists: bool = False
    digest: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A watch with all that is remembered of it; `every` may be longer than wished, where a list's budget says so."""

    watch: Watch
    incident: Incident
    due: datetime | None = None
    every: timedelta | None = None
    paused: bool = False


class Watches(Protocol):
    """Watches by room. Nothing here takes an id of another room: such a watch does not exist for the one who asks."""

    async def add(self, watch: Watch, incident: Incident, due: datetime) -> bool:
        """Keeps a watch that begins with this baseline; False where the room had it. Raises TooManyWatches."""

    async def find(self, room: Room, words: str) -> Kept | None:
        """By id, by what is followed as it was typed, or by the name that somebody gave it."""

    async def of_room(self, room: Room) -> Sequence[Kept]: ...

    async def rooms_of(self, platform: str, space: str) -> Sequence[Room]:
        """The rooms of a space that have watches, and perhaps some that have none any more."""

    async def remove(self, room: Room, watch_id: str) -> bool: ...

    async def change(self, room: Room, watch_id: str, incident: Incident, was: Incident) -> bool:
        """Replaces what is remembered, unless it is no longer `was`: then False, and the caller looks again."""

    async def history(self, room: Room, watch_id: str) -> History:
        """What became of it; empty where nothing has happened, and where there is no such watch."""

    async def histories(self, room: Room) -> Mapping[str, History]:
        """Of all its watches to which anything has happened, by id."""

    async def settings(self, room: Room) -> RoomSettings: ...

    async def set_settings(self, room: Room, settings: RoomSettings) -> None: ...

    async def pause(self, room: Room) -> None:
        """The room cannot be spoken in: its watches rest, for at most 30 days."""

    async def pause_space(self, platform: str, space: str) -> None:
        """Nothing can be said in the whole workspace: the same for all its rooms."""

    async def resume(self, room: Room) -> bool:
        """The room can be spoken in, and so can its workspace. True where the room's watches had been resting."""

    async def resume_space(self, platform: str, space: str) -> bool:
        """The workspace can be spoken in; a room of it that was closed by itself goes on resting. True where it rested."""

    async def forget_room(self, room: Room) -> None:
        """The room removed the bot, or is no more: everything of it is purged."""

    async def forget_space(self, platform: str, space: str) -> None:
        """The workspace removed the bot: everything of it is purged."""

    async def note(self, room: Room, who: str, what: str, old: str = "", new: str = "") -> None:
        """One line of the audit stream of the workspace."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One alert that a room must get. `intent` is when its sending was begun, if it was; `tries` counts beginnings."""

    id: str
    room: Room
    watch: Watch
    incident: Incident
    alert: Alert
    intent: datetime | None = None
    tries: int = 0

    @property
    def root(self) -> bool:
        return self.alert.root

    @property
    def thread(self) -> str:
        return self.alert.thread

    @property
    def at(self) -> datetime:
        return self.alert.at

    @property
    def began(self) -> datetime:
        """Before this nothing of it can have been said, not even by a store that has forgotten it."""
        return self.incident.began


@dataclass(frozen=True, slots=True)
class ListLetter:
    """A note about the list called `name`, for a room that wants such notes. One that ends something only edits the note
    that began it."""

    id: str
    room: Room
    note: ListNote
    name: str
    at: datetime
    intent: datetime | None = None
    tries: int = 0

    @property
    def root(self) -> bool:
        return self.note.begins

    @property
    def thread(self) -> str:
        return f"list.{self.note.thread}"

    @property
    def began(self) -> datetime:
        return EVER


@dataclass(frozen=True, slots=True)
class DigestLetter:
    """What became of all watches of a room in the week before `at`; it is looked up when it is told."""

    id: str
    room: Room
    at: datetime
    intent: datetime | None = None
    tries: int = 0

    @property
    def root(self) -> bool:
        return True

    @property
    def thread(self) -> str:
        return self.id

    @property
    def began(self) -> datetime:
        return self.at


AnyLetter = Letter | ListLetter | DigestLetter


class Outbox(Protocol):
    """Letters in order by room. A letter leaves only by `sent` or `dropped`, so a crash loses none."""

    async def rooms(self) -> Sequence[Room]:
        """Rooms with letters that may be sent now."""

    async def first(self, room: Room) -> AnyLetter | None: ...

    async def sending(self, letter: AnyLetter, now: datetime) -> AnyLetter | None:
        """Marks the intent, before the call that may or may not reach the room, and gives the letter with it. None where
        that is no longer the letter as it was read: another process has begun to send it, or has sent it."""

    async def not_sent(self, begun: AnyLetter, again_at: datetime) -> None:
        """Surely not posted: this intent is taken back, unless another process has begun since, and the room waits."""

    async def waits(self, letter: AnyLetter, until: datetime) -> None:
        """The room waits until then, or longer where it has to; an intent stays as it is."""

    async def sent(self, letter: AnyLetter, message: str) -> None:
        """It stands in the room under this id; where `letter` is a root, this is what replies name."""

    async def dropped(self, letter: AnyLetter, why: str) -> None: ...

    async def thread(self, room: Room, thread: str) -> str | None:
        """The message id behind an alert's thread name; None while its root is not posted."""

    async def restarted_at(self) -> datetime:
        """When the store began to run: for a while after that, what is pending may have been sent."""
