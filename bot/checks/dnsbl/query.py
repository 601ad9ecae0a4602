"""Concurrent DNSBL queries: targets and test points at once, TXT of each listing, one deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bot.checks.dnsbl.classify import ListState, classify_result
from bot.checks.dnsbl.zones import ListQuery, Zone
from bot.models import TIMED_OUT, BatchLookup, Lookup, LookupFailed, LookupResult

MAX_TXT_RECORDS = 4
MAX_TXT_CHARS = 300


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

    The TXT record is queried for each of the `targets` that classifies as listed.
    """
    results = QueryResults()

    async def query_address(name: str) -> None:
        try:
            results.by_name[name] = await lookup(name, "A")
        except LookupFailed as failure:
            results.by_name[name] = failure

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
    queries = {query.name: query for query in targets}

    async def query_label(label: str, apexes: Sequence[str]) -> None:
        def on_result(index: int, result: LookupResult) -> None:
            name = f"{label}.{apexes[index]}"
            results.by_name[name] = result
            query = queries.get(name)
            if query and classify_result(query.zone.blocklist, result).state is ListState.LISTED:
                group.create_task(query_txt(name))

        await lookup.lookup_many(label, apexes, on_answer=on_result)

    async def query_txt(name: str) -> None:
        results.txt[name] = await listing_txt(lookup, name)

    try:
        async with asyncio.timeout_at(deadline), asyncio.TaskGroup() as group:
            for label, apexes in _batches(targets, stale).items():
                group.create_task(query_label(label, apexes))
    except TimeoutError:
        pass  # as above
    return results


def _batches(targets: Sequence[ListQuery], stale: Sequence[Zone]) -> dict[str, list[str]]:
    """Return the apexes to query for each label."""
    batches: dict[str, dict[str, None]] = {}
    for query in targets:
        batches.setdefault(query.label, {})[query.zone.apex] = None
    for zone in stale:
        for name in zone.test_point_names:
            batches.setdefault(name.removesuffix(f".{zone.apex}"), {})[zone.apex] = None
    return {label: list(apexes) for label, apexes in batches.items()}


async def listing_txt(lookup: Lookup, name: str) -> tuple[str, ...]:
    """Return the TXT records of an entry, truncated.

    TXT is optional (RFC 5782 section 2.1), so a failed lookup yields an empty tuple.
    """
    try:
        answer = await lookup(name, "TXT")
    except LookupFailed:
        return ()
    return tuple(text[:MAX_TXT_CHARS] for text in answer.records[:MAX_TXT_RECORDS])
