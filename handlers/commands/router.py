"""The verbs: what is said at once to each, and who answers it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bot.check_runner import Checkup
from bot.models import Order, Report, Target
from bot.storage import StoreUnavailable
from handlers.commands.parser import PASTED, WATCHING, Typed, read_check, split_verb
from handlers.commands.pasted_text import REFUSALS as UNREAD
from handlers.commands.pasted_text import Pasted
from handlers.commands.watch import Watching
from handlers.commands.watch_parser import REFUSALS
from handlers.message import Card
from handlers.messages import checking_card, help_card, refusal_card, report_card, reports_card, so_far
from handlers.ports import Ack, Ask, Room, Told, untold

STORE_AWAY = "The store of the watches does not answer, so nothing was changed; please try again in a minute."
NO_WATCHES = "Nothing can be watched here: this bot keeps no watches."


@dataclass(frozen=True, slots=True)
class Commands:
    """The verbs; `checkup` does the work, `lists` is how many blocklists a target is asked about."""

    checkup: Checkup
    lists: Callable[[Target], int]
    list_health: Callable[[], Awaitable[Card]]
    allowed: Callable[[Ask], Awaitable[str]] = field(default=lambda _: _nobody_waits())
    watching: Watching | None = None
    pasted: Pasted = field(default_factory=Pasted)

    def acknowledgement(self, ask: Ask) -> Ack:
        """What is said at once; pure and instant."""
        verb, rest = split_verb(ask.text)
        if verb == "help":
            return Ack(help_card(), work=False)
        if verb == "lists":
            return Ack(Card("Asking every blocklist for its test entries …", private=True), work=True)
        try:
            if verb in PASTED:
                return Ack(self.pasted.begun(verb, rest, ask.files), work=True)
            if verb in WATCHING:
                return Ack(self._begun(ask, verb, rest), work=self.watching is not None)
            orders = read_check(rest).orders
            return Ack(checking_card(orders, self.lists(orders[0].target)), work=True)
        except REFUSALS as wrong:
            return Ack(refusal_card(str(wrong)), work=False)

    async def answer(self, ask: Ask, told: Told = untold) -> Card:
        instead = self.acknowledgement(ask)
        if not instead.work:
            return instead.card
        if wait := await self.allowed(ask):
            return refusal_card(wait)
        verb, rest = split_verb(ask.text)
        if verb in PASTED:
            return await self._read(ask, verb, rest, told)
        if verb in WATCHING and self.watching:
            return await self._watching(self.watching, ask, verb, rest)
        return await self.list_health() if verb == "lists" else await self.check(read_check(rest), told)

    async def check(self, typed: Typed, told: Told = untold) -> Card:
        expanded = await asyncio.gather(*(self.checkup.expand(order) for order in typed.orders))
        orders = [order for several in expanded for order in several]
        done = 0

        async def report(order: Order) -> Report:
            nonlocal done
            found = await self.checkup.report(order, typed.fresh)
            done += 1
            if len(orders) > 1:
                told(so_far(done, orders))
            return found

        reports = await asyncio.gather(*map(report, orders))
        return report_card(reports[0], typed.tree) if len(reports) == 1 else reports_card(reports)

    async def rejoined(self, room: Room) -> Card | None:
        return await self.watching.rejoined(room) if self.watching else None

    async def removed_from(self, room: Room) -> None:
        if self.watching:
            await self.watching.watches.forget_room(room)

    async def silenced(self, platform: str, space: str) -> None:
        if self.watching:
            await self.watching.watches.pause_space(platform, space)

    async def returned(self, platform: str, space: str) -> None:
        if self.watching:
            await self.watching.watches.resume_space(platform, space)

    async def removed(self, platform: str, space: str) -> None:
        if self.watching:
            await self.watching.watches.forget_space(platform, space)

    def _begun(self, ask: Ask, verb: str, rest: str) -> Card:
        return self.watching.begun(ask, verb, rest) if self.watching else refusal_card(NO_WATCHES)

    async def _read(self, ask: Ask, verb: str, rest: str, told: Told) -> Card:
        try:
            return await self.pasted.answer(verb, rest, ask.files, told)
        except UNREAD as wrong:
            return refusal_card(str(wrong))

    async def _watching(self, watching: Watching, ask: Ask, verb: str, rest: str) -> Card:
        try:
            return await watching.answer(ask, verb, rest)
        except REFUSALS as wrong:
            return refusal_card(str(wrong))
        except StoreUnavailable:
            return refusal_card(STORE_AWAY)


async def _nobody_waits() -> str:
    return ""
