"""What rooms must be told, delivered: in order by room, never lost, and twice only where nobody can look.

The intent is stored before the call and the message's id after it. A letter with an intent may stand in the room already,
so it is looked up by its key before it is posted again, and only once no call can be under way any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import structlog

from bot.watching.kept import Kept, Letter, Outbox, RoomSettings, Updates, Watches
from bot.watching.model import Reason, Room
from handlers.card import Card
from handlers.messages.alerts import reply_card, root_card, silenced_card
from handlers.platform import Blind, Later, MessageGone, Rejected, RoomGone, SpaceGone, Speaking, Unsure

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """Time, handed in. `call_within` is the longest that a call to a platform can take; `recovery` is how long after a
    restart of the store it may have forgotten what was sent, `rollback` how much it may have forgotten."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    look_every: float = 0.5
    apart: float = 1.0  # Slack: one message a second in a channel
    call_within: timedelta = timedelta(seconds=10)
    recovery: timedelta = timedelta(seconds=60)
    rollback: timedelta = timedelta(minutes=5)
    shut_room: timedelta = timedelta(hours=1)
    keep_for: timedelta = timedelta(days=30)
    longest_wait: timedelta = timedelta(seconds=300)

    @property
    def grace(self) -> timedelta:
        return self.call_within + timedelta(seconds=1)

    def backoff(self, tries: int) -> timedelta:
        """1, 2, 4 … seconds."""
        return min(timedelta(seconds=2.0 ** min(max(tries - 1, 0), 20)), self.longest_wait)


@dataclass(slots=True)
class Delivery:
    """Empties the outbox. Any number of processes may do so: `Outbox.sending` lets one of them have a letter."""

    outbox: Outbox
    watches: Watches
    platforms: Mapping[str, Speaking]
    pace: Pace = field(default_factory=Pace)
    _resting: dict[Room, datetime] = field(default_factory=dict)
    _busy: set[Room] = field(default_factory=set)

    async def run(self, stop: asyncio.Event | None = None) -> None:
        """Delivers until `stop` is set or it is cancelled; a room that has to wait holds up no other.

        A cancel alone can get lost in the client of a store that does not answer.
        """
        stop = stop or asyncio.Event()
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                try:
                    for room in await self.outbox.rooms():
                        if room not in self._busy:
                            self._busy.add(room)
                            group.create_task(self._empty(room, stop))
                except Exception as error:  # the store is away; nothing is lost, and it will be back
                    log.warning("outbox not read", error=type(error).__name__)
                await self.pace.sleep(self.pace.look_every)

    async def _empty(self, room: Room, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set() and await self.deliver_next(room):
                await self.pace.sleep(self.pace.apart)
        except Exception:
            log.exception("delivery broke", platform=room.platform, team=room.space, channel=room.channel)
        finally:
            self._busy.discard(room)

    async def deliver_next(self, room: Room) -> bool:
        """Deals with the room's first letter; False where there is none, or where the room has to wait."""
        now = self.pace.now()
        platform = self.platforms.get(room.platform)
        if platform is None or now < self._resting.get(room, now):
            return False
        letter = await self.outbox.first(room)
        if letter is None:
            self._resting.pop(room, None)
            return False
        errand = await self._errand(letter, platform)
        return await errand.run() if errand else False

    async def _errand(self, letter: Letter, platform: Speaking) -> _Errand | None:
        """None while a call with this letter may be under way."""
        now, restarted = self.pace.now(), await self.outbox.restarted_at()
        since = letter.intent
        # After a restart the store may have lost the end of what it knew, so that what was sent looks as if it was not.
        forgotten = now - restarted < self.pace.recovery and letter.incident.began < restarted
        if since is None and forgotten:
            since = restarted
        if since is None:
            return await self._prepared(letter, platform, None)
        wait = max(self.pace.grace, self.pace.backoff(letter.tries) if letter.intent else timedelta(0))
        if now - since < wait:
            self._resting[letter.room] = since + wait
            return None
        return await self._prepared(letter, platform, since - self.pace.rollback if forgotten else since)

    async def _prepared(self, letter: Letter, platform: Speaking, doubt: datetime | None) -> _Errand:
        kept = await self.watches.find(letter.room, letter.watch.id)
        settings = await self.watches.settings(letter.room)
        return _Errand(self, platform, letter, kept, settings, doubt)

    def rest(self, room: Room, length: timedelta) -> None:
        self._resting[room] = self.pace.now() + length


@dataclass(frozen=True, slots=True)
class _Errand:
    """One letter on its way. `doubt`: it may have been posted since then."""

    of: Delivery
    platform: Speaking
    letter: Letter
    kept: Kept | None
    settings: RoomSettings
    doubt: datetime | None

    async def run(self) -> bool:
        """True where the letter left the outbox."""
        letter = self.letter
        if letter.alert.reason is Reason.REMINDER and not self.settings.reminder and self.doubt is None:
            await self.of.outbox.dropped(letter, "the room wants no reminders")
            return True
        try:
            if self.doubt and (stands := await self._standing(self.doubt)):
                await self.of.outbox.sent(letter, stands)
                return True
        except (Later, Unsure, Rejected) as why:
            self.of.rest(letter.room, timedelta(seconds=why.seconds) if isinstance(why, Later) else self._wait())
            log.info("not looked up", **self._about(str(why)))
            return False
        except RoomGone as why:
            return await self._room_gone(str(why))
        except SpaceGone as why:
            return await self._space_gone(str(why))
        return await self._send()

    async def _standing(self, since: datetime) -> str | None:
        """The message, where it was posted after all: in its thread, or outside where the thread was gone."""
        alert, room = self.letter.alert, self.letter.room
        thread = None if alert.root else await self.of.outbox.thread(room, alert.thread)
        try:
            if thread:
                try:
                    if stands := await self.platform.find(room, alert.key, since, thread):
                        return stands
                except MessageGone:
                    log.info("thread gone", **self._about("looked up outside of it"))
            return await self.platform.find(room, alert.key, since)
        except (Blind, MessageGone) as why:
            log.warning("cannot look, so it may be said twice", **self._about(str(why)))
            return None

    async def _send(self) -> bool:
        outbox, letter, pace = self.of.outbox, self.letter, self.of.pace
        thread = None if letter.alert.root else await outbox.thread(letter.room, letter.alert.thread)
        try:
            if thread and not await self._edited(thread):
                thread = None
            if thread and self.settings.updates == Updates.EDIT_ONLY:
                await outbox.sent(letter, thread)
                return True
            if not await outbox.sending(letter, pace.now()):
                return False
            await self._post(thread)
        except Later as why:
            await outbox.not_sent(letter, pace.now() + timedelta(seconds=why.seconds))
            log.info("told to wait", **self._about(str(why)))
            return False
        except Unsure as why:
            log.warning("not known whether it was said", **self._about(str(why)))
            return False
        except (Rejected, MessageGone) as why:
            return await self._rejected(str(why))
        except RoomGone as why:
            return await self._room_gone(str(why))
        except SpaceGone as why:
            return await self._space_gone(str(why))
        return True

    async def _edited(self, root: str) -> bool:
        """The root shows what is now, before the reply says so: an edit can be repeated, so that a crash between the two
        leaves nothing stale. False where the root is gone."""
        try:
            await self.platform.update(self.letter.room, root, self._root())
        except MessageGone as why:
            log.info("thread gone", **self._about(str(why)))
            return False
        except Unsure as why:
            raise Later(str(why), self._wait().total_seconds()) from None
        except Rejected as why:
            log.error("root not edited", **self._about(str(why)))
        return True

    async def _post(self, thread: str | None) -> None:
        letter, alert = self.letter, self.letter.alert
        if thread:
            broadcast = self.settings.updates == Updates.BROADCAST
            broadcast = broadcast and (alert.broadcast or alert.reason is Reason.RESOLVED)
            try:
                said = await self.platform.post(letter.room, self._reply(), thread, alert.key, broadcast)
                await self._said(letter, said)
                return
            except MessageGone as why:
                log.info("thread gone", **self._about(str(why)))
        said = await self.platform.post(letter.room, self._root(), "", alert.key)
        await self._said(replace(letter, alert=replace(alert, root=True)), said)

    async def _said(self, letter: Letter, message: str) -> None:
        await self.of.outbox.sent(letter, message)
        if self.kept and self.kept.paused:
            await self.of.watches.resume(letter.room)

    async def _rejected(self, why: str) -> bool:
        """Our fault: nothing is lost while somebody may mend it, and then others are not held up for ever."""
        log.error("alert not taken", **self._about(why))
        if self._age() < timedelta(days=1):
            await self.of.outbox.not_sent(self.letter, self.of.pace.now() + self._wait())
            return False
        await self.of.outbox.dropped(self.letter, why)
        return True

    async def _room_gone(self, why: str) -> bool:
        """The room's watches rest, and the one who made this one hears of it once; a try now and then finds out whether
        the bot was invited again."""
        room = self.letter.room
        log.warning("room closed to the bot", **self._about(why))
        if self.kept and not self.kept.paused:
            await self.of.watches.pause(room)
            try:
                await self.platform.tell(room, self.letter.watch.by, silenced_card(self.letter.watch, why))
            except (Later, Unsure, RoomGone, SpaceGone, Rejected, MessageGone) as deaf:
                log.info("creator not told", **self._about(str(deaf)))
        if self.kept is None or self._age() >= self.of.pace.keep_for:
            await self.of.outbox.dropped(self.letter, why)
            return True
        await self.of.outbox.not_sent(self.letter, self.of.pace.now() + self.of.pace.shut_room)
        return False

    async def _space_gone(self, why: str) -> bool:
        log.warning("workspace gone", **self._about(why))
        await self.of.watches.forget_space(self.letter.room.platform, self.letter.room.space)
        await self.of.outbox.dropped(self.letter, why)
        return False

    def _root(self) -> Card:
        """As the room's people left it: what they acknowledged or muted since counts."""
        incident = self.letter.incident
        if self.kept and self.kept.incident.thread == incident.thread:
            current = self.kept.incident
            incident = replace(incident, acknowledged=current.acknowledged, muted=current.muted)
        return root_card(self.letter.watch, incident, self.letter.alert)

    def _reply(self) -> Card:
        return reply_card(self.letter.watch, self.letter.alert)

    def _wait(self) -> timedelta:
        return self.of.pace.backoff(self.letter.tries + 1)

    def _age(self) -> timedelta:
        return self.of.pace.now() - self.letter.alert.at

    def _about(self, why: str) -> dict[str, str]:
        room, alert = self.letter.room, self.letter.alert
        return {"platform": room.platform, "team": room.space, "channel": room.channel, "key": alert.key, "why": why}
