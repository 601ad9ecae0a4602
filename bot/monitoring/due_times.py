"""Clamps stored due times: none is further ahead than the interval of its watch, its policy or its week allows.

A process with a wrong clock, or a store whose clock was wrong for a while, leaves times that would stop watching until
then. They are found once a minute and brought back, so a listing is told within two intervals.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.monitoring.models import MAX_MUTE, AlertPolicy
from bot.monitoring.repository import RedisRepository
from bot.monitoring.schedule import JITTER, WEEK, next_digest
from bot.storage.unreadable import printable
from bot.storage.watch_store import NOTIFY_SCHEDULE, POLL_SCHEDULE, RECHECK_SCHEDULE, UNREADABLE_RETRY_S, DueLimits

DIGEST_MARGIN = timedelta(hours=1)  # a digest told by a clock that was an hour ahead is not told again
MARGIN_S = 1.0  # times are stored in milliseconds, and a process may be a little behind


def due_limits(policy: AlertPolicy) -> dict[str, DueLimits]:
    """Limits of each schedule; without a query it costs nothing to come too early."""
    confirm_s, clear_s = policy.confirm_after.total_seconds(), policy.clear_after.total_seconds()
    recheck_s = max(confirm_s, clear_s / max(1, policy.clean_polls - 1)) + MARGIN_S
    notify_s, mute_s = policy.group_for.total_seconds() + MARGIN_S, MAX_MUTE.total_seconds() + MARGIN_S
    jitter = 1 + JITTER
    return {
        POLL_SCHEDULE: DueLimits(jitter, UNREADABLE_RETRY_S * jitter, 0.0),
        RECHECK_SCHEDULE: DueLimits(jitter, recheck_s, recheck_s, confirm_s),
        NOTIFY_SCHEDULE: DueLimits(jitter, notify_s, mute_s),
    }


async def clamp_due_times(
    repository: RedisRepository, now: datetime, leases_s: tuple[float, float], policy: AlertPolicy
) -> int:
    """Bring back the times of all schedules and digests; returns their number. Raises StoreUnavailable."""
    count = 0
    for schedule, limits in due_limits(policy).items():
        count += await repository.watches.clamp(now.timestamp(), leases_s, limits, schedule)
    for channel, due in await repository.digests.further_than((now + WEEK + DIGEST_MARGIN).timestamp()):
        count += await repository.digests.enqueue(channel, due, next_digest(printable(channel), now).timestamp(), None)
    return count
