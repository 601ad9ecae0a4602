import pytest

from bot.net.dns_upstream import LONGEST, RAREST, SHORTEST, RoundTrip


def estimator_after(*seconds: float) -> RoundTrip:
    estimator = RoundTrip()
    for sample in seconds:
        estimator.measured(sample)
    return estimator


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
def test_timeout_follows_rtt_and_variance(samples: list[float], low: float, high: float) -> None:
    assert low <= estimator_after(*samples).wait(0) <= high


def test_retransmission_timeout_doubles_up_to_limit() -> None:
    estimator = estimator_after(*[0.02] * 50)
    assert [estimator.wait(retransmissions) for retransmissions in range(6)] == pytest.approx(
        [0.05, 0.1, 0.2, 0.4, RAREST, RAREST]
    )


def test_timeout_grows_after_many_retransmissions() -> None:
    estimator = estimator_after(*[0.001] * 50)
    for _ in range(15):
        estimator.missed()
    assert estimator.wait(0) == LONGEST
    estimator.measured(0.001)
    assert estimator.wait(0) == SHORTEST


def test_occasional_loss_leaves_timeout_unchanged() -> None:
    estimator = estimator_after(*[0.001] * 50)
    for _ in range(10):
        estimator.missed()
    assert estimator.wait(0) == SHORTEST
