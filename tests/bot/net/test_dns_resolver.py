from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bot.models import DnsAnswer, LookupFailed
from bot.net.dns_resolver import LookupOptions, Resolver


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeClient:
    """DNS client that answers when allowed to, and records its queries."""

    def __init__(self, ttl: int = 60) -> None:
        self.queries: list[tuple[str, str, bool]] = []
        self.cancelled = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.ttl = ttl
        self.failure: str | None = None

    async def query(self, name: str, rdtype: str, *, timeout_s: float = 3.0, bulk: bool = False) -> DnsAnswer:
        self.queries.append((name, rdtype, bulk))
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.failure:
            raise LookupFailed(self.failure)
        return DnsAnswer(name, rdtype, (f"answer {len(self.queries)}",), ttl=self.ttl)


class FakeSharedCache:
    """Shared cache in a dict."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], DnsAnswer] = {}

    async def fetch(
        self, name: str, rdtype: str, query: Callable[[], Awaitable[DnsAnswer]], /, *, fresh: bool = False
    ) -> DnsAnswer:
        if fresh or (name, rdtype) not in self.entries:
            self.entries[name, rdtype] = await query()
        return self.entries[name, rdtype]


async def run_loop(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_answer_is_cached_for_its_ttl() -> None:
    client, clock = FakeClient(ttl=60), Clock()
    resolver = Resolver(client, identity="192.0.2.53", clock=clock)
    first = await resolver("example.com", "TXT")
    clock.now += 59
    assert await resolver("Example.COM.", "TXT") == DnsAnswer("example.com", "TXT", first.records, ttl=1)
    clock.now += 1
    assert (await resolver("example.com", "TXT")).records == ("answer 2",)
    assert len(client.queries) == 2


@pytest.mark.parametrize(
    ("ttl", "elapsed_s", "query_count"), [(86400, 3599, 1), (86400, 3600, 2), (0, 0, 2), (1, 1, 2)]
)
async def test_cached_ttl_is_limited_to_an_hour(ttl: int, elapsed_s: float, query_count: int) -> None:
    client, clock = FakeClient(ttl), Clock()
    resolver = Resolver(client, identity="192.0.2.53", clock=clock)
    await resolver("example.com", "A")
    clock.now += elapsed_s
    await resolver("example.com", "A")
    assert len(client.queries) == query_count


async def test_concurrent_callers_share_one_query() -> None:
    client = FakeClient()
    client.may_answer.clear()
    resolver = Resolver(client, identity="192.0.2.53")
    callers = [asyncio.create_task(resolver("example.com", "TXT")) for _ in range(100)]
    await run_loop()
    client.may_answer.set()
    answers = await asyncio.gather(*callers)
    assert {answer.records for answer in answers} == {("answer 1",)}
    assert len(client.queries) == 1


async def test_cancelled_caller_leaves_shared_query_running() -> None:
    client = FakeClient()
    client.may_answer.clear()
    resolver = Resolver(client, identity="192.0.2.53")
    cancelled, waiting = (asyncio.create_task(resolver("example.com", "TXT")) for _ in range(2))
    await run_loop()
    cancelled.cancel()
    await run_loop()
    client.may_answer.set()
    assert (await waiting).records == ("answer 1",)
    assert cancelled.cancelled()
    assert client.cancelled == 0


async def test_query_without_callers_is_cancelled() -> None:
    client = FakeClient()
    client.may_answer.clear()
    resolver = Resolver(client, identity="192.0.2.53")
    callers = [asyncio.create_task(resolver("example.com", "TXT")) for _ in range(3)]
    await run_loop()
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    await run_loop()
    assert client.cancelled == 1
    client.may_answer.set()
    assert (await resolver("example.com", "TXT")).records == ("answer 2",)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_failure_reaches_all_callers_uncached() -> None:
    client = FakeClient()
    client.may_answer.clear()
    client.failure = "servfail"
    resolver = Resolver(client, identity="192.0.2.53")
    callers = [asyncio.create_task(resolver("example.com", "TXT")) for _ in range(3)]
    await run_loop()
    client.may_answer.set()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert [str(result) for result in results] == ["servfail"] * 3
    client.failure = None
    assert (await resolver("example.com", "TXT")).records == ("answer 2",)


async def test_fresh_lookup_bypasses_and_fills_cache() -> None:
    client, shared_cache = FakeClient(), FakeSharedCache()
    resolver = Resolver(client, identity="192.0.2.53", shared_cache=shared_cache)
    await resolver("example.com", "TXT")
    fresh = resolver.fresh()
    answers = await asyncio.gather(*(fresh("example.com", "TXT") for _ in range(10)))
    assert {answer.records for answer in answers} == {("answer 2",)}
    assert (await resolver("example.com", "TXT")).records == ("answer 2",)
    assert shared_cache.entries["example.com", "TXT"].records == ("answer 2",)


async def test_answer_in_shared_cache_is_not_queried() -> None:
    client, shared_cache = FakeClient(), FakeSharedCache()
    shared_cache.entries["example.com", "TXT"] = DnsAnswer("example.com", "TXT", ("v=spf1 -all",), ttl=20)
    resolver = Resolver(client, identity="192.0.2.53", shared_cache=shared_cache)
    assert (await resolver("example.com", "TXT")).records == ("v=spf1 -all",)
    assert client.queries == []
    shared_cache.entries.clear()
    await resolver("example.com", "TXT")
    assert client.queries == []


async def test_least_recently_used_answers_are_evicted() -> None:
    client = FakeClient()
    resolver = Resolver(client, identity="192.0.2.53", cache_size=3)
    for name in ("a", "b", "c", "a", "d", "a", "b"):
        await resolver(f"{name}.example", "A")
    assert [name[0] for name, _, _ in client.queries] == ["a", "b", "c", "d", "b"]


async def test_interactive_query_does_not_join_bulk_query() -> None:
    client = FakeClient()
    client.may_answer.clear()
    resolver = Resolver(client, identity="192.0.2.53")
    bulk_lookup = resolver.with_options(LookupOptions(bulk=True))
    callers = [asyncio.create_task(lookup("example.com", "A")) for lookup in (bulk_lookup, resolver)]
    await run_loop()
    assert sorted(bulk for _, _, bulk in client.queries) == [False, True]
    client.may_answer.set()
    await asyncio.gather(*callers)
