"""Query budgets of lists: every bulk query takes a token from the shared bucket of its list first.

Queries for targets, test points and TXT records all count. People's checks are charged to the day
(`people_budget`): a tenth of every budget is reserved for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from bot.checks.dnsbl.zones import Zone
from bot.models import BulkLookup, DnsAnswer, LookupFailed, OnAnswer
from bot.monitoring.dnsbl_quarantine import BUDGET, QueryUsage
from bot.monitoring.schedule import Budget, KindBudget
from bot.resilience.single_flight import SingleFlight
from bot.storage import StoreUnavailable
from bot.storage.day_budget import DAY_SHARE, DayBudgetStore
from bot.storage.poll_store import PollStore

MAX_LOCAL_TOKENS = 20
EMPTY_RETRY_S = 1.0
BUDGET_EXHAUSTED = LookupFailed(BUDGET)


@dataclass(slots=True)
class LocalTokens:
    """Tokens of one list that this process took from the shared bucket and has not used."""

    list_id: str
    budget: Budget
    remaining: int = 0


class QueryBudget:
    """Query budgets of this process by zone apex."""

    def __init__(
        self,
        store: PollStore,
        zones: Iterable[Zone],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        people: DayBudgetStore | None = None,
    ) -> None:
        self._store = store
        self._people = people
        self._clock = clock
        self._refills: SingleFlight[str, int] = SingleFlight(
            lambda taken: 0.0 if taken else EMPTY_RETRY_S, clock=monotonic
        )
        limited = [(zone, zone.blocklist.per_day) for zone in zones]
        self._tokens_by_apex = {
            zone.apex.lower(): LocalTokens(zone.blocklist.id, Budget(per_day)) for zone, per_day in limited if per_day
        }

    async def try_take(self, apex: str) -> bool:
        """Take a token for a query to this apex; False if the budget is exhausted."""
        tokens = self._tokens_by_apex.get(apex)
        if tokens is None:
            return True
        while not tokens.remaining:
            if not await self._refills(tokens.list_id, partial(self._refill, tokens)):
                return False
        tokens.remaining -= 1
        return True

    async def usage(self) -> list[QueryUsage]:
        """Usage of every list with a budget today, by watches and people. Raises StoreUnavailable."""
        lists = {tokens.list_id: tokens.budget.per_day for tokens in self._tokens_by_apex.values()}
        now = self._clock().timestamp()
        counts = await self._store.used_today(list(lists), now)
        if self._people:
            by_people = await self._people.used_today(list(lists), now)
            counts = [watched + checked for watched, checked in zip(counts, by_people, strict=True)]
        return [QueryUsage(name, per_day, used) for (name, per_day), used in zip(lists.items(), counts, strict=True)]

    def budgeted_apex(self, name: str) -> str:
        """Apex of the list with a budget that serves this name; empty if there is none."""
        return next((apex for apex in suffixes(name.lower()) if apex in self._tokens_by_apex), "")

    async def _refill(self, tokens: LocalTokens) -> int:
        now, capacity, rate = self._clock().timestamp(), tokens.budget.burst_size, tokens.budget.per_second
        wanted = max(1, min(MAX_LOCAL_TOKENS, int(capacity / 4)))
        try:
            day_limit = int(tokens.budget.per_day * DAY_SHARE)
            tokens.remaining = await self._store.take_tokens(
                tokens.list_id, now, wanted, rate, capacity, day_limit=day_limit
            )
        except StoreUnavailable:
            return 0  # no query without a token
        return tokens.remaining


class TokenBudget(Protocol):
    """Tokens for queries, by zone apex."""

    async def try_take(self, apex: str, /) -> bool: ...

    def budgeted_apex(self, name: str, /) -> str: ...


class BudgetedLookup(BulkLookup):
    """Bulk lookup within the budgets; queries beyond fail with `exhausted`."""

    def __init__(self, lookup: BulkLookup, budget: TokenBudget, exhausted: LookupFailed = BUDGET_EXHAUSTED) -> None:
        self._lookup = lookup
        self._budget = budget
        self._exhausted = exhausted

    @property
    def fresh(self) -> bool:
        return self._lookup.fresh

    async def __call__(self, name: str, rdtype: str, /) -> DnsAnswer:
        if not await self._budget.try_take(self._budget.budgeted_apex(name)):
            raise self._exhausted
        return await self._lookup(name, rdtype)

    async def lookup_many(
        self, label: str, apexes: Sequence[str], /, *, on_answer: OnAnswer | None = None
    ) -> Sequence[DnsAnswer | LookupFailed]:
        report: OnAnswer = on_answer or (lambda _position, _result: None)
        positions: list[int] = []
        for position, apex in enumerate(apexes):
            if await self._budget.try_take(apex.lower()):
                positions.append(position)
            else:
                report(position, self._exhausted)
        allowed = [apexes[position] for position in positions]
        results = await self._lookup.lookup_many(
            label, allowed, on_answer=lambda position, result: report(positions[position], result)
        )
        by_position = dict(zip(positions, results, strict=True))
        return [by_position.get(position, self._exhausted) for position in range(len(apexes))]


def published_budgets(zones: Iterable[Zone]) -> list[KindBudget]:
    """Published budgets of these zones."""
    lists = {zone.blocklist.id: zone.blocklist for zone in zones}
    return [
        KindBudget(frozenset(map(str, blocklist.kinds)), Budget(blocklist.per_day))
        for blocklist in lists.values()
        if blocklist.per_day is not None
    ]


def lists_without_test_points(zones: Iterable[Zone]) -> frozenset[str]:
    """Ids of lists without a negative test point."""
    return frozenset(zone.blocklist.id for zone in zones if zone.must_not_list is None)


def suffixes(name: str) -> Iterator[str]:
    """`a.b.c`, `b.c`, `c`."""
    while name:
        yield name
        _, _, name = name.partition(".")
