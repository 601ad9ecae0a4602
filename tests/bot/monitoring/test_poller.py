"""Rounds on a real store in virtual time: who is told what, once, and what happens when somebody dies or interferes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bot.models import Finding, Order, Report, Role, Verdict
from bot.monitoring import poller
from bot.monitoring.alert_state import acknowledge, mute
from bot.monitoring.interfaces import AnyLetter, Letter, ListLetter, RoomSettings
from bot.monitoring.models import Room, Watch
from bot.monitoring.poll import baseline
from bot.monitoring.poller import LEASES_S, Rules, Sweep
from bot.monitoring.repository import Register
from bot.monitoring.schedule import Budget, Demanded
from bot.storage.watch_store import ASKS, LOOKS, MOST_LETTERS, TELLS
from tests.support.redis_server import RedisServer
from tests.support.reports import listing
from tests.support.stored_watches import ELSEWHERE, ROOM, Clock, numbered, watch

States = dict[str, str]  # list → state
SEVERITIES = {"listed": Verdict.FAIL, "not_listed": Verdict.PASS}


class Fleet:
    """A checkup of an invented world: `states` of lists for every target, and `of` those of one; `asked` counts looks."""

    def __init__(self, clock: Clock, *lists: str) -> None:
        self.clock = clock
        self.states: States = dict.fromkeys(lists or ("a", "b"), "not_listed")
        self.of: dict[str, States] = {}
        self.asked: list[tuple[str, bool]] = []
        self.reasons: dict[str, str] = {}

    async def report(self, order: Order, fresh: bool = False) -> Report:
        self.asked.append((str(order.target), fresh))
        states = self.states | self.of.get(str(order.target), {})
        return Report(order, self.clock(), tuple(self._finding(*item) for item in states.items()), 1, len(states))

    def _finding(self, name: str, state: str) -> Finding:
        return listing(name, SEVERITIES.get(state, Verdict.UNKNOWN), state, reason=self.reasons.get(name, ""))


class World:
    """A store, a fleet and one worker, which a test may replace by another."""

    def __init__(self, redis: Redis, clock: Clock, fleet: Fleet, rules: Rules | None = None) -> None:
        self.clock, self.fleet = clock, fleet
        self.register = Register(redis, clock)
        self.rules = rules or Rules()
        self.worker = self.another()

    def another(self, fleet: Fleet | None = None) -> Sweep:
        return Sweep(self.register, fleet or self.fleet, self.clock, self.rules)

    async def add(self, *watches: Watch) -> None:
        for number, one in enumerate(watches):
            incident, _ = await baseline(one, self.fleet, self.clock())
            due = self.clock() + timedelta(seconds=60 + number * 3000 / len(watches))
            assert await self.register.add(one, incident, due)
        self.fleet.asked.clear()

    async def pass_by(self, length: timedelta, step: float = 30.0) -> list[AnyLetter]:
        """Rounds every `step` seconds for that long; the letters that the rooms got meanwhile."""
        until, told = self.clock() + length, []
        while self.clock() < until:
            self.clock.add(step)
            for schedule in (LOOKS, ASKS, TELLS):
                while await self.worker.round(schedule):
                    pass
            told += await self.letters()
        return told

    async def letters(self) -> list[AnyLetter]:
        """Every letter that waits, taken out as delivery does."""
        told = []
        for room in await self.register.rooms():
            while letter := await self.register.first(room):
                told.append(letter)
                await self.register.sent(letter, f"{len(told)}.0")
        return told


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(redis: Redis, clock: Clock) -> World:
    return World(redis, clock, Fleet(clock))


def said(letters: Sequence[Letter]) -> list[str]:
    return [
        f"{letter.alert.reason} {' '.join(p.sight.about for p in letter.alert.new + letter.alert.gone)}"
        for letter in letters
    ]


HOUR = timedelta(hours=1)


async def test_a_listing_is_told_after_a_second_look_and_its_end_after_the_hold_down(world: World) -> None:
    await world.add(watch())
    assert await world.pass_by(2 * HOUR) == []
    world.fleet.states["a"] = "listed"
    (opened,) = await world.pass_by(2 * HOUR)
    assert said([opened]) == ["opened a"]
    first_seen = opened.alert.new[0].since
    assert timedelta(seconds=90) <= opened.alert.at - first_seen <= timedelta(seconds=125)
    assert (opened.room, opened.watch, opened.incident.opened) == (ROOM, watch(), opened.alert.at)
    world.fleet.states["a"] = "not_listed"
    assert said(await world.pass_by(3 * HOUR)) == ["resolved a"]


async def test_the_history_of_a_sweep_is_what_was_told_and_done(world: World) -> None:
    await world.add(watch())
    world.fleet.states["a"] = "listed"
    (opened,) = await world.pass_by(2 * HOUR)
    (kept,) = await world.register.of_room(ROOM)
    acknowledged = acknowledge(kept.incident, "Ada", world.clock())
    assert await world.register.change(ROOM, watch().id, acknowledged, was=kept.incident)
    hand = world.clock()
    world.fleet.states["a"] = "not_listed"
    (cleared,) = await world.pass_by(3 * HOUR)
    history = await world.register.history(ROOM, watch().id)
    (listed,), (in_hand,) = history.track("blocklist:a").spans, history.track("acknowledged").spans
    assert listed.since == opened.alert.new[0].since.replace(microsecond=0)
    assert hand < (listed.until or hand) < cleared.alert.at
    assert (in_hand.since, in_hand.until, in_hand.by) == (hand, cleared.alert.at, "Ada")
    assert len(history.tracks) == 2


async def test_one_sighting_is_told_to_nobody(world: World) -> None:
    await world.add(watch())
    world.fleet.states["a"] = "listed"
    while not world.fleet.asked:
        assert await world.pass_by(timedelta(seconds=30)) == []
    world.fleet.states["a"] = "not_listed"
    assert await world.pass_by(5 * HOUR) == []


async def test_what_is_in_question_is_asked_past_the_caches(world: World) -> None:
    await world.add(watch())
    world.fleet.states["a"] = "listed"
    await world.pass_by(HOUR)
    assert [fresh for _, fresh in world.fleet.asked[:2]] == [False, True]


async def test_a_second_look_at_a_range_asks_only_the_addresses_in_question(world: World) -> None:
    await world.add(watch("203.0.113.0/28"))
    world.fleet.of["203.0.113.7"] = {"a": "listed"}
    (letter,) = await world.pass_by(timedelta(minutes=10))
    assert letter.alert.addresses == ("203.0.113.7",)
    assert Counter(world.fleet.asked) == {**{(f"203.0.113.{n}", False): 1 for n in range(16)}, ("203.0.113.7", True): 1}


async def test_one_question_serves_ten_rooms(world: World) -> None:
    rooms = [Room("slack", f"T{n}", "C1") for n in range(10)]
    await world.add(*(watch(room=room) for room in rooms))
    world.fleet.states["a"] = "listed"
    letters = await world.pass_by(timedelta(minutes=10))
    assert {letter.room for letter in letters} == set(rooms)
    assert said(letters) == ["opened a"] * 10
    assert len(world.fleet.asked) == 2


async def test_another_role_is_another_question(world: World) -> None:
    await world.add(watch(), watch(role=Role.CLIENT))
    await world.pass_by(HOUR)
    assert len(world.fleet.asked) >= 2
    assert len(await world.register.of_room(ROOM)) == 2


async def test_looks_keep_to_the_interval_that_was_wished(world: World) -> None:
    await world.add(watch(every=timedelta(minutes=30)))
    await world.pass_by(24 * HOUR, step=60)
    assert 46 <= len(world.fleet.asked) <= 50


async def test_two_workers_share_the_work_and_do_none_of_it_twice(world: World) -> None:
    await world.add(*(numbered(n) for n in range(40)))
    world.fleet.states["a"] = "listed"
    other = world.another()
    for _ in range(150):
        world.clock.add(30)
        await asyncio.gather(*(w.round(s) for w in (world.worker, other) for s in (LOOKS, ASKS, TELLS)))
    letters = await world.letters()
    assert len({letter.id for letter in letters}) == len(letters)
    looks = Counter(target for target, fresh in world.fleet.asked if not fresh)
    assert max(looks.values()) <= 2  # 75 minutes, once an hour


class Dies(Fleet):
    async def report(self, order: Order, fresh: bool = False) -> Report:
        raise asyncio.CancelledError


async def test_what_a_dead_worker_had_claimed_is_due_after_the_lease(world: World) -> None:
    await world.add(watch())
    world.fleet.states["a"] = "listed"
    world.clock.add(120)
    with pytest.raises(asyncio.CancelledError):
        await world.another(Dies(world.clock)).round()
    assert await world.worker.round() == 0
    world.clock.add(LEASES_S[0])
    assert await world.worker.round() == 1
    assert said(await world.pass_by(timedelta(minutes=5))) == ["opened a"]


class Slow(Fleet):
    """Takes so long that the lease is over, and meanwhile `meanwhile` happens."""

    def __init__(self, like: Fleet, meanwhile: Callable[[], object]) -> None:
        super().__init__(like.clock)
        self.states = dict(like.states)
        self.meanwhile = meanwhile

    async def report(self, order: Order, fresh: bool = False) -> Report:
        report = await super().report(order, fresh)
        done = self.meanwhile()
        if asyncio.iscoroutine(done):
            await done
        return report


async def test_a_worker_that_wakes_up_late_changes_nothing(world: World) -> None:
    await world.add(watch())
    world.fleet.states["a"] = "listed"
    world.clock.add(120)

    async def another_looks() -> None:
        world.clock.add(LEASES_S[0])
        assert await world.worker.round() == 1

    await world.another(Slow(world.fleet, another_looks)).round()
    assert said(await world.pass_by(timedelta(minutes=5))) == ["opened a"]


async def test_a_mute_during_a_look_is_not_written_over(world: World) -> None:
    await world.add(watch())
    world.fleet.states["a"] = "listed"
    world.clock.add(120)

    async def somebody_mutes() -> None:
        (kept,) = await world.register.of_room(ROOM)
        if not kept.incident.muted:
            muted = mute(kept.incident, "U1", world.clock() + 6 * HOUR)
            assert await world.register.change(ROOM, watch().id, muted, kept.incident)

    await world.another(Slow(world.fleet, somebody_mutes)).round()
    assert await world.pass_by(5 * HOUR) == []
    (letter,) = await world.pass_by(2 * HOUR)
    assert said([letter]) == ["opened a"]


async def test_a_watch_that_is_ended_during_a_look_is_told_of_no_more(world: World) -> None:
    await world.add(watch())
    world.fleet.states["a"] = "listed"
    world.clock.add(120)
    await world.another(Slow(world.fleet, lambda: world.register.remove(ROOM, watch().id))).round()
    assert await world.pass_by(2 * HOUR) == []


async def test_a_room_with_too_many_letters_gets_its_news_later(world: World, redis: Redis) -> None:
    await world.add(watch())
    await redis.rpush(f"mc1:outbox:{ROOM}", *["x\n{}"] * MOST_LETTERS)
    world.fleet.states["a"] = "listed"
    for _ in range(300):
        world.clock.add(1)
        for schedule in (LOOKS, ASKS, TELLS):
            await world.worker.round(schedule)
    await redis.ltrim(f"mc1:outbox:{ROOM}", 1, 0)
    assert said(await world.pass_by(timedelta(minutes=5))) == ["opened a"]


async def test_a_watch_that_cannot_be_read_holds_up_no_other(world: World, redis: Redis) -> None:
    await world.add(watch(), watch(room=ELSEWHERE))
    await redis.hset(f"mc1:incidents:{ELSEWHERE}", watch(room=ELSEWHERE).id, "op {broken")
    world.fleet.states["a"] = "listed"
    assert said(await world.pass_by(timedelta(minutes=10))) == ["opened a"]


class Breaks(Fleet):
    async def report(self, order: Order, fresh: bool = False) -> Report:
        raise RuntimeError("a bug in a check")


async def test_a_look_that_breaks_is_no_news_and_no_end(world: World) -> None:
    await world.add(watch())
    world.clock.add(120)
    assert await world.another(Breaks(world.clock)).round() == 1
    (kept,) = await world.register.of_room(ROOM)
    assert kept.due
    assert kept.due > world.clock() + timedelta(minutes=50)


async def test_the_round_says_when_it_was(world: World) -> None:
    assert await world.register.swept_at() is None
    await world.worker.round()
    assert await world.register.swept_at() == world.clock()


async def test_rounds_go_on_until_they_are_stopped(world: World) -> None:
    await world.add(watch())
    world.clock.add(120)
    stop, looked = asyncio.Event(), asyncio.Event()

    async def seen() -> None:
        looked.set()

    running = asyncio.create_task(world.another(Slow(world.fleet, seen)).run(stop))
    async with asyncio.timeout(5):
        await looked.wait()
        stop.set()
        await running


class Hangs(Fleet):
    """A checkup that never ends, and says when it has begun."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.began = asyncio.Event()

    async def report(self, order: Order, fresh: bool = False) -> Report:
        self.began.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_stop_does_not_wait_for_a_look_that_hangs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "DRAIN_S", 0.01)
    await world.add(watch())
    world.clock.add(120)
    stop, hangs = asyncio.Event(), Hangs(world.clock)
    running = asyncio.create_task(world.another(hangs).run(stop))
    async with asyncio.timeout(5):
        await hangs.began.wait()
        stop.set()
        await running
    world.clock.add(LEASES_S[0])
    assert await world.worker.round() == 1


async def test_a_look_that_never_ends_is_a_sweep_that_stands_still(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller, "DRAIN_S", 0.01)
    await world.add(watch())
    world.clock.add(120)
    stop, hangs = asyncio.Event(), Hangs(world.clock)
    worker, loop = world.another(hangs), asyncio.get_running_loop()
    assert not worker.stands_still(loop.time() + 1e6), "it has not begun"
    running = asyncio.create_task(worker.run(stop))
    async with asyncio.timeout(5):
        await hangs.began.wait()
        assert not worker.stands_still(loop.time())
        assert worker.stands_still(loop.time() + LEASES_S[1] + 1)
        stop.set()
        await running


async def test_a_store_that_is_away_for_a_while_ends_no_rounds(world: World, redis_server: RedisServer) -> None:
    await world.add(watch())
    world.clock.add(120)
    stop, looked = asyncio.Event(), asyncio.Event()

    async def seen() -> None:
        looked.set()

    redis_server.kill()
    try:
        running = asyncio.create_task(world.another(Slow(world.fleet, seen)).run(stop))
        await asyncio.sleep(0.05)  # long enough for the first round to find nobody
        assert not running.done()
    finally:
        redis_server.start()
    async with asyncio.timeout(10):
        await looked.wait()
        stop.set()
        await running


async def test_intervals_grow_where_a_budget_is_small(redis: Redis, clock: Clock) -> None:
    rules = Rules(demanded=[Demanded(frozenset({"ip4"}), Budget(240))])
    world = World(redis, clock, Fleet(clock), rules)
    await world.add(*(numbered(n) for n in range(30)), watch(None, "example.com"))
    assert await world.worker.plan() == 0
    every = {kept.watch.subject: kept.every for kept in await world.register.of_room(ROOM)}
    assert every["example.com"] == HOUR
    stretched = every["10.0.0.7"]
    assert stretched == await world.register.granted(numbered(7))
    assert stretched
    assert 3 * HOUR < stretched < 4 * HOUR  # 720 a day are wished, some 205 can be had
    await world.pass_by(24 * HOUR, step=300)
    world.fleet.asked.clear()
    await world.pass_by(24 * HOUR, step=300)
    asked = Counter(target for target, _ in world.fleet.asked)
    assert asked.pop("example.com") >= 22
    assert sum(asked.values()) <= 216


async def test_one_worker_a_minute_makes_the_plan(world: World) -> None:
    assert [await world.register.sweeping.turn("plan", 60) for _ in range(3)] == [True, False, False]


# The lists


@pytest.mark.parametrize("proved", [True, False], ids=["with test entries", "without"])
async def test_a_list_that_lists_everything_is_one_note_and_no_alert(redis: Redis, clock: Clock, proved: bool) -> None:
    """Its test entries are believed for ten minutes, and then give it away; where it has none, its targets do."""
    lists = [f"list-{n}" for n in range(5)]
    world = World(redis, clock, Fleet(clock, *lists), Rules(unproven=frozenset() if proved else frozenset({"list-3"})))
    rooms = [Room("slack", f"T{n // 500}", f"C{n // 50}") for n in range(1000)]
    await world.add(*(numbered(n, room) for n, room in enumerate(rooms)))
    world.fleet.states["list-3"] = "listed"
    letters = await world.pass_by(timedelta(minutes=10), step=60)
    if proved:
        world.fleet.states["list-3"], world.fleet.reasons["list-3"] = "unusable", "lists-everything"
    letters += await world.pass_by(1.5 * HOUR, step=60)
    assert letters == []
    assert await notes(world) == [("quarantined", ["list-3"])]


async def test_of_a_broken_list_one_room_hears_once_and_only_where_it_asked_to(redis: Redis, clock: Clock) -> None:
    """A thousand watches in two workspaces, whose rooms are told nothing; the end only edits what was said."""
    names = {f"list-{n}": f"List {n}" for n in range(5)}
    world = World(redis, clock, Fleet(clock, *names), Rules(names=names))
    rooms = [Room("slack", f"T{n // 500}", f"C{n // 50}") for n in range(1000)]
    await world.add(*(numbered(n, room) for n, room in enumerate(rooms)))
    operators = Room("slack", "T0", "C-operators")
    for room in (rooms[0], operators):
        await world.register.set_settings(room, RoomSettings(lists=True))
    assert not (await world.register.settings(rooms[0])).lists

    world.fleet.states["list-3"] = "listed"
    letters = await world.pass_by(timedelta(minutes=10), step=60)
    world.fleet.states["list-3"], world.fleet.reasons["list-3"] = "unusable", "lists-everything"
    letters += await world.pass_by(HOUR, step=60)
    (begun,) = letters
    assert isinstance(begun, ListLetter)
    assert (begun.room, begun.name, begun.root) == (operators, "List 3", True)
    assert await world.register.quarantined() == {"list-3"}

    world.fleet.states["list-3"], world.fleet.reasons["list-3"] = "not_listed", ""
    (ended,) = await world.pass_by(HOUR, step=60)
    assert isinstance(ended, ListLetter)
    assert (ended.room, ended.root, ended.thread) == (operators, False, begun.thread)
    assert await world.register.quarantined() == frozenset()


async def test_a_list_in_quarantine_is_believed_again_and_what_is_real_is_told(redis: Redis, clock: Clock) -> None:
    world = World(redis, clock, Fleet(clock, "a", "b", "c"))
    await world.add(*(numbered(n, replace(ROOM, channel=f"C{n // 50}")) for n in range(400)))
    world.fleet.states["a"], world.fleet.of = "listed", {"10.0.0.7": {"b": "listed"}}
    assert said(await world.pass_by(timedelta(minutes=12))) == ["opened b"]
    world.fleet.states["a"], world.fleet.of = "not_listed", {"10.0.0.7": {"b": "listed"}, "10.0.0.8": {"a": "listed"}}
    assert said(await world.pass_by(2 * HOUR, step=60)) == ["opened a"]
    assert await notes(world) == [("trusted", ["a"]), ("quarantined", ["a"])]


async def test_a_resolver_that_strips_answers_clears_nothing(world: World) -> None:
    await world.add(*(numbered(n) for n in range(20)))
    world.fleet.of = {f"10.0.0.{n}": {"a": "listed"} for n in range(0, 20, 10)}
    assert said(await world.pass_by(3 * HOUR)) == ["opened a"] * 2
    world.fleet.of.clear()
    world.fleet.states = dict.fromkeys(world.fleet.states, "unknown")
    assert await world.pass_by(12 * HOUR) == []
    assert await notes(world) == [("degraded", ["a", "b"])]


async def notes(world: World) -> list[tuple[str, list[str]]]:
    """The newest first."""
    return [(str(note.reason), list(note.lists)) for note in await world.register.list_notes()]
