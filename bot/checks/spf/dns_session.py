"""The DNS of one evaluation: every question is asked once, counted, and held to a budget of our own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from bot.models import Answer, Lookup, LookupFailed

Question = tuple[str, str]
Then = Callable[[Answer], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """What we spend on one evaluation, beside the limits that RFC 7208 sets.

    A legal record can need 123 questions: its own TXT, ten `mx` of 1 + 10, a PTR with ten names, and exp=. `ahead`
    bounds the questions asked early that nothing has needed yet, so that 123 + 7 stay within `queries`.
    """

    queries: int = 130
    seconds: float = 8.0
    ahead: int = 7


OURS = Limits()


class Stopped(Exception):
    """Our own budget ended the work, which says nothing about the record; the message is one plain sentence."""


class Session:
    """A lookup that remembers, counts and stops; leaving its `async with` cancels what nobody waits for any more."""

    def __init__(self, lookup: Lookup, limits: Limits) -> None:
        self._lookup = lookup
        self._limits = limits
        self._asked: dict[Question, asyncio.Task[Answer | LookupFailed]] = {}
        self._unneeded: set[Question] = set()
        self._wanted: deque[tuple[str, str, Then | None]] = deque()
        self.deadline = asyncio.get_running_loop().time() + limits.seconds

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        left = [task for task in self._asked.values() if not task.done()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    @property
    def queries(self) -> int:
        """How many different questions were asked."""
        return len(self._asked)

    def begin(self, name: str, kind: str) -> None:
        """Ask a question whose answer will be needed soon. Raises Stopped."""
        self._task((name.lower(), kind))

    async def ask(self, name: str, kind: str) -> Answer:
        """The answer to a question. Raises LookupFailed where DNS did not answer, Stopped where our budget ended."""
        task = self._task((name.lower(), kind))
        self._look_further()
        outcome = await task
        if not isinstance(outcome, LookupFailed):
            return outcome
        if outcome.reason == "budget":
            raise Stopped("The whole check had asked as many DNS questions as it may, so SPF was not finished.")
        raise LookupFailed(outcome.reason, f"{name} {kind}")

    def want(self, name: str, kind: str, then: Then | None = None) -> None:
        """Ask early, when there is room, what may be needed later; `then` is given the answer once it is there."""
        self._wanted.append((name, kind, then))
        self._look_further()

    def _task(self, question: Question) -> asyncio.Task[Answer | LookupFailed]:
        task = self._asked.get(question)
        if asyncio.get_running_loop().time() > self.deadline or (task and task.cancelled()):
            raise Stopped(f"The check stopped by itself after {self._limits.seconds:g} seconds.")
        self._unneeded.discard(question)
        if task:
            return task
        if self.queries >= self._limits.queries:
            raise Stopped(f"The check stopped by itself after {self._limits.queries} DNS questions.")
        return self._start(question, None)

    def _start(self, question: Question, then: Then | None) -> asyncio.Task[Answer | LookupFailed]:
        task = self._asked[question] = asyncio.create_task(self._fetch(question, then))
        return task

    async def _fetch(self, question: Question, then: Then | None) -> Answer | LookupFailed:
        try:
            answer = await self._lookup(*question)
        except LookupFailed as failure:
            return failure
        if then:
            then(answer)
        return answer

    def _look_further(self) -> None:
        while self._wanted and len(self._unneeded) < self._limits.ahead and self.queries < self._limits.queries:
            name, kind, then = self._wanted.popleft()
            question = (name.lower(), kind)
            if question not in self._asked:
                self._unneeded.add(question)
                self._start(question, then)
