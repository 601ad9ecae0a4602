"""DNS that does not answer about a domain for hours is a problem of the domain; a fault of the resolver is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from bot.checks import dmarc, dnssec, mx, spf
from bot.checks.dnsbl.resolver_fault import resolver_fault
from bot.models import CheckRequest, Finding, Report, Target, Verdict
from bot.monitoring.domain_answers import DOMAIN_DNS, UNANSWERED_SINCE
from bot.monitoring.models import Alert, AlertReason, Incident, Watch
from bot.monitoring.operator_log import FAULT_LOG_INTERVAL, ResolverFaultLog
from bot.monitoring.poll import observe_reports
from handlers.messages.alerts import root_card
from tests.support.dns_world import World, Zone
from tests.support.incident_stories import T0, Story
from tests.support.reports import listing
from tests.support.stored_watches import Clock, watch

DOMAIN, HOUR, CONFIRMED = "example.com", timedelta(hours=1), timedelta(seconds=90)
ROOT: Zone = {".": {"SOA": ["a.root-servers.example."]}}
WORKING: Zone = {
    DOMAIN: {"MX": ["10 mx.example.net"], "TXT": ["v=spf1 ip4:203.0.113.5 -all"]},
    f"_dmarc.{DOMAIN}": {"TXT": ["v=DMARC1; p=reject"]},
    "mx.example.net": {"A": ["203.0.113.5"]},
    **ROOT,
}
SILENT = {DOMAIN: {"*": "servfail"}, f"_dmarc.{DOMAIN}": {"*": "servfail"}}
FORMS = {"address and domain": watch("203.0.113.5/32", DOMAIN), "domain": watch(None, DOMAIN)}


def blind_lists() -> list[Finding]:
    return [listing(f"List {number}", Verdict.UNKNOWN, "unknown", reason="servfail") for number in range(12)]


@dataclass
class Watched:
    watch: Watch
    zone: Zone = field(default_factory=lambda: WORKING)
    story: Story = field(default_factory=Story)
    lists: list[Finding] = field(default_factory=list)

    async def poll(self, after: timedelta) -> list[Alert]:
        self.story.now += after
        request, lookup = CheckRequest(self.watch.targets[0]), World(self.zone)
        findings = [f for check in (spf, dmarc, mx, dnssec) for f in await check.check(request, lookup)]
        findings += [*self.lists, *resolver_fault(self.lists, "192.0.2.53")]
        report = Report(request, self.story.now, tuple(findings), 1, 1)
        return self.story.observe(observe_reports([report], self.incident, self.watch))

    async def poll_for(self, hours: int) -> list[AlertReason]:
        return [alert.reason for _ in range(hours) for alert in await self.poll(HOUR)]

    @property
    def incident(self) -> Incident:
        return self.story.incident or Incident(self.watch.id, T0)


@pytest.fixture(params=FORMS)
def watched(request: pytest.FixtureRequest) -> Watched:
    return Watched(FORMS[request.param])


async def test_domain_without_answers_for_six_hours_alerts_and_clears(watched: Watched) -> None:
    await watched.poll(timedelta(0))
    watched.zone = {**WORKING, **SILENT}
    assert await watched.poll_for(7) == []
    (opened,) = await watched.poll(CONFIRMED)
    assert (opened.reason, [p.last_observation.check for p in opened.new]) == (AlertReason.OPENED, [DOMAIN_DNS])
    card = root_card(watched.watch, opened, watched.story.incident)
    assert card.title.endswith(": DNS: not answering")
    assert "DNS has not answered for example.com since 24 Nov, 07:00 UTC" in str(card.lines)
    assert await watched.poll_for(3) == []
    watched.zone = WORKING
    assert await watched.poll_for(4) == [AlertReason.RESOLVED]
    assert UNANSWERED_SINCE not in watched.incident.config


async def test_answer_in_between_begins_the_six_hours_anew(watched: Watched) -> None:
    await watched.poll(timedelta(0))
    for _ in range(4):
        watched.zone = {**WORKING, **SILENT}
        assert await watched.poll_for(5) == []
        watched.zone = WORKING
        assert await watched.poll_for(1) == []


@pytest.mark.parametrize("zone", [{"_dmarc.example.com": {"*": "servfail"}}, {"mx.example.net": {"*": "servfail"}}])
async def test_domain_of_which_some_records_answer_raises_no_alert(watched: Watched, zone: Zone) -> None:
    await watched.poll(timedelta(0))
    watched.zone = {**WORKING, **zone}
    assert await watched.poll_for(12) == []


@pytest.mark.parametrize("blind", ["root", "lists"])
async def test_resolver_that_fails_is_no_problem_of_the_domain(watched: Watched, blind: str) -> None:
    await watched.poll(timedelta(0))
    watched.zone = {**WORKING, **SILENT, **({".": {"*": "servfail"}} if blind == "root" else {})}
    watched.lists = blind_lists() if blind == "lists" else []
    assert await watched.poll_for(12) == []
    assert UNANSWERED_SINCE not in watched.incident.config


async def test_domain_that_never_answered_is_known_and_not_reported(watched: Watched) -> None:
    watched.zone = {**WORKING, **SILENT}
    await watched.poll(timedelta(0))
    assert await watched.poll_for(12) == []
    assert [(p.last_observation.check, p.informational) for p in watched.incident.problems] == [(DOMAIN_DNS, True)]


@pytest.mark.parametrize("stored", ["soon", "99999999999999", "-99999999999999999999", "1e3"])
async def test_stored_time_that_cannot_be_read_counts_from_now(watched: Watched, stored: str) -> None:
    await watched.poll(timedelta(0))
    watched.zone = {**WORKING, **SILENT}
    watched.story.incident = Incident("w1", T0, config={**watched.incident.config, UNANSWERED_SINCE: stored})
    assert await watched.poll_for(12) == []


def test_fault_of_the_resolver_is_logged_once_an_hour_and_its_end() -> None:
    clock = Clock()
    faults = ResolverFaultLog(clock)
    lists = blind_lists()
    blind = Report(CheckRequest(Target(domain=DOMAIN)), clock(), (*lists, *resolver_fault(lists, "192.0.2.53")), 1, 1)
    seeing = Report(CheckRequest(Target(domain=DOMAIN)), clock(), (listing("A", Verdict.PASS, "not_listed"),), 1, 1)
    without_lists = Report(CheckRequest(Target(domain=DOMAIN)), clock(), (), 1, 1)
    with capture_logs() as lines:
        for reports in ([blind], [blind, blind], [without_lists], [blind, seeing, seeing], [seeing]):
            faults.record(reports)
        clock.add(FAULT_LOG_INTERVAL.total_seconds() * 2)
        for _ in range(3):
            faults.record([blind, seeing])
            clock.add(FAULT_LOG_INTERVAL.total_seconds() / 2)
    events = [line["event"] for line in lines]
    failing = "the resolver fails, so watches see nothing: run mailcheck doctor"
    assert events == [failing, "the resolver answers watches again", failing, failing]
