"""The budget of every list, kept at the wire: what a sweep asks of a list is taken from the list's bucket first.

Answers from a cache cost nothing, and whatever a check asks (targets, test entries, texts) counts. People go past it: a
tenth of every budget is theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.checks.blocklists.zones import Zone
from bot.model import Answer, LookupFailed
from bot.net.resolver import Asks
from bot.store import StoreUnavailable
from bot.store.sweeping import SweepStore
from bot.watching.lists import BUDGET
from bot.watching.schedule import Budget

MOST_IN_HAND = 20
EMPTY_FOR_S = 1.0


@dataclass(frozen=True, slots=True)
class Ration:
    """One list's budget; `list` is its id."""

    list: str
    budget: Budget


@dataclass(slots=True)
class _Hand:
    """Questions taken from a bucket and not asked yet, in this process."""

    turn: asyncio.Lock
    left: int = 0
    empty_until: float = 0.0


class Rationed:
    """A transport that asks nothing beyond the budgets: LookupFailed("budget") where a list's bucket is empty."""

    def __init__(
        self, transport: Asks, store: SweepStore, rations: Mapping[str, Ration], clock: Callable[[], datetime]
    ) -> None:
        self._transport = transport
        self._store = store
        self._rations = rations
        self._clock = clock
        self._hands: dict[str, _Hand] = {}

    async def query(self, name: str, kind: str, *, deadline_s: float = 3.0, bulk: bool = False) -> Answer:
        ration = next((self._rations[apex] for apex in suffixes(name) if apex in self._rations), None)
        if bulk and ration is not None and not await self._allowed(ration):
            raise LookupFailed(BUDGET)
        return await self._transport.query(name, kind, deadline_s=deadline_s, bulk=bulk)

    async def _allowed(self, ration: Ration) -> bool:
        hand = self._hands.setdefault(ration.list, _Hand(asyncio.Lock()))
        async with hand.turn:
            if not hand.left and self._clock().timestamp() >= hand.empty_until:
                await self._fill(hand, ration)
            if not hand.left:
                return False
            hand.left -= 1
            return True

    async def _fill(self, hand: _Hand, ration: Ration) -> None:
        budget, now = ration.budget, self._clock().timestamp()
        wanted = max(1, min(MOST_IN_HAND, int(budget.most_at_once / 4)))
        try:
            hand.left = await self._store.take(ration.list, now, wanted, budget.per_second, budget.most_at_once)
        except StoreUnavailable:
            hand.left = 0  # who cannot count does not ask
        if not hand.left:
            hand.empty_until = now + EMPTY_FOR_S


def rations(zones: Iterable[Zone]) -> dict[str, Ration]:
    """The budgets that the operators of these zones publish, by the apex that every question to them ends in."""
    return {
        zone.apex.lower(): Ration(zone.blocklist.id, Budget(zone.blocklist.per_day))
        for zone in zones
        if zone.blocklist.per_day is not None
    }


def suffixes(name: str) -> Iterator[str]:
    """`a.b.c`, `b.c`, `c`."""
    rest = name.lower().rstrip(".")
    while rest:
        yield rest
        _, _, rest = rest.partition(".")
