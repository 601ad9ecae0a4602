from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest
from redis.asyncio import Redis

from bot.storage.single_flight import MOST, Batch, script

LEFT = pytest.approx(9000, abs=500)
CASES = {
    "nothing": (None, 1),
    "an answer": ("=text", ["text", LEFT]),
    "an empty answer": ("=", ["", LEFT]),
    "my own turn, when the reply to it was lost": ("?me", 1),
    "another's turn": ("?other", 0),
    "something that is not ours": ("odd", 1),
}


@pytest.mark.parametrize("turn_ms", [0, 3500])
@pytest.mark.parametrize(("held", "seen"), CASES.values(), ids=CASES)
async def test_a_claim_sent_twice_is_the_same_claim(redis: Redis, held: str | None, seen: object, turn_ms: int) -> None:
    if held is not None:
        await redis.set("key", held, px=9000)
    claim = redis.register_script(script("claim.lua"))
    for _ in range(2):
        assert json.loads(await claim(["key"], [turn_ms, "me"])) == [seen]
    taken = seen == 1 and turn_ms > 0
    assert await redis.get("key") == ("?me" if taken else held)


@pytest.mark.parametrize(
    ("held", "keeps_ms", "left"),
    [
        ("?me", 9000, "=text"),
        ("?other", 9000, "=text"),
        (None, 9000, "=text"),
        ("?me", 0, None),
        ("?other", 0, "?other"),
        ("=text", 0, "=text"),
    ],
)
async def test_a_landing_sent_twice_is_the_same_landing(
    redis: Redis, held: str | None, keeps_ms: int, left: str | None
) -> None:
    if held is not None:
        await redis.set("key", held, px=9000)
    land = redis.register_script(script("land.lua"))
    for _ in range(2):
        await land(["key"], ["me", keeps_ms, "text"])
    assert await redis.get("key") == left


async def test_questions_of_one_tick_are_one_call_and_no_call_is_too_large() -> None:
    calls: list[int] = []

    async def double(numbers: Sequence[int]) -> list[int]:
        calls.append(len(numbers))
        return [2 * number for number in numbers]

    batch = Batch(double)
    assert await asyncio.gather(*map(batch.ask, range(MOST + 7))) == [2 * number for number in range(MOST + 7)]
    assert calls == [MOST, 7]


async def test_a_failed_call_fails_each_of_its_questions() -> None:
    async def fail(questions: Sequence[int]) -> list[int]:
        raise ValueError("no")

    batch = Batch(fail)
    asked = [batch.ask(1), batch.ask(2)]
    assert [str(problem) for problem in await asyncio.gather(*asked, return_exceptions=True)] == ["no", "no"]


async def test_a_question_that_nobody_waits_for_spoils_no_other() -> None:
    async def echo(questions: Sequence[int]) -> list[int]:
        return list(questions)

    batch = Batch(echo)
    gone, waits = batch.ask(1), batch.ask(2)
    gone.cancel()
    assert await waits == 2
    await batch.settle()
