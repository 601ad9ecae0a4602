"""Alerts that the real checks and the real machine make of the little world of mail: what a channel sees, for pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from bot.models import Order
from bot.monitoring.alert_state import acknowledge, advance, begin
from bot.monitoring.dnsbl_quarantine import ListNote, NoteReason
from bot.monitoring.interfaces import Kept, RoomSettings
from bot.monitoring.models import Alert, Incident, Observation, Watch
from bot.monitoring.poll import observations
from handlers.message import Card
from handlers.messages.alerts import reply_card, root_card, standing_card
from handlers.messages.blocklists import list_note_card
from handlers.messages.watches import Added, added_card, settings_card, watches_card
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
BOTH = ZEN | {(GOOD, "spamcop"): ("127.0.0.2",)}
SOME = {(f"192.0.2.{n}", "spamhaus-zen"): ("127.0.0.4",) for n in (21, 22, 25)} | {(GOOD, "barracuda"): ("127.0.0.2",)}
NO_POLICY: Zone = {"_dmarc.example.com": {}}
NEW_MAIL_SERVERS: Zone = {"example.com": {**mail_world({})["example.com"], "MX": ["10 mx.example.net"]}}

Listings = Mapping[tuple[str, str], Sequence[str]]


class Life:
    """A watch from its silent first look on; `look` takes a first and a second look at what is so after some time."""

    def __init__(self, of: Watch, at_first: Listings | None = None) -> None:
        self.watch, self.now = of, T0
        self.incident = Incident(of.id, T0)
        self.incident = begin(of.id, self._seen(World(mail_world(at_first or {}))), T0)
        self.alerts: list[Alert] = []

    def look(self, after: timedelta, listings: Listings, changed: Zone | None = None) -> Life:
        world = World({**mail_world(listings), **(changed or {})})
        for wait in (after, timedelta(seconds=90), timedelta(minutes=20), timedelta(minutes=20)):
            self.now += wait
            outcome = advance(self.incident, self._seen(world), self.now)
            self.incident = outcome.incident
            self.alerts += outcome.alerts
        return self

    @property
    def root(self) -> Card:
        return root_card(self.watch, self.incident, self.alerts[-1])

    @property
    def reply(self) -> Card:
        return reply_card(self.watch, self.alerts[-1])

    def _seen(self, world: World) -> Sequence[Observation]:
        orders = [Order(target, self.watch.role) for target in self.watch.targets]
        reports = [replace(report(order, world), at=self.now) for order in orders]
        return observations(reports, self.incident, self.watch)


def cards() -> dict[str, Card]:
    """By the name of the picture."""
    hour = timedelta(hours=1)
    alone = Life(EGRESS)
    begun = added_card([Added(EGRESS, alone.incident, EGRESS.every)])
    opened = alone.look(hour, ZEN).root
    grown = alone.look(2 * hour, BOTH)
    in_hand = standing_card(EGRESS, acknowledge(grown.incident, "ada", T0 + 4 * hour))
    office = Life(OFFICE).look(hour, SOME)
    changed = Life(EGRESS).look(hour, {}, NEW_MAIL_SERVERS)
    lost = Life(EGRESS).look(hour, {}, NO_POLICY)
    kept = [Kept(one.watch, one.incident) for one in (grown, office)]
    kept += [Kept(quiet, begin(quiet.id, (), T0), every=quiet.every * 3) for quiet in (SECOND, CAMPUS)]
    broken = ListNote("kempt.1.quarantined", NoteReason.QUARANTINED, ("kempt",), 21, 84)
    return {
        "watch-added": begun,
        "watches": watches_card(kept),
        "alert": opened,
        "alert-grew": grown.reply,
        "alert-acknowledged": in_hand,
        "alert-cleared": grown.look(5 * hour, {}).root,
        "alert-range": office.root,
        "alert-set-up": changed.root,
        "alert-policy-gone": lost.root,
        "list-note": list_note_card(broken, "Kempt"),
        "settings": settings_card(RoomSettings(), "ada"),
    }
