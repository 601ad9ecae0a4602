"""Drifts of a domain's records, from the real checks over a fake DNS to the card: one message, with what to restore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from bot.checks import bimi, dkim, dmarc, dnssec, mta_sts, mx, ptr, spf, tls_rpt
from bot.models import CheckRequest, Finding, Report, Target
from bot.monitoring.alert_state import mute
from bot.monitoring.domain_records import accept_records
from bot.monitoring.history import History, record_changes
from bot.monitoring.messages import RESTORE_RECORD
from bot.monitoring.models import Alert, DomainRecords, Incident, Watch
from bot.monitoring.poll import observe_reports
from bot.monitoring.record_values import read_records
from bot.probe_results import HttpPage
from handlers.message import Card
from handlers.messages import alerts as cards
from tests.bot.checks.dkim.keys import rsa_record
from tests.support.dns_world import World
from tests.support.incident_stories import Story
from tests.support.stored_watches import watch

DOMAIN, ADDRESS = "example.com", "192.0.2.25"
HOUR, CONFIRMED = timedelta(hours=1), timedelta(seconds=90)
PTR, DMARC, S1 = "25.2.0.192.in-addr.arpa", "_dmarc.example.com", "s1._domainkey.example.com"
STS, TLS, BIMI = "_mta-sts.example.com", "_smtp._tls.example.com", "default._bimi.example.com"
HOST, S2 = "mail.example.com", "s2._domainkey.example.com"
SPF = "v=spf1 ip4:192.0.2.25 include:spf.provider.example -all"
POLICY = "v=DMARC1; p=quarantine; rua=mailto:dmarc@example.com"
KEY, OTHER_KEY = rsa_record(2048), rsa_record(2056)
LOGO = "v=BIMI1; l=https://example.com/logo.svg; a=https://example.com/logo.pem"
ZONE: dict[str, Mapping[str, Any]] = {
    PTR: {"PTR": [HOST]},
    DOMAIN: {"TXT": [SPF], "MX": ["10 mail.example.com", "20 mx.provider.example"], "NS": ["ns1.dns.example"]},
    HOST: {"A": [ADDRESS]},
    "mx.provider.example": {"A": ["198.51.100.7"]},
    "spf.provider.example": {"TXT": ["v=spf1 ip4:198.51.100.0/24 -all"]},
    DMARC: {"TXT": [POLICY]},
    S1: {"TXT": [KEY]},
    S2: {"CNAME": ["s2.dkim.provider.example"]},
    "s2.dkim.provider.example": {"TXT": [KEY]},
    STS: {"TXT": ["v=STSv1; id=1;"]},
    TLS: {"TXT": ["v=TLSRPTv1; rua=mailto:tls@example.com"]},
    BIMI: {"TXT": [LOGO]},
}
STS_POLICY = "version: STSv1\nmode: {mode}\nmx: mail.example.com\nmx: *.provider.example\nmax_age: 604800\n"


@dataclass
class Watched:
    """A watch of an address and its domain; DNS is `zone`, and the MTA-STS policy has `mode`."""

    zone: dict[str, Mapping[str, Any]] = field(default_factory=lambda: dict(ZONE))
    mode: str = "enforce"
    story: Story = field(default_factory=Story)
    records: DomainRecords | None = None
    history: History = field(default_factory=History)
    watch: Watch = field(default_factory=lambda: watch(f"{ADDRESS}/32", DOMAIN))

    async def reports(self) -> list[Report]:
        return [await self.report(target) for target in self.watch.targets]

    async def report(self, target: Target) -> Report:
        request = CheckRequest(target, selectors=("s1", "s2"))
        lookup = World(self.zone)
        checks = (ptr.check, spf.check, dmarc.check, mx.check, dkim.check, tls_rpt.check, dnssec.check)
        findings: list[Finding] = [finding for check in checks for finding in await check(request, lookup)]
        findings += await mta_sts.check(request, lookup, fetch=self.fetch)
        findings += await bimi.bimi_check(dmarc.discover)(request, lookup)
        return Report(request, self.story.now, tuple(findings), elapsed_ms=1, queries=1)

    async def fetch(self, url: str, /) -> HttpPage:
        return HttpPage(url, "text/plain", STS_POLICY.format(mode=self.mode).encode())

    async def poll(self, after: timedelta = HOUR) -> list[Alert]:
        self.story.now += after
        reports, before = await self.reports(), self.story.incident or Incident(self.watch.id, self.story.now)
        sent = self.story.observe(observe_reports(reports, before, self.watch, self.records))
        assert self.story.incident is not None
        self.history = record_changes(self.history, before, self.story.incident, self.story.now)
        records = [record for report in reports for record in read_records(report)]
        accepted = accept_records(self.records, records, [self.story.incident.config], self.story.now)
        self.records = accepted or self.records
        return sent

    async def change(self, name: str, **records: Sequence[str] | str) -> list[Alert]:
        """Alerts of the poll that sees the change, of the one that confirms it, and of the day after."""
        self.zone[name] = {**{rdtype: [] for rdtype in self.zone.get(name, ())}, **self.zone.get(name, {}), **records}
        sent = await self.poll() + await self.poll(CONFIRMED)
        for _ in range(6):
            sent += await self.poll()
        return sent

    def card(self, alert: Alert) -> Card:
        return cards.root_card(self.watch, alert, self.story.incident)


async def watched() -> Watched:
    world = Watched()
    assert await world.poll(timedelta(0)) == []
    assert await world.poll() == []
    return world


ROTATED = {"TXT": ["v=spf1 ip4:203.0.113.0/24 ip4:198.51.100.0/24 -all"]}
WIDE_OPEN = "v=spf1 ip4:192.0.2.25 +all"
DRIFTS = [
    # name, records, title, step, before → after
    (DOMAIN, {"TXT": []}, "SPF record removed", f"Restore: `{SPF}`", f"{SPF} → no record"),
    (DOMAIN, {"TXT": [WIDE_OPEN]}, "SPF: allows everyone", f"Restore: `{SPF}`", f"{SPF} → {WIDE_OPEN}"),
    (DOMAIN, {"TXT": [SPF, "v=spf1 -all"]}, "SPF: permanent error", f"Restore: `{SPF}`", None),
    (DOMAIN, {"TXT": [f"{SPF[:-4]}~all"]}, "SPF record changed", "", f"{SPF} → {SPF[:-4]}~all"),
    (DMARC, {"TXT": []}, "DMARC record removed (was p=quarantine)", f"Restore: `{POLICY}`", None),
    (
        DMARC,
        {"TXT": ["v=DMARC1; p=none; rua=mailto:dmarc@example.com"]},
        "DMARC weakened (p=quarantine → p=none)",
        f"Restore: `{POLICY}`",
        None,
    ),
    (
        DMARC,
        {"TXT": ["v=DMARC1; p=reject; rua=mailto:new@example.com; aspf=s"]},
        "DMARC record changed",
        "",
        "p=quarantine; rua=mailto:dmarc@example.com → p=reject; rua=mailto:new@example.com; aspf=s",
    ),
    (
        DOMAIN,
        {"MX": ["10 mail.example.com", "30 mx.provider.example"]},
        "MX records changed",
        "",
        "10 mail.example.com, 20 mx.provider.example → 10 mail.example.com, 30 mx.provider.example",
    ),
    (DOMAIN, {"MX": []}, "MX records removed", "Restore: `10 mail.example.com, 20 mx.provider.example`", None),
    (DOMAIN, {"NS": ["ns2.dns.example"]}, "Name servers changed", "", "ns1.dns.example → ns2.dns.example"),
    (
        HOST,
        {"A": [ADDRESS, "192.0.2.26"]},
        "Address of mail.example.com changed",
        "",
        f"{ADDRESS} → {ADDRESS}, 192.0.2.26",
    ),
    (S1, {"TXT": [OTHER_KEY]}, "DKIM key of selector s1 changed", "", None),
    (S1, {"TXT": []}, "DKIM key of selector s1 removed", f"Restore: `{KEY}`", None),
    (S1, {"TXT": ["v=DKIM1; p="]}, "DKIM: revoked", f"Restore: `{KEY}`", None),
    (
        S2,
        {"CNAME": ["s2.dkim.other.example"]},
        "DKIM: missing key",
        f"Restore: `{S2} CNAME s2.dkim.provider.example`",
        "CNAME s2.dkim.provider.example → CNAME s2.dkim.other.example",
    ),
    (STS, {"TXT": ["v=STSv1; id=2;"]}, "MTA-STS record changed", "", "id=1; mode=enforce → id=2; mode=enforce"),
    (STS, {"TXT": []}, "MTA-STS record removed", "Restore: `v=STSv1; id=1;`", None),
    (TLS, {"TXT": []}, "TLS-RPT record removed", "Restore: `v=TLSRPTv1; rua=mailto:tls@example.com`", None),
    (BIMI, {"TXT": []}, "BIMI record removed", f"Restore: `{LOGO}`", None),
    (BIMI, {"TXT": ["v=BIMI1; x=1"]}, "BIMI: bad record", f"Restore: `{LOGO}`", None),
    (PTR, {"PTR": []}, "PTR record removed (was mail.example.com)", "Restore: `mail.example.com`", None),
]


FOLLOWS = {"MX records removed": ", MTA-STS: mx refused"}  # what the change breaks beside the record, else BIMI


@pytest.mark.parametrize(
    ("name", "records", "title", "step", "values"), DRIFTS, ids=[f"{d[2]}-{n}" for n, d in enumerate(DRIFTS)]
)
async def test_changed_record_is_one_message_with_its_step(
    name: str, records: dict[str, Any], title: str, step: str, values: str | None
) -> None:
    world = await watched()
    (sent,) = await world.change(name, **records)
    card = world.card(sent)
    assert card.title.partition(": ")[2].partition(FOLLOWS.get(title, ", BIMI: not enforced"))[0] == title
    assert card.step == (step or RESTORE_RECORD)
    quotes = [line.quote for line in card.lines if " → " in line.quote]
    assert len(quotes) == 1
    assert values in (None, quotes[0])


async def test_include_that_others_removed_has_the_step_of_its_check() -> None:
    world = await watched()
    (sent,) = await world.change("spf.provider.example", TXT=[])
    (problem,) = sent.new
    assert problem.last_observation.previous_value == ""
    assert "Restore" not in problem.last_observation.remediation


@pytest.mark.parametrize(
    ("name", "records", "track"),
    [
        ("spf.provider.example", ROTATED, "spf.includes:changed"),
        ("s2.dkim.provider.example", {"TXT": [OTHER_KEY]}, "dkim.s2.key:changed"),
        ("mx.provider.example", {"A": ["198.51.100.99"]}, ""),
    ],
)
async def test_rotation_by_a_provider_is_in_the_history_only(name: str, records: dict[str, Any], track: str) -> None:
    world = await watched()
    assert await world.change(name, **records) == []
    assert [item.key for item in world.history.problems] == ([track] if track else [])


ROTATION = [f"10 {host}.provider.example" for host in "abcdef"]


async def test_answers_that_alternate_alert_nothing() -> None:
    """Round robin, views, or servers of which some have not the new zone yet."""
    world = await watched()
    world.zone |= {record.partition(" ")[2]: {"A": ["198.51.100.8"]} for record in ROTATION}
    for exchange in [*ROTATION, "", *ROTATION[:2], ""] * 3:
        world.zone[DOMAIN] = {**ZONE[DOMAIN], "MX": [exchange] if exchange else ZONE[DOMAIN]["MX"]}
        assert await world.poll(CONFIRMED if world.story.recheck_at else HOUR) == []


async def test_change_counts_when_two_polls_in_a_row_see_the_same_value() -> None:
    world = await watched()
    servers = [["ns2.dns.example"], ["ns3.dns.example"], ["ns3.dns.example"]]
    sent = []
    for names in servers:
        world.zone[DOMAIN] = {**ZONE[DOMAIN], "NS": names}
        sent.append(await world.poll(CONFIRMED))
    assert [len(alerts) for alerts in sent] == [0, 0, 1]
    assert sent[2][0].new[0].last_observation.value == "ns3.dns.example"


async def test_value_that_returns_before_it_is_confirmed_alerts_nothing() -> None:
    world = await watched()
    for names in (["ns2.dns.example"], ["ns1.dns.example"], ["ns2.dns.example"], ["ns1.dns.example"]):
        world.zone[DOMAIN] = {**ZONE[DOMAIN], "NS": names}
        assert await world.poll(CONFIRMED) == []


async def test_step_never_restores_a_record_older_than_the_last_good_one() -> None:
    world = await watched()
    await world.change(DMARC, TXT=["v=DMARC1; p=reject"])
    (sent,) = await world.change(DMARC, TXT=[])
    assert world.card(sent).step == "Restore: `v=DMARC1; p=reject`"


async def test_mended_record_resolves_without_a_second_message() -> None:
    world = await watched()
    await world.change(DMARC, TXT=[])
    assert [alert.reason for alert in await world.change(DMARC, TXT=[POLICY])] == ["resolved"]


async def test_record_that_never_passed_its_check_is_restored_when_removed() -> None:
    world = Watched()
    monitoring = "v=DMARC1; p=none; rua=mailto:dmarc@example.com"
    world.zone[DMARC] = {"TXT": [monitoring]}
    await world.poll(timedelta(0))
    (sent,) = await world.change(DMARC, TXT=[])
    assert world.card(sent).title.endswith("DMARC record removed (was p=none)")
    assert world.card(sent).step == f"Restore: `{monitoring}`"


EARLIER_CONFIG = {
    "ptr": HOST,
    "spf": "pass",
    "spf-limits": "within the limits",
    "dmarc": "quarantine",
    "mx": "10 mail.example.com, 20 mx.provider.example",
    "checks": "dkim dmarc mx ptr spf",
}


async def test_config_of_an_earlier_version_is_taken_over_in_silence() -> None:
    world = Watched()
    world.story.incident = Incident(world.watch.id, world.story.now, config=EARLIER_CONFIG)
    assert [await world.poll() for _ in range(3)] == [[], [], []]
    assert world.history == History()
    (sent,) = await world.change(DOMAIN, TXT=[])
    assert world.card(sent).step == f"Restore: `{SPF}`"


async def test_record_removed_since_an_earlier_version_is_named_with_its_policy() -> None:
    world = Watched()
    world.story.incident = Incident(world.watch.id, world.story.now, config=EARLIER_CONFIG)
    (sent,) = await world.change(DMARC, TXT=[])
    assert "DMARC record removed (was p=quarantine)" in world.card(sent).title


async def test_addresses_of_a_host_that_is_no_mail_server_are_forgotten() -> None:
    world = await watched()
    await world.change(DOMAIN, MX=["20 mx.provider.example"])
    assert world.story.incident is not None
    assert "mx.mail.example.com" not in world.story.incident.config
    await world.change(HOST, A=[ADDRESS, "192.0.2.26"])
    assert world.story.alerts[-1].new[0].key == "mx:changed"


async def test_range_reports_a_change_of_its_domain_once_and_of_an_address_by_itself() -> None:
    world = Watched(watch=watch("192.0.2.24/30", DOMAIN))
    world.zone[DOMAIN] = {**ZONE[DOMAIN], "TXT": ["v=spf1 ip4:192.0.2.24/30 -all"]}
    for last in (24, 26, 27):
        world.zone[f"{last}.2.0.192.in-addr.arpa"] = {"PTR": [f"m{last}.example.com"]}
        world.zone[f"m{last}.example.com"] = {"A": [f"192.0.2.{last}"]}
    await world.poll(timedelta(0))
    (sent,) = await world.change(DOMAIN, TXT=["v=spf1 ip4:192.0.2.0/24 -all"])
    assert [problem.key for problem in sent.new] == ["spf:changed"]
    world.zone["m99.example.com"] = {"A": ["192.0.2.26"]}
    (sent,) = await world.change("26.2.0.192.in-addr.arpa", PTR=["m99.example.com"])
    assert [problem.key for problem in sent.new] == ["ptr:changed@192.0.2.26"]
    assert sent.new[0].last_observation.previous_value == "m26.example.com"


async def test_removed_record_of_a_muted_watch_is_reported_with_its_text_later() -> None:
    world = await watched()
    assert world.story.incident is not None
    world.story.incident = mute(world.story.incident, "U1", world.story.now + 12 * HOUR)
    assert await world.change(TLS, TXT=[]) == []
    (sent,) = [alert for _ in range(8) for alert in await world.poll()]
    assert "TLS-RPT record removed" in world.card(sent).title


@pytest.mark.parametrize("failure", ["timeout", "servfail", "refused"])
async def test_record_without_an_answer_neither_changes_nor_is_removed(failure: str) -> None:
    world = await watched()
    for name in ZONE:
        world.zone[name] = {"*": failure}
    assert [await world.poll() for _ in range(4)] == [[], [], [], []]
    world.zone.update(ZONE)
    assert [await world.poll() for _ in range(4)] == [[], [], [], []]
