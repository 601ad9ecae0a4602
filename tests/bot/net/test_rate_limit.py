from __future__ import annotations

import pytest

from bot.net.dns_query import DAY_S, RateLimit, day_bucket, second_bucket
from bot.resilience.rate_limit import Rate, TokenBucket


def count_taken(bucket: TokenBucket, start: float, seconds: float, attempts_per_s: int) -> int:
    return sum(bucket.take(start + n / attempts_per_s) for n in range(round(seconds * attempts_per_s)))


@pytest.mark.parametrize("rate", [1, 5, 10, 1000])
def test_second_bucket_allows_ninety_percent_of_limit(rate: int) -> None:
    bucket = second_bucket(RateLimit(per_second=rate))
    assert bucket
    limit = max(1, rate * 0.9) + rate * 0.9 * 10
    assert limit - 2 <= count_taken(bucket, 100.0, 10, 5 * rate) <= limit + 1


def test_day_bucket_is_usable_at_once_and_refills() -> None:
    bucket = day_bucket(RateLimit(per_day=DAY_S))
    assert bucket
    assert sum(bucket.take(0.0) for _ in range(DAY_S)) == DAY_S * 9 // 10
    assert not bucket.take(0.5)
    assert bucket.take(3.0)


def test_unknown_limit_has_no_bucket() -> None:
    assert second_bucket(RateLimit()) is None
    assert day_bucket(RateLimit()) is None


def test_bucket_without_elapsed_time_stays_empty() -> None:
    bucket = TokenBucket(Rate(1000.0, 1.0))
    assert [bucket.take(5.0) for _ in range(3)] == [True, False, False]
