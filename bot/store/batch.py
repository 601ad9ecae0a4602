"""Questions that come up together, answered by one call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")

MOST = 500  # one call must not keep others waiting


class Batch(Generic[Q, A]):
    """Gathers for `after_s` seconds (0: the present tick of the event loop), then asks for all answers at once.

    `answer_all` gives one answer for each question, in order.
    """

    def __init__(self, answer_all: Callable[[Sequence[Q]], Awaitable[Sequence[A]]], after_s: float = 0.0) -> None:
        self._answer_all = answer_all
        self._after_s = after_s
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._calls: set[asyncio.Task[None]] = set()

    def ask(self, question: Q) -> asyncio.Future[A]:
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_later(self._after_s, self._send)
        answer: asyncio.Future[A] = loop.create_future()
        self._waiting.append((question, answer))
        return answer

    async def settle(self) -> None:
        """Wait until every question asked so far has its answer."""
        self._send()
        while self._calls:
            await asyncio.wait(self._calls)

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), MOST):
            call = asyncio.create_task(self._call(waiting[start : start + MOST]))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _call(self, waiting: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._answer_all([question for question, _ in waiting])
        except asyncio.CancelledError:
            for _, future in waiting:
                future.cancel()
            raise
        except Exception as problem:
            for _, future in waiting:
                if not future.done():
                    future.set_exception(problem)
            return
        for (_, future), answer in zip(waiting, answers, strict=True):
            if not future.done():
                future.set_result(answer)
