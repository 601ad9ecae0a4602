"""Token buckets: never more than the burst and the refill of any period, and not less."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.resilience.rate_limit import Rate, RateLimiter, TokenBucket

RATE = Rate(per_second=1.0, burst=3.0)
START = 1_700_000_000.0
RATES = st.builds(Rate, st.sampled_from([0.1, 1.0, 7.5, 900.0]), st.sampled_from([1.0, 3.5, 50.0]))
GAPS_S = st.lists(st.floats(0.0, 3.0), min_size=1, max_size=200)


class Clock:
    now = START

    def __call__(self) -> float:
        return self.now


@given(rate=RATES, gaps_s=GAPS_S)
def test_taken_tokens_stay_within_burst_and_refill(rate: Rate, gaps_s: list[float]) -> None:
    bucket, now, times = TokenBucket(rate), 0.0, []
    for gap_s in gaps_s:
        now += gap_s
        wait_s = bucket.wait_s(now)
        assert bucket.take(now) is (wait_s == 0.0)
        if wait_s == 0.0:
            times.append(now)
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            assert last - first + 1 <= rate.burst + (times[last] - start) * rate.per_second + 1e-3


@given(rate=RATES, count=st.integers(1, 100))
def test_reserved_tokens_come_at_the_rate(rate: Rate, count: int) -> None:
    bucket, waits_s = TokenBucket(rate), []
    for _ in range(count):
        waits_s.append(bucket.wait_s(0.0))
        bucket.reserve(0.0)
    assert waits_s == pytest.approx([max(0.0, (n + 1 - rate.burst) / rate.per_second) for n in range(count)], abs=1e-4)
    assert bucket.wait_s(waits_s[-1] + 1 / rate.per_second) == pytest.approx(0.0, abs=1e-6)


def test_full_bucket_gives_its_whole_burst() -> None:
    bucket = TokenBucket(Rate(1.0, 86_400.0))
    assert sum(bucket.take(START) for _ in range(90_000)) == 86_400


def reserved_wait(limiter: RateLimiter, key: str) -> float:
    wait_s = limiter.wait_s(key)
    limiter.reserve(key)
    return wait_s


def test_keys_have_their_own_buckets() -> None:
    clock = Clock()
    limiter = RateLimiter(RATE, clock)
    assert [reserved_wait(limiter, "a") for _ in range(6)] == pytest.approx([0, 0, 0, 1, 2, 3], abs=1e-5)
    assert limiter.wait_s("b") == 0.0
    clock.now += 60.0
    assert [reserved_wait(limiter, "a") for _ in range(4)] == pytest.approx([0, 0, 0, 1], abs=1e-5)


def test_blocked_key_waits_and_others_do_not() -> None:
    clock = Clock()
    limiter = RateLimiter(RATE, clock)
    limiter.block("blocked", 30.0)
    limiter.block("blocked", 5.0)
    assert (limiter.wait_s("another"), limiter.wait_s("blocked")) == (0.0, pytest.approx(30.0))
    clock.now += 30.1
    assert limiter.wait_s("blocked") == 0.0


def test_keys_beyond_the_maximum_push_out_the_oldest() -> None:
    limiter = RateLimiter(RATE, Clock(), max_keys=5)
    keys = [str(number) for number in range(8)]
    for key in keys:
        for _ in range(3):
            limiter.reserve(key)
    assert [limiter.wait_s(key) > 0 for key in keys] == [False] * 3 + [True] * 5
