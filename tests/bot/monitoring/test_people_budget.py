"""People's checks are charged to the daily limits of lists, and what is over is `unknown (day-limit)`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from redis.asyncio import Redis

from bot.checks.dnsbl import InMemoryTrustCache, blocklist_check
from bot.checks.dnsbl.catalog import Catalog
from bot.checks.dnsbl.zones import usable_zones
from bot.models import CheckRequest, Finding, Target, Verdict
from bot.monitoring.people_budget import DAY_LIMIT, ChunkedTokens, PeopleBudget, charged_check
from bot.monitoring.query_budget import BudgetedLookup
from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.day_budget import DayBudgetStore, DayFile
from tests.bot.checks.dnsbl.lists import FakeClock, get_blocklist
from tests.bot.checks.dnsbl.test_bulk import FakeBulkLookup
from tests.support.dns_world import World

LIMITED = replace(get_blocklist("spamcop"), per_day=10)
LIMITED_DOMAINS = replace(get_blocklist("spamhaus-dbl"), per_day=10)
FREE = get_blocklist("psbl")
CATALOG = Catalog((LIMITED, FREE, LIMITED_DOMAINS))
ZONES = usable_zones(CATALOG, {})
ALLOWED = 8  # 90 % of 98 % of 10
CHECKS = ALLOWED - 2  # the two test points of the list, once


def noon() -> datetime:
    return datetime(2026, 11, 24, 12, tzinfo=UTC)


def budget(folder: Path, redis: Redis | None = None) -> PeopleBudget:
    store = DayBudgetStore(redis) if redis else None
    return PeopleBudget(ZONES, store, CircuitBreaker(), DayFile(folder / "day.json"), noon)


def working_world() -> World:
    return World({zone.must_list: {"A": ["127.0.0.2"]} for zone in ZONES if zone.must_list})


class People:
    """Checks of one bot, by workspace; `world` records what was sent."""

    def __init__(self, people_budget: PeopleBudget) -> None:
        self.world = working_world()
        blocklists = blocklist_check(CATALOG, {}, InMemoryTrustCache(), "resolver", FakeClock())
        self._check = charged_check(blocklists, ZONES, people_budget)
        self._number = 0

    async def __call__(self, workspace: str = "slack/A", domain: str | None = None) -> dict[str, Finding]:
        self._number += 1
        target = Target(ip_address(f"203.0.113.{self._number}"), domain)
        findings = await self._check(CheckRequest(target, charged_to=workspace), self.world)
        return {finding.subject: finding for finding in findings}


async def test_check_beyond_the_day_is_unknown_and_not_sent(redis: Redis, tmp_path: Path) -> None:
    people = People(budget(tmp_path, redis))
    states = [(await people())["spamcop"].facts["state"] for _ in range(CHECKS)]
    assert states == ["not_listed"] * CHECKS
    assert len([name for name, _ in people.world.queries if name.endswith(LIMITED.zone)]) == ALLOWED
    people.world.queries.clear()
    findings = await people()
    assert (findings["spamcop"].verdict, findings["spamcop"].facts["reason"]) == (Verdict.UNKNOWN, "day-limit")
    assert "Check again after midnight UTC." in findings["spamcop"].remediation
    assert findings["psbl"].facts["state"] == "not_listed"  # no limit is known, so nothing is charged
    assert not [name for name, _ in people.world.queries if name.endswith(LIMITED.zone)]


async def test_last_tenth_is_left_for_other_workspaces(redis: Redis, tmp_path: Path) -> None:
    people = People(budget(tmp_path, redis))
    for _ in range(ALLOWED):
        await people("slack/A")
    assert (await people("slack/A"))["spamcop"].facts["reason"] == "day-limit"
    assert (await people("slack/B"))["spamcop"].facts["state"] == "not_listed"


async def test_each_name_at_a_list_is_charged(redis: Redis, tmp_path: Path) -> None:
    people = People(budget(tmp_path, redis))
    reasons = [(await people(domain="mail.example.com"))["spamhaus-dbl"].facts["reason"] for _ in range(3)]
    assert reasons == ["", "", "day-limit"]  # host, registered domain and PTR name: three at once


async def test_texts_of_listings_are_charged(redis: Redis, tmp_path: Path) -> None:
    people = People(budget(tmp_path, redis))
    people.world.zone |= {f"{number}.113.0.203.{LIMITED.zone}": {"A": ["127.0.0.2"]} for number in range(1, 9)}
    reasons = [(await people())["spamcop"].facts["reason"] for _ in range(5)]
    assert reasons == ["", "", "", "day-limit", "day-limit"]  # an address and a text each, and the test points


async def test_without_a_store_the_file_of_the_host_counts(tmp_path: Path) -> None:
    first, second = People(budget(tmp_path)), People(budget(tmp_path))
    for _ in range(ALLOWED):
        await first("")
    assert (await second(""))["spamcop"].facts["reason"] == "day-limit"


async def test_store_that_does_not_answer_is_replaced_by_the_file(tmp_path: Path) -> None:
    nobody = Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.1)
    people = People(budget(tmp_path, nobody))
    for _ in range(CHECKS):
        assert (await people())["spamcop"].facts["state"] == "not_listed"
    assert (await people())["spamcop"].facts["reason"] == "day-limit"
    assert (tmp_path / "day.json").exists()
    await nobody.aclose()


async def test_bulk_run_is_charged_as_it_goes(redis: Redis, tmp_path: Path) -> None:
    people_budget = budget(tmp_path, redis)
    lookup = BudgetedLookup(FakeBulkLookup(working_world()), ChunkedTokens(people_budget, ""), DAY_LIMIT)
    check = blocklist_check(CATALOG, {}, InMemoryTrustCache(), "resolver", FakeClock())
    reasons = []
    for number in range(1, 12):
        findings = await check(CheckRequest(Target(ip_address(f"203.0.113.{number}"))), lookup)
        reasons += [finding.facts["reason"] for finding in findings if finding.subject == "spamcop"]
    assert reasons == [""] * CHECKS + ["day-limit"] * 5
    assert await DayBudgetStore(redis).used_today(["spamcop"], noon().timestamp()) == [ALLOWED]
