"""Alert state machine: problem phases, and the next state of a watch after a poll. Pure.

A problem moves clean -> suspect -> listed -> clearing -> clean, and only by conclusive results; a
poll without a result is only counted. A watch has one incident and one thread for all its lists
and addresses; `bot.monitoring.notify_decision` decides its alerts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.monitoring.models import (
    MAX_MUTE,
    Acknowledged,
    Alert,
    AlertPolicy,
    Incident,
    Muted,
    Observation,
    ObservedState,
    Phase,
    Problem,
    Severity,
)
from bot.monitoring.notify_decision import decide_alerts, deferred_until
from bot.monitoring.observations import BLOCKLIST, FOLLOWED, LISTS_ARE_NEW, split_by_sublist
from bot.monitoring.record_changes import is_about_record

CONCLUSIVE = (ObservedState.LISTED, ObservedState.NOT_LISTED)
# Results that only increment a counter.
COUNTED_ONLY = {(Phase.SUSPECT, ObservedState.UNKNOWN), (Phase.CLEARING, ObservedState.NOT_LISTED)}


# Of broken records, until each subject of each check was a problem of its own.
EARLIER_SUBJECTS = {("ptr", "gone"), ("spf", "failing"), ("spf", "limits"), ("dmarc", "gone"), ("mx", "gone")}
# What follows in time if nobody acts.
NEXT_CODES = {
    "starttls.expires-soon": ("starttls.expires-in-3-days", "starttls.expired"),
    "starttls.expires-in-3-days": ("starttls.expired",),
    "mta-sts.certificate-expires-soon": ("mta-sts.certificate-expires-in-3-days", "mta-sts.bad-certificate"),
    "mta-sts.certificate-expires-in-3-days": ("mta-sts.bad-certificate",),
    "registration.expires-this-week": ("registration.expired",),
}


def new_suspect(observation: Observation) -> Problem:
    """Problem after its first positive poll: a suspect until a second poll confirms it."""
    return Problem(
        observation, Phase.SUSPECT, since=observation.at, phase_changed_at=observation.at, last_polled_at=observation.at
    )


def known_problem(observation: Observation) -> Problem:
    """Problem already present at the first poll: shown in the reply, opens no incident."""
    return Problem(
        observation,
        Phase.LISTED,
        since=observation.at,
        phase_changed_at=observation.at,
        last_polled_at=observation.at,
        notified=True,
        informational=True,
    )


def advance_problem(problem: Problem, observation: Observation, policy: AlertPolicy) -> Problem:
    """Advance a problem by one poll; replayed and immediately repeated polls do not count."""
    repeated = observation.at - problem.last_polled_at < policy.confirm_after / 4
    if observation.at <= problem.last_polled_at or (repeated and (problem.phase, observation.state) in COUNTED_ONLY):
        return problem
    return _next_phase(replace(problem, last_polled_at=observation.at), observation, policy)


def decay_flapping(problem: Problem, now: datetime, policy: AlertPolicy) -> Problem:
    """Drop confirmations older than the flapping window and end flapping that has settled.

    What has settled as listed is to be told: the channel knows only that it comes and goes.
    """
    confirmations = tuple(at for at in problem.confirmations if now - at < policy.flapping_window)
    is_listed = problem.phase is Phase.LISTED
    is_seen_once = is_listed and problem.last_observation.at - problem.phase_changed_at < policy.confirm_after
    if problem.flapping and now - problem.phase_changed_at >= policy.flapping_settled_after and not is_seen_once:
        return replace(problem, flapping=False, noted=is_listed and problem.notified, confirmations=())
    return problem if confirmations == problem.confirmations else replace(problem, confirmations=confirmations)


def next_poll_at(problem: Problem, now: datetime, policy: AlertPolicy) -> datetime | None:
    """Time of the next poll of a problem that cannot wait for the interval of the watch; else None.

    A poll that is overdue is retried a few times and then left to the interval.
    """
    if problem.phase is Phase.SUSPECT and problem.unanswered_polls < policy.max_confirm_polls:
        due = (problem.last_polled_at if problem.unanswered_polls else problem.since) + policy.confirm_after
    elif problem.phase is Phase.CLEARING and not problem.flapping:
        due = problem.last_polled_at + policy.clear_after / max(1, policy.clean_polls - 1)
    else:
        return None
    if due > now:
        return due
    return now + policy.confirm_after if now - due < policy.max_confirm_polls * policy.confirm_after else None


def clamp_to_now(problem: Problem, now: datetime) -> Problem:
    """Clamp timestamps to `now`, for the case that the clock was set back."""
    timestamps = (problem.since, problem.phase_changed_at, problem.last_polled_at, *problem.confirmations)
    if max(timestamps) <= now:
        return problem
    return replace(
        problem,
        since=min(problem.since, now),
        phase_changed_at=min(problem.phase_changed_at, now),
        last_polled_at=min(problem.last_polled_at, now),
        confirmations=tuple(min(at, now) for at in problem.confirmations),
    )


def _next_phase(problem: Problem, observation: Observation, policy: AlertPolicy) -> Problem:
    match problem.phase, observation.state:
        case Phase.CLEAN, ObservedState.LISTED if not problem.notified:
            return replace(
                problem,
                phase=Phase.SUSPECT,
                last_observation=observation,
                since=observation.at,
                phase_changed_at=observation.at,
                unanswered_polls=0,
            )
        case Phase.SUSPECT, ObservedState.LISTED:
            return _confirm(problem, observation, policy)
        case Phase.SUSPECT, ObservedState.NOT_LISTED | ObservedState.QUARANTINED:
            return replace(
                problem,
                phase=Phase.CLEAN,
                phase_changed_at=observation.at,
                unanswered_polls=0,
                noted=problem.noted and problem.flapping,
            )
        case Phase.SUSPECT, ObservedState.UNKNOWN:
            return replace(problem, unanswered_polls=min(problem.unanswered_polls + 1, policy.max_confirm_polls))
        case Phase.LISTED, ObservedState.LISTED if _is_worse(observation, problem.last_observation):
            return replace(problem, last_observation=observation, notified=False, informational=False)
        case Phase.LISTED, ObservedState.LISTED:
            return replace(problem, last_observation=observation)
        case Phase.LISTED, ObservedState.NOT_LISTED:
            return replace(problem, phase=Phase.CLEARING, phase_changed_at=observation.at, clean_polls=1)
        case Phase.CLEARING | Phase.CLEAN, ObservedState.LISTED:  # for the channel it never cleared
            return replace(
                problem,
                phase=Phase.LISTED,
                last_observation=observation,
                phase_changed_at=observation.at,
                clean_polls=0,
            )
        case Phase.CLEARING, ObservedState.NOT_LISTED:
            return _count_clean_poll(problem, observation, policy)
    return problem


def _is_other_value(observation: Observation, before: Observation) -> bool:
    """Whether a change is not the one that the poll before saw: round robin, or servers that differ."""
    return observation.notify_once and observation.value != before.value


def _is_worse(observation: Observation, before: Observation) -> bool:
    """Whether the same subject has another, more severe finding: a change to be told in the same thread."""
    codes = {observation.code, before.code}
    is_next = observation.code in NEXT_CODES.get(before.code, ())  # of the same severity
    is_worse = is_next or _rank(observation) < _rank(before)
    return "" not in codes and len(codes) > 1 and observation.severity.alerts and is_worse


def _rank(observation: Observation) -> int:
    return list(Severity).index(observation.severity)


def _confirm(problem: Problem, observation: Observation, policy: AlertPolicy) -> Problem:
    if _is_other_value(observation, problem.last_observation):
        unanswered_polls = min(problem.unanswered_polls + 1, policy.max_confirm_polls)
        return replace(problem, last_observation=observation, since=observation.at, unanswered_polls=unanswered_polls)
    if observation.at - problem.since < policy.confirm_after:
        return problem
    confirmations = (
        *(at for at in problem.confirmations if observation.at - at < policy.flapping_window),
        observation.at,
    )
    return replace(
        problem,
        phase=Phase.LISTED,
        last_observation=observation,
        phase_changed_at=observation.at,
        unanswered_polls=0,
        confirmations=confirmations,
        flapping=problem.flapping or len(confirmations) > policy.flapping_threshold,
        noted=problem.noted and problem.flapping,
    )


def _count_clean_poll(problem: Problem, observation: Observation, policy: AlertPolicy) -> Problem:
    clean_polls = min(problem.clean_polls + 1, policy.clean_polls)
    if clean_polls < policy.clean_polls or observation.at - problem.phase_changed_at < policy.clear_after:
        return replace(problem, clean_polls=clean_polls)
    comes_and_goes = len(problem.confirmations) >= policy.flapping_threshold
    return replace(
        problem,
        phase=Phase.CLEAN,
        phase_changed_at=observation.at,
        clean_polls=0,
        flapping=problem.flapping or comes_and_goes,
    )


@dataclass(frozen=True, slots=True)
class Transition:
    """Next incident and its alerts, to be stored together.

    `recheck_at` is a poll before the end of the interval, of the problems in `recheck_keys`;
    without keys no query is needed, only `advance`.
    """

    incident: Incident
    alerts: tuple[Alert, ...]
    recheck_at: datetime | None
    recheck_keys: frozenset[str]


def initial_incident(watch_id: str, observations: Iterable[Observation], now: datetime) -> Incident:
    """Incident after the first poll; it stores existing problems without an alert."""
    unique = _best_per_key(split_by_sublist(observations, ()))
    problems = tuple(known_problem(observation) for observation in unique if observation.state is ObservedState.LISTED)
    config = {
        observation.config_key: observation.config_value
        for observation in unique
        if observation.config_value and observation.config_key and observation.state in CONCLUSIVE
    }
    return Incident(watch_id, started_at=now, problems=problems, config=config)


def advance(
    incident: Incident, observations: Iterable[Observation], now: datetime, policy: AlertPolicy | None = None
) -> Transition:
    """Advance an incident by one poll, or with no observations by time alone."""
    policy = policy or AlertPolicy()
    observed = _apply_observations(_clamp_incident(_current_subjects(incident), now), observations, now, policy)
    notified, alerts = decide_alerts(observed, now, policy)
    after = replace(notified, problems=tuple(p for p in notified.problems if _is_needed(p, now, policy)))
    return Transition(after, alerts, *_next_poll(after, now, policy))


def _current_subjects(incident: Incident) -> Incident:
    """Rename the subjects under which earlier versions stored broken records; the incident and its thread go on."""
    problems: dict[str, Problem] = {}
    for problem in incident.problems:
        before = problem.last_observation
        if (before.check, before.subject) in EARLIER_SUBJECTS:
            renamed = replace(before, subject="", config_key="", code=f"{before.check}.{before.subject}")
            problems.setdefault(renamed.key, replace(problem, last_observation=renamed))
        else:
            problems[problem.key] = problem
    return replace(incident, problems=tuple(problems.values()))


def acknowledge(incident: Incident, actor: str, now: datetime) -> Incident:
    """Stop reminders until the incident resolves or grows, also about what was there when the watch began."""
    can_be = incident.opened_at or any(problem.known_from_start for problem in incident.problems)
    return replace(incident, acknowledged=Acknowledged(actor, now)) if can_be else incident


def mute(incident: Incident, actor: str, until: datetime) -> Incident:
    """Defer alerts until then; what still differs from the last notification is reported then."""
    return replace(incident, muted=Muted(actor, until))


def unmute(incident: Incident) -> Incident:
    return replace(incident, muted=None)


def _apply_observations(
    incident: Incident, observations: Iterable[Observation], now: datetime, policy: AlertPolicy
) -> Incident:
    problems = {problem.key: problem for problem in incident.problems}
    config, followed = dict(incident.config), incident.config.get(FOLLOWED, "").split()
    known = [problem.last_observation for problem in incident.problems]
    polled = tuple(observations)
    observed = _best_per_key(split_by_sublist(_relevant(polled, known), known))
    for observed_now in (*observed, *_subjects_not_mentioned(observed, known, now)):
        observation = _without_known_change(observed_now, problems.values())
        if observation.key in problems:
            problems[observation.key] = advance_problem(problems[observation.key], observation, policy)
        elif observation.state is ObservedState.LISTED:
            is_list = observation.check == BLOCKLIST
            is_first = LISTS_ARE_NEW in config if is_list else observation.code and observation.check not in followed
            problems[observation.key] = known_problem(observation) if is_first else new_suspect(observation)
        if observation.config_key and observation.state is ObservedState.NOT_LISTED:
            config[observation.config_key] = observation.config_value
    if any(observation.check == BLOCKLIST and observation.state in CONCLUSIVE for observation in polled):
        config.pop(LISTS_ARE_NEW, None)
    config = {key: value for key, value in config.items() if value}
    decayed = tuple(decay_flapping(problem, now, policy) for problem in problems.values())
    return replace(incident, problems=decayed, config=config)


def _without_known_change(observation: Observation, problems: Iterable[Problem]) -> Observation:
    """Withdraw a change that the channel learns from a problem of the same record.

    A problem that the change causes carries both values. One that was there at the first poll ends with the change,
    and the mended value is the new normal.
    """
    if not observation.notify_once or observation.state is not ObservedState.LISTED:
        return observation
    about_record = [p for p in problems if is_about_record(p.last_observation, observation)]
    if any(p.phase is not Phase.CLEAN and not p.informational for p in about_record):
        return replace(observation, state=ObservedState.NOT_LISTED, config_key="")
    is_mended = any(p.phase is Phase.CLEARING for p in about_record)
    return replace(observation, state=ObservedState.NOT_LISTED) if is_mended else observation


def _subjects_not_mentioned(
    observed: Iterable[Observation], known: Iterable[Observation], now: datetime
) -> Iterable[Observation]:
    """Clear what a check no longer mentions, such as a former mail server, once all its results are known."""
    states: dict[tuple[str, str], set[ObservedState]] = {}
    for observation in observed:
        if observation.code:
            states.setdefault((observation.check, observation.address), set()).add(observation.state)
    keys = {observation.key for observation in observed}
    for before in known:
        results = states.get((before.check, before.address), {ObservedState.UNKNOWN})
        if before.code and before.key not in keys and ObservedState.UNKNOWN not in results:
            yield replace(before, state=ObservedState.NOT_LISTED, at=now)


def _relevant(observations: Iterable[Observation], known: Iterable[Observation]) -> Iterable[Observation]:
    """Drop clean results of lists without a known problem."""
    known_subjects = {(observation.check, observation.subject) for observation in known}
    return (
        o
        for o in observations
        if o.state is ObservedState.LISTED or o.config_key or o.code or (o.check, o.subject) in known_subjects
    )


def _best_per_key(observations: Iterable[Observation]) -> tuple[Observation, ...]:
    """The most conclusive of several results for one key, such as one domain polled per address."""
    rank = {ObservedState.LISTED: 2, ObservedState.NOT_LISTED: 1}
    best: dict[str, Observation] = {}
    for observation in observations:
        if observation.key not in best or rank.get(observation.state, 0) > rank.get(best[observation.key].state, 0):
            best[observation.key] = observation
    return tuple(best.values())


def _clamp_incident(incident: Incident, now: datetime) -> Incident:
    return replace(
        incident,
        problems=tuple(clamp_to_now(problem, now) for problem in incident.problems),
        notified_at=min(incident.notified_at, now) if incident.notified_at else None,
        opened_at=min(incident.opened_at, now) if incident.opened_at else None,
        muted=replace(incident.muted, until=min(incident.muted.until, now + MAX_MUTE)) if incident.muted else None,
    )


def _is_needed(problem: Problem, now: datetime, policy: AlertPolicy) -> bool:
    if problem.notified or problem.flapping:
        return True
    return now - problem.last_polled_at < policy.forget_after and (
        problem.phase is not Phase.CLEAN or bool(problem.confirmations)
    )


def _next_poll(incident: Incident, now: datetime, policy: AlertPolicy) -> tuple[datetime | None, frozenset[str]]:
    due = {p.key: at for p in incident.problems if (at := next_poll_at(p, now, policy))}
    candidates = [*due.values(), *filter(None, [deferred_until(incident, now, policy)])]
    if not candidates:
        return None, frozenset()
    recheck_at = max(min(candidates), now + timedelta(seconds=1))
    return recheck_at, frozenset(key for key, at in due.items() if at <= recheck_at)
