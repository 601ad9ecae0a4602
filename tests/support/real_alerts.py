"""Alert cards made by the real checks and the alert state machine, for screenshots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache

from bot.models import CheckRequest, Report
from bot.monitoring.alert_state import acknowledge, advance, initial_incident
from bot.monitoring.dnsbl_quarantine import ListNotice, NoticeReason
from bot.monitoring.domain_records import accept_records
from bot.monitoring.interfaces import ChannelSettings, StoredWatch
from bot.monitoring.models import Alert, DomainRecords, Incident, Observation, Watch
from bot.monitoring.poll import observe_reports
from bot.monitoring.record_values import read_records
from handlers.message import Card
from handlers.messages.alerts import current_root_card, ended_root_card, reply_card, root_card
from handlers.messages.blocklists import list_notice_card
from handlers.messages.watches import AddedWatch, added_card, settings_card, watches_card
from tests.support.dns_world import World, Zone
from tests.support.incident_stories import T0
from tests.support.mail_world import GOOD, mail_world
from tests.support.real_reports import report
from tests.support.stored_watches import watch

SECOND = watch("198.51.100.9/32", "example.net")
CAMPUS = watch("203.0.113.0/24", name="Campus")
EGRESS = watch(f"{GOOD}/32", "example.com", name="HQ egress")
OFFICE = watch("192.0.2.16/28", "example.com", name="Office")
ZEN = {(GOOD, "spamhaus-zen"): ("127.0.0.4",)}
PBL = {(GOOD, "spamhaus-zen"): ("127.0.0.10",)}
TWO_LISTS = ZEN | {(GOOD, "spamcop"): ("127.0.0.2",)}
RANGE_LISTINGS = {(f"192.0.2.{n}", "spamhaus-zen"): ("127.0.0.4",) for n in (21, 22, 25)} | {
    (GOOD, "barracuda"): ("127.0.0.2",)
}
NO_POLICY: Zone = {"_dmarc.example.com": {}}
NO_SPF: Zone = {"example.com": {**mail_world({})["example.com"], "TXT": []}}
NEW_MAIL_SERVERS: Zone = {"example.com": {**mail_world({})["example.com"], "MX": ["10 mx.example.net"]}}

Listings = Mapping[tuple[str, str], Sequence[str]]


class WatchScenario:
    """A watch and its alerts over time; `poll` polls a state until it is confirmed."""

    def __init__(self, watched: Watch, initial_listings: Listings | None = None) -> None:
        self.watch, self.now = watched, T0
        self.incident, self.records = Incident(watched.id, T0), DomainRecords(T0)
        world = World(mail_world(initial_listings or {}))
        self.incident = initial_incident(watched.id, self._observe(world), T0)
        records = [record for report in self._reports(world) for record in read_records(report)]
        self.records = accept_records(None, records, [self.incident.config], T0) or self.records
        self.alerts: list[Alert] = []

    def poll(self, delay: timedelta, listings: Listings, changed: Zone | None = None) -> WatchScenario:
        world = World({**mail_world(listings), **(changed or {})})
        for pause in (delay, timedelta(seconds=90), timedelta(minutes=20), timedelta(minutes=20)):
            self.now += pause
            transition = advance(self.incident, self._observe(world), self.now)
            self.incident = transition.incident
            self.alerts += transition.alerts
        return self

    @property
    def checks(self) -> frozenset[str]:
        return frozenset(finding.check for each in self._reports(World(mail_world({}))) for finding in each.findings)

    @property
    def root(self) -> Card:
        return root_card(self.watch, self.alerts[-1])

    @property
    def reply(self) -> Card:
        return reply_card(self.watch, self.alerts[-1])

    def _observe(self, world: World) -> Sequence[Observation]:
        return observe_reports(self._reports(world), self.incident, self.watch, self.records)

    def _reports(self, world: World) -> Sequence[Report]:
        requests = [CheckRequest(target, self.watch.role) for target in self.watch.targets]
        return [replace(report(request, world), at=self.now) for request in requests]


@cache
def cards() -> Mapping[str, Card]:
    """Cards by screenshot name."""
    hour = timedelta(hours=1)
    single = WatchScenario(EGRESS)
    added = added_card([AddedWatch(EGRESS, single.incident, EGRESS.interval, checks=single.checks)])
    opened = single.poll(hour, ZEN).root
    grew = single.poll(2 * hour, TWO_LISTS)
    acknowledged = current_root_card(EGRESS, acknowledge(grew.incident, "ada", T0 + 4 * hour))
    office = WatchScenario(OFFICE).poll(hour, RANGE_LISTINGS)
    changed = WatchScenario(EGRESS).poll(hour, {}, NEW_MAIL_SERVERS)
    policy_removed = WatchScenario(EGRESS).poll(hour, {}, NO_POLICY)
    stored = [StoredWatch(life.watch, life.incident) for life in (grew, office)]
    stored += [
        StoredWatch(quiet_watch, initial_incident(quiet_watch.id, (), T0), interval=quiet_watch.interval * 3)
        for quiet_watch in (SECOND, CAMPUS)
    ]
    partly = WatchScenario(EGRESS).poll(hour, TWO_LISTS).poll(3 * hour, ZEN)
    other_reason = WatchScenario(EGRESS).poll(hour, PBL).poll(3 * hour, ZEN)
    unstable = WatchScenario(EGRESS)
    for _ in range(3):
        unstable.poll(hour, ZEN).poll(2 * hour, {})
    unstable.poll(hour, ZEN)
    removed = ended_root_card(EGRESS, partly.incident, "ada")
    spf_removed = WatchScenario(EGRESS).poll(hour, {}, NO_SPF)
    notice = ListNotice("kempt.1.quarantined", NoticeReason.QUARANTINED, ("kempt",), 21, 84)
    return {
        "watch-added": added,
        "watches": watches_card(stored),
        "alert": opened,
        "alert-grew": grew.reply,
        "alert-acknowledged": acknowledged,
        "alert-cleared": grew.poll(5 * hour, {}).root,
        "alert-range": office.root,
        "alert-partly-cleared": partly.reply,
        "alert-other-reason": other_reason.reply,
        "alert-unstable": unstable.root,
        "alert-removed-watch": removed,
        "alert-spf-removed": spf_removed.root,
        "alert-set-up": changed.root,
        "alert-policy-gone": policy_removed.root,
        "list-note": list_notice_card(notice, "Kempt"),
        "settings": settings_card(ChannelSettings(), "ada"),
    }
