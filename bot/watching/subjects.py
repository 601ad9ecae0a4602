"""A claimed subject: the rooms that follow it, one look for all of them, and what comes of it for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bot.model import Report
from bot.store.watches import ASKS, LOOKS, TELLS, Change, Claimed, Ended, Remembered
from bot.watching.breaker import Tally, hold, tallies
from bot.watching.incidents import Outcome, advance
from bot.watching.kept import Letter
from bot.watching.look import Looks, in_question, observations, reports_on
from bot.watching.model import Incident, Policy, Watch
from bot.watching.plan import Factors, interval_of
from bot.watching.schedule import next_due
from bot.watching.texts import dump, history_text, incident_of, incident_text, place_of, watch_of

UNREADABLE_AGAIN = timedelta(hours=1)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Followed:
    """A watch as it was claimed."""

    kept: Remembered
    watch: Watch
    incident: Incident


@dataclass(frozen=True, slots=True)
class Subject:
    claimed: Claimed
    followed: Sequence[Followed]

    @classmethod
    def read(cls, claimed: Claimed) -> Subject:
        """A watch that cannot be read is said so in the log and left out; the others go on."""
        followed: list[Followed] = []
        for kept in claimed.watches:
            try:
                followed.append(Followed(kept, watch_of(kept), incident_of(kept)))
            except (TypeError, ValueError, KeyError, AttributeError):
                log.exception("watch cannot be read", room=kept.room, watch=kept.id)
        return cls(claimed, followed)

    async def look(self, schedule: str, checkup: Looks) -> Look:
        """Asks about all its targets, or in a second look about those in question; to speak takes no question.

        What is in question is asked past the caches: an answer heard twice proves nothing.
        """
        if not self.followed or schedule == TELLS:
            return Look(self, ())
        watch = self.followed[0].watch
        doubts = in_question(one.incident for one in self.followed)
        targets = watch.targets
        if schedule == ASKS and watch.several:
            targets = tuple(t for t in targets if str(t.ip) in doubts) or targets[:1]
        fresh = schedule == ASKS or bool(doubts)
        return Look(self, await reports_on(targets, watch, checkup, fresh))


@dataclass(frozen=True, slots=True)
class Look:
    """A subject, and what was seen of it."""

    subject: Subject
    reports: Sequence[Report]

    def tallies(self) -> dict[str, Tally]:
        """What it adds to each list, counted once however many rooms follow the subject."""
        if not self.reports:
            return {}
        first = self.subject.followed[0]
        return tallies(first.incident, observations(self.reports, first.incident, first.watch))

    def end(
        self, schedule: str, quarantined: frozenset[str], now: datetime, policy: Policy, factors: Mapping[str, Factors]
    ) -> Ended:
        """What each room's watch comes to, and when to come back."""
        outcomes = [(one, self._outcome(one, quarantined, now, policy)) for one in self.subject.followed]
        later = [(outcome.again_at.timestamp(), bool(outcome.ask)) for _, outcome in outcomes if outcome.again_at]
        return Ended(
            self.subject.claimed,
            [change(one, outcome, now) for one, outcome in outcomes if outcome.incident != one.incident],
            look_at=self._next_look(now, factors) if schedule == LOOKS else None,
            ask_at=min((at for at, asks in later if asks), default=None),
            tell_at=min((at for at, asks in later if not asks), default=None),
        )

    def _outcome(self, one: Followed, quarantined: frozenset[str], now: datetime, policy: Policy) -> Outcome:
        seen = observations(self.reports, one.incident, one.watch)
        return advance(one.incident, hold(seen, quarantined), now, policy)

    def _next_look(self, now: datetime, factors: Mapping[str, Factors]) -> float:
        watches = [one.watch for one in self.subject.followed]
        intervals = [interval_of(watch, factors.get(place_of(watch.room).space, {})) for watch in watches]
        every = min(intervals, default=UNREADABLE_AGAIN)
        return next_due(self.subject.claimed.subject, now, every).timestamp()


def change(one: Followed, outcome: Outcome, now: datetime) -> Change:
    """The incident after the look, with its history, and a letter for each alert."""
    letters = [Letter(alert.key, one.watch.room, one.watch, outcome.incident, alert) for alert in outcome.alerts]
    history = history_text(one.kept, one.incident, outcome.incident, now)
    return Change(one.kept, incident_text(outcome.incident), [(letter.id, dump(letter)) for letter in letters], history)
