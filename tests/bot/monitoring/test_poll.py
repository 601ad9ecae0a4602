"""The checkup of a sweep, over the catalogue and an invented DNS: what is asked, and what is learned when DNS lies."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.app import checks
from bot.check_runner import Checkup
from bot.checks.dnsbl import ProcessMemory, blocklist_check, load
from bot.models import Answer, Heard, LookupFailed, Order, Report, SweepLookup, Target, Verdict
from bot.monitoring.alert_state import advance
from bot.monitoring.models import Phase, State
from bot.monitoring.poll import AT_ONCE, asked, baseline, for_watching, observations, reports_on
from tests.support.dns_world import World
from tests.support.mail_world import GOOD, LISTED, mail_world
from tests.support.reports import listing, report
from tests.support.stored_watches import Clock, watch
from tests.support.stored_watches import baseline as baseline_of


class SweepWorld(SweepLookup):
    """An invented DNS as a sweep asks it; `strips` takes 127.0.0.0/8 out of the answers, as resolvers against rebinding do."""

    def __init__(self) -> None:
        self.world = World(mail_world())
        self.strips = False

    async def __call__(self, name: str, kind: str, /) -> Answer:
        answer = await self.world(name, kind)
        left = tuple(record for record in answer.records if not (self.strips and record.startswith("127.")))
        return replace(answer, records=left)

    async def ask_all(
        self, label: str, apexes: Sequence[str], /, *, heard: Heard | None = None
    ) -> Sequence[Answer | LookupFailed]:
        answers = [await self(f"{label}.{apex}", "A") for apex in apexes]
        for place, answer in enumerate(answers if heard else ()):
            heard(place, answer)
        return answers


def checkup(lookup: SweepWorld, clock: Clock) -> Checkup:
    lists = blocklist_check(load(), {}, ProcessMemory(), "test", clock)
    people = Checkup(checks(lists, True), frozenset({"network"}), World({}), World({}), clock, special_allowed=True)
    return for_watching(people, lookup, lookup)


async def test_only_what_a_watch_follows_is_checked() -> None:
    seen = await checkup(SweepWorld(), Clock()).report(Order(Target.of(GOOD, "example.com")))
    assert {finding.check for finding in seen.findings} == {"blocklist", "ptr", "spf", "dmarc", "mx"}


async def test_the_first_look_remembers_what_is_listed_and_tells_nobody() -> None:
    clock, followed = Clock(), watch(f"{LISTED}/32", "example.com")
    incident, reports = await baseline(followed, checkup(SweepWorld(), clock), clock())
    assert [str(one.order.target) for one in reports] == [f"{LISTED} example.com"]
    assert {problem.sight.about for problem in incident.problems} >= {"spamhaus-zen", "spamcop"}
    assert all(problem.phase is Phase.LISTED and problem.told for problem in incident.problems)
    assert incident.settings["dmarc"] == "reject"
    assert incident.opened is None


async def test_a_resolver_that_strips_answers_is_no_delisting() -> None:
    clock, followed, world = Clock(), watch(f"{LISTED}/32"), SweepWorld()
    incident, _ = await baseline(followed, checkup(world, clock), clock())
    world.strips = True
    for _ in range(10):
        clock.add(3600)
        seen = await reports_on(followed.targets, followed, checkup(world, clock))
        assert seen
        outcome = advance(incident, observations(seen, incident, followed), clock())
        assert outcome.alerts == ()
        incident = outcome.incident
    assert {p.phase for p in incident.problems if p.sight.check == "blocklist"} == {Phase.LISTED}


class Counted:
    """A checkup that breaks where the target ends in 7; `most` counts those at once."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def report(self, order: Order, fresh: bool = False) -> Report:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0)
            if str(order.target).endswith("7"):
                raise RuntimeError("a bug in a check")
            return report(order=order)
        finally:
            self.now -= 1


async def test_a_range_is_looked_at_a_few_at_once_and_one_that_breaks_is_left_out() -> None:
    followed, counted = watch("203.0.113.0/26"), Counted()
    seen = await reports_on(followed.targets, followed, counted)
    assert len(seen) == 58  # six end in a 7
    assert counted.most == AT_ONCE


@pytest.mark.parametrize("reason", ["budget", "day-limit"])
def test_a_list_that_may_not_be_asked_did_not_stay_silent(reason: str) -> None:
    spent = listing("A", Verdict.UNKNOWN, "unknown", reason=reason)
    silent = listing("B", Verdict.UNKNOWN, "unknown", reason="timeout")
    (seen,) = observations([asked(report(spent, silent))], baseline_of(watch()), watch())
    assert (seen.about, seen.state) == ("b", State.UNKNOWN)
