"""Daily limits of lists for people's checks: each address or name at a list with a limit is charged.

What the limits leave out is not sent, and is `unknown` with reason `day-limit`. Watches have budgets
of their own (`query_budget`); together they stay below what the operator of a list allows.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from bot.checks.dnsbl.catalog import Kind
from bot.checks.dnsbl.names import names_by_kind
from bot.checks.dnsbl.zones import Zone, list_queries
from bot.models import BatchLookup, BulkLookup, Check, CheckRequest, DnsAnswer, Finding, Lookup, LookupFailed, OnAnswer
from bot.monitoring.query_budget import suffixes
from bot.storage import StoreUnavailable
from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.day_budget import DayBudgetStore, DayFile, Demand

MAX_CHUNK = 200  # queries that a bulk run takes of a list at once: the first time one, then twice as many
DAY_LIMIT = LookupFailed("day-limit")

log = structlog.get_logger()


class PeopleBudget:
    """Charges checks to the day: in the store, or where that does not answer in a file of this host."""

    def __init__(
        self,
        zones: Iterable[Zone],
        store: DayBudgetStore | None,
        breaker: CircuitBreaker,
        file: DayFile,
        clock: Callable[[], datetime],
    ) -> None:
        self._store, self._breaker, self._file, self._clock = store, breaker, file, clock
        self.limited = {
            zone.apex.lower(): (zone.blocklist.id, zone.blocklist.per_day) for zone in zones if zone.blocklist.per_day
        }

    async def charge(self, workspace: str, demands: Sequence[Demand], whole: bool = True) -> list[int]:
        """Charge the demands; returns how many queries of each may be sent."""
        now, store = self._clock().timestamp(), self._store
        if store is not None:
            try:
                return await self._breaker.call(lambda: store.charge(workspace, demands, now, whole))
            except StoreUnavailable:
                pass
        try:
            return self._file.charge(demands, now, whole)
        except OSError as error:
            log.warning("day file cannot be written", reason=error.strerror)
            return [0] * len(demands)

    async def denied_apexes(self, workspace: str, counts: Mapping[str, int]) -> frozenset[str]:
        """Charge a check, `counts` queries by apex; returns the zones that must not be queried."""
        charged = {apex: count for apex, count in counts.items() if apex in self.limited}
        if not charged:
            return frozenset()
        granted = await self.charge(workspace, [Demand(*self.limited[apex], count) for apex, count in charged.items()])
        return frozenset(apex for apex, count in zip(charged, granted, strict=True) if not count)

    async def charge_extra(self, workspace: str, counts: Mapping[str, int]) -> None:
        """Charge queries that were sent already."""
        demands = [Demand(*self.limited[apex], count) for apex, count in counts.items() if apex in self.limited]
        if demands:
            await self.charge(workspace, demands, whole=False)


def charged_check(blocklists: Check, zones: Sequence[Zone], budget: PeopleBudget) -> Check:
    """The check of blocklists, charged. Bulk lookups, as of watches, have budgets of their own.

    The queries about the target are charged before they are sent; what came on top of them, which are
    test points, texts and retries, is charged afterwards.
    """

    async def check(request: CheckRequest, lookup: Lookup, /) -> Sequence[Finding]:
        if isinstance(lookup, BulkLookup):
            return await blocklists(request, lookup)
        counts = _query_counts(zones, request)
        denied = await budget.denied_apexes(request.charged_to, counts)
        charged = _charged(denied, frozenset(counts) & budget.limited.keys(), lookup)
        findings = await blocklists(request, charged)
        await budget.charge_extra(request.charged_to, charged.sent - counts)
        return findings

    return check


def _query_counts(zones: Sequence[Zone], request: CheckRequest) -> Counter[str]:
    """Queries by apex: each name at each list, and the PTR name of the address, which is not known yet."""
    counts = Counter(query.zone.apex.lower() for query in list_queries(zones, names_by_kind(request)))
    if request.target.ip is not None:
        counts.update(zone.apex.lower() for zone in zones if Kind.DOMAIN in zone.blocklist.kinds)
    return counts


def _charged(denied: Collection[str], limited: Collection[str], lookup: Lookup) -> ChargedLookup:
    if isinstance(lookup, BatchLookup):
        return ChargedBatchLookup(denied, limited, lookup)
    return ChargedLookup(denied, limited, lookup)


class ChargedLookup:
    """A lookup without the denied zones, where queries fail with `day-limit`.

    `sent` are the queries to the other limited zones, by apex.
    """

    def __init__(self, denied: Collection[str], limited: Collection[str], lookup: Lookup) -> None:
        self.sent: Counter[str] = Counter()
        self._denied = denied
        self._limited = limited
        self._lookup = lookup

    async def __call__(self, name: str, rdtype: str, /) -> DnsAnswer:
        apex = next((apex for apex in suffixes(name.lower()) if apex in self._limited), "")
        if apex in self._denied:
            raise DAY_LIMIT
        if apex:
            self.sent[apex] += 1
        return await self._lookup(name, rdtype)


class ChargedBatchLookup(ChargedLookup, BatchLookup):
    """The same for batches."""

    def __init__(self, denied: Collection[str], limited: Collection[str], lookup: BatchLookup) -> None:
        super().__init__(denied, limited, lookup)
        self._lookup_many = lookup.lookup_many

    async def lookup_many(
        self, label: str, apexes: Sequence[str], /, *, on_answer: OnAnswer | None = None
    ) -> Sequence[DnsAnswer | LookupFailed]:
        results: list[DnsAnswer | LookupFailed] = [DAY_LIMIT] * len(apexes)
        allowed = [position for position, apex in enumerate(apexes) if apex.lower() not in self._denied]
        self.sent.update(apex for position in allowed if (apex := apexes[position].lower()) in self._limited)

        def set_result(index: int, result: DnsAnswer | LookupFailed) -> None:
            results[allowed[index]] = result
            if on_answer:
                on_answer(allowed[index], result)

        if on_answer:
            for position in sorted({*range(len(apexes))}.difference(allowed)):
                on_answer(position, DAY_LIMIT)
        answers = await self._lookup_many(label, [apexes[position] for position in allowed], on_answer=set_result)
        for index, answer in enumerate(answers):
            results[allowed[index]] = answer
        return results


@dataclass(slots=True)
class _Chunk:
    """Queries to one list that were charged and are not sent yet."""

    remaining: int = 0
    size: int = 1
    exhausted: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class ChunkedTokens:
    """The budget of a bulk run of people, for `BudgetedLookup`: charged in chunks, to one workspace."""

    def __init__(self, budget: PeopleBudget, workspace: str) -> None:
        self._budget = budget
        self._workspace = workspace
        self._chunks = {apex: _Chunk() for apex in budget.limited}

    async def try_take(self, apex: str) -> bool:
        """Take a token for a query to this apex; False if the day's limit is reached."""
        chunk = self._chunks.get(apex)
        if chunk is None:
            return True
        if not chunk.remaining and not chunk.exhausted:
            async with chunk.lock:
                await self._refill(apex, chunk)
        if not chunk.remaining:
            return False
        chunk.remaining -= 1
        return True

    def budgeted_apex(self, name: str) -> str:
        """Apex of the list with a limit that serves this name; empty if there is none."""
        return next((apex for apex in suffixes(name.lower()) if apex in self._chunks), "")

    async def _refill(self, apex: str, chunk: _Chunk) -> None:
        if chunk.remaining or chunk.exhausted:
            return
        list_id, per_day = self._budget.limited[apex]
        demand = Demand(list_id, per_day, chunk.size)
        (chunk.remaining,) = await self._budget.charge(self._workspace, [demand], whole=False)
        chunk.exhausted = not chunk.remaining
        chunk.size = min(MAX_CHUNK, 2 * chunk.size)
