"""The budget of every list, kept where a sweep asks: each question is taken from the list's bucket first.

Whatever is asked of a list counts: targets, test entries and texts. People go past it: a tenth of every budget is theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.checks.dnsbl.zones import Zone
from bot.models import Answer, Heard, LookupFailed, SweepLookup
from bot.monitoring.dnsbl_quarantine import BUDGET, Used
from bot.monitoring.schedule import Budget, Demanded
from bot.storage import StoreUnavailable
from bot.storage.poll_store import SweepStore

MOST_IN_HAND = 20
EMPTY_FOR_S = 1.0
USED_UP = LookupFailed(BUDGET)


@dataclass(slots=True)
class Hand:
    """Questions that were taken from one list's bucket and not asked yet, in this process."""

    list: str
    budget: Budget
    left: int = 0
    empty_until: float = 0.0
    filling: asyncio.Lock = field(default_factory=asyncio.Lock)


class Rations:
    """What this process may still ask of each list, by the apex that every question to it ends in."""

    def __init__(self, store: SweepStore, zones: Iterable[Zone], clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        limited = [(zone, zone.blocklist.per_day) for zone in zones]
        self._hands = {
            zone.apex.lower(): Hand(zone.blocklist.id, Budget(per_day)) for zone, per_day in limited if per_day
        }

    async def allow(self, apex: str) -> bool:
        """Whether a question to this apex may be asked; if so, it counts as asked."""
        hand = self._hands.get(apex)
        if hand is None:
            return True
        if not hand.left:
            async with hand.filling:
                await self._fill(hand)
        if not hand.left:
            return False
        hand.left -= 1
        return True

    async def used(self) -> list[Used]:
        """Of every list with a budget. Raises StoreUnavailable."""
        lists = {hand.list: hand.budget.per_day for hand in self._hands.values()}
        numbers = await self._store.used(list(lists), self._clock().timestamp())
        return [Used(name, per_day, used) for (name, per_day), used in zip(lists.items(), numbers, strict=True)]

    def apex_of(self, name: str) -> str:
        return next((apex for apex in suffixes(name.lower()) if apex in self._hands), "")

    async def _fill(self, hand: Hand) -> None:
        now = self._clock().timestamp()
        if hand.left or now < hand.empty_until:
            return
        most, pace = hand.budget.most_at_once, hand.budget.per_second
        try:
            hand.left = await self._store.take(hand.list, now, max(1, min(MOST_IN_HAND, int(most / 4))), pace, most)
        except StoreUnavailable:
            hand.left = 0  # who cannot count does not ask
        if not hand.left:
            hand.empty_until = now + EMPTY_FOR_S


class Rationed(SweepLookup):
    """A sweep's lookup that asks nothing beyond the budgets: such a question ends in LookupFailed("budget")."""

    def __init__(self, lookup: SweepLookup, rations: Rations) -> None:
        self._lookup = lookup
        self._rations = rations

    @property
    def fresh(self) -> bool:
        return self._lookup.fresh

    async def __call__(self, name: str, kind: str, /) -> Answer:
        if not await self._rations.allow(self._rations.apex_of(name)):
            raise LookupFailed(BUDGET)
        return await self._lookup(name, kind)

    async def ask_all(
        self, label: str, apexes: Sequence[str], /, *, heard: Heard | None = None
    ) -> Sequence[Answer | LookupFailed]:
        hear: Heard = heard or (lambda _place, _outcome: None)
        places: list[int] = []
        for place, apex in enumerate(apexes):
            if await self._rations.allow(apex.lower()):
                places.append(place)
            else:
                hear(place, USED_UP)
        asked = [apexes[place] for place in places]
        told = await self._lookup.ask_all(label, asked, heard=lambda place, outcome: hear(places[place], outcome))
        outcomes = dict(zip(places, told, strict=True))
        return [outcomes.get(place, USED_UP) for place in range(len(apexes))]


def demanded(zones: Iterable[Zone]) -> list[Demanded]:
    """The budgets that the operators of these zones publish, for the plan."""
    lists = {zone.blocklist.id: zone.blocklist for zone in zones}
    return [
        Demanded(frozenset(map(str, one.kinds)), Budget(one.per_day))
        for one in lists.values()
        if one.per_day is not None
    ]


def unproven(zones: Iterable[Zone]) -> frozenset[str]:
    """The lists that keep no entry which must not be listed."""
    return frozenset(zone.blocklist.id for zone in zones if zone.must_not_list is None)


def suffixes(name: str) -> Iterator[str]:
    """`a.b.c`, `b.c`, `c`."""
    while name:
        yield name
        _, _, name = name.partition(".")
