"""The catalogue cut down to what a test is about, and a clock that stands still until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from bot.checks.dnsbl.catalog import Blocklist, Catalogue, load
from bot.checks.dnsbl.zones import Zone, zone_of
from bot.models import Order, Role, Target

CATALOGUE = load()
ADDRESS = Target(ip_address("203.0.113.5"))
DOMAIN = Target(domain="example.com")


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 11, 24, 6, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def move(self, minutes: float) -> None:
        self.time += timedelta(minutes=minutes)


def only(*ids: str) -> Catalogue:
    return Catalogue(tuple(named(list_id) for list_id in ids))


def named(list_id: str) -> Blocklist:
    blocklist = CATALOGUE.of(list_id)
    assert blocklist is not None, list_id
    return blocklist


def public(blocklist: Blocklist) -> Zone:
    zone = zone_of(blocklist, {})
    assert zone is not None
    return zone


def order(target: Target = ADDRESS, role: Role = Role.MTA) -> Order:
    return Order(target, role)
