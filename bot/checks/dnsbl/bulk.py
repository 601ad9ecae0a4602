"""Bulk check of many targets: list trust is established once and refreshed during the run."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.checks.dnsbl.catalog import Kind
from bot.checks.dnsbl.classify import Classification, ListState, classify_with_trust, is_nxdomain
from bot.checks.dnsbl.findings import not_listed_finding
from bot.checks.dnsbl.merged import NameResult, merged_finding
from bot.checks.dnsbl.names import ADDRESS_KINDS, QueriedName, names_by_kind, ptr_name_of, query_label
from bot.checks.dnsbl.query import listing_txt, may_be_retried, query_batches
from bot.checks.dnsbl.resolver_fault import without_hidden_entries
from bot.checks.dnsbl.test_points import trust_of
from bot.checks.dnsbl.trust import ListTrust, TrustCache, TrustLevel
from bot.checks.dnsbl.zones import Zone
from bot.models import BulkLookup, CheckRequest, Finding, LookupResult

TEST_POINTS_TIMEOUT_S = 2.0
RETRY_AFTER = timedelta(minutes=1)  # of a list whose trust is unknown
REFRESH_SCAN_INTERVAL = timedelta(seconds=1)
RECHECK_TTL = timedelta(seconds=0.5)  # the rechecks of one poll round share test point results


class BulkTrust:
    """List trust for a bulk run.

    Only the first target waits for the test points; later refreshes run in the background.
    """

    def __init__(self, cache: TrustCache, trust_keys: Mapping[str, str]) -> None:
        self._cache = cache
        self._trust_keys = trust_keys  # trust cache key by apex
        self._known: dict[str, ListTrust] = {}  # by apex
        self._usable: Mapping[str, ListTrust] = {}  # the same, less where the resolver hides entries
        self._zones: dict[str, Zone] = {}  # by apex
        self._attempted_at: dict[str, datetime] = {}
        self._last_result: dict[str, ListTrust] = {}  # from the latest test point queries
        self._scanned_at: datetime | None = None
        self._lock = asyncio.Lock()
        self._refresh_task: asyncio.Task[None] | None = None

    async def trust_by_apex(self, zones: Collection[Zone], lookup: BulkLookup, at: datetime) -> Mapping[str, ListTrust]:
        """Return the trust of every zone, by apex."""
        missing = [zone for zone in zones if zone.apex not in self._known]
        if missing:
            async with self._lock:
                await self._refresh([zone for zone in missing if zone.apex not in self._known], lookup, at)
        elif self._scanned_at is None or abs(at - self._scanned_at) >= REFRESH_SCAN_INTERVAL:
            self._scanned_at = at
            due = [zone for zone in zones if self._is_due(zone.apex, at)]
            if due and (self._refresh_task is None or self._refresh_task.done()):
                self._refresh_task = asyncio.create_task(self._refresh(due, lookup, at))
        return self._usable

    async def recheck(self, zone: Zone, lookup: BulkLookup, at: datetime) -> ListTrust:
        """Return the trust of a zone from test points queried within the last half second.

        Cached trust is not enough to alert on a listing, so missing answers yield `unknown` here.
        """
        async with self._lock:
            if zone.apex not in self._last_result or abs(at - self._last_result[zone.apex].checked_at) >= RECHECK_TTL:
                cached = self._known.get(zone.apex)
                await self._query_test_points(
                    [zone], {zone.apex: cached} if cached and cached.is_valid(at) else {}, lookup, at
                )
        return self._last_result[zone.apex]

    def _is_due(self, apex: str, at: datetime) -> bool:
        return not self._known[apex].is_fresh(at) and abs(at - self._attempted_at[apex]) >= RETRY_AFTER

    async def _refresh(self, zones: Sequence[Zone], lookup: BulkLookup, at: datetime) -> None:
        stored = await self._cache.get_many([self._trust_keys[zone.apex] for zone in zones])
        cached = {
            zone.apex: trust
            for zone in zones
            if (trust := stored.get(self._trust_keys[zone.apex])) and trust.is_valid(at)
        }
        stale = [zone for zone in zones if zone.apex not in cached or not cached[zone.apex].is_fresh(at)]
        self._zones.update((zone.apex, zone) for zone in zones if zone.apex in cached)
        await self._query_test_points(stale, cached, lookup, at)
        self._attempted_at.update(dict.fromkeys((zone.apex for zone in zones), at))

    async def _query_test_points(
        self, zones: Collection[Zone], cached: Mapping[str, ListTrust], lookup: BulkLookup, at: datetime
    ) -> None:
        checked = await query_trust(zones, lookup, at)
        self._zones.update((zone.apex, zone) for zone in zones)
        await self._cache.set_many(
            {self._trust_keys[apex]: trust for apex, trust in checked.items() if trust.level is not TrustLevel.UNKNOWN}
        )
        self._last_result.update(checked)
        self._known.update(merge_trust(cached, checked))
        self._usable = without_hidden_entries(self._zones.values(), self._known)


async def query_trust(zones: Iterable[Zone], lookup: BulkLookup, at: datetime) -> dict[str, ListTrust]:
    """Return the trust of these zones, by apex, from their test points alone.

    The queries bypass every cache: an answer cached an hour ago does not show that the resolver
    passes answers now.
    """
    queried = list(zones)
    results = await query_batches(lookup, (), queried, asyncio.get_running_loop().time() + TEST_POINTS_TIMEOUT_S)
    return {zone.apex: trust_of(zone, results, at) for zone in queried}


def merge_trust(cached: Mapping[str, ListTrust], checked: Mapping[str, ListTrust]) -> dict[str, ListTrust]:
    """Merge new trust into cached trust: a cached entry wins over a new `unknown`."""
    unknown = {key for key, trust in checked.items() if trust.level is TrustLevel.UNKNOWN}
    return {**checked, **{key: trust for key, trust in cached.items() if key in unknown or key not in checked}}


class BulkCheck:
    """Zones grouped by what they list, so that one batch queries a label at all of them."""

    def __init__(self, zones: Sequence[Zone]) -> None:
        self._zones = {kind: [zone for zone in zones if kind in zone.blocklist.kinds] for kind in Kind}
        self._positions = {zone.blocklist.id: position for position, zone in enumerate(zones)}

    async def run(
        self, request: CheckRequest, lookup: BulkLookup, bulk_trust: BulkTrust, at: datetime
    ) -> list[Finding]:
        """Return one finding per list that covers a name of the target, in catalog order."""
        ip = request.target.ip
        names = names_by_kind(request, await ptr_name_of(ip, lookup) if ip and self._zones[Kind.DOMAIN] else None)
        findings: list[Finding] = []
        for kind, queried in names.items():
            zones = self._zones[kind]
            trust = await bulk_trust.trust_by_apex(zones, lookup, at)
            apexes = [zone.apex for zone in zones if trust[zone.apex].level is TrustLevel.GOOD]
            results = [await _query(name, apexes, zones, lookup) for name in queried]
            for zone in zones:
                if kind in ADDRESS_KINDS.values() and is_nxdomain(results[0].get(zone.apex)):
                    findings.append(not_listed_finding(zone, queried[0].display))
                    continue
                judge = Judge(zone, trust[zone.apex], lookup, bulk_trust, at)
                judged = [
                    await judge(name, by_apex.get(zone.apex)) for name, by_apex in zip(queried, results, strict=True)
                ]
                findings.append(merged_finding(zone, request.role, judged))
        return findings if len(names) == 1 else sorted(findings, key=lambda finding: self._positions[finding.subject])


async def _query(
    name: QueriedName, apexes: Sequence[str], zones: Sequence[Zone], lookup: BulkLookup
) -> Mapping[str, LookupResult]:
    """Query the lists about a name; those of mail addresses each hash it in their own way."""
    if name.label:
        results = dict(zip(apexes, await lookup.lookup_many(name.label, apexes), strict=True))
        failed = [apex for apex, result in results.items() if may_be_retried(result)]
        again = await lookup.lookup_many(name.label, failed) if failed else ()
        return results | dict(zip(failed, again, strict=True))
    labels = {zone.apex: query_label(zone.blocklist, name) for zone in zones if zone.apex in set(apexes)}
    return {apex: (await lookup.lookup_many(label, [apex]))[0] for apex, label in labels.items()}


@dataclass(frozen=True, slots=True)
class Judge:
    """Classifies the results of one list; a listing that a fresh lookup confirms has its list rechecked."""

    zone: Zone
    trust: ListTrust
    lookup: BulkLookup
    bulk_trust: BulkTrust
    at: datetime

    async def __call__(self, name: QueriedName, result: LookupResult | None) -> NameResult:
        if result is None:
            return NameResult(name, not_queried(self.trust))
        blocklist = self.zone.blocklist
        classification = classify_with_trust(blocklist, result, self.trust)
        if classification.state is ListState.LISTED and self.lookup.fresh:
            recheck = await self.bulk_trust.recheck(self.zone, self.lookup, self.at)
            classification = classify_with_trust(blocklist, result, recheck)
        if classification.state is not ListState.LISTED:
            return NameResult(name, classification)
        txt = await listing_txt(self.lookup, f"{query_label(blocklist, name)}.{self.zone.apex}")
        return NameResult(name, classification, txt)


def not_queried(trust: ListTrust) -> Classification:
    """Classify a list that was not queried because its answers could not be trusted."""
    state = ListState.UNUSABLE if trust.level is TrustLevel.UNUSABLE else ListState.UNKNOWN
    return Classification(state, trust.reason)
