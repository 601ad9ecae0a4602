"""Questions that come up together, answered by one call.

Single-flight across processes: of all who want the same thing at the same time, one fetches it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from importlib.resources import files
from itertools import count
from typing import Generic, NamedTuple, TypeVar

from bot.storage.circuit_breaker import Away, Circuit

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


log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.02
LAND_EVERY_S = 0.01  # DNS answers trickle in; one call stores what came within a moment

T = TypeVar("T")


class Held(NamedTuple):
    """What Redis holds under a key, and for how many seconds (still, or from now)."""

    text: str
    ttl_s: float


class Turn(Enum):
    """Who fetches what Redis does not hold."""

    OURS = 1
    THEIRS = 0


class Claim(NamedTuple):
    key: str
    asker: str


class Landing(NamedTuple):
    key: str
    asker: str
    held: Held


NOTHING = Held("", 0.0)


class Flights:
    """Questions of one tick cost one round trip, and so do the answers of one tick.

    A turn to fetch ends by itself after `turn_s`, so that a killed process holds up nobody for longer. Who waits for
    another's turn fetches on its own when that turn ends without an answer, or after `patience_s`.
    """

    def __init__(self, circuit: Circuit, *, turn_s: float, patience_s: float) -> None:
        self._circuit = circuit
        self._turn_ms = int(turn_s * 1000)
        self._patience_s = patience_s
        self._claim_script = circuit.redis.register_script(script("claim.lua"))
        self._land_script = circuit.redis.register_script(script("land.lua"))
        self._claims = Batch(self._claim)
        self._looks = Batch(self._look, after_s=LOOK_EVERY_S)
        self._landings = Batch(self._land, after_s=LAND_EVERY_S)
        self._process = secrets.token_hex(6)
        self._numbers = count()

    async def fetch(
        self, key: str, make: Callable[[], Awaitable[T]], dump: Callable[[T], Held], load: Callable[[Held], T]
    ) -> tuple[T, bool]:
        """What `key` stands for, and whether Redis had it. What `make` raises goes to the caller, and is not stored."""
        claim = Claim(key, f"{self._process}-{next(self._numbers)}")
        held = await self._held(claim)
        if held is not None:
            try:
                return load(held), True
            except (ValueError, TypeError):
                log.warning("The cache entry %s cannot be read; it is fetched again.", key)
        try:
            made = await make()
        except BaseException:
            self._landings.ask(Landing(*claim, NOTHING))
            raise
        self._landings.ask(Landing(*claim, dump(made)))
        return made, False

    async def look(self, keys: Sequence[str]) -> list[Held | None]:
        """What Redis holds under these keys, without taking a turn or waiting for those who have one."""
        seen = await self._see([Claim(key, "") for key in keys], 0)
        return [held if isinstance(held, Held) else None for held in seen]

    def keep(self, key: str, held: Held) -> None:
        """Store what was fetched without asking whose turn it is."""
        self._landings.ask(Landing(key, "", held))

    async def settle(self) -> None:
        """Wait until everything fetched so far is stored; for a process that is about to end."""
        await self._landings.settle()

    async def _held(self, claim: Claim) -> Held | None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience_s
        seen = await self._claims.ask(claim)
        while seen is Turn.THEIRS and loop.time() < until:
            seen = await self._looks.ask(claim)
        return seen if isinstance(seen, Held) else None

    async def _claim(self, claims: Sequence[Claim]) -> list[Held | Turn]:
        return await self._see(claims, self._turn_ms)

    async def _look(self, claims: Sequence[Claim]) -> list[Held | Turn]:
        return await self._see(claims, 0)

    async def _see(self, claims: Sequence[Claim], turn_ms: int) -> list[Held | Turn]:
        keys = [claim.key for claim in claims]
        arguments = [str(turn_ms), *(claim.asker for claim in claims)]
        try:
            reply: str = await self._circuit.run(lambda: self._claim_script(keys, arguments))
        except Away:
            return [Turn.OURS] * len(claims)
        return [Held(item[0], item[1] / 1000) if isinstance(item, list) else Turn(item) for item in json.loads(reply)]

    async def _land(self, landings: Sequence[Landing]) -> list[None]:
        keys = [landing.key for landing in landings]
        arguments = [
            word
            for _, asker, held in landings
            for word in (asker, int(held.ttl_s * 1000), held.text if held.ttl_s else "")
        ]
        try:
            await self._circuit.run(lambda: self._land_script(keys, arguments))
        except Away:
            log.debug("Redis is away; %d fetched entries are not stored.", len(landings))
        return [None] * len(landings)


def script(name: str) -> str:
    return (files("bot.storage") / "scripts" / name).read_text(encoding="utf-8")
