"""Configuration of the poller, from the settings and the blocklist catalog."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.checks.dnsbl.never_listed import lists_everything
from bot.checks.dnsbl.zones import Zone
from bot.models import Lookup
from bot.monitoring.dnsbl_quarantine import QuarantinePolicy
from bot.monitoring.models import AlertPolicy
from bot.monitoring.query_budget import lists_without_test_points, published_budgets
from bot.monitoring.schedule import KindBudget
from bot.settings import ProbeSmtp, Settings

STARTTLS = "starttls"

# Whether the list of that id lists everything, on a day; None without an answer.
ListProof = Callable[[str, datetime], Awaitable[bool | None]]


@dataclass(frozen=True, slots=True)
class PollerConfig:
    """Configuration of the poller.

    `budgets` are those of the lists; `without_test_points` are ids of lists; `list_names` maps ids
    to display names. `switched_off` are ids of checks that the operator does not allow.
    """

    policy: AlertPolicy = field(default_factory=AlertPolicy)
    quarantine_policy: QuarantinePolicy = field(default_factory=QuarantinePolicy)
    budgets: Sequence[KindBudget] = ()
    without_test_points: frozenset[str] = frozenset()
    list_names: Mapping[str, str] = field(default_factory=dict)
    lists_everything: ListProof = field(default=lambda *_: _no_proof())
    switched_off: frozenset[str] = frozenset()


def poller_config(settings: Settings, zones: Sequence[Zone], lookup: Lookup) -> PollerConfig:
    """Configuration from the settings and the blocklist catalog; `lookup` asks for proofs, without caches."""
    policy = AlertPolicy(
        confirm_after=settings.confirm_after,
        clear_after=settings.clear_after,
        group_for=settings.group_for,
        remind_after=settings.remind_after,
    )
    return PollerConfig(
        policy,
        budgets=published_budgets(zones),
        without_test_points=lists_without_test_points(zones),
        list_names={zone.blocklist.id: zone.blocklist.name for zone in zones},
        lists_everything=list_proof(zones, lookup),
        switched_off=frozenset({STARTTLS}) if settings.probe_smtp is ProbeSmtp.OFF else frozenset(),
    )


def list_proof(zones: Sequence[Zone], lookup: Lookup) -> ListProof:
    """Ask a list for names that no list has."""
    by_id = {zone.blocklist.id: zone for zone in zones}

    async def prove(list_id: str, now: datetime) -> bool | None:
        zone = by_id.get(list_id)
        return await lists_everything(zone, lookup, now.date()) if zone else None

    return prove


async def _no_proof() -> None:
    return None
