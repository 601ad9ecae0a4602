"""Catalog subsets for a test, and a manual clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from bot.checks.dnsbl.catalog import Blocklist, Catalog
from bot.checks.dnsbl.zones import Zone, zone_of
from bot.models import CheckRequest, Role, Target
from tests.support.builtin_catalog import CATALOG

ADDRESS = Target(ip_address("203.0.113.5"))
DOMAIN = Target(domain="example.com")


class FakeClock:
    def __init__(self) -> None:
        self.time = datetime(2026, 11, 24, 6, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def advance(self, minutes: float) -> None:
        self.time += timedelta(minutes=minutes)


def catalog_of(*ids: str) -> Catalog:
    return Catalog(tuple(get_blocklist(list_id) for list_id in ids))


def get_blocklist(list_id: str) -> Blocklist:
    blocklist = CATALOG.get(list_id)
    assert blocklist is not None, list_id
    return blocklist


def public_zone(blocklist: Blocklist) -> Zone:
    zone = zone_of(blocklist, {})
    assert zone is not None
    return zone


def make_request(target: Target = ADDRESS, role: Role = Role.MTA) -> CheckRequest:
    return CheckRequest(target, role)
