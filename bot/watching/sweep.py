"""The rounds of watching: what is due is claimed, looked at and decided, and what came of it is stored in one step.

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

import structlog

from bot.checks.blocklists.zones import Zone
from bot.settings import Settings
from bot.store import StoreUnavailable
from bot.store.watches import ASKS, LOOKS, TELLS, Claimed
from bot.watching.breaker import Limits, ListNote, Tally
from bot.watching.digests import write_digests
from bot.watching.lists import ListMemory, counted, heard_in, round_over
from bot.watching.look import Looks
from bot.watching.model import Policy
from bot.watching.plan import Demanded, planned
from bot.watching.rations import demanded, unproven
from bot.watching.register import Register
from bot.watching.subjects import Look, Subject
from bot.watching.texts import dump, load

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
