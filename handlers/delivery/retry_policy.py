"""When a letter may be dealt with, and what becomes of one that was not said. Pure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from bot.monitoring.interfaces import AnyLetter
from handlers.ports import Later, MessageGone, Rejected, RoomGone, SpaceGone, Unsure

NOT_SAID = (Later, Unsure, Rejected, MessageGone, RoomGone, SpaceGone)
NotSaid = Later | Unsure | Rejected | MessageGone | RoomGone | SpaceGone


@dataclass(frozen=True, slots=True)
class Pace:
    """Time, handed in. `call_within` is the longest that a call to a platform can take; `recovery` is how long after a
    restart of the store it may have forgotten what was sent, `rollback` how much it may have forgotten."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    look_every: float = 0.5
    apart: float = 1.0  # Slack: one message a second in a channel
    call_within: timedelta = timedelta(seconds=10)
    recovery: timedelta = timedelta(seconds=60)
    rollback: timedelta = timedelta(minutes=5)
    closed: timedelta = timedelta(hours=1)  # until a place that was closed to the bot is tried again
    refused_for: timedelta = timedelta(days=1)
    keep_for: timedelta = timedelta(days=30)
    longest_wait: timedelta = timedelta(seconds=300)

    @property
    def grace(self) -> timedelta:
        return self.call_within + timedelta(seconds=1)

    def backoff(self, tries: int) -> timedelta:
        """1, 2, 4 … seconds."""
        return min(timedelta(seconds=2.0 ** min(max(tries - 1, 0), 20)), self.longest_wait)


@dataclass(frozen=True, slots=True)
class Turn:
    """Not before `at`, because a call with the letter may be under way; with a `doubt`, it may stand there since then."""

    at: datetime
    doubt: datetime | None = None


class Rests(StrEnum):
    """Whose watches rest, because nobody could be told."""

    NOBODY = "nobody"
    ROOM = "room"
    SPACE = "space"


@dataclass(frozen=True, slots=True)
class Fate:
    """`again_at`: when it is tried again; None where it leaves the outbox unsaid. `surely`: it does not stand there."""

    again_at: datetime | None
    surely: bool = True
    rests: Rests = Rests.NOBODY


def turn_of(letter: AnyLetter, restarted: datetime, pace: Pace) -> Turn:
    """When the first letter of a room may be dealt with. After a restart, `restarted`, the store may have lost the end of
    what it knew, so that what was sent looks as if it was not."""
    now = pace.now()
    forgotten = now - restarted < pace.recovery and letter.began < restarted
    since = letter.intent or (restarted if forgotten else None)
    if since is None:
        return Turn(now)
    wait = max(pace.grace, pace.backoff(letter.tries)) if letter.intent else pace.grace
    return Turn(since + wait, since - pace.rollback if forgotten else since)


def fate_of(letter: AnyLetter, why: NotSaid, watched: bool, pace: Pace) -> Fate:
    """What an error of the platform means for a letter; `watched`: its watch is there still."""
    now = pace.now()
    age, backoff = now - letter.at, now + pace.backoff(letter.tries + 1)
    match why:
        case Later():
            return Fate(now + timedelta(seconds=why.seconds))
        case Unsure():
            return Fate(backoff, surely=False)
        case RoomGone():
            return Fate(now + pace.closed if watched and age < pace.keep_for else None, rests=Rests.ROOM)
        case SpaceGone():
            return Fate(now + pace.closed if age < pace.keep_for else None, rests=Rests.SPACE)
        case Rejected() | MessageGone():
            # Our fault: nothing is lost while somebody may mend it, and then others are not held up for ever.
            return Fate(backoff if age < pace.refused_for else None)
