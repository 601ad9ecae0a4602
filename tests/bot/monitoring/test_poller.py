"""Poller on a real Redis with a manual clock: alerts, leases, races, list notices."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from redis.asyncio import Redis

from bot.models import CheckRequest, Finding, Report, Role, Verdict
from bot.monitoring import poller
from bot.monitoring.alert_state import acknowledge, mute
from bot.monitoring.interfaces import AlertMessage, ChannelSettings, ListNoticeMessage, OutboxMessage
from bot.monitoring.models import Alert, Channel, Problem, Watch
from bot.monitoring.poll import baseline
from bot.monitoring.poller import LEASES_S, Poller
from bot.monitoring.poller_config import PollerConfig
from bot.monitoring.repository import RedisRepository
from bot.monitoring.schedule import Budget, KindBudget
from bot.storage.watch_store import MAX_OUTBOX_MESSAGES, NOTIFY_SCHEDULE, POLL_SCHEDULE, RECHECK_SCHEDULE
from tests.support.redis_server import RedisServer
from tests.support.reports import listing
from tests.support.stored_watches import CHANNEL, OTHER_CHANNEL, Clock, numbered_watch, stored_notices, watch

States = dict[str, str]  # list id → state
SEVERITIES = {"listed": Verdict.FAIL, "not_listed": Verdict.PASS}


class FakeRunner:
    """Check runner with scripted list states, overrides by target, and a log of its calls."""

    def __init__(self, clock: Clock, *lists: str) -> None:
        self.clock = clock
        self.states: States = dict.fromkeys(lists or ("a", "b"), "not_listed")
        self.overrides: dict[str, States] = {}
        self.polled: list[tuple[str, bool]] = []
        self.reasons: dict[str, str] = {}
        self.broken: set[str] = set()  # lists that list everything

    async def run(self, request: CheckRequest, fresh: bool = False) -> Report:
        self.polled.append((str(request.target), fresh))
        states = self.states | self.overrides.get(str(request.target), {})
        return Report(request, self.clock(), tuple(self._finding(*item) for item in states.items()), 1, len(states))

    def _finding(self, name: str, state: str) -> Finding:
        return listing(name, SEVERITIES.get(state, Verdict.UNKNOWN), state, reason=self.reasons.get(name, ""))

    async def lists_everything(self, name: str, _: datetime) -> bool:
        return name in self.broken


class PollWorld:
    """Repository, check runner and one worker."""

    def __init__(self, redis: Redis, clock: Clock, runner: FakeRunner, rules: PollerConfig | None = None) -> None:
        self.redis, self.clock, self.runner = redis, clock, runner
        self.repository = RedisRepository(redis, clock)
        self.rules = rules or PollerConfig(lists_everything=runner.lists_everything)
        self.worker = self.new_worker()

    def new_worker(self, runner: FakeRunner | None = None) -> Poller:
        return Poller(self.repository, runner or self.runner, self.clock, self.rules)

    async def add(self, *watches: Watch) -> None:
        for index, added in enumerate(watches):
            incident, _ = await baseline(added, self.runner, self.clock())
            due = self.clock() + timedelta(seconds=60 + index * 3000 / len(watches))
            assert await self.repository.add(added, incident, due)
        self.runner.polled.clear()

    async def advance(self, length: timedelta, step: float = 30.0) -> list[OutboxMessage]:
        """Run poll rounds every `step` seconds; returns the messages enqueued meanwhile."""
        end, messages = self.clock() + length, []
        while self.clock() < end:
            self.clock.add(step)
            for schedule in (POLL_SCHEDULE, RECHECK_SCHEDULE, NOTIFY_SCHEDULE):
                while await self.worker.run_round(schedule):
                    pass
            messages += await self.drain()
        return messages

    async def drain(self) -> list[OutboxMessage]:
        """Remove all messages from the outbox, as the delivery worker does."""
        messages = []
        for channel in await self.repository.ready_channels():
            while message := await self.repository.peek(channel):
                messages.append(message)
                await self.repository.mark_sent(message, f"{len(messages)}.0")
        return messages


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(redis: Redis, clock: Clock) -> PollWorld:
    return PollWorld(redis, clock, FakeRunner(clock))


def _changed(alert: Alert) -> tuple[Problem, ...]:
    return alert.new + alert.cleared


def summaries(messages: Sequence[AlertMessage]) -> list[str]:
    return [
        " ".join([str(message.alert.reason), *(p.last_observation.subject for p in _changed(message.alert))])
        for message in messages
    ]


HOUR = timedelta(hours=1)


async def test_listing_alerts_after_confirmation_and_hold_down(world: PollWorld) -> None:
    await world.add(watch())
    assert await world.advance(2 * HOUR) == []
    world.runner.states["a"] = "listed"
    (opened,) = await world.advance(2 * HOUR)
    assert summaries([opened]) == ["opened a"]
    first_seen = opened.alert.new[0].since
    assert timedelta(seconds=90) <= opened.alert.at - first_seen <= timedelta(seconds=125)
    assert (opened.channel, opened.alert.watch_id, opened.alert.opened_at) == (CHANNEL, watch().id, opened.alert.at)
    world.runner.states["a"] = "not_listed"
    assert summaries(await world.advance(3 * HOUR)) == ["resolved a"]


async def test_history_records_listing_and_acknowledgement(world: PollWorld) -> None:
    await world.add(watch())
    world.runner.states["a"] = "listed"
    (opened,) = await world.advance(2 * HOUR)
    (stored,) = await world.repository.list_watches(CHANNEL)
    acknowledged = acknowledge(stored.incident, "Ada", world.clock())
    assert await world.repository.update_incident(CHANNEL, watch().id, acknowledged, expected=stored.incident)
    acknowledged_at = world.clock()
    world.runner.states["a"] = "not_listed"
    (cleared,) = await world.advance(3 * HOUR)
    history = await world.repository.history(CHANNEL, watch().id)
    (listed,), (acknowledgement,) = (history.track("blocklist:a").spans, history.track("acknowledged").spans)
    assert listed.since == opened.alert.new[0].since.replace(microsecond=0)
    assert acknowledged_at < (listed.until or acknowledged_at) < cleared.alert.at
    assert (acknowledgement.since, acknowledgement.until, acknowledgement.actor) == (
        acknowledged_at,
        cleared.alert.at,
        "Ada",
    )
    assert len(history.tracks) == 2


async def test_unconfirmed_listing_sends_no_alert(world: PollWorld) -> None:
    await world.add(watch())
    world.runner.states["a"] = "listed"
    while not world.runner.polled:
        assert await world.advance(timedelta(seconds=30)) == []
    world.runner.states["a"] = "not_listed"
    assert await world.advance(5 * HOUR) == []


async def test_confirmation_poll_bypasses_caches(world: PollWorld) -> None:
    await world.add(watch())
    world.runner.states["a"] = "listed"
    await world.advance(HOUR)
    assert [fresh for _, fresh in world.runner.polled[:2]] == [False, True]


async def test_confirmation_poll_of_range_checks_pending_addresses_only(world: PollWorld) -> None:
    await world.add(watch("203.0.113.0/28"))
    world.runner.overrides["203.0.113.7"] = {"a": "listed"}
    (message,) = await world.advance(timedelta(minutes=10))
    assert message.alert.addresses == ("203.0.113.7",)
    assert Counter(world.runner.polled) == {
        **{(f"203.0.113.{n}", False): 1 for n in range(16)},
        ("203.0.113.7", True): 1,
    }


async def test_one_poll_serves_ten_channels(world: PollWorld) -> None:
    channels = [Channel("slack", f"T{n}", "C1") for n in range(10)]
    await world.add(*(watch(channel=channel) for channel in channels))
    world.runner.states["a"] = "listed"
    messages = await world.advance(timedelta(minutes=10))
    assert {message.channel for message in messages} == set(channels)
    assert summaries(messages) == ["opened a"] * 10
    assert len(world.runner.polled) == 2


async def test_other_role_is_polled_separately(world: PollWorld) -> None:
    await world.add(watch(), watch(role=Role.CLIENT))
    await world.advance(HOUR)
    assert len(world.runner.polled) >= 2
    assert len(await world.repository.list_watches(CHANNEL)) == 2


async def test_polls_follow_requested_interval(world: PollWorld) -> None:
    await world.add(watch(interval=timedelta(minutes=30)))
    await world.advance(24 * HOUR, step=60)
    assert 46 <= len(world.runner.polled) <= 50


async def test_two_workers_poll_each_target_once(world: PollWorld) -> None:
    await world.add(*(numbered_watch(n) for n in range(40)))
    world.runner.states["a"] = "listed"
    second = world.new_worker()
    for _ in range(150):
        world.clock.add(30)
        await asyncio.gather(
            *(
                worker.run_round(schedule)
                for worker in (world.worker, second)
                for schedule in (POLL_SCHEDULE, RECHECK_SCHEDULE, NOTIFY_SCHEDULE)
            )
        )
    messages = await world.drain()
    assert len({message.id for message in messages}) == len(messages)
    polls = Counter(target for target, fresh in world.runner.polled if not fresh)
    assert max(polls.values()) <= 2  # 75 minutes, once an hour


class CancelledRunner(FakeRunner):
    async def run(self, request: CheckRequest, fresh: bool = False) -> Report:
        raise asyncio.CancelledError


async def test_target_of_dead_worker_is_due_after_lease(world: PollWorld) -> None:
    await world.add(watch())
    world.runner.states["a"] = "listed"
    world.clock.add(120)
    with pytest.raises(asyncio.CancelledError):
        await world.new_worker(CancelledRunner(world.clock)).run_round()
    assert await world.worker.run_round() == 0
    world.clock.add(LEASES_S[0])
    assert await world.worker.run_round() == 1
    assert summaries(await world.advance(timedelta(minutes=5))) == ["opened a"]


class SlowRunner(FakeRunner):
    """Runner that performs an action during the poll."""

    def __init__(self, base: FakeRunner, action: Callable[[], object]) -> None:
        super().__init__(base.clock)
        self.states = dict(base.states)
        self.action = action

    async def run(self, request: CheckRequest, fresh: bool = False) -> Report:
        report = await super().run(request, fresh)
        result = self.action()
        if asyncio.iscoroutine(result):
            await result
        return report


async def test_worker_after_expired_lease_changes_nothing(world: PollWorld) -> None:
    await world.add(watch())
    world.runner.states["a"] = "listed"
    world.clock.add(120)

    async def poll_meanwhile() -> None:
        world.clock.add(LEASES_S[0])
        assert await world.worker.run_round() == 1

    await world.new_worker(SlowRunner(world.runner, poll_meanwhile)).run_round()
    assert summaries(await world.advance(timedelta(minutes=5))) == ["opened a"]


async def test_mute_during_poll_is_preserved(world: PollWorld) -> None:
    await world.add(watch())
    world.runner.states["a"] = "listed"
    world.clock.add(120)

    async def mute_meanwhile() -> None:
        (stored,) = await world.repository.list_watches(CHANNEL)
        if not stored.incident.muted:
            muted = mute(stored.incident, "U1", world.clock() + 6 * HOUR)
            assert await world.repository.update_incident(CHANNEL, watch().id, muted, stored.incident)

    await world.new_worker(SlowRunner(world.runner, mute_meanwhile)).run_round()
    assert await world.advance(5 * HOUR) == []
    (message,) = await world.advance(2 * HOUR)
    assert summaries([message]) == ["opened a"]


async def test_watch_removed_during_poll_sends_no_alert(world: PollWorld) -> None:
    await world.add(watch())
    world.runner.states["a"] = "listed"
    world.clock.add(120)
    await world.new_worker(SlowRunner(world.runner, lambda: world.repository.remove(CHANNEL, watch().id))).run_round()
    assert await world.advance(2 * HOUR) == []


async def test_full_outbox_delays_alerts(world: PollWorld, redis: Redis) -> None:
    await world.add(watch())
    await redis.rpush(f"mc1:outbox:{CHANNEL}", *["x\n{}"] * MAX_OUTBOX_MESSAGES)
    world.runner.states["a"] = "listed"
    for _ in range(300):
        world.clock.add(1)
        for schedule in (POLL_SCHEDULE, RECHECK_SCHEDULE, NOTIFY_SCHEDULE):
            await world.worker.run_round(schedule)
    await redis.ltrim(f"mc1:outbox:{CHANNEL}", 1, 0)
    assert summaries(await world.advance(timedelta(minutes=5))) == ["opened a"]


async def test_unreadable_watch_does_not_block_others(world: PollWorld, redis: Redis) -> None:
    await world.add(watch(), watch(channel=OTHER_CHANNEL))
    await redis.hset(f"mc1:incidents:{OTHER_CHANNEL}", watch(channel=OTHER_CHANNEL).id, "op {broken")
    world.runner.states["a"] = "listed"
    assert summaries(await world.advance(timedelta(minutes=10))) == ["opened a"]


class FailingRunner(FakeRunner):
    async def run(self, request: CheckRequest, fresh: bool = False) -> Report:
        raise RuntimeError("a bug in a check")


async def test_failed_poll_is_rescheduled_without_alert(world: PollWorld) -> None:
    await world.add(watch())
    world.clock.add(120)
    assert await world.new_worker(FailingRunner(world.clock)).run_round() == 1
    (stored,) = await world.repository.list_watches(CHANNEL)
    assert stored.next_poll_at
    assert stored.next_poll_at > world.clock() + timedelta(minutes=50)


async def test_poll_round_records_its_time(world: PollWorld) -> None:
    assert await world.repository.last_poll_at() is None
    await world.worker.run_round()
    assert await world.repository.last_poll_at() == world.clock()


async def test_run_polls_until_stopped(world: PollWorld) -> None:
    await world.add(watch())
    world.clock.add(120)
    stop, polled = asyncio.Event(), asyncio.Event()

    async def mark_polled() -> None:
        polled.set()

    running = asyncio.create_task(world.new_worker(SlowRunner(world.runner, mark_polled)).run(stop))
    async with asyncio.timeout(5):
        await polled.wait()
        stop.set()
        await running


class HangingRunner(FakeRunner):
    """Runner that never returns and signals that it has started."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.started = asyncio.Event()

    async def run(self, request: CheckRequest, fresh: bool = False) -> Report:
        self.started.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_stop_does_not_wait_for_hanging_poll(world: PollWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "DRAIN_S", 0.01)
    await world.add(watch())
    world.clock.add(120)
    stop, hanging = asyncio.Event(), HangingRunner(world.clock)
    running = asyncio.create_task(world.new_worker(hanging).run(stop))
    async with asyncio.timeout(5):
        await hanging.started.wait()
        stop.set()
        await running
    world.clock.add(LEASES_S[0])
    assert await world.worker.run_round() == 1


async def test_hanging_poll_is_reported_as_stalled(world: PollWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "DRAIN_S", 0.01)
    await world.add(watch())
    world.clock.add(120)
    stop, hanging = asyncio.Event(), HangingRunner(world.clock)
    worker, loop = world.new_worker(hanging), asyncio.get_running_loop()
    assert not worker.is_stalled(loop.time() + 1e6), "not started"
    running = asyncio.create_task(worker.run(stop))
    async with asyncio.timeout(5):
        await hanging.started.wait()
        assert not worker.is_stalled(loop.time())
        assert worker.is_stalled(loop.time() + LEASES_S[1] + 1)
        stop.set()
        await running


async def test_run_survives_store_outage(world: PollWorld, redis_server: RedisServer) -> None:
    await world.add(watch())
    world.clock.add(120)
    stop, polled = asyncio.Event(), asyncio.Event()

    async def mark_polled() -> None:
        polled.set()

    redis_server.kill()
    try:
        running = asyncio.create_task(world.new_worker(SlowRunner(world.runner, mark_polled)).run(stop))
        await asyncio.sleep(0.05)  # long enough for the first round to fail
        assert not running.done()
    finally:
        redis_server.start()
    async with asyncio.timeout(10):
        await polled.wait()
        stop.set()
        await running


async def test_small_budget_stretches_intervals(redis: Redis, clock: Clock) -> None:
    rules = PollerConfig(budgets=[KindBudget(frozenset({"ip4"}), Budget(240))])
    world = PollWorld(redis, clock, FakeRunner(clock), rules)
    await world.add(*(numbered_watch(n) for n in range(30)), watch(None, "example.com"))
    assert await world.worker.plan() == 0
    intervals = {stored.watch.subject: stored.interval for stored in await world.repository.list_watches(CHANNEL)}
    assert intervals["example.com"] == HOUR
    interval = intervals["10.0.0.7"]
    assert interval == await world.repository.effective_interval(numbered_watch(7))
    assert interval
    assert 3 * HOUR < interval < 4 * HOUR  # 720 queries a day requested, about 205 available
    await world.advance(24 * HOUR, step=300)
    world.runner.polled.clear()
    await world.advance(24 * HOUR, step=300)
    polls = Counter(target for target, _ in world.runner.polled)
    assert polls.pop("example.com") >= 22
    assert sum(polls.values()) <= 216


async def test_plan_runs_in_one_worker_per_minute(world: PollWorld) -> None:
    assert [await world.repository.polls.claim_task("plan", 60) for _ in range(3)] == [True, False, False]


# Lists


@pytest.mark.parametrize("has_test_points", [True, False], ids=["with-test-points", "without"])
async def test_list_listing_everything_sends_one_notice_and_no_alert(
    redis: Redis, clock: Clock, has_test_points: bool
) -> None:
    """Names that no list has reveal it, before the resolver asks for the test points again."""
    lists = [f"list-{n}" for n in range(5)]
    runner, without = FakeRunner(clock, *lists), frozenset[str]() if has_test_points else frozenset({"list-3"})
    rules = PollerConfig(without_test_points=without, lists_everything=runner.lists_everything)
    world = PollWorld(redis, clock, runner, rules)
    channels = [Channel("slack", f"T{n // 500}", f"C{n // 50}") for n in range(1000)]
    await world.add(*(numbered_watch(n, channel) for n, channel in enumerate(channels)))
    world.runner.states["list-3"], world.runner.broken = "listed", {"list-3"}
    messages = await world.advance(timedelta(minutes=10), step=60)
    if has_test_points:
        world.runner.states["list-3"], world.runner.reasons["list-3"] = ("unusable", "lists-everything")
    messages += await world.advance(1.5 * HOUR, step=60)
    assert messages == []
    assert await notes(world) == [("quarantined", ["list-3"])]


async def test_broken_list_notifies_only_the_subscribed_channel(redis: Redis, clock: Clock) -> None:
    """A thousand watches in two workspaces get no alert; the last notice edits the first."""
    names = {f"list-{n}": f"List {n}" for n in range(5)}
    runner = FakeRunner(clock, *names)
    rules = PollerConfig(list_names=names, lists_everything=runner.lists_everything)
    world = PollWorld(redis, clock, runner, rules)
    channels = [Channel("slack", f"T{n // 500}", f"C{n // 50}") for n in range(1000)]
    await world.add(*(numbered_watch(n, channel) for n, channel in enumerate(channels)))
    operators = Channel("slack", "T0", "C-operators")
    for channel in (channels[0], operators):
        await world.repository.set_settings(channel, ChannelSettings(list_notices=True))
    assert not (await world.repository.settings(channels[0])).list_notices

    world.runner.states["list-3"], world.runner.broken = "listed", {"list-3"}
    messages = await world.advance(timedelta(minutes=10), step=60)
    world.runner.states["list-3"], world.runner.reasons["list-3"] = "unusable", "lists-everything"
    messages += await world.advance(HOUR, step=60)
    (first,) = messages
    assert isinstance(first, ListNoticeMessage)
    assert (first.channel, first.list_name, first.is_root) == (operators, "List 3", True)
    assert await world.repository.quarantined_lists() == {"list-3"}

    world.runner.states["list-3"], world.runner.reasons["list-3"] = "not_listed", ""
    world.runner.broken.clear()
    (last,) = await world.advance(HOUR, step=60)
    assert isinstance(last, ListNoticeMessage)
    assert (last.channel, last.is_root, last.thread_key) == (operators, False, first.thread_key)
    assert await world.repository.quarantined_lists() == frozenset()


async def test_list_after_quarantine_alerts_real_listing(redis: Redis, clock: Clock) -> None:
    world = PollWorld(redis, clock, FakeRunner(clock, "a", "b", "c"))
    await world.add(*(numbered_watch(n, replace(CHANNEL, id=f"C{n // 50}")) for n in range(400)))
    world.runner.states["a"], world.runner.overrides = "listed", {"10.0.0.7": {"b": "listed"}}
    world.runner.broken = {"a"}
    assert summaries(await world.advance(timedelta(minutes=12))) == ["opened b"]
    world.runner.states["a"], world.runner.overrides = (
        "not_listed",
        {"10.0.0.7": {"b": "listed"}, "10.0.0.8": {"a": "listed"}},
    )
    world.runner.broken.clear()
    assert summaries(await world.advance(2 * HOUR, step=60)) == ["opened a"]
    assert await notes(world) == [("trusted", ["a"]), ("quarantined", ["a"])]


async def test_resolver_stripping_answers_clears_nothing(world: PollWorld) -> None:
    await world.add(*(numbered_watch(n) for n in range(20)))
    world.runner.overrides = {f"10.0.0.{n}": {"a": "listed"} for n in range(0, 20, 10)}
    assert summaries(await world.advance(3 * HOUR)) == ["opened a"] * 2
    world.runner.overrides.clear()
    world.runner.states = dict.fromkeys(world.runner.states, "unknown")
    assert await world.advance(12 * HOUR) == []
    assert await notes(world) == [("degraded", ["a", "b"])]


async def notes(world: PollWorld) -> list[tuple[str, list[str]]]:
    """Newest first."""
    return [(str(note.reason), list(note.list_ids)) for note in await stored_notices(world.redis)]
