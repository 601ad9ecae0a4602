"""DNSBL check (RFC 5782): is the address or domain listed, how severe, and how to get delisted.

`blocklist_check` builds the check; `list_statuses` shows which lists work through the resolver.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from bot.checks.dnsbl.bulk import BulkCheck, BulkTrust, merge_trust
from bot.checks.dnsbl.catalog import Catalog
from bot.checks.dnsbl.catalog_file import load
from bot.checks.dnsbl.classify import ListState, classify_with_trust
from bot.checks.dnsbl.findings import list_finding
from bot.checks.dnsbl.messages import CODES
from bot.checks.dnsbl.query import QueryResults, query_all, query_batches
from bot.checks.dnsbl.test_points import ListStatus, list_statuses, trust_of
from bot.checks.dnsbl.trust import InMemoryTrustCache, ListTrust, TrustCache, TrustLevel
from bot.checks.dnsbl.zones import ListQuery, list_queries, usable_zones
from bot.models import BatchLookup, BulkLookup, Check, CheckRequest, Finding, Lookup, Role

__all__ = [
    "CODES",
    "LISTS_TIMEOUT_S",
    "InMemoryTrustCache",
    "ListState",
    "ListStatus",
    "ListTrust",
    "TrustCache",
    "TrustLevel",
    "blocklist_check",
    "list_statuses",
    "load",
]

LISTS_TIMEOUT_S = 2.0


def blocklist_check(
    catalog: Catalog,
    keys: Mapping[str, str],
    cache: TrustCache,
    resolver_id: str,
    now: Callable[[], datetime],
    timeout_s: float = LISTS_TIMEOUT_S,
) -> Check:
    """Build a check that returns one finding per matching list within `timeout_s`.

    A list with valid cached trust gets one query; for the others the test points are queried in the
    same batch. With a bulk lookup, the test points are queried once for all targets and there is no
    timeout per target.

    `keys` are the API keys of key zones (`{"spamhaus": …, "abusix": …}`); lists whose required key
    is missing are skipped. `resolver_id` identifies the resolver in trust cache keys; `now` returns
    an aware datetime.
    """
    list_zones = usable_zones(catalog, keys)
    trust_keys = {zone.apex: zone.trust_key(resolver_id) for zone in list_zones}
    bulk_check, bulk_trust = BulkCheck(list_zones), BulkTrust(cache, trust_keys)

    async def check(request: CheckRequest, lookup: Lookup, /) -> Sequence[Finding]:
        at = now()
        if isinstance(lookup, BulkLookup):
            return await bulk_check.run(request, lookup, bulk_trust, at)
        deadline = asyncio.get_running_loop().time() + timeout_s
        queries = list_queries(list_zones, request.target)
        stored = await cache.get_many({trust_keys[query.zone.apex] for query in queries})
        known = {apex: stored[key] for apex, key in trust_keys.items() if key in stored and stored[key].is_valid(at)}
        results, checked = await query_with_test_points(queries, known, lookup, at, deadline)
        to_store = {
            trust_keys[apex]: list_trust
            for apex, list_trust in checked.items()
            if list_trust.level is not TrustLevel.UNKNOWN
        }
        await cache.set_many(to_store)
        trust = merge_trust(known, checked)
        return [_finding(query, results, trust[query.zone.apex], request.role) for query in queries]

    return check


async def query_with_test_points(
    queries: Sequence[ListQuery], known: Mapping[str, ListTrust], lookup: Lookup, at: datetime, deadline: float
) -> tuple[QueryResults, dict[str, ListTrust]]:
    """Query the target and the test points of lists without fresh trust.

    Return the results, and the new trust by apex of each list whose test points were queried.
    """
    stale = [query.zone for query in queries if not _is_fresh(known.get(query.zone.apex), at)]
    if isinstance(lookup, BatchLookup):
        results = await query_batches(lookup, queries, stale, deadline)
    else:
        results = await query_all(lookup, queries, (name for zone in stale for name in zone.test_point_names), deadline)
    return results, {zone.apex: trust_of(zone, results, at) for zone in stale}


def _is_fresh(list_trust: ListTrust | None, at: datetime) -> bool:
    return list_trust is not None and list_trust.is_fresh(at)


def _finding(query: ListQuery, results: QueryResults, trust: ListTrust, role: Role) -> Finding:
    classification = classify_with_trust(query.zone.blocklist, results.result_for(query.name), trust)
    return list_finding(query.zone, query.subject, role, classification, results.txt.get(query.name, ()))
