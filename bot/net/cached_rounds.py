"""A round of list questions through the caches: what is known is not asked, and what is under way is not asked twice."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    """A cache that several processes share. When it is away it recalls nothing, soon; `keep` does its work a moment later."""

    async def recall(self, names: Sequence[str], kind: str, /) -> Mapping[str, Answer]: ...

    def keep(self, answer: Answer, /) -> None: ...


@dataclass(slots=True, eq=False)
class _Caller:
    """One who asked: `outcomes` stand in the order of the zones, silence until something better is known."""

    heard: Heard | None
    outcomes: list[Outcome]
    left: int
    done: asyncio.Future[None]

    def tell(self, place: int, outcome: Outcome) -> None:
        self.outcomes[place] = outcome
        self.left -= 1
        if self.heard:
            self.heard(place, outcome)
        if not self.left and not self.done.done():
            self.done.set_result(None)


@dataclass(slots=True, eq=False)
class _Round:
    """Questions on the wire, by their names those who wait for the answer; and how many wait for any."""

    callers: dict[str, list[tuple[_Caller, int]]]
    asking: asyncio.Task[None] | None = None
    waiting: int = 0


class CachedRounds:
    """Rounds for people. One look into the shared cache goes before the questions, one call that keeps the answers follows them."""

    def __init__(self, transport: AsksRounds, memory: Memory, shared: SharedRounds | None) -> None:
        self._transport = transport
        self._memory = memory
        self._shared = shared
        self._open: dict[str, _Round] = {}  # by the names that have no answer yet

    async def ask(self, label: str, apexes: Sequence[str], *, fresh: bool, heard: Heard | None) -> list[Outcome]:
        """The outcome of `label.apex` for each of the zones. A `fresh` round reads no cache, and fills them."""
        names = [f"{label}.{apex}" for apex in apexes]
        known = {} if fresh else await self._known(names)
        done = asyncio.get_running_loop().create_future()
        caller = _Caller(heard, [SILENCE] * len(names), len(names), done)
        for place, name in enumerate(names):
            if name in known:
                caller.tell(place, known[name])
        missing = [(name, place) for place, name in enumerate(names) if name not in known]
        self._set_out(label, {name: apexes[place] for name, place in missing if name not in self._open})
        await self._wait(caller, missing)
        return caller.outcomes

    async def _known(self, names: Sequence[str]) -> dict[str, Answer]:
        known = {name: answer for name in names if (answer := self._memory.recall(name, KIND))}
        missing = [name for name in names if name not in known and name not in self._open]
        if missing and self._shared:
            for name, answer in (await self._shared.recall(missing, KIND)).items():
                self._memory.keep(answer)
                known[name] = answer
        return known

    def _set_out(self, label: str, apexes: Mapping[str, str]) -> None:
        if apexes:
            begun = _Round({name: [] for name in apexes})
            self._open |= dict.fromkeys(apexes, begun)
            begun.asking = asyncio.create_task(self._ask(label, apexes, begun))

    async def _wait(self, caller: _Caller, missing: Sequence[tuple[str, int]]) -> None:
        """Until the caller has been told everything; the last one to turn away from a round takes its questions back."""
        for name, place in missing:
            self._open[name].callers[name].append((caller, place))
        rounds = {self._open[name] for name, _ in missing}
        for each in rounds:
            each.waiting += 1
        try:
            if missing:
                await caller.done
        finally:
            caller.heard = None  # who has turned away hears no more
            for each in rounds:
                each.waiting -= 1
                if each.callers and each.asking and not each.waiting:
                    self._forget(each)
                    each.asking.cancel()

    async def _ask(self, label: str, apexes: Mapping[str, str], asked: _Round) -> None:
        names = list(apexes)

        def hear(place: int, outcome: Outcome) -> None:
            if isinstance(outcome, Answer):
                self._memory.keep(outcome)
                if self._shared:
                    self._shared.keep(outcome)
            self._told(names[place], outcome, asked)

        try:
            await self._transport.ask_all(label, list(apexes.values()), bulk=False, heard=hear)
        finally:
            for name in list(asked.callers):
                self._told(name, SILENCE, asked)

    def _told(self, name: str, outcome: Outcome, asked: _Round) -> None:
        if self._open.get(name) is asked:
            del self._open[name]
        for caller, place in asked.callers.pop(name):
            caller.tell(place, outcome)

    def _forget(self, over: _Round) -> None:
        for name in over.callers:
            if self._open.get(name) is over:
                del self._open[name]
