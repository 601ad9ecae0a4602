"""Concurrent DNSBL queries: targets and test points at once, TXT of each listing, one deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.checks.dnsbl.classify import ListState, classify_result
from bot.checks.dnsbl.zones import ListQuery, Zone
from bot.checks.lookups import lookup_or_failure
from bot.models import TIMED_OUT, BatchLookup, Lookup, LookupFailed, LookupResult

RETRIED = frozenset({"servfail"})  # a lost answer is tried again by the client itself
RETRY_DELAYS_S = (0.05, 0.25)
MAX_TXT_RECORDS = 4


@dataclass(slots=True)
class QueryResults:
    """Results received before the deadline, by query name."""

    by_name: dict[str, LookupResult] = field(default_factory=dict)
    txt: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def result_for(self, name: str) -> LookupResult:
        return self.by_name.get(name, TIMED_OUT)


async def query_all(
    lookup: Lookup, targets: Sequence[ListQuery], test_points: Iterable[str], deadline: float
) -> QueryResults:
    """Query all names concurrently; names without a result at `deadline` (loop time) timed out.

    While time is left, a server that failed is asked again. The TXT record is queried for each of
    the `targets` that classifies as listed.
    """
    results = QueryResults()

    async def query_address(name: str) -> None:
        results.by_name[name] = await lookup_or_failure(lookup, name, "A")
        async for result in retries(lookup, name, results.by_name[name]):
            results.by_name[name] = result

    async def query_target(query: ListQuery) -> None:
        await query_address(query.name)
        if classify_result(query.zone.blocklist, results.by_name[query.name]).state is ListState.LISTED:
            results.txt[query.name] = await listing_txt(lookup, query.name)

    try:
        async with asyncio.timeout_at(deadline), asyncio.TaskGroup() as group:
            for query in targets:
                group.create_task(query_target(query))
            for name in set(test_points) - {query.name for query in targets}:
                group.create_task(query_address(name))
    except TimeoutError:
        pass  # names without a result count as timed out
    return results


async def query_batches(
    lookup: BatchLookup, targets: Sequence[ListQuery], stale: Sequence[Zone], deadline: float
) -> QueryResults:
    """Like `query_all`, with a lookup that queries many zones for one label in a batch.

    The test points of the `stale` zones are queried as well.
    """
    results = QueryResults()
    try:
        async with asyncio.timeout_at(deadline), asyncio.TaskGroup() as group:
            run = _BatchRun(lookup, {query.name: query for query in targets}, results, group)
            for label, apexes in _batches(targets, stale).items():
                group.create_task(run.query_label(label, apexes))
    except TimeoutError:
        pass  # as above
    return results


@dataclass(frozen=True, slots=True)
class _BatchRun:
    """The batches of one round; `queries` are those about targets, by name."""

    lookup: BatchLookup
    queries: Mapping[str, ListQuery]
    results: QueryResults
    group: asyncio.TaskGroup

    async def query_label(self, label: str, apexes: Sequence[str]) -> None:
        def on_result(index: int, result: LookupResult) -> None:
            name = f"{label}.{apexes[index]}"
            self._set_result(name, result)
            if may_be_retried(result):
                self.group.create_task(self._retry(name, result))

        await self.lookup.lookup_many(label, apexes, on_answer=on_result)

    def _set_result(self, name: str, result: LookupResult) -> None:
        self.results.by_name[name] = result
        query = self.queries.get(name)
        if query and classify_result(query.zone.blocklist, result).state is ListState.LISTED:
            self.group.create_task(self._query_txt(name))

    async def _retry(self, name: str, failure: LookupResult) -> None:
        async for result in retries(self.lookup, name, failure):
            self._set_result(name, result)

    async def _query_txt(self, name: str) -> None:
        self.results.txt[name] = await listing_txt(self.lookup, name)


def _batches(targets: Sequence[ListQuery], stale: Sequence[Zone]) -> dict[str, list[str]]:
    """Return the apexes to query for each label."""
    batches: dict[str, dict[str, None]] = {}
    for query in targets:
        batches.setdefault(query.label, {})[query.zone.apex] = None
    for zone in stale:
        for name in zone.test_point_names:
            batches.setdefault(name.removesuffix(f".{zone.apex}"), {})[zone.apex] = None
    return {label: list(apexes) for label, apexes in batches.items()}


def may_be_retried(result: LookupResult) -> bool:
    """Whether another query may get an answer at once: a server failed."""
    return isinstance(result, LookupFailed) and result.reason in RETRIED


async def retries(lookup: Lookup, name: str, result: LookupResult) -> AsyncIterator[LookupResult]:
    """Query again, after a moment each time, until there is an answer; the caller has the deadline."""
    for delay_s in RETRY_DELAYS_S:
        if not may_be_retried(result):
            return
        await asyncio.sleep(delay_s)
        result = await lookup_or_failure(lookup, name, "A")
        yield result


async def listing_txt(lookup: Lookup, name: str) -> tuple[str, ...]:
    """Return the first TXT records of an entry.

    TXT is optional (RFC 5782 section 2.1), so a failed lookup yields an empty tuple.
    """
    try:
        answer = await lookup(name, "TXT")
    except LookupFailed:
        return ()
    return tuple(answer.records[:MAX_TXT_RECORDS])
