"""DNSBL check (RFC 5782): is the address or domain listed, how severe, and how to get delisted.

`blocklist_check` builds the check; `list_statuses` shows which lists work through the resolver.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from bot.checks.dnsbl.bulk import BulkCheck, BulkTrust
from bot.checks.dnsbl.catalog import Catalog, Kind
from bot.checks.dnsbl.catalog_file import load
from bot.checks.dnsbl.classify import ListState
from bot.checks.dnsbl.messages import CODES
from bot.checks.dnsbl.names import names_by_kind
from bot.checks.dnsbl.query_round import QueryRound
from bot.checks.dnsbl.resolver_fault import with_resolver_fault
from bot.checks.dnsbl.test_points import ListStatus, list_statuses
from bot.checks.dnsbl.trust import InMemoryTrustCache, ListTrust, TrustCache, TrustLevel
from bot.checks.dnsbl.zones import Zone, usable_zones
from bot.models import BulkLookup, Check, CheckRequest, Finding, Lookup

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

    Where half of the lists fail in the same way, one more finding is about the resolver.

    A list with valid cached trust gets one query; for the others the test points are queried in the
    same batch. With a bulk lookup, the test points are queried once for all targets and there is no
    timeout per target.

    `keys` are the API keys of key zones (`{"spamhaus": …, "abusix": …}`); lists whose required key
    is missing are skipped. `resolver_id` identifies the resolver in trust cache keys, and the name
    servers of single lists as `zone@server`; `now` returns an aware datetime.
    """
    list_zones = usable_zones(catalog, keys)
    resolver = " ".join(server for server in resolver_id.split() if "@" not in server)  # not those of single lists
    trust_keys = {zone.apex: zone.trust_key(resolver_id) for zone in list_zones}
    bulk_check, bulk_trust = BulkCheck(list_zones), BulkTrust(cache, trust_keys)

    async def check(request: CheckRequest, lookup: Lookup, /) -> Sequence[Finding]:
        at = now()
        if isinstance(lookup, BulkLookup):
            return with_resolver_fault(await bulk_check.run(request, lookup, bulk_trust, at), resolver)
        deadline = asyncio.get_running_loop().time() + timeout_s
        stored = await cache.get_many({trust_keys[zone.apex] for zone in list_zones if _may_be_queried(zone, request)})
        known = {apex: stored[key] for apex, key in trust_keys.items() if key in stored and stored[key].is_valid(at)}
        query_round = QueryRound(list_zones, known, lookup, at, deadline)
        await query_round.run(request)
        to_store = {
            trust_keys[apex]: list_trust
            for apex, list_trust in query_round.checked.items()
            if list_trust.level is not TrustLevel.UNKNOWN
        }
        await cache.set_many(to_store)
        return with_resolver_fault(query_round.findings(request.role), resolver)

    return check


def _may_be_queried(zone: Zone, request: CheckRequest) -> bool:
    """Whether the list has a kind of name that the request has, or that its PTR name would be."""
    kinds = set(names_by_kind(request)) | ({Kind.DOMAIN} if request.target.ip else set())
    return not kinds.isdisjoint(zone.blocklist.kinds)
