"""Single flight across processes: concurrent callers that want the same key share one fetch.

`RequestBatcher` joins requests of one moment into one call.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from functools import partial
from importlib.resources import files
from itertools import count
from typing import Generic, NamedTuple, TypeVar

from redis.asyncio import Redis

from bot.storage import StoreUnavailable
from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.unreadable import UNREADABLE_ERRORS

Q = TypeVar("Q")
A = TypeVar("A")

MAX_BATCH_SIZE = 500  # requests per call, so that others are not delayed


class RequestBatcher(Generic[Q, A]):
    """Collects requests for `after_s` seconds (0: this tick of the loop), then makes one call.

    `call` returns one result per request, in order.
    """

    def __init__(self, call: Callable[[Sequence[Q]], Awaitable[Sequence[A]]], after_s: float = 0.0) -> None:
        self._call_batch = call
        self._after_s = after_s
        self._pending: list[tuple[Q, asyncio.Future[A]]] = []
        self._calls: set[asyncio.Task[None]] = set()

    def submit(self, request: Q) -> asyncio.Future[A]:
        loop = asyncio.get_running_loop()
        if not self._pending:
            loop.call_later(self._after_s, self._send)
        future: asyncio.Future[A] = loop.create_future()
        self._pending.append((request, future))
        return future

    async def flush(self) -> None:
        """Wait until every request has its result."""
        self._send()
        while self._calls:
            await asyncio.wait(self._calls)

    def _send(self) -> None:
        pending, self._pending = self._pending, []
        for start in range(0, len(pending), MAX_BATCH_SIZE):
            task = asyncio.create_task(self._run_call(pending[start : start + MAX_BATCH_SIZE]))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    async def _run_call(self, pending: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            results = await self._call_batch([request for request, _ in pending])
        except asyncio.CancelledError:
            for _, future in pending:
                future.cancel()
            raise
        except Exception as error:
            for _, future in pending:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(pending, results, strict=True):
            if not future.done():
                future.set_result(result)


log = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.02
STORE_INTERVAL_S = 0.01  # DNS answers arrive one by one; one call stores those of this interval

T = TypeVar("T")


class CacheEntry(NamedTuple):
    """A cached text and its remaining TTL in seconds."""

    text: str
    ttl_s: float


class Role(Enum):
    """Who fetches what is not cached."""

    LEADER = 1
    FOLLOWER = 0


class Claim(NamedTuple):
    key: str
    claim_id: str


class StoreRequest(NamedTuple):
    """`encode` is called when the entry is stored, so that no caller waits for it."""

    key: str
    claim_id: str
    encode: Callable[[], CacheEntry]


EMPTY_ENTRY = CacheEntry("", 0.0)


class CrossProcessSingleFlight:
    """Claims and results of one tick cost one round trip each.

    A claim expires after `lease_s`, so that a killed process blocks others no longer than that. A
    follower fetches by itself when the claim ends without a result, or after `wait_timeout_s`.
    """

    def __init__(self, redis: Redis, circuit: CircuitBreaker, *, lease_s: float, wait_timeout_s: float) -> None:
        self._circuit = circuit
        self._lease_ms = int(lease_s * 1000)
        self._wait_timeout_s = wait_timeout_s
        self._claim_script = redis.register_script(load_script("cache_claim.lua"))
        self._store_script = redis.register_script(load_script("cache_store.lua"))
        self._claims = RequestBatcher(self._claim_batch)
        self._reads = RequestBatcher(self._read_batch, after_s=POLL_INTERVAL_S)
        self._stores = RequestBatcher(self._store_batch, after_s=STORE_INTERVAL_S)
        self._process_id = secrets.token_hex(6)
        self._counter = count()

    async def fetch(
        self,
        key: str,
        make: Callable[[], Awaitable[T]],
        dump: Callable[[T], CacheEntry],
        load: Callable[[CacheEntry], T],
    ) -> tuple[T, bool]:
        """The value of `key` and whether it was cached. Errors of `make` are not cached."""
        claim = Claim(key, f"{self._process_id}-{next(self._counter)}")
        entry = await self._wait_for_entry(claim)
        if entry is not None:
            try:
                return load(entry), True
            except UNREADABLE_ERRORS:
                log.warning("The cache entry %s cannot be read; fetching it again.", key)
        try:
            value = await make()
        except BaseException:
            self._stores.submit(StoreRequest(*claim, lambda: EMPTY_ENTRY))
            raise
        self._stores.submit(StoreRequest(*claim, partial(dump, value)))
        return value, False

    async def get_many(self, keys: Sequence[str]) -> list[CacheEntry | None]:
        """Cached entries, without claiming a key or waiting for a claim."""
        states = await self._run_claims([Claim(key, "") for key in keys], 0)
        return [entry if isinstance(entry, CacheEntry) else None for entry in states]

    def store(self, key: str, encode: Callable[[], CacheEntry]) -> None:
        """Store an entry without a claim."""
        self._stores.submit(StoreRequest(key, "", encode))

    async def flush(self) -> None:
        """Wait until every result is stored; call it before the process exits."""
        await self._stores.flush()

    async def _wait_for_entry(self, claim: Claim) -> CacheEntry | None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._wait_timeout_s
        state = await self._claims.submit(claim)
        while state is Role.FOLLOWER and loop.time() < deadline:
            state = await self._reads.submit(claim)
        return state if isinstance(state, CacheEntry) else None

    async def _claim_batch(self, claims: Sequence[Claim]) -> list[CacheEntry | Role]:
        return await self._run_claims(claims, self._lease_ms)

    async def _read_batch(self, claims: Sequence[Claim]) -> list[CacheEntry | Role]:
        return await self._run_claims(claims, 0)

    async def _run_claims(self, claims: Sequence[Claim], lease_ms: int) -> list[CacheEntry | Role]:
        keys = [claim.key for claim in claims]
        arguments = [str(lease_ms), *(claim.claim_id for claim in claims)]
        try:
            reply: str = await self._circuit.call(lambda: self._claim_script(keys, arguments))
        except StoreUnavailable:
            return [Role.LEADER] * len(claims)
        return [
            CacheEntry(item[0], item[1] / 1000) if isinstance(item, list) else Role(item) for item in json.loads(reply)
        ]

    async def _store_batch(self, requests: Sequence[StoreRequest]) -> list[None]:
        keys = [request.key for request in requests]
        arguments = [
            argument
            for _, claim_id, encode in requests
            for entry in [encode()]
            for argument in (claim_id, int(entry.ttl_s * 1000), entry.text if entry.ttl_s else "")
        ]
        try:
            await self._circuit.call(lambda: self._store_script(keys, arguments))
        except StoreUnavailable:
            log.debug("Redis is unavailable; %d fetched entries are not stored.", len(requests))
        return [None] * len(requests)


def load_script(name: str) -> str:
    return (files("bot.storage") / "scripts" / name).read_text(encoding="utf-8")
