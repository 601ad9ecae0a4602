"""Poller: claims due targets, runs their checks, decides alerts and stores the result in one step.

All worker processes run the same loops and share the work by leases: a target claimed by a process
that dies is due again after its lease. There is no leader. Watches of several channels with the
same role and target share one poll. The minutely plan also enqueues the weekly digests.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from bot.models import Report
from bot.monitoring.alert_state import Transition, advance
from bot.monitoring.channel_follows import announce_checks, read_follows
from bot.monitoring.check_schedule import checks_to_leave_out
from bot.monitoring.digests import enqueue_digests
from bot.monitoring.dnsbl_quarantine import (
    apply_proofs,
    apply_quarantine,
    finish_round,
    lists_to_prove,
    merge_notices,
    record_polls,
)
from bot.monitoring.domain_records import accept_reports
from bot.monitoring.due_times import clamp_due_times
from bot.monitoring.following import followed, followed_observations, restricted, unfollowed_checks
from bot.monitoring.index_rebuild import rebuild_indexes
from bot.monitoring.interfaces import AlertMessage, Clock
from bot.monitoring.list_counts import ListCounts, count_listings, counts_by_list, list_results
from bot.monitoring.models import AlertPolicy, Channel, DomainRecords, Follow, Incident, Watch
from bot.monitoring.operator_log import ResolverFaultLog, log_notice
from bot.monitoring.poll import CheckRunnerProtocol, known_selectors, observe_reports, pending_addresses, run_checks
from bot.monitoring.poller_config import PollerConfig
from bot.monitoring.repository import RedisRepository
from bot.monitoring.schedule import Multipliers, next_due, plan_intervals, watch_interval
from bot.monitoring.serialization import (
    channel_location,
    dump,
    dump_incident,
    parse_incident,
    parse_watch,
    updated_history,
)
from bot.storage import StoreUnavailable
from bot.storage.unreadable import UnreadableValues
from bot.storage.watch_store import (
    NOTIFY_SCHEDULE,
    POLL_SCHEDULE,
    RECHECK_SCHEDULE,
    ClaimedTarget,
    PollResultRow,
    WatchRow,
    WatchUpdate,
)

UNREADABLE_RETRY_AFTER = timedelta(hours=1)
LEASES_S = (60.0, 300.0)  # of a single target and of a range: longer than the timeout of a poll
CLAIM_BATCH = 100
# The loops of one process; several, so that a large range does not block other targets.
LOOP_SCHEDULES = (*[POLL_SCHEDULE] * 4, *[RECHECK_SCHEDULE] * 4, NOTIFY_SCHEDULE)
RETRY_AFTER = timedelta(seconds=1)
TICK_S = 1.0
MAX_TICKS_MISSED = 3
DRAIN_S = 5.0
PLAN_INTERVAL_S = 60.0
MAX_SWAP_ATTEMPTS = 20  # compare-and-swap attempts on the list health

LoopBody = Callable[[], Awaitable[int]]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ClaimedWatch:
    """A claimed watch with its row."""

    row: WatchRow
    watch: Watch
    incident: Incident
    follow: Follow = Follow.ALL

    @classmethod
    def parse(cls, row: WatchRow) -> ClaimedWatch:
        return cls(row, parse_watch(row), parse_incident(row))

    def following(self, of_channels: Mapping[Channel, Follow]) -> ClaimedWatch:
        """The watch with what it follows, which its channel may say."""
        follow = followed(self.watch, of_channels.get(self.watch.channel, Follow.ALL))
        return self if follow is self.follow else replace(self, follow=follow)


@dataclass(frozen=True, slots=True)
class PollTarget:
    """A claimed poll target and the watches that share it."""

    claimed: ClaimedTarget
    watches: Sequence[ClaimedWatch]

    @classmethod
    def from_claim(cls, claimed: ClaimedTarget, unreadable: UnreadableValues) -> PollTarget:
        """Parse the watches of a claim; unreadable ones are reported and left out."""
        watches = [
            unreadable.parse(f"mc1:watches:{row.channel}", row.id, ClaimedWatch.parse, row) for row in claimed.watches
        ]
        return cls(claimed, [watch for watch in watches if watch])

    async def poll(self, schedule: str, runner: CheckRunnerProtocol, now: datetime) -> PollResult:
        """Run the checks of all addresses, or of the pending ones in a confirmation poll.

        Confirmation polls bypass the caches: a cached answer confirms nothing. The notify schedule
        runs no checks.
        """
        if not self.watches or schedule == NOTIFY_SCHEDULE:
            return PollResult(self, ())
        watch = self.watches[0].watch
        pending = pending_addresses(member.incident for member in self.watches)
        targets = watch.targets
        if schedule == RECHECK_SCHEDULE and watch.is_range:
            targets = tuple(t for t in targets if str(t.ip) in pending) or targets[:1]
        fresh = schedule == RECHECK_SCHEDULE or bool(pending)
        selectors = known_selectors(member.incident for member in self.watches)
        left_out = checks_to_leave_out([member.incident for member in self.watches], watch.domain, now)
        left_out |= unfollowed_checks([member.follow for member in self.watches])
        return PollResult(self, await run_checks(targets, watch, runner, fresh, selectors, left_out))


@dataclass(frozen=True, slots=True)
class PollResult:
    """A poll target with the reports of one poll, and the stored records of its domain."""

    target: PollTarget
    reports: Sequence[Report]
    records: DomainRecords | None = None

    @property
    def domain(self) -> str:
        """The domain whose records the poll saw; empty for none."""
        return (self.target.watches[0].watch.domain or "") if self.reports else ""

    def list_counts(self) -> dict[str, ListCounts]:
        """Counts by list, once for all channels that share the target."""
        if not self.reports:
            return {}
        first = self.target.watches[0]
        return count_listings(first.incident, list_results(self.reports, first.watch.is_range))

    def advance(
        self, quarantined: frozenset[str], now: datetime, policy: AlertPolicy, unreadable: UnreadableValues
    ) -> list[tuple[ClaimedWatch, Transition]]:
        """Advance every watch."""
        return [
            (member, transition)
            for member in self.target.watches
            if (
                transition := unreadable.parse(
                    f"mc1:incidents:{member.row.channel}",
                    member.row.id,
                    self._transition,
                    member,
                    quarantined,
                    now,
                    policy,
                )
            )
        ]

    def to_row(
        self,
        schedule: str,
        transitions: Sequence[tuple[ClaimedWatch, Transition]],
        now: datetime,
        multipliers: Mapping[str, Multipliers],
        unreadable: UnreadableValues,
    ) -> PollResultRow:
        """The rows to store, and the next poll times."""
        rechecks = [
            (transition.recheck_at.timestamp(), bool(transition.recheck_keys))
            for _, transition in transitions
            if transition.recheck_at
        ]
        return PollResultRow(
            self.target.claimed,
            [
                watch_update(member, transition, now, unreadable)
                for member, transition in transitions
                if transition.incident != member.incident
            ],
            next_poll_at=self._next_poll_at(now, multipliers) if schedule == POLL_SCHEDULE else None,
            recheck_at=min((at for at, needs_query in rechecks if needs_query), default=None),
            notify_at=min((at for at, needs_query in rechecks if not needs_query), default=None),
        )

    def _transition(
        self, member: ClaimedWatch, quarantined: frozenset[str], now: datetime, policy: AlertPolicy
    ) -> Transition:
        incident = restricted(member.incident, member.follow)
        observed = observe_reports(self.reports, incident, member.watch, self.records)
        followed_now = followed_observations(observed, member.follow)
        return advance(incident, apply_quarantine(followed_now, quarantined), now, policy)

    def _next_poll_at(self, now: datetime, multipliers: Mapping[str, Multipliers]) -> float:
        watches = [member.watch for member in self.target.watches]
        intervals = [
            watch_interval(watch, multipliers.get(channel_location(watch.channel).workspace, {})) for watch in watches
        ]
        interval = min(intervals, default=UNREADABLE_RETRY_AFTER)
        return next_due(self.target.claimed.target, now, interval).timestamp()


def watch_update(
    member: ClaimedWatch, transition: Transition, now: datetime, unreadable: UnreadableValues
) -> WatchUpdate:
    """Row update with the next incident, its history, and a message for each alert.

    A history that cannot be read stays as it is.
    """
    messages = [AlertMessage(alert.key, member.watch.channel, alert) for alert in transition.alerts]
    history = unreadable.parse(
        f"mc1:history:{member.row.channel}",
        member.row.id,
        lambda: updated_history(member.row, member.incident, transition.incident, now),
    )
    texts = [(message.id, dump(message)) for message in messages]
    return WatchUpdate(member.row, dump_incident(transition.incident), texts, history or "")


class Poller:
    """Runs the poll loops of one process.

    The clock is corrected once a round. Methods raise StoreUnavailable where Redis does not answer.
    """

    def __init__(
        self, repository: RedisRepository, runner: CheckRunnerProtocol, clock: Clock, config: PollerConfig
    ) -> None:
        self._repository = repository
        self._runner = runner
        self._clock = clock
        self._config = config
        self._resolver_faults = ResolverFaultLog(clock)
        self._loop_started_at: dict[LoopBody, float] = {}  # start of the last iteration, loop time
        self._ticked_at: float | None = None  # loop time; None while this process does not poll

    def is_stalled(self, now_s: float) -> bool:
        """Whether the scheduler has not ticked for three ticks, or a round takes longer than the longest lease.

        `now_s` is event loop time. False in a process that does not poll.
        """
        if self._ticked_at is not None and now_s - self._ticked_at > MAX_TICKS_MISSED * TICK_S:
            return True
        return any(now_s - at > max(LEASES_S) for at in self._loop_started_at.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Run the loops until `stop`; polls, confirmations and alerts do not block each other.

        Polls that do not end within DRAIN_S after the stop are cancelled and due again elsewhere.
        """
        loops: list[LoopBody] = [partial(self.run_round, schedule) for schedule in LOOP_SCHEDULES]
        tasks = [asyncio.create_task(self._loop(work, stop)) for work in (*loops, self.plan)]
        ticker = asyncio.create_task(self._tick(tasks))
        try:
            await stop.wait()
            await asyncio.wait(tasks, timeout=DRAIN_S)
        finally:
            for task in (ticker, *tasks):
                task.cancel()
            await asyncio.gather(ticker, *tasks, return_exceptions=True)
            self._ticked_at = None

    async def run_round(self, schedule: str = POLL_SCHEDULE) -> int:
        """Poll what is due in one schedule, one range or up to CLAIM_BATCH others.

        Returns their number.
        """
        if schedule == POLL_SCHEDULE:
            await self._clock.correct()
        now = self._clock().timestamp()
        if schedule == POLL_SCHEDULE:
            await self._repository.polls.mark_polled(now)
        claimed = await self._repository.watches.claim(now, LEASES_S, CLAIM_BATCH, schedule)
        await rebuild_indexes(self._repository, self._clock())
        if claimed:
            await self._poll_claimed(schedule, claimed)
        return len(claimed)

    async def plan(self) -> int:
        """Once a minute in one of all workers: plan intervals, clamp due times, enqueue digests, expire pauses."""
        if await self._repository.polls.claim_task("plan", PLAN_INTERVAL_S):
            multipliers = plan_intervals(await self._repository.watches.demand(), self._config.budgets)
            texts = {workspace: json.dumps(by_kind) for workspace, by_kind in multipliers.items()}
            await self._repository.polls.set_interval_multipliers(texts)
            if brought_back := await clamp_due_times(self._repository, self._clock(), LEASES_S, self._config.policy):
                log.warning("due times were too far ahead", brought_back=brought_back)
            await enqueue_digests(self._repository, self._clock())
            if expired := await self._repository.purge_expired():
                log.info("expired pauses purged", channels=expired)
        return 0

    async def _poll_claimed(self, schedule: str, claimed: Sequence[ClaimedTarget]) -> None:
        unreadable = self._repository.unreadable
        targets = await self._with_follows([PollTarget.from_claim(row, unreadable) for row in claimed])
        polls = await asyncio.gather(*(target.poll(schedule, self._runner, self._clock()) for target in targets))
        self._resolver_faults.record([report for poll in polls for report in poll.reports])
        quarantined = await self._update_list_health(polls)
        multipliers = await self._repository.interval_multipliers()
        now, policy = self._clock(), self._config.policy
        store = self._repository.domain_records
        stored = await store.read({poll.domain for poll in polls if poll.domain})
        accepted: dict[str, DomainRecords] = {}
        rows: list[PollResultRow] = []
        for poll in polls:
            transitions = replace(poll, records=stored.get(poll.domain)).advance(quarantined, now, policy, unreadable)
            rows.append(poll.to_row(schedule, transitions, now, multipliers, unreadable))
            configs = [transition.incident.config for _, transition in transitions]
            changes = [(member.watch.channel, member.incident, after.incident) for member, after in transitions]
            await announce_checks(self._repository.outbox, changes, self._config.switched_off, now)
            accepted |= accept_reports(poll.domain, poll.reports, configs, stored | accepted, now)
        statuses = await self._repository.watches.apply(rows, (now + RETRY_AFTER).timestamp(), schedule)
        await store.write(accepted)
        if schedule == POLL_SCHEDULE and "done" in statuses:
            await self._repository.polls.mark_finished(now.timestamp())
        if unfinished := [status for status in statuses if status != "done"]:
            log.info(
                "polls discarded", schedule=schedule, again=unfinished.count("again"), late=unfinished.count("late")
            )

    async def _with_follows(self, targets: Sequence[PollTarget]) -> list[PollTarget]:
        channels = {member.watch.channel for target in targets for member in target.watches}
        follows = await read_follows(self._repository.channels, self._repository.unreadable, channels)
        return [replace(target, watches=[w.following(follows) for w in target.watches]) for target in targets]

    async def _update_list_health(self, polls: Sequence[PollResult]) -> frozenset[str]:
        """Count these polls; returns the lists in quarantine, including those they caused."""
        round_counts = counts_by_list(report for poll in polls for report in poll.reports)
        sums: dict[str, ListCounts] = {}
        for poll in polls:
            for name, counts in poll.list_counts().items():
                sums[name] = sums.get(name, ListCounts()) + counts
        if not round_counts:
            return frozenset()
        now, config = self._clock(), self._config
        without_test_points, policy = config.without_test_points, config.quarantine_policy
        proofs: dict[str, bool | None] = {}
        for _ in range(MAX_SWAP_ATTEMPTS):
            operation, state = await self._repository.claim_quarantine_state(now)
            state, notices = record_polls(state, sums, round_counts, now)
            names = lists_to_prove(state, without_test_points, now, policy)
            proofs |= await self._prove(names.difference(proofs), now)
            needed = {name: proofs[name] for name in names}
            state, proof_notices = apply_proofs(state, needed, without_test_points, now, policy)
            state, round_notices = finish_round(state, needed, without_test_points, now, policy)
            notices = merge_notices((*notices, *proof_notices, *round_notices), len(state.healths))
            if await self._repository.store_quarantine_state(operation, dump(state), notices, config.list_names):
                for notice in notices:
                    log_notice(notice)
                break
        return state.quarantined

    async def _prove(self, list_ids: Collection[str], now: datetime) -> dict[str, bool | None]:
        """Whether each of these lists lists everything; None without an answer."""
        names = sorted(list_ids)
        results = await asyncio.gather(*(self._config.lists_everything(name, now) for name in names))
        return dict(zip(names, results, strict=True))

    async def _tick(self, loops: Sequence[asyncio.Task[None]]) -> None:
        """Record that the scheduler ticks, as long as each of its loops runs."""
        while not any(loop.done() for loop in loops):
            self._ticked_at = asyncio.get_running_loop().time()
            await asyncio.sleep(TICK_S)

    async def _loop(self, work: LoopBody, stop: asyncio.Event) -> None:
        """Repeat the work until `stop`, every TICK_S or at once after a full batch."""
        while not stop.is_set():
            self._loop_started_at[work] = asyncio.get_running_loop().time()
            count = 0
            try:
                count = await work()
            except StoreUnavailable as error:
                log.warning("poller waits for the store", reason=str(error))
            except Exception:
                log.exception("poll round failed")
            if count < CLAIM_BATCH:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), TICK_S)
