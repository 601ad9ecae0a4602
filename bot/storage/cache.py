"""What Redis remembers for a while: DNS answers, whole reports, the health of lists. Every key here has a TTL.

`view` names the resolver that the answers came through: two processes that ask different resolvers share nothing.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b

from bot.models import Answer
from bot.storage.circuit_breaker import Away, Circuit
from bot.storage.single_flight import Batch, Flights, Held

PREFIX = "mc1"  # raise the number when the form of an entry changes
LONGEST_ANSWER_S = 3600
REPORT_S = 60
KEPT_AFTER_S = 0.01


class AnswerCache:
    """DNS answers, for as long as their own TTL says and at most an hour; a TTL of 0 is not stored (RFC 1035 §3.2.1)."""

    def __init__(self, circuit: Circuit, view: str = "") -> None:
        self._circuit = circuit
        self._prefix = prefix("dns", view)
        # A waiting question asks for itself soon enough to end within the time that a person waits.
        self._flights = Flights(circuit, turn_s=3.5, patience_s=1.5)
        self._late = Batch(self._keep_all, after_s=KEPT_AFTER_S)

    @property
    def away(self) -> bool:
        """Whether Redis is being done without just now, so that answers come uncached."""
        return self._circuit.away

    async def fetch(self, name: str, kind: str, ask: Callable[[], Awaitable[Answer]], fresh: bool = False) -> Answer:
        """The answer to a question; `ask` runs where nobody has it, and always where it is to be `fresh`.

        Raises what `ask` raises, and nothing of its own.
        """

        def load(held: Held) -> Answer:
            return load_answer(name, kind, held)

        key = self._key(name, kind)
        if fresh:
            answer = await ask()
            self._flights.keep(key, dump_answer(answer))
            return answer
        answer, _ = await self._flights.fetch(key, ask, dump_answer, load)
        return answer

    async def recall(self, names: Sequence[str], kind: str, /) -> dict[str, Answer]:
        """What is remembered of many names, in one round trip; nothing while Redis is away."""
        found = await self._flights.look([self._key(name, kind) for name in names])
        known: dict[str, Answer] = {}
        for name, held in zip(names, found, strict=True):
            if held is not None:
                with suppress(ValueError, TypeError):  # it cannot be read, so it is asked again and replaced
                    known[name] = load_answer(name, kind, held)
        return known

    def keep(self, answer: Answer, /) -> None:
        """Store an answer a moment from now, with all that came by then: whoever asked is to have it first."""
        self._late.ask(answer)

    async def settle(self) -> None:
        """Wait until every answer is stored; for a process that is about to end."""
        await self._late.settle()
        await self._flights.settle()

    def _key(self, name: str, kind: str) -> str:
        return self._prefix + digest(f"{name.lower()} {kind}")

    async def _keep_all(self, answers: Sequence[Answer]) -> list[None]:
        for answer in answers:
            self._flights.keep(self._key(answer.name, answer.kind), dump_answer(answer))
        return [None] * len(answers)


class ReportCache:
    """Whole reports as JSON text, for a minute: the same order asked again is one check."""

    def __init__(self, circuit: Circuit, view: str = "") -> None:
        self._circuit = circuit
        self._prefix = prefix("report", view)
        self._flights = Flights(circuit, turn_s=10.0, patience_s=10.0)

    @property
    def away(self) -> bool:
        return self._circuit.away

    async def fetch(self, key: str, make: Callable[[], Awaitable[str]], fresh: bool = False) -> tuple[str, bool]:
        """The report to an order, and whether it was made before. `fresh` makes it anew, and stores it for others."""
        name = self._prefix + digest(key)
        if fresh:
            text = await make()
            self._flights.keep(name, Held(text, REPORT_S))
            return text, False
        return await self._flights.fetch(name, make, lambda text: Held(text, REPORT_S), lambda held: held.text)

    async def settle(self) -> None:
        await self._flights.settle()


class Remembered:
    """Short texts by id, such as what is known about a list. Nothing is remembered while Redis is away."""

    def __init__(self, circuit: Circuit, room: str, view: str = "") -> None:
        self._circuit = circuit
        self._prefix = prefix(room, view)

    async def recall(self, ids: Sequence[str]) -> dict[str, str]:
        """The texts that are still remembered, by id."""
        if not ids:
            return {}
        keys = [self._prefix + item for item in ids]
        try:
            texts = await self._circuit.run(lambda: self._circuit.redis.mget(keys))
        except Away:
            return {}
        return {item: str(text) for item, text in zip(ids, texts, strict=True) if text is not None}

    async def remember(self, items: Mapping[str, str], ttl_s: int) -> None:
        if not items or ttl_s <= 0:
            return
        pipeline = self._circuit.redis.pipeline(transaction=False)
        for item, text in items.items():
            pipeline.set(self._prefix + item, text, ex=ttl_s)
        try:
            await self._circuit.run(pipeline.execute)
        except Away:
            return


def dump_answer(answer: Answer) -> Held:
    text = json.dumps([answer.exists, answer.authentic, answer.records], separators=(",", ":"))
    return Held(text, max(0, min(answer.ttl, LONGEST_ANSWER_S)))


def load_answer(name: str, kind: str, held: Held) -> Answer:
    """Raises ValueError or TypeError for a text that `dump_answer` did not write."""
    exists, authentic, records = json.loads(held.text)
    return Answer(name, kind, tuple(records), exists=exists, ttl=int(held.ttl_s), authentic=authentic)


def prefix(room: str, view: str) -> str:
    return f"{PREFIX}:{room}:{digest(view)[:8]}:"


def digest(text: str) -> str:
    """Names in key zones carry the customer's key, which must not be read off the keys of a shared Redis."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
