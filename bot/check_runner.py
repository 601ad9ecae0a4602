"""Runs all checks of a request side by side under one time budget, then advises, and builds the report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_address
from typing import Protocol

import structlog

from bot.advice import advise
from bot.checks.finding_codes import ANY_CHECK
from bot.checks.registry import CheckSpec, Need, missing_parts
from bot.checks.special_purpose import runs_ip_checks
from bot.models import (
    BatchLookup,
    BulkLookup,
    CheckRequest,
    DnsAnswer,
    Finding,
    Lookup,
    LookupFailed,
    OnAnswer,
    Report,
    Target,
)

CHECK_TIMEOUT_S = 9.0  # an SPF evaluation may take 8 s by itself
HOST_ADDRESSES = 4  # of a host with more addresses, the first four are checked
HOST_RDTYPES = ("MX", "TXT", "A", "AAAA")
NOT_CACHED = "The store is unavailable, so this answer was not cached."

log = structlog.get_logger()


class CachedReports(Protocol):
    """A cache of reports; returns whether the report was cached, `fresh` makes and stores a new one."""

    @property
    def unavailable(self) -> bool: ...

    async def fetch(
        self, key: str, make: Callable[[], Awaitable[Report]], fresh: bool = False
    ) -> tuple[Report, bool]: ...


@dataclass(frozen=True, slots=True)
class CheckRunner:
    """The checks in report order, the lookups they use, and a clock."""

    checks: Sequence[CheckSpec]
    lookup: Lookup
    fresh_lookup: Lookup
    clock: Callable[[], datetime]
    judge: Callable[[Sequence[Finding]], Sequence[Finding]] = lambda _: ()
    on_report: Callable[[Report], None] = lambda _: None
    allow_special: bool = False
    reports: CachedReports | None = None

    async def run(self, request: CheckRequest, fresh: bool = False) -> Report:
        report = await self._cached(request, fresh)
        self.on_report(report)
        return report

    async def _cached(self, request: CheckRequest, fresh: bool) -> Report:
        if self.reports is None:
            return await self._run_checks(request, fresh)

        report, cached = await self.reports.fetch(str(request), lambda: self._run_checks(request, fresh), fresh)
        notes = (NOT_CACHED,) if self.reports.unavailable else ()
        return replace(report, request=request, cached=cached, notes=notes) if cached or notes else report

    async def expand(self, request: CheckRequest) -> tuple[CheckRequest, ...]:
        """Split a host name (addresses, but neither MX nor SPF) into one request per address."""
        target = request.target
        if target.ip is not None or target.domain is None:
            return (request,)
        mx, txt, *addresses = await asyncio.gather(
            *(_answer(self.lookup, target.domain, kind) for kind in HOST_RDTYPES)
        )
        if mx is None or txt is None or mx.records or any(text.lower().startswith("v=spf1") for text in txt.records):
            return (request,)
        hosts = [replace(target, ip=ip_address(text)) for answer in addresses if answer for text in answer.records]
        return tuple(replace(request, target=host) for host in hosts[:HOST_ADDRESSES]) or (request,)

    async def _run_checks(self, request: CheckRequest, fresh: bool) -> Report:
        started = time.monotonic()
        counted = counting_lookup(self.fresh_lookup if fresh else self.lookup)
        selected = self._selected(request)
        if isinstance(counted, BulkLookup) and _is_nameless(request):
            # Other targets of the bulk run keep the network busy; a task per check costs more than
            # it gains.
            rows = [await _run(spec, part, counted) for spec, part in selected]
        else:
            # Last first: checks with chains of queries start before the blocklists, whose many
            # answers would delay them.
            tasks = (_run(spec, part, counted) for spec, part in reversed(selected))
            rows = (await asyncio.gather(*tasks))[::-1]
        findings = advise(request, [finding for row in rows for finding in row])
        return Report(
            request=request,
            at=self.clock(),
            findings=(*findings, *self.judge(findings)),
            elapsed_ms=round((time.monotonic() - started) * 1000),
            queries=counted.queries,
        )

    def _selected(self, request: CheckRequest) -> list[tuple[CheckSpec, CheckRequest]]:
        """The checks that apply, each with the part of the request that it may see."""
        public, special = self._public_part(request), Need.SPECIAL_ADDRESSES
        missing = missing_parts(request)
        missing_in_public = missing_parts(public) if public else missing
        return [
            (spec, part)
            for spec in self.checks
            if spec.id not in request.left_out
            and (part := request if special in spec.needs else public)
            and spec.needs.isdisjoint(missing if part is request else missing_in_public)
        ]

    def _public_part(self, request: CheckRequest) -> CheckRequest | None:
        """The part of the request that public DNS can answer: no special-purpose address."""
        ip, domain = request.target.ip, request.target.domain
        if ip is None or runs_ip_checks(ip, self.allow_special):
            return request
        return replace(request, target=replace(request.target, ip=None)) if domain else None


def _is_nameless(request: CheckRequest) -> bool:
    return request.target.domain is None and request.helo is None


class CountingLookup:
    """A lookup that counts its queries."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self.queries = 0

    async def __call__(self, name: str, rdtype: str, /) -> DnsAnswer:
        self.queries += 1
        return await self._lookup(name, rdtype)


class CountingBatchLookup(CountingLookup, BatchLookup):
    """A batch lookup that counts its queries."""

    def __init__(self, lookup: BatchLookup) -> None:
        super().__init__(lookup)
        self._lookup_many = lookup.lookup_many

    async def lookup_many(
        self, label: str, apexes: Sequence[str], /, *, on_answer: OnAnswer | None = None
    ) -> Sequence[DnsAnswer | LookupFailed]:
        self.queries += len(apexes)
        return await self._lookup_many(label, apexes, on_answer=on_answer)


class CountingBulkLookup(CountingBatchLookup, BulkLookup):
    """A bulk lookup that counts its queries."""

    def __init__(self, lookup: BulkLookup) -> None:
        super().__init__(lookup)
        self._fresh = lookup.fresh

    @property
    def fresh(self) -> bool:
        return self._fresh


def counting_lookup(lookup: Lookup) -> CountingLookup:
    if isinstance(lookup, BulkLookup):
        return CountingBulkLookup(lookup)
    return CountingBatchLookup(lookup) if isinstance(lookup, BatchLookup) else CountingLookup(lookup)


async def _run(spec: CheckSpec, request: CheckRequest, lookup: Lookup) -> Sequence[Finding]:
    try:
        if isinstance(lookup, BulkLookup):  # its queries wait without limit
            return await spec.function(request, lookup)
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await spec.function(request, lookup)
    except TimeoutError:
        return [_failure(spec.id, "no-answer", request.target)]
    except Exception:
        log.exception("check broke", check=spec.id, target=str(request.target))
        return [_failure(spec.id, "broken", request.target)]


def _failure(check: str, word: str, target: Target) -> Finding:
    text = ANY_CHECK[word]
    return Finding(
        check, str(target), text.verdict, f"{check}.{word}", *text.fill({"seconds": f"{CHECK_TIMEOUT_S:.0f}"})
    )


async def _answer(lookup: Lookup, name: str, rdtype: str) -> DnsAnswer | None:
    try:
        return await lookup(name, rdtype)
    except LookupFailed:
        return None
