"""One order in, one report out: every check runs beside the others, and none can make another late or wrong."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import structlog

from bot.checks.special_purpose import runs_ip_checks
from bot.models import (
    Answer,
    Check,
    Finding,
    Heard,
    Lookup,
    LookupFailed,
    Order,
    Report,
    RoundLookup,
    SweepLookup,
    Target,
    Verdict,
)
from bot.report_json import report_from_json, report_to_json

CHECK_WITHIN_S = 9.0  # an SPF evaluation may take 8 s by itself
HOST_ADDRESSES = 4  # of a host with more addresses, the first four are checked
HOST_KINDS = ("MX", "TXT", "A", "AAAA")
UNCACHED = "The store is away, so this answer was not cached."

log = structlog.get_logger()


class Reports(Protocol):
    """Remembers a report's text for a minute; `fresh` asks for a new one, which is then remembered."""

    @property
    def away(self) -> bool: ...

    async def fetch(self, key: str, make: Callable[[], Awaitable[str]], fresh: bool = False) -> tuple[str, bool]: ...


@dataclass(frozen=True, slots=True)
class Checkup:
    """All that an order needs: the checks by name in the order of their weight, DNS with and without its cache, a clock.

    `about_address` names the checks that look at any address, special-purpose ones included, `about_name` those that have
    nothing to do where the order names neither a domain nor a greeting.
    """

    checks: Sequence[tuple[str, Check]]
    about_address: frozenset[str]
    lookup: Lookup
    fresh_lookup: Lookup
    clock: Callable[[], datetime]
    judge: Callable[[Sequence[Finding]], Sequence[Finding]] = lambda _: ()
    count: Callable[[Report], None] = lambda _: None
    special_allowed: bool = False
    reports: Reports | None = None
    about_name: frozenset[str] = frozenset()

    async def report(self, order: Order, fresh: bool = False) -> Report:
        report = await self._remembered(order, fresh)
        self.count(report)
        return report

    async def _remembered(self, order: Order, fresh: bool) -> Report:
        if self.reports is None:
            return await self._examine(order, fresh)

        async def make() -> str:
            return json.dumps(report_to_json(await self._examine(order, fresh)))

        text, cached = await self.reports.fetch(str(order), make, fresh)
        report = report_from_json(json.loads(text))
        return replace(report, cached=cached, notes=(UNCACHED,) if self.reports.away else ())

    async def expand(self, order: Order) -> tuple[Order, ...]:
        """A name with addresses but neither MX nor SPF record is a host: each of its addresses is checked with it."""
        target = order.target
        if target.ip is not None or target.domain is None:
            return (order,)
        mx, txt, *addresses = await asyncio.gather(*(_answer(self.lookup, target.domain, kind) for kind in HOST_KINDS))
        if mx is None or txt is None or mx.records or any(text.lower().startswith("v=spf1") for text in txt.records):
            return (order,)
        hosts = [Target.of(text, target.domain) for answer in addresses if answer for text in answer.records]
        return tuple(replace(order, target=host) for host in hosts[:HOST_ADDRESSES]) or (order,)

    async def _examine(self, order: Order, fresh: bool) -> Report:
        started = time.monotonic()
        counted = counting(self.fresh_lookup if fresh else self.lookup)
        public = self._public_part(order)
        fitting = [
            (name, check, asked)
            for name, check in self.checks
            if (asked := order if name in self.about_address else public) is not None
            and not (name in self.about_name and _is_nameless(asked))
        ]
        if isinstance(counted, SweepLookup) and _is_nameless(order):
            # Others of the sweep keep the wire busy; a task for each check would cost more than it gains.
            rows = [await _run(*one, counted) for one in fitting]
        else:
            # From the end: chains of questions set out before the many of the lists, whose answers would be in their way.
            rows = (await asyncio.gather(*(_run(*one, counted) for one in reversed(fitting))))[::-1]
        found = [finding for findings in rows for finding in findings]
        return Report(
            order=order,
            at=self.clock(),
            findings=(*found, *self.judge(found)),
            elapsed_ms=round((time.monotonic() - started) * 1000),
            queries=counted.asked,
        )

    def _public_part(self, order: Order) -> Order | None:
        """What of the order the Internet can be asked about: nothing is known about a special-purpose address."""
        ip, domain = order.target.ip, order.target.domain
        if ip is None or runs_ip_checks(ip, self.special_allowed):
            return order
        return replace(order, target=Target(domain=domain)) if domain else None


def _is_nameless(order: Order) -> bool:
    return order.target.domain is None and order.helo is None


class Counted:
    """A lookup that counts the questions that went through it."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self.asked = 0

    async def __call__(self, name: str, kind: str, /) -> Answer:
        self.asked += 1
        return await self._lookup(name, kind)


class CountedRounds(Counted, RoundLookup):
    """The same for one that asks in rounds."""

    def __init__(self, lookup: RoundLookup) -> None:
        super().__init__(lookup)
        self._ask_all = lookup.ask_all

    async def ask_all(
        self, label: str, apexes: Sequence[str], /, *, heard: Heard | None = None
    ) -> Sequence[Answer | LookupFailed]:
        self.asked += len(apexes)
        return await self._ask_all(label, apexes, heard=heard)


class CountedSweep(CountedRounds, SweepLookup):
    """The same for a sweep."""

    def __init__(self, lookup: SweepLookup) -> None:
        super().__init__(lookup)
        self._fresh = lookup.fresh

    @property
    def fresh(self) -> bool:
        return self._fresh


def counting(lookup: Lookup) -> Counted:
    if isinstance(lookup, SweepLookup):
        return CountedSweep(lookup)
    return CountedRounds(lookup) if isinstance(lookup, RoundLookup) else Counted(lookup)


async def _run(name: str, check: Check, order: Order, lookup: Lookup) -> Sequence[Finding]:
    try:
        if isinstance(lookup, SweepLookup):  # its questions wait for their turn, however long that takes
            return await check(order, lookup)
        async with asyncio.timeout(CHECK_WITHIN_S):
            return await check(order, lookup)
    except TimeoutError:
        says = f"This check did not end within {CHECK_WITHIN_S:.0f} seconds, so its result is not known."
        return [Finding(name, str(order.target), Verdict.UNKNOWN, f"{name}.no-answer", says, "Check again.")]
    except Exception:
        log.exception("check broke", check=name, target=str(order.target))
        says = "This check broke on our side, so its result is not known; the log of the bot has the reason."
        return [Finding(name, str(order.target), Verdict.UNKNOWN, f"{name}.broken", says, "Tell who runs this bot.")]


async def _answer(lookup: Lookup, name: str, kind: str) -> Answer | None:
    try:
        return await lookup(name, kind)
    except LookupFailed:
        return None
