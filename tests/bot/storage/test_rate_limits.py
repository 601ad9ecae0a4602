from __future__ import annotations

from redis.asyncio import Redis

from bot.storage.circuit_breaker import Circuit
from bot.storage.rate_limits import SEEN_S, WINDOW_S, Allowance, Sightings


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_020.0

    def __call__(self) -> float:
        return self.now


async def test_the_eleventh_question_in_a_minute_waits_for_the_next(redis: Redis) -> None:
    clock = Clock()
    allowance = Allowance(Circuit(redis), clock)
    waits = [await allowance.wait({"user": 10, "channel": 20}) for _ in range(11)]
    assert waits[:10] == [0] * 10
    assert waits[10] == WINDOW_S - int(clock.now % WINDOW_S)
    clock.now += waits[10]
    assert await allowance.wait({"user": 10, "channel": 20}) == 0


async def test_a_channel_is_counted_over_all_who_ask_in_it(redis: Redis) -> None:
    allowance = Allowance(Circuit(redis), Clock())
    waits = [await allowance.wait({f"user-{n}": 10, "channel": 20}) for n in range(21)]
    assert [bool(wait) for wait in waits] == [False] * 20 + [True]


async def test_no_count_outlives_its_minute(redis: Redis) -> None:
    await Allowance(Circuit(redis), Clock()).wait({"user": 10})
    ttls = [await redis.ttl(key) async for key in redis.scan_iter("mc1:asked:*")]
    assert ttls
    assert all(0 < ttl <= WINDOW_S for ttl in ttls)


async def test_a_key_is_seen_once_in_whatever_process(redis: Redis) -> None:
    here, there = Sightings(redis), Sightings(redis)
    assert not await here("a")
    await here.settle()
    assert [await there("a"), await there("b")] == [True, False]
    assert 0 < await redis.ttl("mc1:seen:a") <= SEEN_S
