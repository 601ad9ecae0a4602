"""Test points (RFC 5782 section 5): an entry that is always listed and one that never is.

Their answers show whether a list works through the resolver in use.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.checks.dnsbl.catalog import Blocklist, Catalog, Controls
from bot.checks.dnsbl.classify import Classification, ListState, classify_result
from bot.checks.dnsbl.query import QueryResults, query_all
from bot.checks.dnsbl.trust import ListTrust, TrustLevel
from bot.checks.dnsbl.zones import Zone, zone_of
from bot.models import Lookup, LookupFailed, LookupResult

GOOD = (TrustLevel.GOOD, "")
Assessment = tuple[TrustLevel, str]


def trust_of(zone: Zone, results: QueryResults, at: datetime) -> ListTrust:
    """Return the trust of a list from results that include its test points."""
    listed, unlisted = (results.result_for(name) if name else None for name in (zone.must_list, zone.must_not_list))
    return evaluate_test_points(zone.blocklist, listed, unlisted, at)


def evaluate_test_points(
    blocklist: Blocklist, must_list: LookupResult | None, must_not_list: LookupResult | None, at: datetime
) -> ListTrust:
    """Return the trust of a list from the results of its test points.

    None stands for a test point that the list does not publish; a list without test points is good.
    """
    if blocklist.controls is Controls.TWO_SETS and must_list and must_not_list:
        assessment = _assess_two_sets(*(classify_result(blocklist, result) for result in (must_list, must_not_list)))
        return ListTrust(*assessment, at)
    listed = None if must_list is None else _assess_listed(classify_result(blocklist, must_list))
    unlisted = (
        None if must_not_list is None else _assess_unlisted(classify_result(blocklist, must_not_list), listed == GOOD)
    )
    trust, reason = _worst(unlisted or GOOD, listed or GOOD)
    return ListTrust(trust, reason, at)


def _assess_listed(classification: Classification) -> Assessment:
    match classification.state:
        case ListState.LISTED:
            return GOOD
        case ListState.NOT_LISTED:
            return TrustLevel.UNUSABLE, "emptied"
        case ListState.UNUSABLE:
            return TrustLevel.UNUSABLE, classification.reason
        case ListState.UNKNOWN:
            return TrustLevel.UNKNOWN, classification.reason


def _assess_unlisted(classification: Classification, answers_pass: bool) -> Assessment:
    match classification.state:
        case ListState.NOT_LISTED:
            return GOOD
        case ListState.LISTED:
            return TrustLevel.UNUSABLE, "lists-everything"
        case ListState.UNUSABLE:
            return TrustLevel.UNUSABLE, classification.reason
        case ListState.UNKNOWN if classification.reason == "stripped" and answers_pass:
            return GOOD
        case ListState.UNKNOWN:
            return TrustLevel.UNKNOWN, classification.reason


def _assess_two_sets(first: Classification, second: Classification) -> Assessment:
    """Assess a list that lists both test points: what answers everything alike is not that list."""
    silent = next((point for point in (first, second) if point.state is ListState.UNKNOWN), None)
    refused = next((point for point in (first, second) if point.state is ListState.UNUSABLE), None)
    if refused:
        return TrustLevel.UNUSABLE, refused.reason
    if silent:
        return TrustLevel.UNKNOWN, silent.reason
    if first.state is ListState.NOT_LISTED:
        return TrustLevel.UNUSABLE, "emptied"
    return (TrustLevel.UNUSABLE, "lists-everything") if first.answers == second.answers else GOOD


def _worst(left: Assessment, right: Assessment) -> Assessment:
    order = [TrustLevel.GOOD, TrustLevel.UNKNOWN, TrustLevel.UNUSABLE]
    return max(left, right, key=lambda assessment: order.index(assessment[0]))


STATUS_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class ListStatus:
    """Trust of one list through the resolver in use; `ms` is the time its test points took."""

    id: str
    name: str
    trust: TrustLevel
    reason: str
    ms: int


async def list_statuses(
    catalog: Catalog,
    keys: Mapping[str, str],
    lookup: Lookup,
    now: Callable[[], datetime],
    timeout_s: float = STATUS_TIMEOUT_S,
) -> AsyncIterator[ListStatus]:
    """Yield the status of every enabled list as soon as it is known.

    A list whose required key is missing is `unknown` with reason `no-key`.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s

    async def check_list(blocklist: Blocklist) -> ListStatus:
        started_at = loop.time()
        zone = zone_of(blocklist, keys)
        if zone is None:
            return ListStatus(blocklist.id, blocklist.name, TrustLevel.UNKNOWN, "no-key", 0)
        trust = await _query_trust(zone, lookup, now(), deadline)
        return ListStatus(
            blocklist.id, blocklist.name, trust.level, trust.reason, round((loop.time() - started_at) * 1e3)
        )

    tasks = [asyncio.ensure_future(check_list(blocklist)) for blocklist in catalog.lists if blocklist.enabled]
    try:
        for next_status in asyncio.as_completed(tasks):
            yield await next_status
    finally:
        for task in tasks:
            task.cancel()


async def _query_trust(zone: Zone, lookup: Lookup, at: datetime, deadline: float) -> ListTrust:
    if zone.test_point_names:
        return trust_of(zone, await query_all(lookup, (), zone.test_point_names, deadline), at)
    # Without test points, only check that the name servers of the zone respond.
    result = (await query_all(lookup, (), [zone.apex], deadline)).result_for(zone.apex)
    if isinstance(result, LookupFailed):
        return ListTrust(TrustLevel.UNKNOWN, classify_result(zone.blocklist, result).reason, at)
    return ListTrust(TrustLevel.GOOD, "", at)
