"""Caching resolver, the `Lookup` of the checks.

Identical queries share one datagram: answers come from the cache in memory, then from the cache
shared by processes, and a query already sent is joined.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from bot.models import TIMED_OUT, BatchLookup, BulkLookup, DnsAnswer, Lookup, LookupResult, OnAnswer
from bot.resilience.single_flight import SingleFlight
from bot.resilience.ttl_cache import TtlCache

BATCH_RDTYPE = "A"
CACHE_SIZE = 20_000
MAX_TTL_S = 3600.0


class BatchQuerier(Protocol):
    """The batch part of `Querier`."""

    async def query_many(
        self, label: str, apexes: Sequence[str], /, *, bulk: bool = ..., on_answer: OnAnswer | None = ...
    ) -> Sequence[LookupResult]: ...


class SharedBatchCache(Protocol):
    """Answer cache shared by processes.

    While it is unavailable, `get_many` soon returns nothing. `store` works in the background.
    """

    async def get_many(self, names: Sequence[str], rdtype: str, /) -> Mapping[str, DnsAnswer]: ...

    def store(self, answer: DnsAnswer, /) -> None: ...


class AnswerMemory:
    """DNS answers in memory, each for its TTL and at most an hour; returned with their remaining TTL."""

    def __init__(self, size: int = CACHE_SIZE, clock: Callable[[], float] = time.monotonic) -> None:
        self._answers: TtlCache[tuple[str, str], DnsAnswer] = TtlCache(size, clock)

    def get(self, name: str, rdtype: str) -> DnsAnswer | None:
        if kept := self._answers.get((name, rdtype)):
            return replace(kept[0], ttl=int(kept[1]))
        return None

    def put(self, answer: DnsAnswer) -> None:
        self._answers.put((answer.name, answer.rdtype), answer, min(answer.ttl, MAX_TTL_S))


@dataclass(slots=True, eq=False)
class _Caller:
    """One caller of a batch; `results` hold a timeout until something better is known."""

    on_answer: OnAnswer | None
    results: list[LookupResult]
    pending: int
    done: asyncio.Future[None]

    def set_result(self, position: int, result: LookupResult) -> None:
        self.results[position] = result
        self.pending -= 1
        if self.on_answer:
            self.on_answer(position, result)
        if not self.pending and not self.done.done():
            self.done.set_result(None)


@dataclass(slots=True, eq=False)
class _SharedBatch:
    """A shared batch of open queries: the waiting callers by name, and their number."""

    callers: dict[str, list[tuple[_Caller, int]]]
    task: asyncio.Task[None] | None = None
    waiter_count: int = 0


class CachedBatches:
    """Interactive batches: one read of the shared cache, then the missing queries."""

    def __init__(self, client: BatchQuerier, cache: AnswerMemory, shared: SharedBatchCache | None) -> None:
        self._client = client
        self._cache = cache
        self._shared = shared
        self._open_batches: dict[str, _SharedBatch] = {}  # by names without an answer yet

    async def lookup_many(
        self, label: str, apexes: Sequence[str], *, fresh: bool, on_answer: OnAnswer | None
    ) -> list[LookupResult]:
        """Results of `label.apex`, in order. `fresh` bypasses the caches and fills them."""
        names = [f"{label}.{apex}" for apex in apexes]
        cached = {} if fresh else await self._cached(names)
        done = asyncio.get_running_loop().create_future()
        caller = _Caller(on_answer, [TIMED_OUT] * len(names), len(names), done)
        for position, name in enumerate(names):
            if name in cached:
                caller.set_result(position, cached[name])
        missing = [(name, position) for position, name in enumerate(names) if name not in cached]
        self._start(label, {name: apexes[position] for name, position in missing if name not in self._open_batches})
        await self._wait(caller, missing)
        return caller.results

    async def _cached(self, names: Sequence[str]) -> dict[str, DnsAnswer]:
        cached = {name: answer for name in names if (answer := self._cache.get(name, BATCH_RDTYPE))}
        missing = [name for name in names if name not in cached and name not in self._open_batches]
        if missing and self._shared:
            for name, answer in (await self._shared.get_many(missing, BATCH_RDTYPE)).items():
                self._cache.put(answer)
                cached[name] = answer
        return cached

    def _start(self, label: str, apexes: Mapping[str, str]) -> None:
        if apexes:
            batch = _SharedBatch({name: [] for name in apexes})
            self._open_batches |= dict.fromkeys(apexes, batch)
            batch.task = asyncio.create_task(self._query_batch(label, apexes, batch))

    async def _wait(self, caller: _Caller, missing: Sequence[tuple[str, int]]) -> None:
        """Wait for all results. The last waiting caller that is cancelled cancels the batch."""
        for name, position in missing:
            self._open_batches[name].callers[name].append((caller, position))
        batches = {self._open_batches[name] for name, _ in missing}
        for batch in batches:
            batch.waiter_count += 1
        try:
            if missing:
                await caller.done
        finally:
            caller.on_answer = None  # a cancelled caller gets no more results
            for batch in batches:
                batch.waiter_count -= 1
                if batch.callers and batch.task and not batch.waiter_count:
                    self._forget(batch)
                    batch.task.cancel()

    async def _query_batch(self, label: str, apexes: Mapping[str, str], batch: _SharedBatch) -> None:
        names = list(apexes)

        def on_answer(position: int, result: LookupResult) -> None:
            if isinstance(result, DnsAnswer):
                self._cache.put(result)
                if self._shared:
                    self._shared.store(result)
            self._set_results(names[position], result, batch)

        try:
            await self._client.query_many(label, list(apexes.values()), bulk=False, on_answer=on_answer)
        finally:
            for name in list(batch.callers):
                self._set_results(name, TIMED_OUT, batch)

    def _set_results(self, name: str, result: LookupResult, batch: _SharedBatch) -> None:
        if self._open_batches.get(name) is batch:
            del self._open_batches[name]
        for caller, position in batch.callers.pop(name):
            caller.set_result(position, result)

    def _forget(self, batch: _SharedBatch) -> None:
        for name in batch.callers:
            if self._open_batches.get(name) is batch:
                del self._open_batches[name]


QueryFunction = Callable[[], Awaitable[DnsAnswer]]


class Querier(BatchQuerier, Protocol):
    """What the resolver needs of a DNS client."""

    async def query(self, name: str, rdtype: str, *, timeout_s: float = ..., bulk: bool = ...) -> DnsAnswer: ...


class SharedAnswerCache(SharedBatchCache, Protocol):
    """Answer cache shared by processes; it calls `query` on a miss and stores the result.

    With `fresh`, or while the cache is unavailable, `query` is always called. LookupFailed of
    `query` passes through and is never stored.
    """

    async def fetch(self, name: str, rdtype: str, query: QueryFunction, /, *, fresh: bool = False) -> DnsAnswer: ...


@dataclass(frozen=True, slots=True)
class LookupOptions:
    """`fresh` bypasses the caches; `bulk` gives way to interactive queries."""

    fresh: bool = False
    bulk: bool = False
    timeout_s: float = 3.0


QueryKey = tuple[str, str, LookupOptions]


class Resolver(BatchLookup):
    """`await resolver("example.com", "TXT")`; raises LookupFailed, which is never cached.

    `identity` names the name servers behind it: what one resolver shows of a list need not hold for
    another. The name in an answer is in lower case without a trailing dot.
    """

    def __init__(
        self,
        client: Querier,
        *,
        identity: str,
        shared_cache: SharedAnswerCache | None = None,
        clock: Callable[[], float] = time.monotonic,
        cache_size: int = CACHE_SIZE,
    ) -> None:
        self.identity = identity
        self._client = client
        self._shared = shared_cache
        self._cache = AnswerMemory(cache_size, clock)
        self._queries: SingleFlight[QueryKey, DnsAnswer] = SingleFlight(cancel_unused=True)
        self._batches = CachedBatches(client, self._cache, shared_cache)

    async def __call__(self, name: str, rdtype: str, /) -> DnsAnswer:
        return await self.lookup(name, rdtype, LookupOptions())

    def fresh(self) -> Lookup:
        """A Lookup that bypasses the caches and fills them."""
        return self.with_options(LookupOptions(fresh=True))

    def with_options(self, options: LookupOptions) -> Lookup:
        """A Lookup with these options."""
        return _BoundLookup(self, options)

    def bulk(self, *, fresh: bool = False) -> BulkLookup:
        """The Lookup of bulk checks: interactive queries go first, batch results are not cached."""
        return _BoundBulkLookup(self, LookupOptions(fresh=fresh, bulk=True))

    async def lookup_many(
        self, label: str, apexes: Sequence[str], /, *, on_answer: OnAnswer | None = None
    ) -> Sequence[LookupResult]:
        return await self.lookup_batch(label, apexes, LookupOptions(), on_answer)

    async def lookup_batch(
        self, label: str, apexes: Sequence[str], options: LookupOptions, on_answer: OnAnswer | None
    ) -> Sequence[LookupResult]:
        """Look up a label in many zones. Bulk lookups skip the caches."""
        if options.bulk:
            return await self._client.query_many(label, apexes, bulk=True, on_answer=on_answer)
        return await self._batches.lookup_many(label, apexes, fresh=options.fresh, on_answer=on_answer)

    async def lookup(self, name: str, rdtype: str, options: LookupOptions) -> DnsAnswer:
        name = name.lower().removesuffix(".") or "."
        if not options.fresh and (cached := self._cache.get(name, rdtype)):
            return cached
        if options.bulk:  # rarely the same name twice; a task for each query costs time
            answer = await self._client.query(name, rdtype, timeout_s=options.timeout_s, bulk=True)
            self._cache.put(answer)
            return answer
        return await self._queries((name, rdtype, options), partial(self._query, name, rdtype, options))

    async def _query(self, name: str, rdtype: str, options: LookupOptions) -> DnsAnswer:
        async def query() -> DnsAnswer:
            return await self._client.query(name, rdtype, timeout_s=options.timeout_s, bulk=options.bulk)

        shared = self._shared
        answer = await (shared.fetch(name, rdtype, query, fresh=options.fresh) if shared else query())
        self._cache.put(answer)
        return answer


@dataclass(frozen=True)
class _BoundLookup(BatchLookup):
    resolver: Resolver
    options: LookupOptions

    async def __call__(self, name: str, rdtype: str, /) -> DnsAnswer:
        return await self.resolver.lookup(name, rdtype, self.options)

    async def lookup_many(
        self, label: str, apexes: Sequence[str], /, *, on_answer: OnAnswer | None = None
    ) -> Sequence[LookupResult]:
        return await self.resolver.lookup_batch(label, apexes, self.options, on_answer)


class _BoundBulkLookup(_BoundLookup, BulkLookup):
    @property
    def fresh(self) -> bool:
        return self.options.fresh
