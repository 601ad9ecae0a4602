"""The weekly digests on their way into the outboxes, each once and for all workers together.

A claimed subject: the rooms that follow it, one look for all of them, and what comes of it for each.

The rounds of watching: what is due is claimed, looked at and decided, and what came of it is stored in one step.

Every worker process runs the same rounds, and they share the work by leases: a subject is looked at by whoever claimed it,
and is due again when that process dies. So there is no queue to fill and no leader to lose.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b

import structlog

from bot.checks.dnsbl.zones import Zone
from bot.models import Report
from bot.monitoring.alert_state import Outcome, advance
from bot.monitoring.dnsbl_quarantine import (
    Limits,
    ListMemory,
    ListNote,
    Tally,
    counted,
    heard_in,
    hold,
    round_over,
    tallies,
)
from bot.monitoring.interfaces import DigestLetter, Letter
from bot.monitoring.models import Incident, Policy, Room, Watch
from bot.monitoring.poll import Looks, in_question, observations, reports_on
from bot.monitoring.query_budget import demanded, unproven
from bot.monitoring.repository import Register
from bot.monitoring.schedule import Demanded, Factors, interval_of, next_digest, next_due, planned
from bot.monitoring.serialization import (
    dump,
    history_text,
    incident_of,
    incident_text,
    load,
    moment,
    place_of,
    watch_of,
)
from bot.settings import Settings
from bot.storage import StoreUnavailable
from bot.storage.watch_store import ASKS, LOOKS, TELLS, Change, Claimed, Ended, Remembered

DIGESTS_AT_A_TIME = 100


async def write_digests(register: Register, now: datetime) -> int:
    """Puts the digests that are due into the outboxes of their rooms; how many. A room that watches nothing gets none."""
    written = 0
    for name, due in await register.digests.due(now.timestamp(), DIGESTS_AT_A_TIME):
        room = Room.of(name)
        letter = digest_letter(room, moment(due)) if await register.of_room(room) else None
        text = (letter.id, dump(letter)) if letter else None
        done = await register.digests.post(name, due, next_digest(name, now).timestamp(), text)
        written += done and letter is not None
    return written


def digest_letter(room: Room, due: datetime) -> DigestLetter:
    """The same room and the same week make the same letter."""
    name = blake2b(str(room).encode(), digest_size=5).hexdigest()
    return DigestLetter(f"digest.{name}.{int(due.timestamp()):x}", room, due)


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


LEASES_S = (60.0, 300.0)  # of a single address or domain, and of a range: longer than its look may take
AT_A_TIME = 100
SIDE_BY_SIDE = (*[LOOKS] * 4, *[ASKS] * 4, TELLS)  # so that a large range holds up nobody else
AGAIN = timedelta(seconds=1)
TICK_S = 1.0
DRAIN_S = 5.0
PLAN_S = 60.0
TRIES = 20  # to write what is known of the lists, beside the other workers

Work = Callable[[], Awaitable[int]]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rules:
    """What the rounds go by. `demanded` are the budgets of lists; `unproven` are the lists without test entries; `names` are
    the lists' names by id."""

    policy: Policy = field(default_factory=Policy)
    limits: Limits = field(default_factory=Limits)
    demanded: Sequence[Demanded] = ()
    unproven: frozenset[str] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)


def rules_of(settings: Settings, zones: Sequence[Zone]) -> Rules:
    """The rules that the operator's settings and the lists' operators make."""
    policy = Policy(
        confirm_after=settings.confirm_after,
        clear_after=settings.clear_after,
        group_for=settings.group_for,
        remind_after=settings.remind_after,
    )
    names = {zone.blocklist.id: zone.blocklist.name for zone in zones}
    return Rules(policy, demanded=demanded(zones), unproven=unproven(zones), names=names)


class Sweep:
    """`clock` gives the time with its zone. Every round raises StoreUnavailable where Redis does not answer."""

    def __init__(self, register: Register, checkup: Looks, clock: Callable[[], datetime], rules: Rules) -> None:
        self._register = register
        self._checkup = checkup
        self._clock = clock
        self._rules = rules
        self._ticked: dict[
            Work, float
        ] = {}  # when each of what is done side by side began anew, in the event loop's time

    def stands_still(self, now_s: float) -> bool:
        """Whether a round, or the plan, has not come back for longer than the longest lease: nobody waits for it any more,
        and nothing will be looked at in its place. False in a process that does not sweep."""
        return any(now_s - at > max(LEASES_S) for at in self._ticked.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Rounds without end until `stop` is set. Long looks hold up neither second looks nor what is to be said.

        Looks that do not end soon after the stop are left to others, who find them due.
        """
        rounds: list[Work] = [partial(self.round, schedule) for schedule in SIDE_BY_SIDE]
        keeping = [asyncio.create_task(self._keep(work, stop)) for work in (*rounds, self.plan)]
        try:
            await stop.wait()
            await asyncio.wait(keeping, timeout=DRAIN_S)
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)

    async def round(self, schedule: str = LOOKS) -> int:
        """Deals with what is due in one schedule, a range alone or at most a hundred others; how many there were."""
        now = self._clock().timestamp()
        if schedule == LOOKS:
            await self._register.sweeping.mark_swept(now)
        claimed = await self._register.watches.claim(now, LEASES_S, AT_A_TIME, schedule)
        if claimed:
            await self._deal(schedule, claimed)
        return len(claimed)

    async def plan(self) -> int:
        """Once a minute, by one of all workers: the intervals that the budgets allow, the digests that are due, and the end
        of rooms that rested for too long."""
        if await self._register.sweeping.turn("plan", PLAN_S):
            grown = planned(await self._register.watches.wishes(), self._rules.demanded)
            texts = {space: json.dumps(factors) for space, factors in grown.items()}
            await self._register.sweeping.set_stretched(texts)
            await write_digests(self._register, self._clock())
            if forgotten := await self._register.forget_rested():
                log.info("rooms forgotten that could not be spoken in", rooms=forgotten)
        return 0

    async def _deal(self, schedule: str, claimed: Sequence[Claimed]) -> None:
        subjects = [Subject.read(one) for one in claimed]
        looks = await asyncio.gather(*(subject.look(schedule, self._checkup) for subject in subjects))
        quarantined = await self._listen(looks)
        factors = {space: json.loads(text) for space, text in (await self._register.sweeping.stretched()).items()}
        now = self._clock()
        ends = [look.end(schedule, quarantined, now, self._rules.policy, factors) for look in looks]
        results = await self._register.watches.apply(ends, (now + AGAIN).timestamp(), schedule)
        if again := [result for result in results if result != "done"]:
            log.info(
                "looks given up to others", schedule=schedule, again=again.count("again"), late=again.count("late")
            )

    async def _listen(self, looks: Sequence[Look]) -> frozenset[str]:
        """The lists in quarantine, once these looks are counted; whatever broke a list by it is held back with it."""
        heard = heard_in(report for look in looks for report in look.reports)
        sums: dict[str, Tally] = {}
        for look in looks:
            for name, tally in look.tallies().items():
                sums[name] = sums.get(name, Tally()) + tally
        if not heard:
            return frozenset()
        now, rules = self._clock(), self._rules
        for _ in range(TRIES):
            by, text = await self._register.sweeping.lists()
            memory = load(ListMemory, text) if text else ListMemory(now)
            memory, notes = counted(memory, sums, heard, now, rules.limits)
            memory, more = round_over(memory, rules.unproven, now, rules.limits)
            if await self._register.note_on_lists(by, dump(memory), (*notes, *more), rules.names):
                for note in (*notes, *more):
                    say(note)
                break
        return memory.quarantined

    async def _keep(self, work: Work, stop: asyncio.Event) -> None:
        """Does the work again and again, at once while there is more of it than fits one time, else every second."""
        while not stop.is_set():
            self._ticked[work] = asyncio.get_running_loop().time()
            number = 0
            try:
                number = await work()
            except StoreUnavailable as away:
                log.warning("watching waits", why=str(away))
            except Exception:
                log.exception("a round broke; what it claimed is due again soon")
            if number < AT_A_TIME:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), TICK_S)


def say(note: ListNote) -> None:
    """One line for whoever runs the bot."""
    log.warning("lists", reason=str(note.reason), lists=list(note.lists), flipped=note.flipped, asked=note.asked)
