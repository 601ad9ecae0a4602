"""Stateful test: invariants of the alert state machine over random polls.

`make test` runs a sample. For a full run:
`MAILCHECK_TEST_MACHINES=2000 pytest tests/bot/monitoring/test_alert_state_machine.py`.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from itertools import product

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from bot.monitoring.alert_state import acknowledge, mute, unmute
from bot.monitoring.models import Alert, AlertReason, Incident, ObservedState, Phase
from tests.support.incident_stories import Story, parse_observation

MACHINES = int(os.environ.get("MAILCHECK_TEST_MACHINES", "150"))
STEPS = 50

LISTS = ("a", "b", "low")
SIGNS = st.sampled_from(list(product("+-?! ", repeat=len(LISTS))))  # one draw, because drawing is slow
PAUSES = st.sampled_from([5, 30, 90, 91, 300, 900, 3600, 3600, 13 * 3600, 25 * 3600]).map(
    lambda s: timedelta(seconds=s)
)


def is_muted(machine: WatchMachine) -> bool:
    return machine.current.muted is not None


def is_opened(machine: WatchMachine) -> bool:
    return machine.current.opened_at is not None


class WatchMachine(RuleBasedStateMachine):
    """A watch of three lists, and an independent record of polls and alerts."""

    def __init__(self) -> None:
        super().__init__()
        self.story = Story()
        self.story.poll("a- b- low?")
        self.keys: set[str] = set()
        self.threads: set[str] = set()
        self.is_open = False
        self.first_seen: dict[str, timedelta] = {}  # first of the listed polls in a row
        self.clean_polls: dict[str, list[timedelta]] = defaultdict(list)  # clean polls in a row
        self.last_polled: dict[str, timedelta] = {}
        self.confirmed: set[str] = set()  # confirmed and not cleared since

    @rule(signs=SIGNS, pause=PAUSES)
    def poll(self, signs: Sequence[str], pause: timedelta) -> None:
        self.story.now += pause
        self._poll(signs)

    @rule(signs=SIGNS)
    def recheck(self, signs: Sequence[str]) -> None:
        self.story.now = max(self.story.now, self.story.recheck_at or self.story.now + timedelta(hours=1))
        self._poll(signs)

    @rule(name=st.sampled_from(LISTS))
    def list_and_clear(self, name: str) -> None:
        for sign, minutes in (("+", 60), ("+", 2), ("-", 60), ("-", 15), ("-", 15)):
            self.story.now += timedelta(minutes=minutes)
            self._poll([sign if name == current else " " for current in LISTS])

    @rule(sign=st.sampled_from("?!= "), pause=PAUSES)
    def poll_without_result(self, sign: str, pause: timedelta) -> None:
        before = self._phases()
        self.story.now += pause
        self._poll([sign] * len(LISTS))
        after = self._phases()
        reset_phase = Phase.SUSPECT if sign == "=" else None
        # A missing phase expired: a day for confirmations, a week for a list without polls.
        assert all(
            after.get(key, phase) in (phase, Phase.CLEAN if phase is reset_phase else phase)
            for key, phase in before.items()
        )
        assert set(after) <= set(before)

    @rule(hours=st.integers(1, 48))
    def mute(self, hours: int) -> None:
        self.story.incident = mute(self.current, "U1", self.story.now + timedelta(hours=hours))

    @precondition(is_muted)
    @rule()
    def unmute(self) -> None:
        self.story.incident = unmute(self.current)

    @precondition(is_opened)
    @rule()
    def acknowledge(self) -> None:
        self.story.incident = acknowledge(self.current, "U1", self.story.now)

    @property
    def current(self) -> Incident:
        assert self.story.incident is not None
        return self.story.incident

    def _phases(self) -> dict[str, Phase]:
        return {problem.key: problem.phase for problem in self.current.problems}

    def _poll(self, signs: Sequence[str]) -> None:
        observations = tuple(
            parse_observation(f"{name}{sign}", self.story.now)
            for name, sign in zip(LISTS, signs, strict=True)
            if sign != " "
        )
        for observation in observations:
            self._track(observation.key, observation.state, self.story.now - self.current.started_at)
        muted = self.current.muted is not None and self.story.now < self.current.muted.until
        for alert in self.story.observe(observations):
            assert not muted
            self._verify_alert(alert)
        assert self.is_open == (self.current.opened_at is not None)

    def _track(self, key: str, state: ObservedState, at: timedelta) -> None:
        policy = self.story.policy
        if state is ObservedState.LISTED:
            self.clean_polls[key].clear()
            if at - self.first_seen.setdefault(key, at) >= policy.confirm_after:
                self.confirmed.add(key)
        elif state is ObservedState.NOT_LISTED:
            self.first_seen.pop(key, None)
            if not self.clean_polls[key] or at - self.last_polled[key] >= policy.confirm_after / 4:
                self.clean_polls[key].append(at)
            else:
                at = self.last_polled[key]  # repeated polls count once
            if self._is_clean(key):
                self.confirmed.discard(key)
        elif state is ObservedState.QUARANTINED:
            self.first_seen.pop(key, None)
        self.last_polled[key] = at

    def _is_clean(self, key: str) -> bool:
        polls, policy = self.clean_polls[key], self.story.policy
        return len(polls) >= policy.clean_polls and polls[-1] - polls[0] >= policy.clear_after

    def _verify_alert(self, alert: Alert) -> None:
        assert alert.key not in self.keys
        self.keys.add(alert.key)
        self.threads.add(alert.thread_key)
        if alert.reason is AlertReason.OPENED:
            assert not self.is_open
            assert alert.is_root or alert.thread_key in self.threads
            self.is_open = True
        elif alert.reason is AlertReason.RESOLVED:
            assert self.is_open
            self.is_open = False
        elif alert.reason is AlertReason.FLAPPING:
            self.is_open = self.is_open or alert.is_alerting
        elif alert.reason in (AlertReason.GREW, AlertReason.REMINDER):
            assert self.is_open
        if alert.reason in (AlertReason.OPENED, AlertReason.GREW, AlertReason.NOTED):
            assert {problem.key for problem in alert.new} <= self.confirmed
        assert all(self._is_clean(problem.key) for problem in alert.cleared)


def test_random_polls_satisfy_alert_invariants() -> None:
    run_state_machine_as_test(
        WatchMachine,
        settings=settings(
            max_examples=MACHINES, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
