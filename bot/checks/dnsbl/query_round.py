"""The queries of one check: names, test points of lists without fresh trust, and the PTR name."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.checks.dnsbl.bulk import merge_trust
from bot.checks.dnsbl.catalog import Kind
from bot.checks.dnsbl.classify import classify_with_trust
from bot.checks.dnsbl.merged import NameResult, merged_finding
from bot.checks.dnsbl.names import names_by_kind, ptr_name_of
from bot.checks.dnsbl.query import QueryResults, query_all, query_batches
from bot.checks.dnsbl.resolver_fault import without_hidden_entries
from bot.checks.dnsbl.test_points import trust_of
from bot.checks.dnsbl.trust import ListTrust, TrustLevel
from bot.checks.dnsbl.zones import ListQuery, Zone, list_queries
from bot.models import BatchLookup, CheckRequest, Finding, Lookup, LookupFailed, Role

MIN_TIME_S = 0.02  # with less time left, a query is not sent
NO_TIME = LookupFailed("time")


@dataclass(slots=True)
class QueryRound:
    """The queries about the names of a request, and, as soon as it is known, about the PTR name.

    `known` is valid cached trust by apex; `checked` is the new trust of the lists whose test points
    were queried.
    """

    list_zones: Sequence[Zone]
    known: Mapping[str, ListTrust]
    lookup: Lookup
    at: datetime
    deadline: float
    queries: list[ListQuery] = field(default_factory=list)
    results: QueryResults = field(default_factory=QueryResults)
    checked: dict[str, ListTrust] = field(default_factory=dict)

    async def run(self, request: CheckRequest) -> None:
        queries = list_queries(self.list_zones, names_by_kind(request))
        await asyncio.gather(self._query(queries), self._query_ptr_name(request, queries))

    async def _query_ptr_name(self, request: CheckRequest, queries: Sequence[ListQuery]) -> None:
        ip = request.target.ip
        if ip is None or not any(Kind.DOMAIN in zone.blocklist.kinds for zone in self.list_zones):
            return
        try:
            async with asyncio.timeout_at(self.deadline):
                ptr_name = await ptr_name_of(ip, self.lookup)
        except TimeoutError:
            return
        if ptr_name:
            known = {query.name for query in queries}
            all_queries = list_queries(self.list_zones, names_by_kind(request, ptr_name))
            await self._query([query for query in all_queries if query.name not in known])

    async def _query(self, queries: Sequence[ListQuery]) -> None:
        queried = {query.zone.apex for query in self.queries}
        self.queries += queries
        if self.deadline - asyncio.get_running_loop().time() < MIN_TIME_S:
            self.results.by_name.update(dict.fromkeys((query.name for query in queries), NO_TIME))
            queries = ()
        zones = {query.zone.apex: query.zone for query in queries if query.zone.apex not in queried}
        stale = [zone for apex, zone in zones.items() if not _is_fresh(self.known.get(apex), self.at)]
        if isinstance(self.lookup, BatchLookup):
            results = await query_batches(self.lookup, queries, stale, self.deadline)
        else:
            test_points = (name for zone in stale for name in zone.test_point_names)
            results = await query_all(self.lookup, queries, test_points, self.deadline)
        self.results.by_name.update(results.by_name)
        self.results.txt.update(results.txt)
        self.checked |= {zone.apex: trust_of(zone, results, self.at) for zone in stale}

    def findings(self, role: Role) -> list[Finding]:
        """Return one finding per list, in catalog order."""
        by_apex: dict[str, list[ListQuery]] = {}
        for query in self.queries:
            by_apex.setdefault(query.zone.apex, []).append(query)
        zones = [zone for zone in self.list_zones if zone.apex in by_apex]
        no_time = dict.fromkeys(by_apex, ListTrust(TrustLevel.UNKNOWN, NO_TIME.reason, self.at))
        trust = without_hidden_entries(zones, {**no_time, **merge_trust(self.known, self.checked)})
        return [
            merged_finding(zone, role, [self._name_result(query, trust[zone.apex]) for query in by_apex[zone.apex]])
            for zone in zones
        ]

    def _name_result(self, query: ListQuery, trust: ListTrust) -> NameResult:
        classification = classify_with_trust(query.zone.blocklist, self.results.result_for(query.name), trust)
        return NameResult(query.queried, classification, self.results.txt.get(query.name, ()))


def _is_fresh(list_trust: ListTrust | None, at: datetime) -> bool:
    return list_trust is not None and list_trust.is_fresh(at)
