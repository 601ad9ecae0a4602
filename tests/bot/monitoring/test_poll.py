"""Polls of a watch over the real catalog and a fake DNS."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.check_runner import CheckRunner
from bot.checks.dnsbl import InMemoryTrustCache, blocklist_check
from bot.checks.registry import CHECKS, Clients, bind
from bot.models import BulkLookup, CheckRequest, DnsAnswer, LookupFailed, OnAnswer, Report, Target, Verdict
from bot.monitoring.alert_state import advance
from bot.monitoring.models import ObservedState, Phase
from bot.monitoring.poll import (
    MAX_CONCURRENT_CHECKS,
    baseline,
    drop_unqueried,
    monitoring_runner,
    observe_reports,
    run_checks,
)
from tests.support.builtin_catalog import CATALOG
from tests.support.dns_world import World
from tests.support.mail_world import GOOD, LISTED, mail_world
from tests.support.reports import listing, report
from tests.support.stored_watches import Clock, watch
from tests.support.stored_watches import baseline as baseline_of


class BulkWorld(BulkLookup):
    """Fake DNS with bulk lookups; `strips` removes 127.0.0.0/8 like DNS rebinding protection."""

    def __init__(self) -> None:
        self.world = World(mail_world())
        self.strips = False

    async def __call__(self, name: str, rdtype: str, /) -> DnsAnswer:
        answer = await self.world(name, rdtype)
        left = tuple(record for record in answer.records if not (self.strips and record.startswith("127.")))
        return replace(answer, records=left)

    async def lookup_many(
        self, label: str, apexes: Sequence[str], /, *, on_answer: OnAnswer | None = None
    ) -> Sequence[DnsAnswer | LookupFailed]:
        answers = [await self(f"{label}.{apex}", "A") for apex in apexes]
        for position, answer in enumerate(answers if on_answer else ()):
            on_answer(position, answer)
        return answers


def check_runner(lookup: BulkWorld, clock: Clock) -> CheckRunner:
    lists = blocklist_check(CATALOG, {}, InMemoryTrustCache(), "test", clock)
    clients = Clients(lists, allow_special=True)
    interactive = CheckRunner(bind(clients), World({}), World({}), clock, allow_special=True)
    return monitoring_runner(interactive, lookup, lookup)


async def test_monitoring_runs_only_monitored_checks() -> None:
    result = await check_runner(BulkWorld(), Clock()).run(CheckRequest(Target.of(GOOD, "example.com")))
    without_clients = {"mta-sts", "starttls", "registration"}
    watched = {spec.id for spec in CHECKS if spec.watched} - without_clients
    assert {finding.check for finding in result.findings} == watched
    assert watched >= {"blocklist", "ptr", "spf", "dmarc", "mx", "dkim", "dane", "tls-rpt", "bimi"}


async def test_first_poll_stores_listings_without_alert() -> None:
    clock, watched = Clock(), watch(f"{LISTED}/32", "example.com")
    incident, reports = await baseline(watched, check_runner(BulkWorld(), clock), clock())
    assert [str(item.request.target) for item in reports] == [f"{LISTED} example.com"]
    assert {problem.last_observation.subject for problem in incident.problems} >= {"spamhaus-zen", "spamcop"}
    assert all(problem.phase is Phase.LISTED and problem.notified for problem in incident.problems)
    assert incident.config["dmarc"].startswith("#")
    assert incident.opened_at is None


async def test_resolver_stripping_answers_is_no_delisting() -> None:
    clock, watched, world = Clock(), watch(f"{LISTED}/32"), BulkWorld()
    incident, _ = await baseline(watched, check_runner(world, clock), clock())
    world.strips = True
    for _ in range(10):
        clock.add(3600)
        reports = await run_checks(watched.targets, watched, check_runner(world, clock))
        assert reports
        transition = advance(incident, observe_reports(reports, incident, watched), clock())
        assert transition.alerts == ()
        incident = transition.incident
    assert {problem.phase for problem in incident.problems if problem.last_observation.check == "blocklist"} == {
        Phase.LISTED
    }


class ConcurrencyRunner:
    """Runner that fails for targets ending in 7; `maximum` is the peak concurrency."""

    def __init__(self) -> None:
        self.running = self.maximum = 0

    async def run(self, request: CheckRequest, fresh: bool = False) -> Report:
        self.running += 1
        self.maximum = max(self.maximum, self.running)
        try:
            await asyncio.sleep(0)
            if str(request.target).endswith("7"):
                raise RuntimeError("a bug in a check")
            return report(request=request)
        finally:
            self.running -= 1


async def test_range_poll_is_bounded_and_skips_failed_targets() -> None:
    watched, runner = watch("203.0.113.0/26"), ConcurrencyRunner()
    reports = await run_checks(watched.targets, watched, runner)
    assert len(reports) == 58  # six end in a 7
    assert runner.maximum == MAX_CONCURRENT_CHECKS


@pytest.mark.parametrize("reason", ["budget", "day-limit"])
def test_list_without_budget_is_not_unresponsive(reason: str) -> None:
    unqueried = listing("A", Verdict.UNKNOWN, "unknown", reason=reason)
    silent = listing("B", Verdict.UNKNOWN, "unknown", reason="timeout")
    (observation,) = observe_reports([drop_unqueried(report(unqueried, silent))], baseline_of(watch()), watch())
    assert (observation.subject, observation.state) == ("b", ObservedState.UNKNOWN)
