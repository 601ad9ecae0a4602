"""2,000 alerts while the process dies at any step and the platform has bad days: lost 0, doubled 0, in order."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.monitoring.interfaces import Letter
from bot.monitoring.models import Room
from handlers.delivery import Delivery, Pace
from handlers.message import Tone
from handlers.ports import Later, Unsure
from tests.support.fake_channel import RoomOfPeople
from tests.support.memory_repository import Held, KeptInMemory
from tests.support.outbox_messages import LATER, elsewhere, rooms, story
from tests.support.stored_watches import Clock, numbered

ROOMS, WATCHES = 20, 25  # times four letters each
TEMPLATE = story(numbered(0))
STEPS = ("first", "sending", "sent", "not_sent", "thread", "find", "settings", "restarted_at")


class Crash(BaseException):
    """kill -9."""


@dataclass
class BadDays:
    """Chance, from a seed: the process dies before or after any step, and the platform fails before or after a call."""

    chance: random.Random
    dies: float = 0.005
    fails: float = 0.04
    deaths: int = 0

    def perhaps_die(self) -> None:
        if self.chance.random() < self.dies:
            self.deaths += 1
            raise Crash

    def before(self, call: str) -> None:
        self.perhaps_die()
        if self.chance.random() < self.fails:
            raise self.chance.choice([Later("ratelimited", 7.0), Later("not reached", 5.0), Unsure("status 503")])

    def after(self, call: str) -> None:
        self.perhaps_die()
        if self.chance.random() < self.fails:
            raise Unsure("the answer was lost")


class Mortal:
    """What is kept, behind steps at which the process may die."""

    def __init__(self, kept: KeptInMemory, days: BadDays) -> None:
        self._kept, self._days = kept, days

    def __getattr__(self, name: str) -> Any:
        step = getattr(self._kept, name)
        return self._mortal(step) if name in STEPS else step

    def _mortal(self, step: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def mortal(*words: Any) -> Any:
            self._days.perhaps_die()
            done = await step(*words)
            self._days.perhaps_die()
            return done

        return mortal


@dataclass
class Town:
    """Many rooms, one delivery at a time, and a store that may lose its last seconds."""

    seed: int
    rolls_back: float = 0.0
    grace: timedelta = timedelta(seconds=10)
    clock: Clock = field(default_factory=lambda: Clock(LATER))
    rollbacks: int = 0

    def __post_init__(self) -> None:
        print(f"seed {self.seed}")
        self.chance = random.Random(self.seed)
        self.days = BadDays(self.chance)
        self.kept = KeptInMemory(self.clock)
        self.people = RoomOfPeople(self.clock, self.days.before, self.days.after)
        self.wanted = [letter for room in rooms(ROOMS) for letter in letters_in(room)]
        for letter in self.wanted:
            self.kept.put(letter)
            self.kept.keep(letter.watch, letter.incident)
        self.snapshots: list[tuple[datetime, Held]] = []

    def delivery(self) -> Delivery:
        mortal: Any = Mortal(self.kept, self.days)
        return Delivery(mortal, mortal, {"slack": self.people}, Pace(now=self.clock, call_within=self.grace))

    async def run(self) -> None:
        delivery = self.delivery()
        for _ in range(200_000):
            waiting = await self.kept.rooms()
            if not any(self.kept.held.letters.values()):
                return
            self.clock.add(self.chance.choice((0.1, 0.5, 1.0)))
            try:
                for room in self.chance.sample(waiting, len(waiting)):
                    await delivery.deliver_next(room)
            except Crash:
                delivery = self.delivery()
            self._perhaps_roll_back()
        raise AssertionError("the outbox was never empty")

    def _perhaps_roll_back(self) -> None:
        if self.rolls_back and self.chance.random() < 0.2:
            self.snapshots = [*self.snapshots[-3:], (self.clock(), self.kept.copy())]
        if self.snapshots and self.chance.random() < self.rolls_back:
            _, held = self.chance.choice(self.snapshots)
            self.kept.restart(held)
            self.snapshots.clear()
            self.rollbacks += 1

    def result(self) -> str:
        said, wanted = Counter(one.key for one in self.people.said), Counter(letter.id for letter in self.wanted)
        lost, doubled = (wanted - said).total(), (said - wanted).total()
        looked = self.people.calls.count("find")
        print(
            f"{len(self.wanted)} alerts, {self.days.deaths} deaths, {self.rollbacks} rollbacks, {looked} looks: "
            f"lost {lost}, doubled {doubled}"
        )
        return f"lost {lost}, doubled {doubled}"

    def in_order(self) -> bool:
        order: dict[Room, list[str]] = defaultdict(list)
        for said in self.people.said:
            order[said.room].append(said.key)
        return all(order[room] == [letter.id for letter in letters_in(room)] for room in rooms(ROOMS))


def letters_in(room: Room) -> list[Letter]:
    """The incidents of a room's watches, all at the same time: every opening, then every growth, and so on."""
    watches = [numbered(number, room) for number in range(WATCHES)]
    return [elsewhere(letter, watch) for letter in TEMPLATE for watch in watches]


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_is_lost_nothing_is_doubled_and_threads_are_in_order(seed: int) -> None:
    town = Town(seed)
    await town.run()
    assert (town.result(), town.in_order()) == ("lost 0, doubled 0", True)
    assert town.days.deaths >= 100
    roots = [said for said in town.people.said if not said.thread]
    assert {(root.card.tone, len(root.card.buttons)) for root in roots} == {(Tone.GOOD, 1)}
    assert all(said.thread in {root.id for root in roots if root.room == said.room} | {""} for said in town.people.said)


@pytest.mark.parametrize("seed", [3])
async def test_a_store_that_forgets_its_last_seconds_doubles_nothing(seed: int) -> None:
    town = Town(seed, rolls_back=0.01)
    await town.run()
    assert town.result() == "lost 0, doubled 0"
    assert town.rollbacks >= 3


async def test_without_looking_back_after_a_restart_the_same_store_would_double() -> None:
    """That the test above can fail."""
    town = Town(3, rolls_back=0.01)
    blind = town.delivery

    def delivery() -> Delivery:
        made = blind()
        made.pace = Pace(now=town.clock, recovery=timedelta(0))
        return made

    town.delivery = delivery  # type: ignore[method-assign]
    await town.run()
    assert town.result() != "lost 0, doubled 0"
