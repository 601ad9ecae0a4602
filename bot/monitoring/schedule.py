"""Poll schedule: spread over time, fair between workspaces, within the budget of every list. Pure.

`plan_intervals` computes every minute how much the intervals of each workspace must grow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from bot.inputs.durations import format_duration
from bot.monitoring.messages import INTERVAL_TOO_LONG, INTERVAL_TOO_SHORT
from bot.monitoring.models import Watch

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONDAY = datetime(1970, 1, 5, 8, tzinfo=UTC)
JITTER = 0.05
MAX_MULTIPLIER = 10_000  # for an exhausted budget, so that intervals stay finite
MIN_INTERVAL, MAX_INTERVAL = timedelta(minutes=5), timedelta(days=2)


class BadInterval(ValueError):
    """An interval outside of the allowed range; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Query budget of one list: `per_day` queries in any 24 hours.

    `interactive_share` of it is reserved for interactive checks. `burst` is how much of the rate
    can be caught up at once after a pause.
    """

    per_day: int
    interactive_share: float = 0.1
    burst: timedelta = timedelta(minutes=1)

    @property
    def per_day_for_polls(self) -> float:
        return self.per_day * (1 - self.interactive_share)

    @property
    def burst_size(self) -> float:
        return max(1.0, self.per_day_for_polls * (self.burst / DAY))

    @property
    def per_second(self) -> float:
        """Refill rate at which a full burst and 24 hours of refill stay within the budget."""
        return max(0.0, self.per_day_for_polls - self.burst_size) / DAY.total_seconds()


def validate_interval(interval: timedelta) -> timedelta:
    """Validate an interval from a command. Raises BadInterval; settings may be shorter."""
    if interval < MIN_INTERVAL:
        raise BadInterval(INTERVAL_TOO_SHORT.format(interval=format_duration(MIN_INTERVAL)))
    if interval > MAX_INTERVAL:
        raise BadInterval(INTERVAL_TOO_LONG.format(interval=format_duration(MAX_INTERVAL)))
    return interval


def first_due(name: str, interval: timedelta, now: datetime) -> datetime:
    """First poll after `now`, at a fixed offset in the interval derived from the name."""
    offset = interval * _fraction(name)
    return now + (offset - (now - EPOCH)) % interval


def next_due(name: str, now: datetime, interval: timedelta) -> datetime:
    """Next regular poll: within 5% of the interval."""
    jitter = 1 + JITTER * (2 * _fraction(f"{name} {now.timestamp():.0f}") - 1)
    return now + interval * jitter


def is_due_again(name: str, period: timedelta, last: datetime, now: datetime) -> bool:
    """Whether one of the times of a period, at a fixed offset derived from the name, is after `last` and not after now.

    So all watches of a domain are due at the same time, and domains are spread over the period.
    """
    since_due = (now - EPOCH - period * _fraction(name)) % period
    return last > now or last < now - since_due


def next_digest(channel: str, now: datetime) -> datetime:
    """Next Monday between 8:00 and 9:00 UTC, at a fixed time per channel."""
    first = MONDAY + timedelta(seconds=int(_fraction(channel) * 3600))
    return first + ((now - first) // WEEK + 1) * WEEK


def fair_shares(demands: Mapping[str, float], capacity: float) -> dict[str, float]:
    """Max-min fair shares of a capacity."""
    shares: dict[str, float] = {}
    remaining = max(0.0, capacity)
    for index, (name, demand) in enumerate(sorted(demands.items(), key=lambda item: (item[1], item[0]))):
        shares[name] = min(demand, remaining / (len(demands) - index))
        remaining -= shares[name]
    return shares


def interval_multipliers(demands: Mapping[str, float], budget: Budget) -> dict[str, float]:
    """Multiplier of each workspace's intervals (1: as requested), from its queries per day."""
    per_day = budget.per_second * DAY.total_seconds()
    shares = fair_shares(demands, per_day / (1 + JITTER))
    return {
        name: max(1.0, demand / max(shares[name], demand / MAX_MULTIPLIER)) if demand > 0 else 1.0
        for name, demand in demands.items()
    }


def effective_interval(interval: timedelta, *multipliers: float) -> timedelta:
    """Interval stretched by the largest multiplier."""
    return interval * max(1.0, *multipliers)


def _fraction(name: str) -> float:
    """A stable number in [0, 1) derived from a name."""
    return int.from_bytes(blake2b(name.encode(), digest_size=6).digest()) / 2**48


Multipliers = Mapping[str, float]  # kind of list → multiplier of the interval


@dataclass(frozen=True, slots=True)
class KindBudget:
    """A budget, and the kinds of target (ip4, ip6, domain) that use it."""

    kinds: frozenset[str]
    budget: Budget


def demand_of(watch: Watch) -> dict[str, int]:
    """Queries per poll by workspace, kind and interval in seconds: `platform/workspace ip4 3600`."""
    workspace, interval = (
        f"{watch.channel.platform}/{watch.channel.workspace}",
        f"{watch.interval.total_seconds():.0f}",
    )
    return {f"{workspace} {kind} {interval}": count for kind, count in queries_per_poll(watch).items()}


def queries_per_poll(watch: Watch) -> dict[str, int]:
    """Queries per poll to each list of a kind; the domain counts once for all addresses."""
    counts: dict[str, int] = {}
    if watch.network is not None:
        counts[f"ip{watch.network.version}"] = watch.network.num_addresses
    if watch.domain is not None:
        counts["domain"] = 1
    return counts


def plan_intervals(demand: Mapping[str, int], budgets: Sequence[KindBudget]) -> dict[str, Multipliers]:
    """Multipliers of each workspace whose intervals must grow; all others get 1."""
    per_day: dict[str, dict[str, float]] = {}
    for key, count in demand.items():
        workspace, kind, interval = key.rsplit(" ", 2)
        kinds = per_day.setdefault(workspace, {})
        kinds[kind] = kinds.get(kind, 0.0) + count * (DAY / timedelta(seconds=max(1, int(interval))))
    multipliers: dict[str, dict[str, float]] = {}
    for shared in budgets:
        demands = {
            workspace: sum(kinds.get(kind, 0.0) for kind in shared.kinds) for workspace, kinds in per_day.items()
        }
        for workspace, multiplier in interval_multipliers(demands, shared.budget).items():
            if multiplier > 1:
                _raise_to(multipliers.setdefault(workspace, {}), shared.kinds, multiplier)
    return {workspace: kinds for workspace, kinds in multipliers.items() if kinds}


def watch_interval(watch: Watch, multipliers: Multipliers) -> timedelta:
    """Effective interval of a watch in its workspace."""
    return effective_interval(watch.interval, *(multipliers.get(kind, 1.0) for kind in queries_per_poll(watch)))


def _raise_to(multipliers: dict[str, float], kinds: Iterable[str], multiplier: float) -> None:
    for kind in kinds:
        multipliers[kind] = max(multipliers.get(kind, 1.0), round(multiplier, 3))
