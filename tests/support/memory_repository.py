"""What is kept of watches, in memory: as the register promises it, with a crash, a loss of its last seconds, and a clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.monitoring.history import History, recorded
from bot.monitoring.interfaces import MOST_IN_A_ROOM, AnyLetter, Kept, RoomSettings, TooManyWatches
from bot.monitoring.models import Incident, Room, Watch
from tests.support.stored_watches import Clock


@dataclass
class Held:
    """All that a store would hold, so that it can be copied and put back."""

    watches: dict[tuple[Room, str], Kept] = field(default_factory=dict)
    histories: dict[tuple[Room, str], History] = field(default_factory=dict)
    settings: dict[Room, RoomSettings] = field(default_factory=dict)
    resting: set[Room | tuple[str, str]] = field(default_factory=set)
    letters: dict[Room, list[AnyLetter]] = field(default_factory=dict)
    waits: dict[Room, datetime] = field(default_factory=dict)
    threads: dict[tuple[Room, str], str] = field(default_factory=dict)
    notes: list[tuple[str, ...]] = field(default_factory=list)


@dataclass
class KeptInMemory:
    """Implements `Watches` and `Outbox`."""

    clock: Clock
    held: Held = field(default_factory=Held)
    restarted: datetime | None = None

    def put(self, letter: AnyLetter) -> None:
        self.held.letters.setdefault(letter.room, []).append(letter)

    def keep(self, watch: Watch, incident: Incident) -> None:
        self.held.watches[watch.room, watch.id] = Kept(watch, incident)

    def copy(self) -> Held:
        held = self.held
        letters = {room: list(waiting) for room, waiting in held.letters.items()}
        kept = Held(dict(held.watches), dict(held.histories), dict(held.settings), set(held.resting), letters)
        kept.waits, kept.threads, kept.notes = dict(held.waits), dict(held.threads), list(held.notes)
        return kept

    def restart(self, held: Held | None = None) -> None:
        self.held, self.restarted = held or self.held, self.clock()

    # Watches

    async def add(self, watch: Watch, incident: Incident, due: datetime) -> bool:
        if (watch.room, watch.id) in self.held.watches:
            return False
        if len(await self.of_room(watch.room)) >= MOST_IN_A_ROOM:
            raise TooManyWatches("This room has its share.")
        self.held.watches[watch.room, watch.id] = Kept(watch, incident, due, watch.every)
        self._remember(watch, Incident(watch.id, incident.began), incident)
        return True

    async def find(self, room: Room, words: str) -> Kept | None:
        wanted = words.lower()
        for kept in await self.of_room(room):
            if wanted in (kept.watch.id, kept.watch.subject.lower(), kept.watch.name.lower() or None):
                return kept
        return None

    async def of_room(self, room: Room) -> Sequence[Kept]:
        rests = room in self.held.resting or (room.platform, room.space) in self.held.resting
        return [replace(kept, paused=rests) for (where, _), kept in self.held.watches.items() if where == room]

    async def rooms_of(self, platform: str, space: str) -> Sequence[Room]:
        rooms = dict.fromkeys(room for room, _ in self.held.watches)
        return [room for room in rooms if (room.platform, room.space) == (platform, space)]

    async def remove(self, room: Room, watch_id: str) -> bool:
        self.held.histories.pop((room, watch_id), None)
        return self.held.watches.pop((room, watch_id), None) is not None

    async def change(self, room: Room, watch_id: str, incident: Incident, was: Incident) -> bool:
        kept = self.held.watches.get((room, watch_id))
        if kept is None or kept.incident != was:
            return False
        self.held.watches[room, watch_id] = replace(kept, incident=incident)
        self._remember(kept.watch, was, incident)
        return True

    async def history(self, room: Room, watch_id: str) -> History:
        return self.held.histories.get((room, watch_id), History())

    async def histories(self, room: Room) -> Mapping[str, History]:
        return {id: history for (where, id), history in self.held.histories.items() if where == room}

    async def settings(self, room: Room) -> RoomSettings:
        return self.held.settings.get(room, RoomSettings())

    async def set_settings(self, room: Room, settings: RoomSettings) -> None:
        here = (room.platform, room.space)
        for other, chosen in self.held.settings.items():
            if settings.lists and (other.platform, other.space) == here:
                self.held.settings[other] = replace(chosen, lists=False)
        self.held.settings[room] = settings

    async def pause(self, room: Room) -> None:
        self.held.resting.add(room)

    async def pause_space(self, platform: str, space: str) -> None:
        self.held.resting.add((platform, space))

    async def resume(self, room: Room) -> bool:
        rested = bool(self.held.resting & {room, (room.platform, room.space)})
        self.held.resting.discard(room)
        self.held.waits.pop(room, None)
        await self.resume_space(room.platform, room.space)
        return rested

    async def resume_space(self, platform: str, space: str) -> bool:
        rested = (platform, space) in self.held.resting
        self.held.resting.discard((platform, space))
        for room in [room for room in self.held.waits if rested and (room.platform, room.space) == (platform, space)]:
            del self.held.waits[room]
        return rested

    async def forget_room(self, room: Room) -> None:
        self.held.watches = {key: kept for key, kept in self.held.watches.items() if key[0] != room}
        self.held.letters.pop(room, None)

    async def forget_space(self, platform: str, space: str) -> None:
        for room in {room for room, _ in self.held.watches if (room.platform, room.space) == (platform, space)}:
            await self.forget_room(room)

    async def note(self, room: Room, who: str, what: str, old: str = "", new: str = "") -> None:
        self.held.notes.append((str(room), who, what, old, new))

    # Outbox

    async def rooms(self) -> Sequence[Room]:
        now = self.clock()
        return [
            room for room, letters in self.held.letters.items() if letters and self.held.waits.get(room, now) <= now
        ]

    async def first(self, room: Room) -> AnyLetter | None:
        letters = self.held.letters.get(room)
        return letters[0] if letters else None

    async def sending(self, letter: AnyLetter, now: datetime) -> AnyLetter | None:
        held = await self.first(letter.room)
        if held is None or (held.id, held.tries) != (letter.id, letter.tries):
            return None
        self.held.letters[letter.room][0] = replace(held, intent=now, tries=held.tries + 1)
        return self.held.letters[letter.room][0]

    async def not_sent(self, begun: AnyLetter, again_at: datetime) -> None:
        held = await self.first(begun.room)
        if held and (held.id, held.tries) == (begun.id, begun.tries):
            self.held.letters[begun.room][0] = replace(held, intent=None)
            self.held.waits[begun.room] = again_at

    async def waits(self, letter: AnyLetter, until: datetime) -> None:
        held = await self.first(letter.room)
        if held and held.id == letter.id:
            self.held.waits[letter.room] = max(until, self.held.waits.get(letter.room, until))

    async def sent(self, letter: AnyLetter, message: str) -> None:
        held = await self.first(letter.room)
        if held and held.id == letter.id:
            self._out(letter.room)
            if letter.root:
                self.held.threads[letter.room, letter.thread] = message

    async def dropped(self, letter: AnyLetter, why: str) -> None:
        held = await self.first(letter.room)
        if held and held.id == letter.id:
            self._out(letter.room)
            await self.note(letter.room, "mailcheck", "dropped", letter.id, why)

    async def thread(self, room: Room, thread: str) -> str | None:
        return self.held.threads.get((room, thread))

    async def restarted_at(self) -> datetime:
        return self.restarted or self.clock() - timedelta(days=30)

    def _remember(self, watch: Watch, before: Incident, after: Incident) -> None:
        key = (watch.room, watch.id)
        had = self.held.histories.get(key, History())
        self.held.histories[key] = recorded(had, before, after, self.clock())

    def _out(self, room: Room) -> None:
        del self.held.letters[room][0]
        self.held.waits.pop(room, None)
