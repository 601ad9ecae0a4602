import pytest

from bot.net.dns_upstream import LONGEST, RAREST, SHORTEST, RoundTrip


def after(*seconds: float) -> RoundTrip:
    trip = RoundTrip()
    for sample in seconds:
        trip.measured(sample)
    return trip


@pytest.mark.parametrize(
    ("samples", "low", "high"),
    [
        ([], 0.2, 0.2),
        ([0.001] * 50, SHORTEST, SHORTEST),
        ([0.03] * 50, SHORTEST, 0.06),
        ([0.1] * 50, 0.1, 0.11),
        ([0.001, 0.2] * 25, 0.3, LONGEST),
        ([5.0] * 50, LONGEST, LONGEST),
    ],
)
def test_the_wait_follows_the_round_trip_and_its_spread(samples: list[float], low: float, high: float) -> None:
    assert low <= after(*samples).wait(0) <= high


def test_each_copy_waits_twice_as_long_up_to_a_bound() -> None:
    trip = after(*[0.02] * 50)
    assert [trip.wait(copies) for copies in range(6)] == pytest.approx([0.05, 0.1, 0.2, 0.4, RAREST, RAREST])


def test_a_wait_that_is_too_short_does_not_stay() -> None:
    trip = after(*[0.001] * 50)
    for _ in range(15):
        trip.missed()
    assert trip.wait(0) == LONGEST
    trip.measured(0.001)
    assert trip.wait(0) == SHORTEST


def test_a_lost_datagram_now_and_then_makes_nobody_wait_longer() -> None:
    trip = after(*[0.001] * 50)
    for _ in range(10):
        trip.missed()
    assert trip.wait(0) == SHORTEST
