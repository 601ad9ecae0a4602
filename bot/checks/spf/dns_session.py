"""DNS session of one evaluation: memoizes queries and enforces a query and time budget."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from bot.checks.finding_codes import Problem
from bot.models import DnsAnswer, Lookup, LookupFailed

Query = tuple[str, str]
OnAnswer = Callable[[DnsAnswer], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one evaluation, in addition to those of RFC 7208.

    A legal record can need 123 queries: its own TXT, ten `mx` of 1 + 10, a PTR with ten names, and
    exp=. `max_prefetched` bounds the prefetched queries that are not needed yet, so that 123 + 7
    stay within `max_queries`.
    """

    max_queries: int = 130
    timeout_s: float = 8.0
    max_prefetched: int = 7


DEFAULT_LIMITS = Limits()


class BudgetExceeded(Exception):
    """The session ran out of its budget, whatever the record; the problem is a key of `phrases.PROBLEMS`."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.problem = Problem(key, values)


class DnsSession:
    """A memoizing, counting lookup with a budget.

    Leaving its `async with` cancels pending queries.
    """

    def __init__(self, lookup: Lookup, limits: Limits) -> None:
        self._lookup = lookup
        self._limits = limits
        self._tasks: dict[Query, asyncio.Task[DnsAnswer | LookupFailed]] = {}
        self._prefetched: set[Query] = set()
        self._backlog: deque[tuple[str, str, OnAnswer | None]] = deque()
        self.deadline = asyncio.get_running_loop().time() + limits.timeout_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        pending = [task for task in self._tasks.values() if not task.done()]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    @property
    def queries(self) -> int:
        """Number of distinct queries sent."""
        return len(self._tasks)

    def start(self, name: str, rdtype: str) -> None:
        """Start a query whose answer is needed soon. Raises BudgetExceeded."""
        self._task((name.lower(), rdtype))

    async def query(self, name: str, rdtype: str) -> DnsAnswer:
        """Return the answer. Raises LookupFailed on DNS errors, BudgetExceeded on our limits."""
        task = self._task((name.lower(), rdtype))
        self._prefetch_more()
        result = await task
        if not isinstance(result, LookupFailed):
            return result
        if result.reason == "budget":
            raise BudgetExceeded("budget")
        raise LookupFailed(result.reason, f"{name} {rdtype}")

    def prefetch(self, name: str, rdtype: str, on_answer: OnAnswer | None = None) -> None:
        """Prefetch what may be needed later, within limits; `on_answer` gets the answer."""
        self._backlog.append((name, rdtype, on_answer))
        self._prefetch_more()

    def _task(self, query: Query) -> asyncio.Task[DnsAnswer | LookupFailed]:
        task = self._tasks.get(query)
        if asyncio.get_running_loop().time() > self.deadline or (task and task.cancelled()):
            raise BudgetExceeded("timeout", seconds=self._limits.timeout_s)
        self._prefetched.discard(query)
        if task:
            return task
        if self.queries >= self._limits.max_queries:
            raise BudgetExceeded("queries", count=self._limits.max_queries)
        return self._create_task(query, None)

    def _create_task(self, query: Query, on_answer: OnAnswer | None) -> asyncio.Task[DnsAnswer | LookupFailed]:
        task = self._tasks[query] = asyncio.create_task(self._fetch(query, on_answer))
        return task

    async def _fetch(self, query: Query, on_answer: OnAnswer | None) -> DnsAnswer | LookupFailed:
        try:
            answer = await self._lookup(*query)
        except LookupFailed as failure:
            return failure
        if on_answer:
            on_answer(answer)
        return answer

    def _prefetch_more(self) -> None:
        while (
            self._backlog
            and len(self._prefetched) < self._limits.max_prefetched
            and self.queries < self._limits.max_queries
        ):
            name, rdtype, on_answer = self._backlog.popleft()
            query = (name.lower(), rdtype)
            if query not in self._tasks:
                self._prefetched.add(query)
                self._create_task(query, on_answer)
