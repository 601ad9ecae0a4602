"""Watches, letters and a clock by hand, for the tests of what is kept of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_network

from bot.models import Role
from bot.monitoring.alert_state import advance, begin
from bot.monitoring.models import Alert, Incident, Room, Watch
from tests.support.incident_stories import T0, sights

ROOM = Room("slack", "T0123ABCD", "C0456EFGH")
ELSEWHERE = Room("slack", "T0123ABCD", "C0999ZZZZ")


@dataclass
class Clock:
    """Virtual time."""

    now: datetime = T0

    def __call__(self) -> datetime:
        return self.now

    def add(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


def watch(
    network: str | None = "203.0.113.5/32",
    domain: str | None = None,
    room: Room = ROOM,
    role: Role = Role.MTA,
    every: timedelta = timedelta(hours=1),
    name: str = "",
) -> Watch:
    return Watch(room, ip_network(network) if network else None, domain, role, every, "U1", T0, name)


def baseline(of: Watch, words: str = "", now: datetime = T0) -> Incident:
    return begin(of.id, sights(words, now), now)


def opened(incident: Incident, words: str = "a+", at: datetime = T0) -> tuple[Incident, tuple[Alert, ...]]:
    """The incident after two looks that saw the same, 90 seconds apart."""
    first = advance(incident, sights(words, at), at)
    later = at + timedelta(seconds=90)
    second = advance(first.incident, sights(words, later), later)
    assert second.alerts
    return second.incident, second.alerts


def numbered(number: int, room: Room = ROOM) -> Watch:
    return replace(watch(room=room), network=ip_network(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}/32"))
