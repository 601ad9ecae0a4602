from __future__ import annotations

import pytest

from bot.net.rate_limit import DAY_S, Bucket, Pace, day_bucket, second_bucket


def taken(bucket: Bucket, start: float, seconds: float, tries_a_second: int) -> int:
    return sum(bucket.take(start + n / tries_a_second) for n in range(round(seconds * tries_a_second)))


@pytest.mark.parametrize("rate", [1, 5, 10, 1000])
def test_ten_seconds_bring_no_more_than_nine_tenths_of_the_limit_and_one_second_in_hand(rate: int) -> None:
    bucket = second_bucket(Pace(per_second=rate), now=100.0)
    assert bucket
    most = max(1, rate * 0.9) + rate * 0.9 * 10
    assert most - 2 <= taken(bucket, 100.0, 10, 5 * rate) <= most + 1


def test_a_day_may_be_used_up_at_once_and_comes_back_with_the_clock() -> None:
    bucket = day_bucket(Pace(per_day=DAY_S), now=0.0)
    assert bucket
    assert sum(bucket.take(0.0) for _ in range(DAY_S)) == DAY_S * 9 // 10
    assert not bucket.take(0.5)
    assert bucket.take(3.0)


def test_where_no_limit_is_known_there_is_no_bucket() -> None:
    assert second_bucket(Pace(), 0.0) is None
    assert day_bucket(Pace(), 0.0) is None


def test_a_clock_that_stands_still_brings_nothing() -> None:
    bucket = Bucket(1.0, 1000.0, 5.0)
    assert [bucket.take(5.0) for _ in range(3)] == [True, False, False]
