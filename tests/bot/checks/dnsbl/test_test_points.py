"""Standing: what the two test points prove together, how long it holds, and the health of every list."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.dnsbl import Standing, Trust, health
from bot.checks.dnsbl.test_points import judge
from bot.models import Answer, LookupFailed
from tests.bot.checks.dnsbl.lists import CATALOGUE, Clock, named, only
from tests.support.dns_world import World

AT = datetime(2026, 11, 24, 6, tzinfo=UTC)
THERE = Answer("q", "A", ("127.0.0.2",))
ABSENT = Answer("q", "A", exists=False)
EMPTY = Answer("q", "A")
PARKED = Answer("q", "A", ("192.0.2.80",))
REFUSED = Answer("q", "A", ("127.255.255.255",))
SILENT = LookupFailed("timeout")


@pytest.mark.parametrize(
    ("must_list", "must_not_list", "trust", "reason"),
    [
        (THERE, ABSENT, Trust.GOOD, ""),
        (THERE, EMPTY, Trust.GOOD, ""),
        (None, ABSENT, Trust.GOOD, ""),
        (None, None, Trust.GOOD, ""),
        (None, EMPTY, Trust.UNKNOWN, "stripped"),
        (EMPTY, ABSENT, Trust.UNKNOWN, "stripped"),
        (EMPTY, EMPTY, Trust.UNKNOWN, "stripped"),
        (SILENT, ABSENT, Trust.UNKNOWN, "timeout"),
        (THERE, SILENT, Trust.UNKNOWN, "timeout"),
        (ABSENT, ABSENT, Trust.UNUSABLE, "emptied"),
        (ABSENT, SILENT, Trust.UNUSABLE, "emptied"),
        (THERE, THERE, Trust.UNUSABLE, "lists-everything"),
        (SILENT, THERE, Trust.UNUSABLE, "lists-everything"),
        (None, THERE, Trust.UNUSABLE, "lists-everything"),
        (PARKED, PARKED, Trust.UNUSABLE, "parked"),
        (REFUSED, REFUSED, Trust.UNUSABLE, "quota"),
        (REFUSED, ABSENT, Trust.UNUSABLE, "quota"),
    ],
)
def test_what_the_test_points_prove(must_list, must_not_list, trust, reason):
    assert judge(named("spamcop"), must_list, must_not_list, AT) == Standing(trust, reason, AT)


@pytest.mark.parametrize(
    ("trust", "minutes", "fresh", "holds"),
    [
        (Trust.GOOD, 0, True, True),
        (Trust.GOOD, 9.9, True, True),
        (Trust.GOOD, 10, False, True),
        (Trust.GOOD, 14.9, False, True),
        (Trust.GOOD, 15, False, False),
        (Trust.GOOD, -1, True, True),
        (Trust.GOOD, -60, False, False),
        (Trust.UNUSABLE, 0.9, True, True),
        (Trust.UNUSABLE, 1, False, False),
        (Trust.UNKNOWN, 0, False, False),
    ],
)
def test_a_standing_holds_for_a_while_and_is_refreshed_before(trust, minutes, fresh, holds):
    standing, now = Standing(trust, "", AT), AT + timedelta(minutes=minutes)
    assert (standing.is_fresh(now), standing.holds(now)) == (fresh, holds)


@given(
    st.builds(Standing, st.sampled_from(Trust), st.text(), st.datetimes(timezones=st.just(UTC))),
)
def test_a_standing_survives_its_json(standing):
    assert Standing.from_json(standing.to_json()) == standing


async def test_the_health_of_every_list_is_told_with_the_reason_and_the_time():
    world = World(
        {
            "2.0.0.127.bl.spamcop.net": {"A": ["127.0.0.2"]},
            "2.0.0.127.zen.spamhaus.org": {"A": ["127.255.255.254"]},
            "hostkarma.junkemailfilter.com": {"A": "servfail"},
        }
    )
    catalogue = only("spamcop", "spamhaus-zen", "psbl", "abusix", "hostkarma", "cymru-bogons")
    seen = {list_health.id: list_health async for list_health in health(catalogue, {}, world, Clock())}
    assert {key: (found.standing, found.reason) for key, found in seen.items()} == {
        "spamcop": (Trust.GOOD, ""),
        "spamhaus-zen": (Trust.UNUSABLE, "public-resolver"),
        "psbl": (Trust.UNUSABLE, "emptied"),
        "abusix": (Trust.UNKNOWN, "no-key"),
        "hostkarma": (Trust.UNKNOWN, "servfail"),
        "cymru-bogons": (Trust.GOOD, ""),
    }
    assert all(0 <= found.ms < 5000 for found in seen.values())
    assert seen["spamcop"].name == "SpamCop"


async def test_health_ends_with_its_budget_and_leaves_nothing_running():
    async def silent(name, kind):
        await asyncio.Event().wait()

    async with asyncio.timeout(5):
        found = [list_health async for list_health in health(CATALOGUE, {}, silent, Clock(), budget_s=0.05)]
    assert len(found) == len(CATALOGUE.lists)
    assert {list_health.reason for list_health in found} == {"timeout", "no-key"}
    assert len(asyncio.all_tasks()) == 1
