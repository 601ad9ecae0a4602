"""Emptying the outbox: the loop over the rooms, and one letter on its way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from bot.monitoring.interfaces import (
    AnyLetter,
    DigestLetter,
    Kept,
    Letter,
    ListLetter,
    Outbox,
    RoomSettings,
    Updates,
    Watches,
)
from bot.monitoring.models import Reason, Room, Watch
from bot.monitoring.schedule import WEEK
from bot.storage import StoreUnavailable
from handlers.delivery.retry_policy import NOT_SAID, NotSaid, Pace, Rests, fate_of, turn_of
from handlers.message import Card
from handlers.messages.alerts import reply_card, root_card, silenced_card
from handlers.messages.blocklists import list_note_card
from handlers.messages.history import digest_card
from handlers.ports import Blind, Later, MessageGone, Rejected, Speaking, Unsure

LOUDNESS = {Later: logging.INFO, Rejected: logging.ERROR}  # of what was not said; else a warning

log = structlog.get_logger()


@dataclass(slots=True)
class Delivery:
    """Empties the outbox. Any number of processes may do so: `Outbox.sending` lets one of them have a letter."""

    outbox: Outbox
    watches: Watches
    platforms: Mapping[str, Speaking]
    pace: Pace = field(default_factory=Pace)
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
                except StoreUnavailable as away:  # nothing is lost, and it will be back
                    log.warning("outbox not read", why=str(away))
                except Exception:
                    log.exception("outbox broke")
                await self.pace.sleep(self.pace.look_every)

    async def _empty(self, room: Room, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set() and await self.deliver_next(room):
                await self.pace.sleep(self.pace.apart)
        except StoreUnavailable as away:  # nothing is lost, and it will be back
            log.warning("delivery waits", platform=room.platform, channel=room.channel, why=str(away))
        except Exception:
            log.exception("delivery broke", platform=room.platform, team=room.space, channel=room.channel)
        finally:
            self._busy.discard(room)

    async def deliver_next(self, room: Room) -> bool:
        """Deals with the room's first letter; False where there is none, or where the room has to wait."""
        platform = self.platforms.get(room.platform)
        letter = await self.outbox.first(room) if platform else None
        if platform is None or letter is None:
            return False
        turn = turn_of(letter, await self.outbox.restarted_at(), self.pace)
        if self.pace.now() < turn.at:
            await self.outbox.waits(letter, turn.at)
            return False
        kept, settings = None, RoomSettings(updates=Updates.EDIT_ONLY)
        if isinstance(letter, Letter):
            kept, settings = await self.watches.find(room, letter.watch.id), await self.watches.settings(room)
        digest = await self._digest(letter) if isinstance(letter, DigestLetter) else None
        errand = _Errand(self.outbox, self.watches, platform, self.pace, letter, kept, settings, digest)
        return await errand.run(turn.doubt)

    async def _digest(self, letter: DigestLetter) -> Card:
        kept, histories = await self.watches.of_room(letter.room), await self.watches.histories(letter.room)
        return digest_card(kept, histories, letter.at - WEEK, letter.at)


@dataclass(frozen=True, slots=True)
class _Errand:
    """One letter on its way. A note about a list is of no watch, and its end is an edit and nothing more; a digest is of all
    watches."""

    outbox: Outbox
    watches: Watches
    platform: Speaking
    pace: Pace
    letter: AnyLetter
    kept: Kept | None
    settings: RoomSettings
    digest: Card | None = None

    async def run(self, doubt: datetime | None) -> bool:
        """True where the letter left the outbox. `doubt`: it may have been posted since then, so it is looked up first."""
        if doubt is None and self._reminds() and not self.settings.reminder:
            await self.outbox.dropped(self.letter, "the room wants no reminders")
            return True
        try:
            if doubt and (stands := await self._standing(doubt)):
                await self._said(self.letter, stands)
                return True
        except NOT_SAID as why:
            return await self._unsaid(why, None)
        begun = await self.outbox.sending(self.letter, self.pace.now())
        if begun is None:
            return False
        try:
            await self._say()
        except NOT_SAID as why:
            return await self._unsaid(why, begun)
        return True

    async def _standing(self, since: datetime) -> str | None:
        """The message, where it was posted after all: in its thread, or outside where the thread was gone."""
        key, room = self.letter.id, self.letter.room
        try:
            if thread := await self._thread():
                try:
                    if stands := await self.platform.find(room, key, since, thread):
                        return stands
                except MessageGone:
                    log.info("thread gone", **self._about("looked up outside of it"))
            return await self.platform.find(room, key, since)
        except (Blind, Rejected, MessageGone) as why:
            log.warning("cannot look, so it may be said twice", **self._about(str(why)))
            return None

    async def _say(self) -> None:
        """The root shows what is now, before the reply says so: an edit can be repeated, so that a crash between the two
        leaves nothing stale."""
        thread = await self._thread()
        if thread and not await self._edited(thread):
            thread = None
        if thread and self.settings.updates == Updates.EDIT_ONLY:
            await self._said(self.letter, thread)
        elif isinstance(self.letter, ListLetter) and not self.letter.root:
            await self.outbox.dropped(self.letter, "the note that it ends is gone")
        else:
            await self._post(thread)

    async def _thread(self) -> str | None:
        letter = self.letter
        return None if letter.root else await self.outbox.thread(letter.room, letter.thread)

    async def _edited(self, root: str) -> bool:
        """False where the root is gone."""
        try:
            await self.platform.update(self.letter.room, root, self._root())
        except MessageGone as why:
            log.info("thread gone", **self._about(str(why)))
            return False
        except Unsure as why:  # an edit can be repeated, so it is no question whether it was made
            raise Later(str(why), self.pace.backoff(self.letter.tries + 1).total_seconds()) from None
        except Rejected as why:
            log.error("root not edited", **self._about(str(why)))
        return True

    async def _post(self, thread: str | None) -> None:
        letter = self.letter
        if thread and isinstance(letter, Letter):
            broadcast = self.settings.updates == Updates.BROADCAST
            broadcast = broadcast and (letter.alert.broadcast or letter.alert.reason is Reason.RESOLVED)
            reply = reply_card(letter.watch, letter.alert)
            try:
                said = await self.platform.post(letter.room, reply, thread, letter.id, broadcast)
                await self._said(letter, said)
                return
            except MessageGone as why:
                log.info("thread gone", **self._about(str(why)))
        said = await self.platform.post(letter.room, self._root(), "", letter.id)
        if isinstance(letter, Letter):
            letter = replace(letter, alert=replace(letter.alert, root=True))
        await self._said(letter, said)

    async def _said(self, letter: AnyLetter, message: str) -> None:
        await self.outbox.sent(letter, message)
        if self.kept and self.kept.paused:
            await self.watches.resume(letter.room)

    async def _unsaid(self, why: NotSaid, begun: AnyLetter | None) -> bool:
        """True where the letter left the outbox all the same. Only who began to send it can know that it was not sent."""
        fate = fate_of(self.letter, why, self.kept is not None, self.pace)
        log.log(LOUDNESS.get(type(why), logging.WARNING), "alert not said", **self._about(str(why)))
        if fate.rests is not Rests.NOBODY and self.kept and not self.kept.paused:
            await self._rest(self.kept.watch, fate.rests, str(why))
        if fate.again_at is None:
            await self.outbox.dropped(self.letter, str(why))
        elif begun and fate.surely:
            await self.outbox.not_sent(begun, fate.again_at)
        else:
            await self.outbox.waits(self.letter, fate.again_at)
        return fate.again_at is None

    async def _rest(self, watch: Watch, rests: Rests, why: str) -> None:
        """The watches rest until a try now and then finds the place open again. The one who made this watch hears of a
        closed room, and whoever runs the bot of a workspace that lets it say nothing to anybody."""
        room = self.letter.room
        if rests is Rests.SPACE:
            log.error(
                "workspace closed to the bot", **self._about(why), watches="rest", ended_after=str(self.pace.keep_for)
            )
            await self.watches.pause_space(room.platform, room.space)
            return
        await self.watches.pause(room)
        try:
            await self.platform.tell(room, watch.by, silenced_card(watch, why))
        except NOT_SAID as deaf:
            log.info("creator not told", **self._about(str(deaf)))

    def _root(self) -> Card:
        """As the room's people left it: what they acknowledged or muted since counts."""
        letter = self.letter
        if isinstance(letter, ListLetter):
            return list_note_card(letter.note, letter.name)
        if isinstance(letter, DigestLetter):
            assert self.digest
            return self.digest
        incident = letter.incident
        if self.kept and self.kept.incident.thread == incident.thread:
            current = self.kept.incident
            incident = replace(incident, acknowledged=current.acknowledged, muted=current.muted)
        return root_card(letter.watch, incident, letter.alert)

    def _reminds(self) -> bool:
        return isinstance(self.letter, Letter) and self.letter.alert.reason is Reason.REMINDER

    def _about(self, why: str) -> dict[str, str]:
        room, key = self.letter.room, self.letter.id
        return {"platform": room.platform, "team": room.space, "channel": room.channel, "key": key, "why": why}
