import pytest

from bot.net.dns_upstream import MAX_BACKOFF_S, MAX_RTO_S, MIN_RTO_S, RttEstimator


def estimator_after(*seconds: float) -> RttEstimator:
    estimator = RttEstimator()
    for sample in seconds:
        estimator.add_sample(sample)
    return estimator


@pytest.mark.parametrize(
    ("samples", "low", "high"),
    [
        ([], 0.2, 0.2),
        ([0.001] * 50, MIN_RTO_S, MIN_RTO_S),
        ([0.03] * 50, MIN_RTO_S, 0.06),
        ([0.1] * 50, 0.1, 0.11),
        ([0.001, 0.2] * 25, 0.3, MAX_RTO_S),
        ([5.0] * 50, MAX_RTO_S, MAX_RTO_S),
    ],
)
def test_timeout_follows_rtt_and_variance(samples: list[float], low: float, high: float) -> None:
    assert low <= estimator_after(*samples).timeout_s(0) <= high


def test_retransmission_timeout_doubles_up_to_limit() -> None:
    estimator = estimator_after(*[0.02] * 50)
    assert [estimator.timeout_s(retransmissions) for retransmissions in range(6)] == pytest.approx(
        [0.05, 0.1, 0.2, 0.4, MAX_BACKOFF_S, MAX_BACKOFF_S]
    )


def test_timeout_grows_after_many_retransmissions() -> None:
    estimator = estimator_after(*[0.001] * 50)
    for _ in range(15):
        estimator.record_loss()
    assert estimator.timeout_s(0) == MAX_RTO_S
    estimator.add_sample(0.001)
    assert estimator.timeout_s(0) == MIN_RTO_S


def test_occasional_loss_leaves_timeout_unchanged() -> None:
    estimator = estimator_after(*[0.001] * 50)
    for _ in range(10):
        estimator.record_loss()
    assert estimator.timeout_s(0) == MIN_RTO_S
