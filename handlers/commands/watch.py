"""Verbs about watches: a channel follows a target, and its members mute it, take it in hand or end it.

Which channel speaks is only ever taken from the ask, never from what was typed: what another channel watches does not exist
here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from bot.inputs.domain_names import quoted
from bot.inputs.durations import write_duration
from bot.models import Lookup, Report
from bot.monitoring.alert_state import acknowledge, begin, mute, unmute
from bot.monitoring.dnsbl_quarantine import heard_in
from bot.monitoring.interfaces import MOST_IN_A_ROOM, Kept, Outbox, RoomSettings, TooManyWatches, Watches
from bot.monitoring.models import MOST_ADDRESSES, Incident, Room, Watch
from bot.monitoring.poll import observations
from bot.monitoring.schedule import first_due
from bot.monitoring.sender_discovery import own_addresses
from handlers.commands import watch_parser
from handlers.commands.parser import BadCommand
from handlers.commands.watch_parser import Subject, Wish, beginning, read_history
from handlers.message import Card
from handlers.messages import watches as cards
from handlers.messages.alerts import standing_card
from handlers.messages.history import history_card
from handlers.messages.watches import Added
from handlers.ports import Ask, Later, MessageGone, Rejected, RoomGone, SpaceGone, Speaking, Unsure
from handlers.sanitize import inert

TRIES = 5  # at a change that somebody else's change was ahead of
STRANGER = (
    "You are from another workspace: you can check and look here, and its own members change watches and settings."
)
NOWHERE = "There is no channel here to alert; watches work in Slack and Teams."
# Nobody is locked in by someone who left: the setting is everybody's, and turning it off is said to the whole channel.
RESTRICTED = (
    "In this channel only the one who made a watch may end or mute it; `settings restrict off` ends that rule, and the "
    "channel sees who did it."
)
TOO_OFTEN_CHANGED = "That watch is being changed right now; please try again in a moment."
LEFT = (Later, Unsure, RoomGone, SpaceGone, Rejected, MessageGone)

Look = Callable[[Watch], Awaitable[Sequence[Report]]]
Verb = Callable[[Ask, str], Awaitable[Card]]

log = structlog.get_logger()


async def _as_wished(watch: Watch) -> timedelta:
    return watch.every


@dataclass(frozen=True, slots=True)
class Watching:
    """`look` takes the first look at a watch; `granted` is the interval that the lists' budgets leave it; `usual` the one
    of those who say nothing."""

    watches: Watches
    outbox: Outbox
    look: Look
    lookup: Lookup
    platforms: Mapping[str, Speaking]
    clock: Callable[[], datetime]
    usual: timedelta = timedelta(hours=1)
    special_allowed: bool = False
    granted: Callable[[Watch], Awaitable[timedelta]] = field(default=_as_wished)

    def begun(self, ask: Ask, verb: str, rest: str) -> Card:
        """What is said at once; pure. Raises what is wrong with the words, or with who says them."""
        changes = verb not in ("watches", "history") and not (verb == "settings" and not rest)
        if changes and ask.stranger:
            raise BadCommand(STRANGER)
        if verb == "watch":
            wish = self._wish(ask, rest)
            return cards.first_look_card(len(wish.subjects), str(wish.subjects[0]))
        if verb == "mute":
            watch_parser.read_mute(rest)
        elif verb in ("unwatch", "unmute", "ack"):
            watch_parser.read_one(rest)
        elif verb == "history":
            read_history(rest)
        elif verb == "settings":
            watch_parser.read_settings(rest, RoomSettings())
        return Card("One moment …", private=True)

    async def answer(self, ask: Ask, verb: str, rest: str) -> Card:
        """Raises BadCommand and its like for what cannot be done."""
        verbs: Mapping[str, Verb] = {
            "watch": self.watch,
            "unwatch": self.unwatch,
            "watches": self.show,
            "history": self.history,
            "mute": self.mute,
            "unmute": self.unmute,
            "ack": self.acknowledge,
            "settings": self.settings,
        }
        return await verbs[verb](ask, rest)

    async def watch(self, ask: Ask, rest: str) -> Card:
        """The first look is silent: what it finds is told here, and only changes are told later."""
        wish, now = self._wish(ask, rest), self.clock()
        subjects, notes = await self._subjects(wish)
        wished = [_watch_of(ask, wish, subject, wish.every or self.usual, now) for subject in subjects]
        had = {kept.watch.id for kept in await self.watches.of_room(ask.room)}
        if len(had | {watch.id for watch in wished}) > MOST_IN_A_ROOM:
            raise BadCommand(f"A channel has {MOST_IN_A_ROOM} watches at most; end some first, `watches` shows them.")
        try:
            added = [await self._add(ask, watch) for watch in wished]
        except TooManyWatches as full:
            raise BadCommand(str(full)) from None
        return await self._confirm(ask, added, _added_card(ask, added, notes))

    async def unwatch(self, ask: Ask, rest: str) -> Card:
        kept = await self._allowed(ask, watch_parser.read_one(rest))
        await self.watches.remove(ask.room, kept.watch.id)
        await self.watches.note(ask.room, ask.user, "unwatch", old=kept.watch.subject)
        return cards.removed_card(kept.watch, _who(ask))

    async def show(self, ask: Ask, _rest: str) -> Card:
        return cards.watches_card(await self.watches.of_room(ask.room))

    async def history(self, ask: Ask, rest: str) -> Card:
        name, back = read_history(rest)
        kept, now = await self._kept(ask.room, name), self.clock()
        history = await self.watches.history(ask.room, kept.watch.id)
        return history_card(kept.watch, history, beginning(kept.watch, history, back, now), now)

    async def mute(self, ask: Ask, rest: str) -> Card:
        name, length = watch_parser.read_mute(rest)
        kept = await self._allowed(ask, name)
        if length is None:
            return cards.mute_choice_card(kept.watch)
        until = self.clock() + length
        kept = await self._changed(kept, lambda incident: mute(incident, _who(ask), until))
        await self.watches.note(ask.room, ask.user, "mute", kept.watch.subject, write_duration(length))
        assert kept.incident.muted
        return cards.muted_card(kept.watch, kept.incident.muted)

    async def unmute(self, ask: Ask, rest: str) -> Card:
        kept = await self._changed(await self._allowed(ask, watch_parser.read_one(rest)), unmute)
        await self.watches.note(ask.room, ask.user, "unmute", kept.watch.subject)
        return cards.unmuted_card(kept.watch, _who(ask))

    async def acknowledge(self, ask: Ask, rest: str) -> Card:
        kept = await self._kept(ask.room, watch_parser.read_one(rest))
        if kept.incident.opened is None:
            raise BadCommand(f"Nothing is open for {kept.watch.subject}, so there is nothing to acknowledge.")
        if had := kept.incident.acknowledged:
            raise BadCommand(f"{kept.watch.subject} was acknowledged by {had.by} already.")
        kept = await self._changed(kept, lambda incident: acknowledge(incident, _who(ask), self.clock()))
        await self.watches.note(ask.room, ask.user, "ack", kept.watch.subject)
        return cards.acknowledged_card(kept.watch, _who(ask))

    async def settings(self, ask: Ask, rest: str) -> Card:
        before = await self.watches.settings(ask.room)
        after = watch_parser.read_settings(rest, before)
        if after == before:
            return cards.settings_card(before)
        await self.watches.set_settings(ask.room, after)
        await self.watches.note(ask.room, ask.user, "settings", str(before), str(after))
        return cards.settings_card(after, _who(ask))

    async def rejoined(self, room: Room) -> Card | None:
        """The bot may speak in the room again."""
        if not await self.watches.resume(room):
            return None
        await self.watches.note(room, "mailcheck", "resume")
        return cards.resumed_card()

    def _wish(self, ask: Ask, rest: str) -> Wish:
        if ask.room.platform not in self.platforms:
            raise BadCommand(NOWHERE)
        return watch_parser.read_watch(rest, self.usual, self.special_allowed)

    async def _subjects(self, wish: Wish) -> tuple[Sequence[Subject], Sequence[str]]:
        """What to watch, and a sentence for each thing that is left out."""
        if not wish.addresses:
            return wish.subjects, ()
        found: list[Subject] = []
        notes: list[str] = []
        for domain in (subject.domain for subject in wish.subjects if subject.domain):
            own = await own_addresses(domain, self.lookup)
            found += [Subject(network, domain) for network in own.networks]
            notes += [f"{network} holds too many addresses and is not watched." for network in own.too_large]
            notes += [f"DNS did not answer about {what}, so there may be more addresses." for what in own.unknown]
        if not found:
            raise BadCommand(
                " ".join(["No address to watch was found there: neither MX nor ip4: or ip6: in SPF.", *notes])
            )
        if sum(subject.network.num_addresses for subject in found if subject.network) > MOST_ADDRESSES:
            raise BadCommand(watch_parser.TOO_MUCH)
        return found, notes

    async def _add(self, ask: Ask, watch: Watch) -> Added:
        reports = await self.look(watch)
        now = self.clock()
        incident = begin(watch.id, observations(reports, Incident(watch.id, now), watch), now)
        due = first_due(f"{watch.role} {watch.subject}", watch.every, now)
        new = await self.watches.add(watch, incident, due)
        if new:
            await self.watches.note(
                ask.room, ask.user, "watch", new=f"{watch.subject} every {write_duration(watch.every)}"
            )
        report = reports[0] if len(reports) == 1 else None
        return Added(watch, incident, await self.granted(watch), new, report, heard_in(reports))

    async def _confirm(self, ask: Ask, added: Sequence[Added], card: Card) -> Card:
        """Said in the channel itself, or there in the place of what was pressed: where that fails, no alert could be said
        there either, and nothing is kept."""
        platform = self.platforms[ask.room.platform]
        try:
            if ask.place:
                await platform.update(ask.room, ask.place, card)
                return card
            await platform.post(ask.room, card)
        except (RoomGone, SpaceGone):
            for one in added:
                if one.new:
                    await self.watches.remove(ask.room, one.watch.id)
                    await self.watches.note(
                        ask.room, "mailcheck", "unwatch", old=one.watch.subject, new="not in channel"
                    )
            return cards.not_here_card()
        except (Later, Unsure, Rejected, MessageGone) as why:
            log.info("watch confirmed to its maker only", channel=ask.room.channel, why=str(why))
            return replace(card, private=True)
        return cards.said_in_channel_card(len(added))

    async def _kept(self, room: Room, name: str) -> Kept:
        kept = await self.watches.find(room, name) or await self.watches.find(room, watch_parser.canonical(name))
        if kept is None:
            raise BadCommand(f"{quoted(name)} is not watched in this channel; `watches` shows what is.")
        return kept

    async def _allowed(self, ask: Ask, name: str) -> Kept:
        kept = await self._kept(ask.room, name)
        if kept.watch.by != ask.user and (await self.watches.settings(ask.room)).restrict:
            raise BadCommand(RESTRICTED)
        return kept

    async def _changed(self, kept: Kept, turn: Callable[[Incident], Incident]) -> Kept:
        """The watch with its incident turned, whatever a sweep does to it meanwhile; its thread shows it."""
        room, watch = kept.watch.room, kept.watch
        for _ in range(TRIES):
            after = turn(kept.incident)
            if after == kept.incident or await self.watches.change(room, watch.id, after, kept.incident):
                await self._redraw(watch, after)
                return replace(kept, incident=after)
            kept = await self._kept(room, watch.id)
        raise BadCommand(TOO_OFTEN_CHANGED)

    async def _redraw(self, watch: Watch, incident: Incident) -> None:
        platform = self.platforms.get(watch.room.platform)
        message = await self.outbox.thread(watch.room, incident.thread) if incident.opened else None
        if platform and message:
            try:
                await platform.update(watch.room, message, standing_card(watch, incident))
            except LEFT as why:  # the next event edits it again
                log.info("root not edited", channel=watch.room.channel, why=str(why))


def _added_card(ask: Ask, added: Sequence[Added], notes: Sequence[str]) -> Card:
    """A report whose button was pressed stays: it only says so."""
    one = added[0]
    if ask.place and len(added) == 1 and one.report:
        return cards.watched_report_card(one.report, one)
    return cards.added_card(added, notes)


def _watch_of(ask: Ask, wish: Wish, subject: Subject, every: timedelta, now: datetime) -> Watch:
    return Watch(ask.room, subject.network, subject.domain, wish.role, every, ask.user, now, wish.name)


def _who(ask: Ask) -> str:
    """Plain text on every platform: naming somebody must not call them."""
    return inert(ask.name or ask.user, 40)
