"""The register: watches and outboxes kept in Redis, as `bot.monitoring.interfaces` promises them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_network
from operator import attrgetter

from redis.asyncio import Redis

from bot.models import Address
from bot.monitoring.dnsbl_quarantine import ListMemory, ListNote, NoteReason
from bot.monitoring.history import History, from_text, recorded, to_text
from bot.monitoring.interfaces import (
    MOST_IN_A_ROOM,
    MOST_IN_A_SPACE,
    AnyLetter,
    Kept,
    ListLetter,
    RoomSettings,
    TooManyWatches,
)
from bot.monitoring.models import Incident, Room, Watch
from bot.monitoring.schedule import Factors, first_due, interval_of, next_digest
from bot.monitoring.serialization import (
    dump,
    entry_of,
    history_text,
    incident_of,
    incident_text,
    letter_of,
    load,
    moment,
    place_of,
    subject_of,
    watch_of,
)
from bot.storage.channel_store import RoomStore
from bot.storage.outbox_store import DigestStore, OutboxStore
from bot.storage.poll_store import SweepStore
from bot.storage.watch_store import Change, Remembered, WatchStore

NAMES = (attrgetter("watch.id"), attrgetter("watch.subject"), attrgetter("watch.name"))
RESTS = timedelta(days=30)
SOON = timedelta(minutes=5)  # within which rooms that come back are looked at again
MORE = "End one that you no longer need, or watch a whole range at once, such as 203.0.113.0/28."
FULL = {
    "room": f"This room has {MOST_IN_A_ROOM} watches, which is the most. {MORE}",
    "space": f"This workspace has {MOST_IN_A_SPACE} watches, which is the most. {MORE}",
}


class Register:
    """Implements `Watches` and `Outbox`. Every method raises StoreUnavailable where Redis does not answer.

    `clock` gives the time with its zone.
    """

    def __init__(self, redis: Redis, clock: Callable[[], datetime]) -> None:
        self.watches = WatchStore(redis)
        self.rooms_kept = RoomStore(redis)
        self.letters = OutboxStore(redis)
        self.digests = DigestStore(redis)
        self.sweeping = SweepStore(redis)
        self._clock = clock

    async def add(self, watch: Watch, incident: Incident, due: datetime) -> bool:
        most = (MOST_IN_A_ROOM, MOST_IN_A_SPACE)
        begun = to_text(recorded(History(), Incident(watch.id, incident.began), incident, incident.began))
        outcome = await self.watches.add(entry_of(watch), incident_text(incident), begun, due.timestamp(), most)
        if outcome in FULL:
            raise TooManyWatches(FULL[outcome])
        return outcome == "added"

    async def find(self, room: Room, words: str) -> Kept | None:
        """By id, by what is followed as it was typed, or by the name that somebody gave it."""
        wanted = " ".join(words.lower().split())
        kept = await self.of_room(room)
        return next((one for name in NAMES for one in kept if wanted and name(one).lower() == wanted), None)

    async def of_room(self, room: Room) -> Sequence[Kept]:
        """The oldest first."""
        found = [(watch_of(one), incident_of(one)) for one in await self._texts(room)]
        found.sort(key=lambda pair: (pair[0].since, pair[0].id))
        dues = await self.watches.due([subject_of(watch) for watch, _ in found])
        rests = await self.rooms_kept.rests(place_of(room))
        factors = await self._factors(room)
        return [
            Kept(watch, incident, None if due is None else moment(due), interval_of(watch, factors), rests)
            for (watch, incident), due in zip(found, dues, strict=True)
        ]

    async def follows(self, ip: Address) -> bool:
        """Whether any room follows this address, alone or in a range."""
        async for subject in self.watches.subjects():
            if _holds(subject, ip):
                return True
        return False

    async def granted(self, watch: Watch) -> timedelta:
        """The interval that the budgets of the lists leave a watch: as wished, or longer."""
        return interval_of(watch, await self._factors(watch.room))

    async def remove(self, room: Room, watch_id: str) -> bool:
        kept = await self._text(room, watch_id)
        return kept is not None and await self.watches.remove(entry_of(watch_of(kept)))

    async def change(self, room: Room, watch_id: str, incident: Incident, was: Incident) -> bool:
        """What a mute held back is told at once when somebody ends it."""
        kept = await self._text(room, watch_id)
        if kept is None or incident_of(kept) != was:
            return False
        now = self._clock()
        tell_at = now.timestamp() if was.muted and not incident.muted else None
        kept = replace(kept, history=await self.watches.history(str(room), watch_id))
        change = Change(kept, incident_text(incident), history=history_text(kept, was, incident, now))
        return await self.watches.change(change, subject_of(watch_of(kept)), tell_at)

    async def history(self, room: Room, watch_id: str) -> History:
        return from_text(await self.watches.history(str(room), watch_id))

    async def histories(self, room: Room) -> Mapping[str, History]:
        return {id: from_text(text) for id, text in (await self.watches.histories(str(room))).items()}

    async def settings(self, room: Room) -> RoomSettings:
        text = await self.rooms_kept.settings(place_of(room))
        settings = load(RoomSettings, text) if text else RoomSettings()
        return replace(settings, lists=await self.rooms_kept.hears_of_lists(place_of(room)))

    async def set_settings(self, room: Room, settings: RoomSettings) -> None:
        """The last room of a space that wants to hear of lists does."""
        first = next_digest(str(room), self._clock()).timestamp() if settings.digest else None
        await self.rooms_kept.set_settings(place_of(room), dump(settings, but="lists"), settings.lists, first)

    async def pause(self, room: Room) -> None:
        await self.rooms_kept.rest(str(room), (self._clock() + RESTS).timestamp())

    async def pause_space(self, platform: str, space: str) -> None:
        await self.rooms_kept.rest(f"{platform}/{space}", (self._clock() + RESTS).timestamp())

    async def resume(self, room: Room) -> bool:
        rested = await self.rooms_kept.wake(str(room))
        if rested:
            await self._go_on(room)
        return await self.resume_space(room.platform, room.space) or rested

    async def resume_space(self, platform: str, space: str) -> bool:
        """True where it had been resting."""
        rested = await self.rooms_kept.wake(f"{platform}/{space}")
        for room in await self.rooms_kept.of_space(f"{platform}/{space}") if rested else ():
            await self._go_on(Room.of(room))
        return rested

    async def forget_room(self, room: Room) -> None:
        for kept in await self._texts(room):
            await self.watches.remove(entry_of(watch_of(kept)))
        await self.rooms_kept.forget_room(place_of(room))

    async def forget_space(self, platform: str, space: str) -> None:
        """May be asked for again where it was cut short."""
        for room in await self.rooms_kept.of_space(f"{platform}/{space}"):
            await self.forget_room(Room.of(room))
        await self.rooms_kept.forget_space(f"{platform}/{space}")

    async def forget_rested(self) -> int:
        """Ends the watches of rooms and workspaces that nobody could speak in for 30 days; how many those were."""
        now = self._clock().timestamp()
        over = [place for place, until in (await self.rooms_kept.resting()).items() if until <= now]
        for place in over:
            if place.count("/") == 1:
                await self.forget_space(*place.split("/"))
            else:
                await self.forget_room(Room.of(place))
        return len(over)

    async def note(self, room: Room, who: str, what: str, old: str = "", new: str = "") -> None:
        line = {"room": str(room), "who": who, "what": what, "old": old, "new": new}
        await self.rooms_kept.note(place_of(room).space, {name: text for name, text in line.items() if text})

    async def rooms(self) -> Sequence[Room]:
        return [Room.of(room) for room in await self.letters.rooms(self._clock().timestamp())]

    async def first(self, room: Room) -> AnyLetter | None:
        held = await self.letters.first(str(room))
        if held is None:
            return None
        letter = letter_of(held.text)
        intent = None if held.intent is None else moment(held.intent)
        return replace(letter, room=room, intent=intent, tries=held.tries)

    async def sending(self, letter: AnyLetter, now: datetime) -> AnyLetter | None:
        begun = await self.letters.sending(str(letter.room), letter.id, now.timestamp(), letter.tries)
        return replace(letter, intent=now, tries=letter.tries + 1) if begun else None

    async def not_sent(self, begun: AnyLetter, again_at: datetime) -> None:
        await self.letters.held(str(begun.room), begun.id, again_at.timestamp(), begun.tries)

    async def waits(self, letter: AnyLetter, until: datetime) -> None:
        await self.letters.waits(str(letter.room), letter.id, until.timestamp())

    async def sent(self, letter: AnyLetter, message: str) -> None:
        thread = letter.thread if letter.root else ""
        await self.letters.sent(str(letter.room), letter.id, thread, message)

    async def dropped(self, letter: AnyLetter, why: str) -> None:
        if await self.letters.dropped(str(letter.room), letter.id):
            await self.note(letter.room, "mailcheck", "dropped", letter.id, why)

    async def thread(self, room: Room, thread: str) -> str | None:
        return await self.letters.thread(str(room), thread)

    async def restarted_at(self) -> datetime:
        """At the earliest: the server counts whole seconds, and what began since cannot have been told before."""
        return self._clock() - timedelta(seconds=await self.letters.uptime_s() + 1)

    async def swept_at(self) -> datetime | None:
        """When any worker last looked for what is due; None where that is more than an hour ago."""
        at = await self.sweeping.swept_at()
        return None if at is None else moment(at)

    async def rooms_of(self, platform: str, space: str) -> Sequence[Room]:
        return [Room.of(room) for room in await self.rooms_kept.of_space(f"{platform}/{space}")]

    async def spaces(self) -> Sequence[tuple[str, str]]:
        """The platform and the space of every watch there is."""
        named = sorted({name.partition(" ")[0] for name in await self.watches.wishes()})
        return [(platform, space) for platform, _, space in (name.partition("/") for name in named)]

    async def list_memory(self) -> ListMemory | None:
        """What the rounds know of every list; None before the first."""
        _, text = await self.sweeping.lists()
        return load(ListMemory, text) if text else None

    async def note_on_lists(self, by: str, text: str, notes: Sequence[ListNote], names: Mapping[str, str]) -> bool:
        """Replaces what is known of the lists, unless somebody did so since it was read; with it goes what rooms are told:
        of lists that cannot be believed. Whether a list answers at all is for whoever runs the bot, who has other means."""
        told = [note for note in notes if note.reason in (NoteReason.QUARANTINED, NoteReason.TRUSTED)]
        rooms = await self.rooms_kept.hearing_of_lists() if told else ()
        letters = [
            ListLetter(f"list.{note.key}", Room.of(room), note, names.get(note.lists[0], note.lists[0]), self._clock())
            for note in told
            for room in rooms
        ]
        outgoing = [(str(letter.room), letter.id, dump(letter)) for letter in letters]
        return await self.sweeping.replace_lists(by, text, [dump(note) for note in notes], outgoing)

    async def quarantined(self) -> frozenset[str]:
        """The lists that no watch believes just now."""
        _, text = await self.sweeping.lists()
        return load(ListMemory, text).quarantined if text else frozenset()

    async def list_notes(self, most: int = 10) -> list[ListNote]:
        """What was to be said of lists lately, to whoever runs the bot; the newest first."""
        return [load(ListNote, text) for text in await self.sweeping.notes(most)]

    async def _go_on(self, room: Room) -> None:
        """Its subjects are looked at again within five minutes, each at its own time, and its letters are sent."""
        subjects, now = [subject_of(watch_of(one)) for one in await self._texts(room)], self._clock()
        await self.watches.hasten({s: first_due(s, SOON, now).timestamp() for s in subjects})
        await self.letters.hasten([str(room)])

    async def _factors(self, room: Room) -> Factors:
        factors: Factors = json.loads(await self.sweeping.stretched_in(place_of(room).space) or "{}")
        return factors

    async def _texts(self, room: Room) -> list[Remembered]:
        return await self.watches.of_room(str(room))

    async def _text(self, room: Room, watch_id: str) -> Remembered | None:
        return next((one for one in await self._texts(room) if one.id == watch_id), None)


def _holds(subject: str, ip: Address) -> bool:
    _, followed, *_ = subject.split()
    try:
        return ip in ip_network(followed)
    except ValueError:
        return False  # a domain
