"""Quarantine of unreliable blocklists, and the state of every list between rounds. Pure.

A list that is sold, parked or broken lists every address at once. It is put in quarantine, its
results are ignored and reported as one notice, and it is trusted again after good rounds of its
test points (RFC 5782 section 5). A round takes some minutes, so that neither a short outage nor a
few good answers count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from bot.models import Finding, Report
from bot.monitoring.models import Incident, Observation, ObservedState
from bot.monitoring.observations import BLOCKLIST, is_about_domain
from bot.monitoring.stored_types import Timestamp

LIST_ROUND_LENGTH = timedelta(minutes=5)
BUDGET, LISTS_EVERYTHING = "budget", "lists-everything"
NOT_QUERIED = (BUDGET, "day-limit")
CONCLUSIVE_STATES = ("listed", "not_listed")


@dataclass(frozen=True, slots=True)
class QuarantinePolicy:
    """When a list enters and leaves quarantine.

    It enters when at least `min_newly_listed` targets, and the share `min_share` of the answered
    ones, turn to listed; `sample_size` bounds how far back the share reaches. For `trusted_for`
    after quarantine only the test points can quarantine it again, so real listings alert.
    """

    min_newly_listed: int = 5
    min_share: float = 0.2
    sample_size: int = 25
    good_rounds: int = 3
    silent_rounds: int = 3
    trusted_for: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class ListHealth:
    """State of one list.

    `answered` and `newly_listed` count recent polls; `good_rounds` counts rounds in a row with
    correct test points while in quarantine, `silent_rounds` those without any verified answer,
    `episode` the conditions reported. `quarantined_since` is None outside of quarantine.
    """

    list_id: str
    answered: float = 0
    newly_listed: float = 0
    quarantined_since: Timestamp | None = None
    trusted_until: Timestamp | None = None
    good_rounds: int = 0
    silent_rounds: int = 0
    degraded: bool = False
    episode: int = 0


@dataclass(frozen=True, slots=True)
class ListCounts:
    """Targets with a verified answer of one list, and those that turned to listed."""

    answered: int = 0
    newly_listed: int = 0

    def __add__(self, other: ListCounts) -> ListCounts:
        return ListCounts(self.answered + other.answered, self.newly_listed + other.newly_listed)


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


def count_listings(before: Incident | None, observations: Iterable[Observation]) -> dict[str, ListCounts]:
    """Counts of one poll of one watch by list; a first poll has no newly listed targets."""
    known = (
        {(p.last_observation.subject, p.last_observation.address) for p in before.problems if p.phase != "clean"}
        if before
        else set()
    )
    newly_listed: dict[tuple[str, str], bool] = {}  # a domain counts once for all addresses
    for observation in observations:
        if observation.check == BLOCKLIST and observation.state in (ObservedState.LISTED, ObservedState.NOT_LISTED):
            subject = observation.subject, observation.address
            newly_listed[subject] = (
                before is not None and observation.state is ObservedState.LISTED and subject not in known
            )
    counts: dict[str, ListCounts] = {}
    for (name, _), is_new in newly_listed.items():
        counts[name] = counts.get(name, ListCounts()) + ListCounts(1, int(is_new))
    return counts


def apply_quarantine(observations: Iterable[Observation], quarantined: Set[str]) -> tuple[Observation, ...]:
    """Mark the observations of quarantined lists, so that they are ignored."""
    return tuple(
        replace(observation, state=ObservedState.QUARANTINED)
        if observation.check == BLOCKLIST and observation.subject in quarantined
        else observation
        for observation in observations
    )


def record_counts(
    health: ListHealth, counts: ListCounts, now: datetime, policy: QuarantinePolicy
) -> tuple[ListHealth, ListNotice | None]:
    """Add polls to a list's health; quarantine it when too many targets turned to listed.

    Call it before alerts are decided and apply the resulting quarantine to the same polls. No alert
    is sent when the threshold is reached within one `AlertPolicy.confirm_after`, as happens from
    about 250 targets an hour on. With fewer targets the test points, which every second poll
    queries too, catch it. Only a list without test points can alert for targets polled earlier.
    """
    if health.quarantined_since:
        return health, None
    answered, newly_listed = (health.answered + counts.answered, health.newly_listed + counts.newly_listed)
    if health.trusted_until is not None:  # a clock may have been set back since
        health = replace(health, trusted_until=min(health.trusted_until, now + policy.trusted_for))
    trusted = health.trusted_until is not None and now < health.trusted_until
    if not trusted and newly_listed >= max(policy.min_newly_listed, policy.min_share * answered):
        return _quarantine(replace(health, answered=answered, newly_listed=newly_listed), now)
    # History is capped at one sample, so that a quiet day does not mask a bad minute.
    weight = min(1.0, policy.sample_size / answered) if answered else 1.0
    return replace(health, answered=round(answered * weight, 3), newly_listed=round(newly_listed * weight, 3)), None


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
        health, notice = _track_recovery(health, result, now, policy)
    notices.append(notice)
    return health, tuple(notice for notice in notices if notice)


def merge_notices(notices: Iterable[ListNotice], list_count: int) -> tuple[ListNotice, ...]:
    """Merge the notices of a round when half of all lists fall silent or return at once."""
    groups: dict[NoticeReason, list[ListNotice]] = {}
    for notice in notices:
        groups.setdefault(notice.reason, []).append(notice)
    merged: list[ListNotice] = []
    for reason, group in groups.items():
        if (
            reason in (NoticeReason.DEGRADED, NoticeReason.ANSWERING)
            and len(group) > 1
            and 2 * len(group) >= list_count
        ):
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
    health: ListHealth, result: RoundResult, now: datetime, policy: QuarantinePolicy
) -> tuple[ListHealth, ListNotice | None]:
    if not health.quarantined_since:
        return health, None
    if result.must_not_listed or not result.answered:
        return replace(health, good_rounds=0), None
    if health.good_rounds + 1 < policy.good_rounds:
        return replace(health, good_rounds=health.good_rounds + 1), None
    trusted = replace(health, quarantined_since=None, good_rounds=0, trusted_until=now + policy.trusted_for)
    return trusted, _notice(trusted, NoticeReason.TRUSTED)


def _notice(health: ListHealth, reason: NoticeReason) -> ListNotice:
    return ListNotice(f"{health.list_id}.{health.episode}.{reason}", reason, (health.list_id,))


@dataclass(frozen=True, slots=True)
class RoundCounts:
    """Counts of one list in a round: targets queried, verified answers, and listings among them.

    `lists_everything`: its negative test point is listed.
    """

    list_id: str
    queried: int = 0
    answered: int = 0
    listed: int = 0
    lists_everything: bool = False

    def __add__(self, other: RoundCounts) -> RoundCounts:
        return RoundCounts(
            self.list_id,
            self.queried + other.queried,
            self.answered + other.answered,
            self.listed + other.listed,
            self.lists_everything or other.lists_everything,
        )


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


def counts_by_list(reports: Iterable[Report]) -> tuple[RoundCounts, ...]:
    """Counts by list of these reports."""
    by_target: dict[tuple[str, str], RoundCounts] = {}  # a domain counts once for all addresses
    for report in reports:
        ip, domain = str(report.request.target.ip), str(report.request.target.domain)
        for finding in report.findings:
            if finding.check == BLOCKLIST:
                by_target[finding.subject, domain if is_about_domain(finding) else ip] = _finding_counts(finding)
    totals: dict[str, RoundCounts] = {}
    for counts in by_target.values():
        totals[counts.list_id] = totals.get(counts.list_id, RoundCounts(counts.list_id)) + counts
    return tuple(totals.values())


def _finding_counts(finding: Finding) -> RoundCounts:
    state, reason = finding.facts.get("state"), finding.facts.get("reason")
    return RoundCounts(finding.subject, 1, state in CONCLUSIVE_STATES, state == "listed", reason == LISTS_EVERYTHING)


def record_polls(
    state: QuarantineState,
    counts: Mapping[str, ListCounts],
    round_counts: Iterable[RoundCounts],
    now: datetime,
    policy: QuarantinePolicy,
) -> tuple[QuarantineState, tuple[ListNotice, ...]]:
    """Add polls to the state; call it before alerts are decided."""
    healths = {health.list_id: health for health in state.healths}
    notices: list[ListNotice] = []
    for name, list_counts in counts.items():
        healths[name], notice = record_counts(healths.get(name, ListHealth(name)), list_counts, now, policy)
        notices += [notice] if notice else []
    sums = {addition.list_id: addition for addition in state.round_counts}
    for addition in round_counts:
        if addition.lists_everything:
            healths[addition.list_id], notice = quarantine_by_test_point(
                healths.get(addition.list_id, ListHealth(addition.list_id)), now
            )
            notices += [notice] if notice else []
        sums[addition.list_id] = sums.get(addition.list_id, RoundCounts(addition.list_id)) + addition
    return replace(state, healths=tuple(healths.values()), round_counts=tuple(sums.values())), tuple(notices)


def finish_round(
    state: QuarantineState, without_test_points: Set[str], now: datetime, policy: QuarantinePolicy
) -> tuple[QuarantineState, tuple[ListNotice, ...]]:
    """End the round if it has lasted long enough; `without_test_points` are ids of lists."""
    if now - state.round_started_at < LIST_ROUND_LENGTH and now >= state.round_started_at:
        return state, ()
    healths = {health.list_id: health for health in state.healths}
    notices: list[ListNotice] = []
    for counts in state.round_counts:
        # A list that lists everything is not silent, though its answers are not trusted.
        result = RoundResult(
            counts.answered > 0 or counts.lists_everything,
            _is_listing_everything(counts, counts.list_id in without_test_points, policy),
        )
        healths[counts.list_id], new_notices = finish_list_round(
            healths.get(counts.list_id, ListHealth(counts.list_id)), result, now, policy
        )
        notices += new_notices
    return QuarantineState(now, tuple(healths.values())), merge_notices(notices, len(state.round_counts))


def _is_listing_everything(counts: RoundCounts, without_test_points: bool, policy: QuarantinePolicy) -> bool:
    """Without a negative test point the targets stand in: no real list has half of them."""
    if not without_test_points:
        return counts.lists_everything
    return counts.listed >= max(policy.min_newly_listed, counts.answered / 2)
