"""Rounds through the caches: what is known is not asked, what is under way is asked once, and who turns away costs nobody an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from bot.models import Answer, Heard, LookupFailed
from bot.net.dns_resolver import CachedRounds, Outcome
from bot.net.ttl_cache import Memory
from tests.support.eventually import eventually

APEXES = ["a.example", "b.example", "c.example"]
NAMES = [f"1.{apex}" for apex in APEXES]


class Wire:
    """Answers the questions of a round one by one, when told to."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.cancelled = 0
        self.go = asyncio.Event()
        self.go.set()
        self.fails: set[str] = set()

    async def ask_all(
        self, label: str, apexes: Sequence[str], /, *, bulk: bool = False, heard: Heard | None = None
    ) -> list[Outcome]:
        names = [f"{label}.{apex}" for apex in apexes]
        self.asked.append(names)
        assert heard is not None
        outcomes: list[Outcome] = []
        try:
            for place, name in enumerate(names):
                await self.go.wait()
                outcomes.append(
                    LookupFailed("servfail") if name in self.fails else Answer(name, "A", exists=False, ttl=60)
                )
                heard(place, outcomes[-1])
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return outcomes


class Shelf:
    """A shared cache in a dict; counts the looks."""

    def __init__(self) -> None:
        self.kept: dict[str, Answer] = {}
        self.looks = 0

    async def recall(self, names: Sequence[str], kind: str, /) -> dict[str, Answer]:
        self.looks += 1
        await asyncio.sleep(0)
        return {name: self.kept[name] for name in names if name in self.kept}

    def keep(self, answer: Answer, /) -> None:
        self.kept[answer.name] = answer


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def rounds(wire: Wire, shelf: Shelf) -> CachedRounds:
    return make(wire, shelf)


def make(wire: Wire, shelf: Shelf | None) -> CachedRounds:
    return CachedRounds(wire, Memory(lambda: 0.0, 100, 3600.0), shelf)


async def ask(rounds: CachedRounds, apexes: Sequence[str] = APEXES, fresh: bool = False) -> list[object]:
    """What comes of it, which is also what was heard on the way."""
    heard: dict[int, Outcome] = {}
    outcomes = await rounds.ask("1", apexes, fresh=fresh, heard=heard.__setitem__)
    assert [heard[place] for place in range(len(apexes))] == outcomes
    return [outcome.reason if isinstance(outcome, LookupFailed) else outcome.name for outcome in outcomes]


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_was_learned_is_not_asked_again_here_nor_in_another_process(wire: Wire, shelf: Shelf) -> None:
    here = make(wire, shelf)
    assert await ask(here, APEXES[:2]) == NAMES[:2]
    assert await ask(here) == NAMES
    assert await ask(make(wire, shelf)) == NAMES
    assert wire.asked == [NAMES[:2], NAMES[2:]]
    assert shelf.looks == 3


async def test_a_failure_is_told_and_kept_nowhere(wire: Wire, shelf: Shelf, rounds: CachedRounds) -> None:
    wire.fails = {NAMES[1]}
    assert await ask(rounds) == [NAMES[0], "servfail", NAMES[2]]
    assert set(shelf.kept) == {NAMES[0], NAMES[2]}
    wire.fails = set()
    assert await ask(rounds) == NAMES
    assert wire.asked == [NAMES, NAMES[1:2]]


async def test_a_fresh_round_reads_no_cache_and_fills_them(wire: Wire, shelf: Shelf, rounds: CachedRounds) -> None:
    await ask(rounds)
    shelf.kept.clear()
    assert await ask(rounds, fresh=True) == NAMES
    assert (wire.asked, shelf.looks, set(shelf.kept)) == ([NAMES, NAMES], 1, set(NAMES))


async def test_ten_people_who_ask_at_once_ask_once(wire: Wire, rounds: CachedRounds) -> None:
    wire.go.clear()
    asking = [asyncio.create_task(ask(rounds, APEXES[n % 2 :])) for n in range(10)]
    await turns()
    wire.go.set()
    assert await asyncio.gather(*asking) == [NAMES[n % 2 :] for n in range(10)]
    assert wire.asked == [NAMES]


@pytest.mark.parametrize("shared", [True, False])
async def test_one_who_turns_away_takes_nothing_from_the_others(wire: Wire, shelf: Shelf, shared: bool) -> None:
    rounds = make(wire, shelf if shared else None)
    wire.go.clear()
    first, second = asyncio.create_task(ask(rounds)), asyncio.create_task(ask(rounds))
    await turns()
    first.cancel()
    await turns()
    wire.go.set()
    assert await second == NAMES
    assert (wire.asked, wire.cancelled, first.cancelled()) == ([NAMES], 0, True)


async def test_a_round_nobody_waits_for_is_taken_back_and_what_it_brought_is_kept(
    wire: Wire, shelf: Shelf, rounds: CachedRounds
) -> None:
    heard: list[int] = []

    def hear(place: int, _: Outcome) -> None:
        heard.append(place)
        wire.go.clear()

    asking = asyncio.create_task(rounds.ask("1", APEXES, fresh=False, heard=hear))
    await eventually(lambda: bool(heard))
    asking.cancel()
    await turns()
    assert (wire.cancelled, heard) == (1, [0])
    assert set(shelf.kept) == {NAMES[0]}
    wire.go.set()
    assert await ask(rounds) == NAMES


async def test_a_zone_that_is_named_twice_is_asked_once_and_told_twice(wire: Wire, rounds: CachedRounds) -> None:
    assert await ask(rounds, [*APEXES, APEXES[0]]) == [*NAMES, NAMES[0]]
    assert wire.asked == [NAMES]


async def test_of_no_zones_nothing_is_asked(wire: Wire, rounds: CachedRounds) -> None:
    assert await ask(rounds, []) == []
    assert wire.asked == []
