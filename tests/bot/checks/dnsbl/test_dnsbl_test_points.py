"""Test points: what both together show, how long that is valid, and the status of every list."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.dnsbl import ListTrust, TrustLevel, list_statuses
from bot.checks.dnsbl.catalog import Catalog, Controls
from bot.checks.dnsbl.test_points import evaluate_test_points
from bot.models import DnsAnswer, LookupFailed
from tests.bot.checks.dnsbl.lists import CATALOG, FakeClock, catalog_of, get_blocklist
from tests.support.dns_world import World

AT = datetime(2026, 11, 24, 6, tzinfo=UTC)
LISTED = DnsAnswer("q", "A", ("127.0.0.2",))
NXDOMAIN = DnsAnswer("q", "A", exists=False)
NODATA = DnsAnswer("q", "A")
PARKED = DnsAnswer("q", "A", ("192.0.2.80",))
REFUSED = DnsAnswer("q", "A", ("127.255.255.255",))
TIMEOUT = LookupFailed("timeout")


@pytest.mark.parametrize(
    ("must_list", "must_not_list", "trust", "reason"),
    [
        (LISTED, NXDOMAIN, TrustLevel.GOOD, ""),
        (LISTED, NODATA, TrustLevel.GOOD, ""),
        (None, NXDOMAIN, TrustLevel.GOOD, ""),
        (None, None, TrustLevel.GOOD, ""),
        (None, NODATA, TrustLevel.UNKNOWN, "stripped"),
        (NODATA, NXDOMAIN, TrustLevel.UNKNOWN, "stripped"),
        (NODATA, NODATA, TrustLevel.UNKNOWN, "stripped"),
        (TIMEOUT, NXDOMAIN, TrustLevel.UNKNOWN, "timeout"),
        (LISTED, TIMEOUT, TrustLevel.UNKNOWN, "timeout"),
        (NXDOMAIN, NXDOMAIN, TrustLevel.UNUSABLE, "emptied"),
        (NXDOMAIN, TIMEOUT, TrustLevel.UNUSABLE, "emptied"),
        (LISTED, LISTED, TrustLevel.UNUSABLE, "lists-everything"),
        (TIMEOUT, LISTED, TrustLevel.UNUSABLE, "lists-everything"),
        (None, LISTED, TrustLevel.UNUSABLE, "lists-everything"),
        (PARKED, PARKED, TrustLevel.UNUSABLE, "parked"),
        (REFUSED, REFUSED, TrustLevel.UNUSABLE, "quota"),
        (REFUSED, NXDOMAIN, TrustLevel.UNUSABLE, "quota"),
    ],
)
def test_evaluate_test_points_gives_trust(must_list, must_not_list, trust, reason):
    assert evaluate_test_points(get_blocklist("spamcop"), must_list, must_not_list, AT) == ListTrust(trust, reason, AT)


WHITE, BLACK, NOBL = (DnsAnswer("q", "A", (f"127.0.0.{n}",)) for n in (1, 2, 5))


@pytest.mark.parametrize(
    ("must_list", "must_not_list", "trust", "reason"),
    [
        (BLACK, WHITE, TrustLevel.GOOD, ""),
        (BLACK, NXDOMAIN, TrustLevel.GOOD, ""),
        (BLACK, BLACK, TrustLevel.UNUSABLE, "lists-everything"),
        (NOBL, NOBL, TrustLevel.UNUSABLE, "lists-everything"),
        (NXDOMAIN, NXDOMAIN, TrustLevel.UNUSABLE, "emptied"),
        (NXDOMAIN, WHITE, TrustLevel.UNUSABLE, "emptied"),
        (BLACK, PARKED, TrustLevel.UNUSABLE, "parked"),
        (REFUSED, TIMEOUT, TrustLevel.UNUSABLE, "quota"),
        (BLACK, TIMEOUT, TrustLevel.UNKNOWN, "timeout"),
        (NODATA, WHITE, TrustLevel.UNKNOWN, "stripped"),
        (BLACK, NODATA, TrustLevel.UNKNOWN, "stripped"),
    ],
)
def test_evaluate_test_points_with_two_sets_compares_them(must_list, must_not_list, trust, reason):
    assert evaluate_test_points(get_blocklist("hostkarma"), must_list, must_not_list, AT) == ListTrust(
        trust, reason, AT
    )


@pytest.mark.parametrize(
    ("trust", "minutes", "fresh", "valid"),
    [
        (TrustLevel.GOOD, 0, True, True),
        (TrustLevel.GOOD, 9.9, True, True),
        (TrustLevel.GOOD, 10, False, True),
        (TrustLevel.GOOD, 14.9, False, True),
        (TrustLevel.GOOD, 15, False, False),
        (TrustLevel.GOOD, -1, True, True),
        (TrustLevel.GOOD, -60, False, False),
        (TrustLevel.UNUSABLE, 0.9, True, True),
        (TrustLevel.UNUSABLE, 1, False, False),
        (TrustLevel.UNKNOWN, 0, False, False),
    ],
)
def test_trust_is_refreshed_before_it_expires(trust, minutes, fresh, valid):
    list_trust, now = ListTrust(trust, "", AT), AT + timedelta(minutes=minutes)
    assert (list_trust.is_fresh(now), list_trust.is_valid(now)) == (fresh, valid)


@given(st.builds(ListTrust, st.sampled_from(TrustLevel), st.text(), st.datetimes(timezones=st.just(UTC))))
def test_trust_json_round_trip(list_trust):
    assert ListTrust.from_json(list_trust.to_json()) == list_trust


async def test_list_statuses_have_reason_and_time():
    world = World(
        {
            "2.0.0.127.bl.spamcop.net": {"A": ["127.0.0.2"]},
            "2.0.0.127.zen.spamhaus.org": {"A": ["127.255.255.254"]},
            "no-test-points.example": {"A": "servfail"},
        }
    )
    listed = catalog_of("spamcop", "spamhaus-zen", "psbl", "abusix", "hostkarma").lists
    untested = replace(get_blocklist("s5h"), controls=Controls.NONE)
    failing = replace(untested, id="failing", zone="no-test-points.example")
    catalog = Catalog((*listed, failing, untested))
    statuses = {status.id: status async for status in list_statuses(catalog, {}, world, FakeClock())}
    assert {key: (status.trust, status.reason) for key, status in statuses.items()} == {
        "spamcop": (TrustLevel.GOOD, ""),
        "spamhaus-zen": (TrustLevel.UNUSABLE, "public-resolver"),
        "psbl": (TrustLevel.UNUSABLE, "emptied"),
        "abusix": (TrustLevel.UNKNOWN, "no-key"),
        "hostkarma": (TrustLevel.UNUSABLE, "emptied"),
        "failing": (TrustLevel.UNKNOWN, "servfail"),
        "s5h": (TrustLevel.GOOD, ""),
    }
    assert all(status.ms >= 0 for status in statuses.values())
    assert statuses["spamcop"].name == "SpamCop"


async def test_list_statuses_timeout_leaves_no_task_running():
    async def silent(name, rdtype):
        await asyncio.Event().wait()

    async with asyncio.timeout(5):
        statuses = [status async for status in list_statuses(CATALOG, {}, silent, FakeClock(), timeout_s=0.05)]
    assert len(statuses) == sum(blocklist.enabled for blocklist in CATALOG.lists)
    assert {status.reason for status in statuses} == {"timeout", "no-key"}
    assert len(asyncio.all_tasks()) == 1
