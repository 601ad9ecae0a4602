"""Builders of watches and incidents, and a manual clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_network

from redis.asyncio import Redis

from bot.models import Role
from bot.monitoring.alert_state import advance, initial_incident
from bot.monitoring.dnsbl_quarantine import ListNotice
from bot.monitoring.models import Alert, Channel, Incident, Watch
from bot.monitoring.serialization import load
from tests.support.incident_stories import T0, parse_observations

CHANNEL = Channel("slack", "T0123ABCD", "C0456EFGH")
OTHER_CHANNEL = Channel("slack", "T0123ABCD", "C0999ZZZZ")


@dataclass
class Clock:
    """Clock that a test advances."""

    now: datetime = T0

    def __call__(self) -> datetime:
        return self.now

    async def correct(self) -> None:
        """It is right."""

    def add(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


def watch(
    network: str | None = "203.0.113.5/32",
    domain: str | None = None,
    channel: Channel = CHANNEL,
    role: Role = Role.MTA,
    interval: timedelta = timedelta(hours=1),
    name: str = "",
) -> Watch:
    return Watch(channel, ip_network(network) if network else None, domain, role, interval, "U1", T0, name)


def baseline(watched: Watch, results: str = "", now: datetime = T0) -> Incident:
    return initial_incident(watched.id, parse_observations(results, now), now)


def open_incident(incident: Incident, results: str = "a+", at: datetime = T0) -> tuple[Incident, tuple[Alert, ...]]:
    """Incident and alerts after two polls with the same results, 90 seconds apart."""
    suspect = advance(incident, parse_observations(results, at), at)
    later = at + timedelta(seconds=90)
    confirmed = advance(suspect.incident, parse_observations(results, later), later)
    assert confirmed.alerts
    return confirmed.incident, confirmed.alerts


def numbered_watch(number: int, channel: Channel = CHANNEL) -> Watch:
    return replace(
        watch(channel=channel), network=ip_network(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}/32")
    )


async def stored_notices(redis: Redis) -> list[ListNotice]:
    """Every list notice of the store, newest first."""
    return [load(ListNotice, entry["note"]) for _, entry in await redis.xrevrange("mc1:notes")]
