"""Caches in Redis: DNS answers, reports, list trust. Every key has a TTL.

An entry with more time left than its kind has at most is out of date: the clock of the store was set back since.

`view` names the resolver behind the answers: processes with different resolvers share nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from hashlib import blake2b

from redis.asyncio import Redis

from bot.inputs.redaction import redact
from bot.models import DnsAnswer, Report
from bot.report_json import report_from_json, report_to_json, report_to_line
from bot.storage import StoreUnavailable
from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.single_flight import CacheEntry, CrossProcessSingleFlight, RequestBatcher
from bot.storage.unreadable import UNREADABLE_ERRORS, check_text, is_text

KEY_PREFIX = "mc1"  # raise the number when the format of an entry changes
MAX_ANSWER_TTL_S = 3600
REPORT_TTL_S = 60
STORE_DELAY_S = 0.01


class AnswerCache:
    """DNS answers, for their TTL, at most an hour; TTL 0 is not stored (RFC 1035 §3.2.1).

    `secrets` are API keys of lists, which may repeat them in their answers; they are not stored.
    """

    def __init__(self, redis: Redis, circuit: CircuitBreaker, view: str = "", secrets: Collection[str] = ()) -> None:
        self._prefix = key_prefix("dns", view)
        self._secrets = tuple(secrets)
        # A follower gives up early enough to still answer within an interactive timeout.
        self._single_flight = CrossProcessSingleFlight(redis, circuit, lease_s=3.5, wait_timeout_s=1.5)
        self._delayed = RequestBatcher(self._store_all, after_s=STORE_DELAY_S)

    async def fetch(
        self, name: str, rdtype: str, query: Callable[[], Awaitable[DnsAnswer]], fresh: bool = False
    ) -> DnsAnswer:
        """The cached answer, or that of `query`; `fresh` always calls `query`.

        Raises only what `query` raises.
        """

        def load(entry: CacheEntry) -> DnsAnswer:
            return load_answer(name, rdtype, entry)

        key = self._key(name, rdtype)
        if fresh:
            answer = await query()
            self._single_flight.store(key, partial(self._dump, answer))
            return answer
        answer, _ = await self._single_flight.fetch(key, query, self._dump, load)
        return answer

    async def get_many(self, names: Sequence[str], rdtype: str, /) -> dict[str, DnsAnswer]:
        """Cached answers of many names, in one round trip; none while Redis is unavailable."""
        entries = await self._single_flight.get_many([self._key(name, rdtype) for name in names])
        answers: dict[str, DnsAnswer] = {}
        for name, entry in zip(names, entries, strict=True):
            if entry is not None:
                with suppress(*UNREADABLE_ERRORS):  # queried again and replaced
                    answers[name] = load_answer(name, rdtype, entry)
        return answers

    def store(self, answer: DnsAnswer, /) -> None:
        """Store an answer a moment later, together with others, so that no caller waits for it."""
        self._delayed.submit(answer)

    async def flush(self) -> None:
        """Wait until every answer is stored; call it before the process exits."""
        await self._delayed.flush()
        await self._single_flight.flush()

    def _dump(self, answer: DnsAnswer) -> CacheEntry:
        return dump_answer(without_secrets(answer, self._secrets))

    def _key(self, name: str, rdtype: str) -> str:
        return self._prefix + digest(f"{name.lower()} {rdtype}")

    async def _store_all(self, answers: Sequence[DnsAnswer]) -> list[None]:
        for answer in answers:
            self._single_flight.store(self._key(answer.name, answer.rdtype), partial(self._dump, answer))
        return [None] * len(answers)


class ReportCache:
    """Reports, for a minute: a repeated request runs no second check.

    Concurrent callers in this process share one report as it is; other processes read its JSON.
    """

    def __init__(self, redis: Redis, circuit: CircuitBreaker, view: str = "") -> None:
        self._circuit = circuit
        self._prefix = key_prefix("report", view)
        self._single_flight = CrossProcessSingleFlight(redis, circuit, lease_s=10.0, wait_timeout_s=10.0)
        self._fetching: dict[str, asyncio.Task[tuple[Report, bool]]] = {}

    @property
    def unavailable(self) -> bool:
        return self._circuit.is_open

    async def fetch(self, key: str, make: Callable[[], Awaitable[Report]], fresh: bool = False) -> tuple[Report, bool]:
        """The report and whether it was cached. `fresh` makes and stores a new one.

        A caller that is cancelled stops no other: the check runs on.
        """
        name = self._prefix + digest(key)
        if fresh:
            report = await make()
            self._single_flight.store(name, partial(dump_report, report))
            return report, False
        if fetching := self._fetching.get(name):
            report, _ = await asyncio.shield(fetching)
            return report, True
        fetching = asyncio.create_task(self._single_flight.fetch(name, make, dump_report, load_report))
        fetching.add_done_callback(lambda _: self._fetching.pop(name))
        self._fetching[name] = fetching
        return await asyncio.shield(fetching)

    async def flush(self) -> None:
        """Wait until every report is stored; checks that still run are cancelled."""
        for fetching in self._fetching.values():
            fetching.cancel()
        await asyncio.gather(*self._fetching.values(), return_exceptions=True)
        await self._single_flight.flush()


class RedisTextCache:
    """Short texts by id, such as list trust. Does nothing while Redis is unavailable."""

    def __init__(self, redis: Redis, circuit: CircuitBreaker, namespace: str, view: str = "") -> None:
        self._redis, self._circuit = redis, circuit
        self._prefix = key_prefix(namespace, view)

    async def get_many(self, ids: Sequence[str]) -> dict[str, str]:
        """The texts that are still cached, by id."""
        if not ids:
            return {}
        keys = [self._prefix + item for item in ids]
        try:
            texts = await self._circuit.call(lambda: self._redis.mget(keys))
        except StoreUnavailable:
            return {}
        return {
            item: str(text) for item, text in zip(ids, texts, strict=True) if text is not None and is_text(str(text))
        }

    async def set_many(self, items: Mapping[str, str], ttl_s: int) -> None:
        if not items or ttl_s <= 0:
            return
        pipeline = self._redis.pipeline(transaction=False)
        for item, text in items.items():
            pipeline.set(self._prefix + item, text, ex=ttl_s)
        try:
            await self._circuit.call(pipeline.execute)
        except StoreUnavailable:
            return


def without_secrets(answer: DnsAnswer, secrets: Collection[str]) -> DnsAnswer:
    """Redact the texts and aliases of a list that was queried with a key; no other answer is touched."""
    name = answer.name.lower()
    used = [secret for secret in secrets if secret.lower() in name]
    if not used:
        return answer
    records, aliases = (tuple(redact(text, used) for text in texts) for texts in (answer.records, answer.aliases))
    return replace(answer, records=answer.records if answer.rdtype == "A" else records, aliases=aliases)


def dump_answer(answer: DnsAnswer) -> CacheEntry:
    aliases = [answer.aliases] if answer.aliases else []
    text = json.dumps([answer.exists, answer.authentic, answer.records, *aliases], separators=(",", ":"))
    return CacheEntry(text, max(0, min(answer.ttl, MAX_ANSWER_TTL_S)))


def load_answer(name: str, rdtype: str, entry: CacheEntry) -> DnsAnswer:
    """Raises ValueError or TypeError for a text that `dump_answer` did not write."""
    exists, authentic, records, *aliases = json.loads(current_text(entry, MAX_ANSWER_TTL_S))
    for texts in (records, *aliases):
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise TypeError("records and aliases are texts")
    return DnsAnswer(name, rdtype, tuple(records), exists, int(entry.ttl_s), authentic, *map(tuple, aliases))


def dump_report(report: Report) -> CacheEntry:
    text = report_to_line(report)
    return CacheEntry(text if is_text(text) else json.dumps(report_to_json(report)), REPORT_TTL_S)


def load_report(entry: CacheEntry) -> Report:
    """Raises one of UNREADABLE_ERRORS for a text that `dump_report` did not write, and for one out of date."""
    return report_from_json(json.loads(current_text(entry, REPORT_TTL_S)))


def current_text(entry: CacheEntry, max_ttl_s: float) -> str:
    """Raises ValueError for an entry that is not text or out of date."""
    if entry.ttl_s > max_ttl_s:
        raise ValueError("stored by a clock that was set back")
    return check_text(entry.text)


def key_prefix(namespace: str, view: str) -> str:
    return f"{KEY_PREFIX}:{namespace}:{digest(view)[:8]}:"


def digest(text: str) -> str:
    """Hash of a cache key: names in key zones contain the customer's key."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
