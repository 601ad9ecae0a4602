"""A round of list questions through the caches: what is known is not asked, and what is under way is not asked twice.

The Lookup that checks are given: remembered answers, and one question on the wire however many ask it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.models import Answer, Heard, Lookup, LookupFailed, RoundLookup, SweepLookup
from bot.net.ttl_cache import Memory

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


Ask = Callable[[], Awaitable[Answer]]
Key = tuple[str, str, "Manner"]

MEMORY_SIZE = 20_000
LONGEST_TTL = 3600.0


class Asks(AsksRounds, Protocol):
    """What a resolver needs of a transport."""

    async def query(self, name: str, kind: str, *, deadline_s: float = ..., bulk: bool = ...) -> Answer: ...


class SharedAnswers(SharedRounds, Protocol):
    """A cache that several processes share: it serves the answer, or calls `ask` and keeps what that returns.

    With `fresh` it always calls `ask`. Failures (LookupFailed, raised by `ask`) pass through and are never kept. When the cache is away it calls `ask`.
    """

    async def fetch(self, name: str, kind: str, ask: Ask, /, *, fresh: bool = False) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Manner:
    """How to ask: `fresh` reads no cache, `bulk` lets people go first, `deadline_s` is the caller's patience."""

    fresh: bool = False
    bulk: bool = False
    deadline_s: float = 3.0


@dataclass(slots=True, eq=False)
class _Shared:
    asking: asyncio.Task[Answer]
    waiting: int = 0


class Resolver(RoundLookup):
    """`await resolver("example.com", "TXT")`; raises LookupFailed, which is never remembered.

    `identity` names the servers behind it: what one resolver says about a list need not hold for another.
    The answer's `name` is in lower case without a trailing dot.
    """

    def __init__(
        self,
        transport: Asks,
        *,
        identity: str,
        shared: SharedAnswers | None = None,
        clock: Callable[[], float] = time.monotonic,
        size: int = MEMORY_SIZE,
    ) -> None:
        self.identity = identity
        self._transport = transport
        self._shared = shared
        self._memory = Memory(clock, size, LONGEST_TTL)
        self._open: dict[Key, _Shared] = {}
        self._rounds = CachedRounds(transport, self._memory, shared)

    async def __call__(self, name: str, kind: str, /) -> Answer:
        return await self.lookup(name, kind, Manner())

    def fresh(self) -> Lookup:
        """A Lookup that reads no cache; what it learns is remembered for the others."""
        return self.asking(Manner(fresh=True))

    def asking(self, manner: Manner) -> Lookup:
        """A Lookup that asks in that manner."""
        return _Asking(self, manner)

    def sweeping(self, *, fresh: bool = False) -> SweepLookup:
        """The Lookup of a sweep: people go first, no cache is shared, and what lists say is not remembered at all."""
        return _Sweep(self, Manner(fresh=fresh, bulk=True))

    async def ask_all(
        self, label: str, apexes: Sequence[str], /, *, heard: Heard | None = None
    ) -> Sequence[Answer | LookupFailed]:
        return await self.ask_round(label, apexes, Manner(), heard)

    async def ask_round(
        self, label: str, apexes: Sequence[str], manner: Manner, heard: Heard | None
    ) -> Sequence[Answer | LookupFailed]:
        """What zones say about a label; a sweep asks past every cache, for what lists say to it nobody asks again soon."""
        if manner.bulk:
            return await self._transport.ask_all(label, apexes, bulk=True, heard=heard)
        return await self._rounds.ask(label, apexes, fresh=manner.fresh, heard=heard)

    async def lookup(self, name: str, kind: str, manner: Manner) -> Answer:
        name = name.lower().removesuffix(".") or "."
        if not manner.fresh and (known := self._memory.recall(name, kind)):
            return known
        if manner.bulk:  # the targets of a sweep seldom share a name, and a task for each question is not for nothing
            answer = await self._transport.query(name, kind, deadline_s=manner.deadline_s, bulk=True)
            self._memory.keep(answer)
            return answer
        return await self._together((name, kind, manner))

    async def _together(self, key: Key) -> Answer:
        """Join the question if it is on its way; the last one to turn away takes it back."""
        shared = self._open.get(key)
        if shared is None:
            shared = self._open[key] = _Shared(asyncio.create_task(self._learn(*key)))
            shared.asking.add_done_callback(lambda _: self._forget(key, shared))
        shared.waiting += 1
        try:
            return await asyncio.shield(shared.asking)
        finally:
            shared.waiting -= 1
            if not shared.waiting and not shared.asking.done():
                self._forget(key, shared)
                shared.asking.cancel()

    def _forget(self, key: Key, shared: _Shared) -> None:
        if self._open.get(key) is shared:
            del self._open[key]

    async def _learn(self, name: str, kind: str, manner: Manner) -> Answer:
        async def ask() -> Answer:
            return await self._transport.query(name, kind, deadline_s=manner.deadline_s, bulk=manner.bulk)

        shared = self._shared
        answer = await (shared.fetch(name, kind, ask, fresh=manner.fresh) if shared else ask())
        self._memory.keep(answer)
        return answer


@dataclass(frozen=True)
class _Asking(RoundLookup):
    resolver: Resolver
    manner: Manner

    async def __call__(self, name: str, kind: str, /) -> Answer:
        return await self.resolver.lookup(name, kind, self.manner)

    async def ask_all(
        self, label: str, apexes: Sequence[str], /, *, heard: Heard | None = None
    ) -> Sequence[Answer | LookupFailed]:
        return await self.resolver.ask_round(label, apexes, self.manner, heard)


class _Sweep(_Asking, SweepLookup):
    @property
    def fresh(self) -> bool:
        return self.manner.fresh
