"""A round of list questions through the caches: what is known is not asked, and what is under way is not asked twice."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from bot.model import Answer, Heard, LookupFailed
from bot.net.memory import Memory

KIND = "A"
SILENCE = LookupFailed("timeout")
Outcome = Answer | LookupFailed


class AsksRounds(Protocol):
    """What this needs of a transport."""

    async def ask_all(
        self, label: str, apexes: Sequence[str], /, *, bulk: bool = ..., heard: Heard | None = ...
    ) -> Sequence[Outcome]: ...


class SharedRounds(Protocol):
    """A cache that several processes share. When it is away it recalls nothing, soon."""

    async def recall(self, names: Sequence[str], kind: str, /) -> Mapping[str, Answer]: ...

    def keep(self, answers: Sequence[Answer], /) -> None: ...


@dataclass(slots=True, eq=False)
class _Round:
    """Questions on the wire by their names, and how many callers wait for one of them or more."""

    answers: dict[str, asyncio.Future[Outcome]]
    asking: asyncio.Task[None] | None = None
    waiting: int = 0


@dataclass(slots=True)
class _Caller:
    """One who asked: the outcomes in the order of the zones, silence until something better is known."""

    heard: Heard | None
    outcomes: list[Outcome] = field(default_factory=list)

    def tell(self, place: int, outcome: Outcome) -> None:
        self.outcomes[place] = outcome
        if self.heard:
            self.heard(place, outcome)

    def take(self, place: int, answer: asyncio.Future[Outcome]) -> None:
        if not answer.cancelled():
            self.tell(place, answer.result())


class CachedRounds:
    """Rounds for people. One look into the shared cache goes before the questions, one call that keeps the answers follows them."""

    def __init__(self, transport: AsksRounds, memory: Memory, shared: SharedRounds | None) -> None:
        self._transport = transport
        self._memory = memory
        self._shared = shared
        self._open: dict[str, _Round] = {}

    async def ask(self, label: str, apexes: Sequence[str], *, fresh: bool, heard: Heard | None) -> list[Outcome]:
        """The outcome of `label.apex` for each of the zones. A `fresh` round reads no cache, and fills them."""
        places = {f"{label}.{apex}": place for place, apex in enumerate(apexes)}
        caller = _Caller(heard, [SILENCE] * len(apexes))
        if not fresh:
            for name, answer in (await self._known(list(places))).items():
                caller.tell(places.pop(name), answer)
        rounds = self._join(label, {name: apexes[place] for name, place in places.items()})
        awaited = [(place, rounds[name].answers[name]) for name, place in places.items()]
        for place, coming in awaited:
            coming.add_done_callback(partial(caller.take, place))
        try:
            await self._wait_for(set(rounds.values()), [coming for _, coming in awaited])
        finally:
            caller.heard = None  # who has turned away hears no more
        return caller.outcomes

    async def _known(self, names: Sequence[str]) -> dict[str, Answer]:
        known = {name: answer for name in names if (answer := self._memory.recall(name, KIND))}
        missing = [name for name in names if name not in known and name not in self._open]
        if missing and self._shared:
            for name, answer in (await self._shared.recall(missing, KIND)).items():
                self._memory.keep(answer)
                known[name] = answer
        return known

    def _join(self, label: str, apexes: Mapping[str, str]) -> dict[str, _Round]:
        """The round that each name is asked in; those that nobody asks yet set out together."""
        found = {name: self._open[name] for name in apexes if name in self._open}
        new = {name: apex for name, apex in apexes.items() if name not in found}
        if new:
            loop = asyncio.get_running_loop()
            begun = _Round({name: loop.create_future() for name in new})
            begun.asking = loop.create_task(self._ask(label, list(new.values()), begun))
            found |= dict.fromkeys(new, begun)
            self._open |= dict.fromkeys(new, begun)
        return found

    async def _wait_for(self, rounds: set[_Round], answers: Sequence[asyncio.Future[Outcome]]) -> None:
        """The last one to turn away from a round takes its questions back."""
        for each in rounds:
            each.waiting += 1
        try:
            if answers:
                await asyncio.wait(answers)
        finally:
            for each in rounds:
                each.waiting -= 1
                if not each.waiting and each.asking and not each.asking.done():
                    self._forget(each)
                    each.asking.cancel()

    async def _ask(self, label: str, apexes: Sequence[str], asked: _Round) -> None:
        learned: list[Answer] = []
        waiting = list(asked.answers.values())

        def hear(place: int, outcome: Outcome) -> None:
            if isinstance(outcome, Answer):
                self._memory.keep(outcome)
                learned.append(outcome)
            waiting[place].set_result(outcome)

        try:
            await self._transport.ask_all(label, apexes, bulk=False, heard=hear)
        finally:
            self._forget(asked)
            for answer in waiting:
                answer.cancel()  # which changes nothing where there is one
            if self._shared:
                self._shared.keep(learned)

    def _forget(self, over: _Round) -> None:
        for name in over.answers:
            if self._open.get(name) is over:
                del self._open[name]
