"""Retry policy of the outbox: the earliest attempt, and what to do after an error. Pure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from bot.monitoring.interfaces import OutboxMessage
from handlers.ports import (
    ChannelUnavailable,
    DeliveryUnknown,
    MessageNotFound,
    Rejected,
    RetryAfter,
    WorkspaceUnavailable,
)

POST_ERRORS = (RetryAfter, DeliveryUnknown, Rejected, MessageNotFound, ChannelUnavailable, WorkspaceUnavailable)
PostError = RetryAfter | DeliveryUnknown | Rejected | MessageNotFound | ChannelUnavailable | WorkspaceUnavailable


@dataclass(frozen=True, slots=True)
class DeliveryTimeouts:
    """Clock, intervals and limits of the delivery worker.

    `call_timeout` is the longest duration of a platform call. For `recovery_window` after a restart
    the store may have lost writes of up to `max_rollback`.
    """

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    poll_interval_s: float = 0.5
    min_interval_s: float = 1.0  # Slack: one message per second and channel
    call_timeout: timedelta = timedelta(seconds=10)
    recovery_window: timedelta = timedelta(seconds=60)
    max_rollback: timedelta = timedelta(minutes=5)
    unavailable_retry: timedelta = timedelta(hours=1)  # between attempts in an unavailable channel
    drop_rejected_after: timedelta = timedelta(days=1)
    drop_unavailable_after: timedelta = timedelta(days=30)
    max_backoff: timedelta = timedelta(seconds=300)

    @property
    def grace(self) -> timedelta:
        """Time after which an earlier call must have ended."""
        return self.call_timeout + timedelta(seconds=1)

    def backoff(self, attempts: int) -> timedelta:
        """1, 2, 4 … seconds, at most `max_backoff`."""
        return min(timedelta(seconds=2.0 ** min(max(attempts - 1, 0), 20)), self.max_backoff)


@dataclass(frozen=True, slots=True)
class EarliestAttempt:
    """Earliest time of the next attempt.

    `possibly_sent_since`: an earlier call may have posted it since then, so look it up first.
    """

    not_before: datetime
    possibly_sent_since: datetime | None = None


class PauseScope(StrEnum):
    """Which watches to pause after an error."""

    NONE = "none"
    CHANNEL = "channel"
    WORKSPACE = "workspace"


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """What to do after an error.

    `retry_at` is None to drop the message. `definitely_not_sent`: the platform did not post it.
    """

    retry_at: datetime | None
    definitely_not_sent: bool = True
    pause_scope: PauseScope = PauseScope.NONE


def earliest_attempt(message: OutboxMessage, store_started_at: datetime, timeouts: DeliveryTimeouts) -> EarliestAttempt:
    """When the first message of a channel may be sent.

    After a restart the store may have lost the record of messages that were sent.
    """
    now = timeouts.now()
    may_be_forgotten = now - store_started_at < timeouts.recovery_window and message.earliest_post_at < store_started_at
    since = message.send_started_at or (store_started_at if may_be_forgotten else None)
    if since is None:
        return EarliestAttempt(now)
    wait = max(timeouts.grace, timeouts.backoff(message.attempts)) if message.send_started_at else timeouts.grace
    return EarliestAttempt(since + wait, since - timeouts.max_rollback if may_be_forgotten else since)


def retry_decision(
    message: OutboxMessage, error: PostError, watch_exists: bool, timeouts: DeliveryTimeouts
) -> RetryDecision:
    """What to do with a message after a platform error."""
    now = timeouts.now()
    age, backoff = _age(message, now, timeouts.max_backoff), now + timeouts.backoff(message.attempts + 1)
    unavailable_for = _age(message, now, timeouts.unavailable_retry)
    match error:
        case RetryAfter():
            return RetryDecision(now + min(timedelta(seconds=error.seconds), timeouts.unavailable_retry))
        case DeliveryUnknown():
            return RetryDecision(backoff, definitely_not_sent=False)
        case ChannelUnavailable():
            return RetryDecision(
                now + timeouts.unavailable_retry
                if watch_exists and unavailable_for < timeouts.drop_unavailable_after
                else None,
                pause_scope=PauseScope.CHANNEL,
            )
        case WorkspaceUnavailable():
            return RetryDecision(
                now + timeouts.unavailable_retry if unavailable_for < timeouts.drop_unavailable_after else None,
                pause_scope=PauseScope.WORKSPACE,
            )
        case Rejected() | MessageNotFound():
            # A bug or missing scope: retry while it may be fixed, then unblock the channel.
            return RetryDecision(backoff if age < timeouts.drop_rejected_after else None)


def _age(message: OutboxMessage, now: datetime, per_attempt: timedelta) -> timedelta:
    """Age of a message; one from a clock that was ahead is as old as its attempts."""
    return now - message.at if message.at <= now else per_attempt * message.attempts
