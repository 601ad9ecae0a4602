"""Quarantine of unreliable blocklists, and the state of every list between rounds. Pure.

A list that is sold, parked or broken lists every address at once. It is put in quarantine, its
results are ignored and reported as one notice, and it is trusted again after good rounds of its
test points (RFC 5782 section 5). A round takes some minutes, so that neither a short outage nor a
few good answers count.

Many new listings are no proof, since real lists list whole networks. At a new listing the list is
asked for names that no real list has (`bot.checks.dnsbl.never_listed`); those decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil

from bot.monitoring.list_counts import ListCounts, RoundCounts
from bot.monitoring.models import Observation, ObservedState
from bot.monitoring.observations import BLOCKLIST
from bot.monitoring.stored_types import Timestamp

LIST_ROUND_LENGTH = timedelta(minutes=5)
BUDGET = "budget"
NOT_QUERIED = (BUDGET, "day-limit")


@dataclass(frozen=True, slots=True)
class QuarantinePolicy:
    """When a list enters and leaves quarantine.

    Without proof, a list without a negative test point enters it when at least `min_newly_listed`
    neighborhoods, and the share `min_share` of the targets that were answered, turn to listed;
    `sample_size` bounds how far back the share reaches.
    """

    min_newly_listed: int = 5
    min_share: float = 0.2
    sample_size: int = 25
    good_rounds: int = 3
    silent_rounds: int = 3


@dataclass(frozen=True, slots=True)
class ListHealth:
    """State of one list.

    `answered` and `newly_listed` count the targets of recent polls, `neighborhoods` are the networks
    and domains of the latter, the latest last; `good_rounds` counts rounds in a row with correct test
    points while in quarantine, `silent_rounds` those without any verified answer, `episode` the
    conditions reported. `quarantined_since` is None outside of quarantine.
    """

    list_id: str
    answered: float = 0
    newly_listed: float = 0
    neighborhoods: tuple[str, ...] = ()
    quarantined_since: Timestamp | None = None
    good_rounds: int = 0
    silent_rounds: int = 0
    degraded: bool = False
    episode: int = 0


@dataclass(frozen=True, slots=True)
class RoundResult:
    """Result of one round of a list. `must_not_listed`: its negative test point is listed."""

    answered: bool
    must_not_listed: bool = False


class NoticeReason(StrEnum):
    """QUARANTINED ends with TRUSTED, DEGRADED (no answers) with ANSWERING."""

    QUARANTINED = "quarantined"
    TRUSTED = "trusted"
    DEGRADED = "degraded"
    ANSWERING = "answering"


@dataclass(frozen=True, slots=True)
class ListNotice:
    """Notice about an unreliable list. Several lists in one notice point to the local resolver.

    `newly_listed` of `answered` recent polls turned to listed; both are zero where the test points
    were the reason.
    """

    key: str
    reason: NoticeReason
    list_ids: tuple[str, ...]
    newly_listed: int = 0
    answered: int = 0

    @property
    def thread_key(self) -> str:
        """Key shared by the first and the closing notice of a condition."""
        return self.key.rpartition(".")[0]

    @property
    def is_root(self) -> bool:
        return self.reason in (NoticeReason.QUARANTINED, NoticeReason.DEGRADED)


def apply_quarantine(observations: Iterable[Observation], quarantined: Set[str]) -> tuple[Observation, ...]:
    """Mark the observations of quarantined lists, so that they are ignored."""
    return tuple(
        replace(observation, state=ObservedState.QUARANTINED)
        if observation.check == BLOCKLIST and observation.subject in quarantined
        else observation
        for observation in observations
    )


def record_counts(health: ListHealth, counts: ListCounts) -> ListHealth:
    """Add polls to a list's health, before alerts are decided."""
    if health.quarantined_since:
        return health
    return replace(
        health,
        answered=health.answered + counts.answered,
        newly_listed=health.newly_listed + counts.newly_listed,
        neighborhoods=tuple(dict.fromkeys((*health.neighborhoods, *sorted(counts.neighborhoods)))),
    )


def lists_much(health: ListHealth, policy: QuarantinePolicy) -> bool:
    """Whether so much turned to listed, in networks apart from each other, that the list may list everything."""
    apart = len(health.neighborhoods) >= policy.min_newly_listed
    return apart and health.newly_listed >= policy.min_share * health.answered


def cap_sample(health: ListHealth, policy: QuarantinePolicy) -> ListHealth:
    """Cap the counts at one sample, so that a quiet day does not mask a bad minute."""
    if health.answered <= policy.sample_size:
        return health
    weight = policy.sample_size / health.answered
    newly_listed = round(health.newly_listed * weight, 3)
    oldest = max(0, len(health.neighborhoods) - ceil(newly_listed))
    return replace(
        health,
        answered=float(policy.sample_size),
        newly_listed=newly_listed,
        neighborhoods=health.neighborhoods[oldest:],
    )


def quarantine_by_test_point(health: ListHealth, now: datetime) -> tuple[ListHealth, ListNotice | None]:
    """Quarantine a list that lists its negative test point at once."""
    return (health, None) if health.quarantined_since else _quarantine(health, now)


def finish_list_round(
    health: ListHealth, result: RoundResult, now: datetime, policy: QuarantinePolicy
) -> tuple[ListHealth, tuple[ListNotice, ...]]:
    """Health of a list after one round, in or out of quarantine, and the notices."""
    notices: list[ListNotice | None] = []
    health, notice = _track_silence(health, result, policy)
    notices.append(notice)
    if result.must_not_listed and not health.quarantined_since:
        health, notice = _quarantine(health, now)
    else:
        health, notice = _track_recovery(health, result, policy)
    notices.append(notice)
    return health, tuple(notice for notice in notices if notice)


def merge_notices(notices: Iterable[ListNotice], list_count: int) -> tuple[ListNotice, ...]:
    """Merge the notices of a round when half of all lists change at once: that is the resolver, not the lists."""
    groups: dict[NoticeReason, list[ListNotice]] = {}
    for notice in notices:
        groups.setdefault(notice.reason, []).append(notice)
    merged: list[ListNotice] = []
    for reason, group in groups.items():
        if len(group) > 1 and 2 * len(group) >= list_count:
            names = tuple(sorted(name for notice in group for name in notice.list_ids))
            merged.append(ListNotice(f"lists.{max(notice.key for notice in group)}", reason, names))
        else:
            merged += group
    return tuple(merged)


def quarantined_ids(healths: Mapping[str, ListHealth]) -> frozenset[str]:
    return frozenset(name for name, health in healths.items() if health.quarantined_since)


def _track_silence(
    health: ListHealth, result: RoundResult, policy: QuarantinePolicy
) -> tuple[ListHealth, ListNotice | None]:
    if result.answered:
        answering = replace(health, silent_rounds=0, degraded=False)
        return answering, _notice(answering, NoticeReason.ANSWERING) if health.degraded else None
    silent_rounds = min(health.silent_rounds + 1, policy.silent_rounds)
    if silent_rounds < policy.silent_rounds or health.degraded:
        return replace(health, silent_rounds=silent_rounds), None
    degraded = replace(health, silent_rounds=silent_rounds, degraded=True, episode=health.episode + 1)
    return degraded, _notice(degraded, NoticeReason.DEGRADED)


def _quarantine(health: ListHealth, now: datetime) -> tuple[ListHealth, ListNotice]:
    entered = ListHealth(
        health.list_id,
        quarantined_since=now,
        silent_rounds=health.silent_rounds,
        degraded=health.degraded,
        episode=health.episode + 1,
    )
    notice = _notice(entered, NoticeReason.QUARANTINED)
    return entered, replace(notice, newly_listed=round(health.newly_listed), answered=round(health.answered))


def _track_recovery(
    health: ListHealth, result: RoundResult, policy: QuarantinePolicy
) -> tuple[ListHealth, ListNotice | None]:
    if not health.quarantined_since:
        return health, None
    if result.must_not_listed or not result.answered:
        return replace(health, good_rounds=0), None
    if health.good_rounds + 1 < policy.good_rounds:
        return replace(health, good_rounds=health.good_rounds + 1), None
    trusted = replace(health, quarantined_since=None, good_rounds=0)
    return trusted, _notice(trusted, NoticeReason.TRUSTED)


def _notice(health: ListHealth, reason: NoticeReason) -> ListNotice:
    return ListNotice(f"{health.list_id}.{health.episode}.{reason}", reason, (health.list_id,))


@dataclass(frozen=True, slots=True)
class QuarantineState:
    """Health of every list, and the counts of the current round."""

    round_started_at: Timestamp
    healths: tuple[ListHealth, ...] = ()
    round_counts: tuple[RoundCounts, ...] = ()

    @property
    def quarantined(self) -> frozenset[str]:
        return quarantined_ids({health.list_id: health for health in self.healths})


@dataclass(frozen=True, slots=True)
class QueryUsage:
    """Queries of watches to a list since midnight UTC, of the `per_day` its operator allows."""

    list_id: str
    per_day: int
    used: int


def record_polls(
    state: QuarantineState, counts: Mapping[str, ListCounts], round_counts: Iterable[RoundCounts], now: datetime
) -> tuple[QuarantineState, tuple[ListNotice, ...]]:
    """Add polls to the state; call it before alerts are decided."""
    healths = {health.list_id: health for health in state.healths}
    notices: list[ListNotice] = []
    for name, list_counts in counts.items():
        healths[name] = record_counts(healths.get(name, ListHealth(name)), list_counts)
    sums = {addition.list_id: addition for addition in state.round_counts}
    for addition in round_counts:
        if addition.lists_everything:
            healths[addition.list_id], notice = quarantine_by_test_point(
                healths.get(addition.list_id, ListHealth(addition.list_id)), now
            )
            notices += [notice] if notice else []
        sums[addition.list_id] = sums.get(addition.list_id, RoundCounts(addition.list_id)) + addition
    return replace(state, healths=tuple(healths.values()), round_counts=tuple(sums.values())), tuple(notices)


def lists_to_prove(
    state: QuarantineState, without_test_points: Set[str], now: datetime, policy: QuarantinePolicy
) -> frozenset[str]:
    """Ids of the lists that have to show now that they do not list everything.

    Those with a new listing; at the end of a round also those in quarantine, and those without a
    negative test point that list half of all targets: they may have been broken before.
    """
    quarantined = state.quarantined
    names = {h.list_id for h in state.healths if h.newly_listed and h.list_id not in quarantined}
    if _round_ends(state, now):
        names |= quarantined
        names |= {c.list_id for c in state.round_counts if c.list_id in without_test_points and _lists_half(c, policy)}
    return frozenset(names)


def apply_proofs(
    state: QuarantineState,
    proofs: Mapping[str, bool | None],
    without_test_points: Set[str],
    now: datetime,
    policy: QuarantinePolicy,
) -> tuple[QuarantineState, tuple[ListNotice, ...]]:
    """Quarantine the lists that list everything by `proofs`; None is no answer.

    Without a proof, a list with a negative test point is believed, as its listings count only while
    that one is clean; another one is believed unless it lists much.
    """
    healths = {health.list_id: health for health in state.healths}
    half_listed = {counts.list_id for counts in state.round_counts if _lists_half(counts, policy)}
    notices: list[ListNotice] = []
    for name, proof in proofs.items():
        health = healths.get(name, ListHealth(name))
        much = name in without_test_points and (lists_much(health, policy) or name in half_listed)
        if not health.quarantined_since and (much if proof is None else proof):
            healths[name], notice = _quarantine(health, now)
            notices.append(notice)
        elif proof is False:
            healths[name] = replace(health, answered=0, newly_listed=0, neighborhoods=())
    capped = tuple(cap_sample(health, policy) for health in healths.values())
    return replace(state, healths=capped), tuple(notices)


def finish_round(
    state: QuarantineState,
    proofs: Mapping[str, bool | None],
    without_test_points: Set[str],
    now: datetime,
    policy: QuarantinePolicy,
) -> tuple[QuarantineState, tuple[ListNotice, ...]]:
    """End the round if it has lasted long enough; `without_test_points` are ids of lists."""
    if not _round_ends(state, now):
        return state, ()
    healths = {health.list_id: health for health in state.healths}
    notices: list[ListNotice] = []
    for counts in state.round_counts:
        name = counts.list_id
        health, proof = healths.get(name, ListHealth(name)), proofs.get(name)
        still_broken = name in without_test_points if proof is None else proof
        # A list that lists everything is not silent, though its answers are not trusted.
        result = RoundResult(
            counts.answered > 0 or counts.lists_everything,
            counts.lists_everything or (health.quarantined_since is not None and still_broken),
        )
        healths[name], new_notices = finish_list_round(health, result, now, policy)
        notices += new_notices
    return QuarantineState(now, tuple(healths.values())), merge_notices(notices, len(state.round_counts))


def _round_ends(state: QuarantineState, now: datetime) -> bool:
    return not state.round_started_at <= now < state.round_started_at + LIST_ROUND_LENGTH


def _lists_half(counts: RoundCounts, policy: QuarantinePolicy) -> bool:
    """Whether half of the targets are listed, as in no real list; they stand in for a negative test point."""
    return counts.listed >= max(policy.min_newly_listed, counts.answered / 2)
