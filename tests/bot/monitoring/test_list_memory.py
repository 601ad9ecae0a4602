"""List state between polls, and the end of a round."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.models import CheckRequest, Target, Verdict
from bot.monitoring.dnsbl_quarantine import (
    LIST_ROUND_LENGTH,
    ListHealth,
    NoticeReason,
    QuarantinePolicy,
    QuarantineState,
    apply_proofs,
    finish_round,
    lists_to_prove,
    record_polls,
)
from bot.monitoring.list_counts import ListCounts, RoundCounts, counts_by_list
from bot.monitoring.serialization import dump, load
from tests.support.incident_stories import T0, networks
from tests.support.reports import listing, report

LIMITS = QuarantinePolicy()


def run_rounds(
    state: QuarantineState,
    *counts: RoundCounts,
    rounds: int = 3,
    without_test_points: frozenset[str] = frozenset(),
    proof: bool | None = True,
) -> tuple[QuarantineState, list[NoticeReason]]:
    """Run rounds with equal counts; returns the state and the reasons of all notices."""
    reasons: list[NoticeReason] = []
    for _ in range(rounds):
        state, immediate = record_polls(state, {}, counts, state.round_started_at)
        ends_at = state.round_started_at + LIST_ROUND_LENGTH
        proofs = dict.fromkeys(lists_to_prove(state, without_test_points, ends_at, LIMITS), proof)
        state, judged = apply_proofs(state, proofs, without_test_points, ends_at, LIMITS)
        state, notices = finish_round(state, proofs, without_test_points, ends_at, LIMITS)
        reasons += [notice.reason for notice in (*immediate, *judged, *notices)]
    return state, reasons


def test_round_counts_cover_each_list_of_a_report() -> None:
    first = report(
        listing("A"),
        listing("B", Verdict.PASS, "not_listed"),
        listing("C", Verdict.UNKNOWN, "unusable", reason="lists-everything"),
        listing("D", Verdict.UNKNOWN, "unknown", reason="timeout"),
    )
    second = replace(first, request=CheckRequest(Target.of("192.0.2.26", "example.com")))
    assert counts_by_list([first, second]) == (
        RoundCounts("a", 2, 2, 2),
        RoundCounts("b", 2, 2, 0),
        RoundCounts("c", 2, 0, 0, lists_everything=True),
        RoundCounts("d", 2, 0, 0),
    )


def test_domain_listing_counts_once_for_all_addresses() -> None:
    about_domain = report(listing("A", holds="domains"), listing("B", holds="addresses"))
    addresses = [
        replace(about_domain, request=CheckRequest(Target.of(f"192.0.2.{n}", "example.com"))) for n in range(16)
    ]
    assert counts_by_list(addresses) == (RoundCounts("a", 1, 1, 1), RoundCounts("b", 16, 16, 16))


def test_round_ends_after_its_length() -> None:
    state, _ = record_polls(QuarantineState(T0), {}, [RoundCounts("a", 1)], T0)
    assert finish_round(state, {}, frozenset(), T0 + LIST_ROUND_LENGTH - timedelta(seconds=1), LIMITS) == (state, ())
    ended, _ = finish_round(state, {}, frozenset(), T0 + LIST_ROUND_LENGTH, LIMITS)
    assert (ended.round_started_at, ended.round_counts) == (T0 + LIST_ROUND_LENGTH, ())


def test_clock_set_back_ends_the_round() -> None:
    ended, _ = finish_round(QuarantineState(T0), {}, frozenset(), T0 - timedelta(hours=3), LIMITS)
    assert ended.round_started_at == T0 - timedelta(hours=3)


@pytest.mark.parametrize(
    ("counts", "without_test_points", "expected"),
    [
        (RoundCounts("a", 9, 9, 2), False, []),
        (RoundCounts("a", 9, 0, 0), False, [NoticeReason.DEGRADED]),
        (RoundCounts("a", 9, 0, 0, lists_everything=True), False, [NoticeReason.QUARANTINED]),
        (RoundCounts("a", 9, 9, 9), False, []),  # test points are correct: the listings are real
        (RoundCounts("a", 9, 9, 9), True, [NoticeReason.QUARANTINED]),
        (RoundCounts("a", 40, 40, 9), True, []),
        (RoundCounts("a", 4, 4, 4), True, []),  # too few targets
    ],
)
def test_three_equal_rounds_send_expected_notices(
    counts: RoundCounts, without_test_points: bool, expected: list[NoticeReason]
) -> None:
    _, reasons = run_rounds(
        QuarantineState(T0), counts, without_test_points=frozenset({"a"}) if without_test_points else frozenset()
    )
    assert reasons == expected


def test_round_without_polls_is_not_silence() -> None:
    assert run_rounds(QuarantineState(T0), rounds=20)[1] == []


def test_quarantine_ends_after_three_good_rounds() -> None:
    counts = {"a": ListCounts(20, 20, networks(20)), "b": ListCounts(20, 1, networks(1))}
    state, _ = record_polls(QuarantineState(T0), counts, (), T0)
    assert lists_to_prove(state, frozenset(), T0, LIMITS) == {"a", "b"}
    quarantined, notices = apply_proofs(state, {"a": True, "b": False}, frozenset(), T0, LIMITS)
    assert [(notice.reason, notice.list_ids) for notice in notices] == [(NoticeReason.QUARANTINED, ("a",))]
    assert quarantined.quarantined == {"a"}
    after_two, reasons = run_rounds(quarantined, RoundCounts("a", 5, 5), RoundCounts("b", 5, 5), rounds=2, proof=False)
    assert (after_two.quarantined, reasons) == ({"a"}, [])
    after_three, reasons = run_rounds(after_two, RoundCounts("a", 5, 5), RoundCounts("b", 5, 5), rounds=1, proof=False)
    assert (after_three.quarantined, reasons) == (frozenset(), [NoticeReason.TRUSTED])


def test_listed_negative_test_point_quarantines_at_once() -> None:
    counts = RoundCounts("a", 1, 0, 0, lists_everything=True)
    state, notices = record_polls(QuarantineState(T0), {}, [counts], T0)
    assert state.quarantined == {"a"}
    assert [(notice.reason, notice.list_ids) for notice in notices] == [(NoticeReason.QUARANTINED, ("a",))]
    assert record_polls(state, {}, [counts], T0)[1] == ()


def test_list_state_survives_serialization() -> None:
    state = QuarantineState(
        T0, (ListHealth("a", answered=3, quarantined_since=T0),), (RoundCounts("a", 1, 1, 0, True),)
    )
    assert load(QuarantineState, dump(state)) == state
