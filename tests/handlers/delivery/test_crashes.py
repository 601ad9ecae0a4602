"""Delivery of 2,000 alerts with random crashes and platform errors: none lost or duplicated."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.monitoring.models import Channel
from handlers.delivery import DeliveryTimeouts, DeliveryWorker
from handlers.message import Tone
from handlers.ports import DeliveryUnknown, RetryAfter
from tests.support.fake_channel import FakeChannel
from tests.support.memory_repository import InMemoryRepository, StoreContents
from tests.support.outbox_messages import LATER, WatchedAlert, make_channels, message_for, messages_of_incident
from tests.support.stored_watches import Clock, numbered_watch

CHANNELS, WATCHES = 20, 25  # four messages per watch
TEMPLATE = messages_of_incident(numbered_watch(0))
STEPS = {
    method.__name__
    for method in (
        InMemoryRepository.peek,
        InMemoryRepository.begin_attempt,
        InMemoryRepository.mark_sent,
        InMemoryRepository.revert_attempt,
        InMemoryRepository.root_message_id,
        InMemoryRepository.get,
        InMemoryRepository.settings,
        InMemoryRepository.store_started_at,
    )
}


class Crash(BaseException):
    """The process is killed."""


@dataclass
class RandomFaults:
    """Seeded random crashes around store steps and platform errors around calls."""

    random_source: random.Random
    crash_rate: float = 0.005
    failure_rate: float = 0.04
    crashes: int = 0

    def maybe_crash(self) -> None:
        if self.random_source.random() < self.crash_rate:
            self.crashes += 1
            raise Crash

    def before(self, call: str) -> None:
        self.maybe_crash()
        if self.random_source.random() < self.failure_rate:
            raise self.random_source.choice(
                [RetryAfter("ratelimited", 7.0), RetryAfter("not reached", 5.0), DeliveryUnknown("status 503")]
            )

    def after(self, call: str) -> None:
        self.maybe_crash()
        if self.random_source.random() < self.failure_rate:
            raise DeliveryUnknown("the answer was lost")


class CrashingStore:
    """Store whose steps may crash the process before or after they take effect."""

    def __init__(self, store: InMemoryRepository, faults: RandomFaults) -> None:
        self._store, self._faults = store, faults

    def __getattr__(self, name: str) -> Any:
        step = getattr(self._store, name)
        return self._with_crashes(step) if name in STEPS else step

    def _with_crashes(self, step: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def crashing(*arguments: Any) -> Any:
            self._faults.maybe_crash()
            result = await step(*arguments)
            self._faults.maybe_crash()
            return result

        return crashing


@dataclass
class Simulation:
    """Many channels, one worker at a time, and a store that may lose its last writes."""

    seed: int
    rolls_back: float = 0.0
    grace: timedelta = timedelta(seconds=10)
    clock: Clock = field(default_factory=lambda: Clock(LATER))
    rollbacks: int = 0

    def __post_init__(self) -> None:
        print(f"seed {self.seed}")
        self.random_source = random.Random(self.seed)
        self.faults = RandomFaults(self.random_source)
        self.store = InMemoryRepository(self.clock)
        self.platform = FakeChannel(self.clock, self.faults.before, self.faults.after)
        self.wanted = [message for channel in make_channels(CHANNELS) for message in messages_in(channel)]
        for message in self.wanted:
            self.store.enqueue(message.message)
            self.store.store(message.watch, message.incident)
        self.snapshots: list[tuple[datetime, StoreContents]] = []

    def delivery(self) -> DeliveryWorker:
        store: Any = CrashingStore(self.store, self.faults)
        return DeliveryWorker(
            store, store, {"slack": self.platform}, DeliveryTimeouts(now=self.clock, call_timeout=self.grace)
        )

    async def run(self) -> None:
        worker = self.delivery()
        for _ in range(200_000):
            waiting = await self.store.ready_channels()
            if not any(self.store.contents.outbox.values()):
                return
            self.clock.add(self.random_source.choice((0.1, 0.5, 1.0)))
            try:
                for channel in self.random_source.sample(waiting, len(waiting)):
                    await worker.deliver_next(channel)
            except Crash:
                worker = self.delivery()
            self._perhaps_roll_back()
        raise AssertionError("the outbox was never empty")

    def _perhaps_roll_back(self) -> None:
        if self.rolls_back and self.random_source.random() < 0.2:
            self.snapshots = [*self.snapshots[-3:], (self.clock(), self.store.snapshot())]
        if self.snapshots and self.random_source.random() < self.rolls_back:
            _, contents = self.random_source.choice(self.snapshots)
            self.store.restart(contents)
            self.snapshots.clear()
            self.rollbacks += 1

    def result(self) -> str:
        posted = Counter(message.key for message in self.platform.posted)
        wanted = Counter(message.id for message in self.wanted)
        lost, duplicated = (wanted - posted).total(), (posted - wanted).total()
        searches = self.platform.calls.count("find")
        print(
            f"{len(self.wanted)} alerts, {self.faults.crashes} crashes, {self.rollbacks} rollbacks,"
            f" {searches} searches: lost {lost}, duplicated {duplicated}"
        )
        return f"lost {lost}, duplicated {duplicated}"

    def in_order(self) -> bool:
        keys: dict[Channel, list[str]] = defaultdict(list)
        for message in self.platform.posted:
            keys[message.channel].append(message.key)
        return all(
            keys[channel] == [message.id for message in messages_in(channel)] for channel in make_channels(CHANNELS)
        )


def messages_in(channel: Channel) -> list[WatchedAlert]:
    """Messages of a channel's incidents, interleaved: all opened, then all grew, and so on."""
    watches = [numbered_watch(number, channel) for number in range(WATCHES)]
    return [message_for(message, watch) for message in TEMPLATE for watch in watches]


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_alert_is_lost_or_duplicated_despite_crashes(seed: int) -> None:
    simulation = Simulation(seed)
    await simulation.run()
    assert (simulation.result(), simulation.in_order()) == ("lost 0, duplicated 0", True)
    assert simulation.faults.crashes >= 100
    roots = [message for message in simulation.platform.posted if not message.thread]
    assert {(root.card.tone, len(root.card.buttons)) for root in roots} == {(Tone.GOOD, 1)}
    assert all(
        message.thread in {root.id for root in roots if root.channel == message.channel} | {""}
        for message in simulation.platform.posted
    )


@pytest.mark.parametrize("seed", [3])
async def test_store_that_loses_last_writes_causes_no_duplicates(seed: int) -> None:
    simulation = Simulation(seed, rolls_back=0.01)
    await simulation.run()
    assert simulation.result() == "lost 0, duplicated 0"
    assert simulation.rollbacks >= 3


async def test_without_recovery_window_lost_writes_cause_duplicates() -> None:
    """Control: the test above can fail."""
    simulation = Simulation(3, rolls_back=0.01)
    original = simulation.delivery

    def delivery() -> DeliveryWorker:
        worker = original()
        worker.timeouts = DeliveryTimeouts(now=simulation.clock, recovery_window=timedelta(0))
        return worker

    simulation.delivery = delivery  # type: ignore[method-assign]
    await simulation.run()
    assert simulation.result() != "lost 0, duplicated 0"
