"""Random lives of a watch: whatever is seen, and in whatever order, these rules hold.

`make test` runs a sample; `MAILCHECK_TEST_MACHINES=2000 pytest tests/bot/monitoring/test_alert_state_machine.py` runs them all.
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
from bot.monitoring.models import Alert, Incident, Phase, Reason, State
from tests.support.incident_stories import Story, sight

MACHINES = int(os.environ.get("MAILCHECK_TEST_MACHINES", "150"))
STEPS = 50

LISTS = ("a", "b", "low")
SIGNS = st.sampled_from(list(product("+-?! ", repeat=len(LISTS))))  # one draw: most of the time goes into drawing
PAUSES = st.sampled_from([5, 30, 90, 91, 300, 900, 3600, 3600, 13 * 3600, 25 * 3600]).map(
    lambda s: timedelta(seconds=s)
)


class WatchLife(RuleBasedStateMachine):
    """A watch over three lists, and a witness that only keeps what was seen and what was told."""

    def __init__(self) -> None:
        super().__init__()
        self.story = Story()
        self.story.look("a- b- low?")
        self.keys: set[str] = set()
        self.open = False
        self.seen_since: dict[str, timedelta] = {}  # sightings without a clean look between them
        self.clean: dict[str, list[timedelta]] = defaultdict(list)  # clean looks without a sighting between them
        self.asked: dict[str, timedelta] = {}
        self.sure: set[str] = set()  # seen by two looks, and not clean for the hold-down since

    @rule(signs=SIGNS, pause=PAUSES)
    def look(self, signs: Sequence[str], pause: timedelta) -> None:
        self.story.now += pause
        self._see(signs)

    @rule(signs=SIGNS)
    def come_back_as_asked(self, signs: Sequence[str]) -> None:
        self.story.now = max(self.story.now, self.story.again_at or self.story.now + timedelta(hours=1))
        self._see(signs)

    @rule(name=st.sampled_from(LISTS))
    def come_and_go(self, name: str) -> None:
        for sign, minutes in (("+", 60), ("+", 2), ("-", 60), ("-", 15), ("-", 15)):
            self.story.now += timedelta(minutes=minutes)
            self._see([sign if name == other else " " for other in LISTS])

    @rule(sign=st.sampled_from("?!= "), pause=PAUSES)
    def learn_nothing(self, sign: str, pause: timedelta) -> None:
        before = self._phases()
        self.story.now += pause
        self._see([sign] * len(LISTS))
        after = self._phases()
        undone = Phase.SUSPECT if sign == "=" else None
        # A phase that is gone was forgotten by time alone: a day for openings, a week for a list that nobody asks.
        assert all(
            after.get(key, phase) in (phase, Phase.CLEAN if phase is undone else phase) for key, phase in before.items()
        )
        assert set(after) <= set(before)

    @rule(hours=st.integers(1, 48))
    def mute(self, hours: int) -> None:
        self.story.incident = mute(self._incident, "U1", self.story.now + timedelta(hours=hours))

    @precondition(lambda self: self.story.incident.muted)
    @rule()
    def unmute(self) -> None:
        self.story.incident = unmute(self._incident)

    @precondition(lambda self: self.story.incident.opened)
    @rule()
    def acknowledge(self) -> None:
        self.story.incident = acknowledge(self._incident, "U1", self.story.now)

    @property
    def _incident(self) -> Incident:
        assert self.story.incident is not None
        return self.story.incident

    def _phases(self) -> dict[str, Phase]:
        return {problem.key: problem.phase for problem in self._incident.problems}

    def _see(self, signs: Sequence[str]) -> None:
        seen = tuple(
            sight(f"{name}{sign}", self.story.now) for name, sign in zip(LISTS, signs, strict=True) if sign != " "
        )
        for one in seen:
            self._remember(one.key, one.state, self.story.now - self._incident.began)
        muted = self._incident.muted is not None and self.story.now < self._incident.muted.until
        for alert in self.story.see(seen):
            assert not muted
            self._witness(alert)
        assert self.open == (self._incident.opened is not None)

    def _remember(self, key: str, state: State, at: timedelta) -> None:
        policy = self.story.policy
        if state is State.LISTED:
            self.clean[key].clear()
            if at - self.seen_since.setdefault(key, at) >= policy.confirm_after:
                self.sure.add(key)
        elif state is State.NOT_LISTED:
            self.seen_since.pop(key, None)
            if not self.clean[key] or at - self.asked[key] >= policy.confirm_after / 4:
                self.clean[key].append(at)
            else:
                at = self.asked[key]  # looks that follow at once are one look
            if self._is_clean(key):
                self.sure.discard(key)
        elif state is State.HELD:
            self.seen_since.pop(key, None)
        self.asked[key] = at

    def _is_clean(self, key: str) -> bool:
        looks, policy = self.clean[key], self.story.policy
        return len(looks) >= policy.clean_looks and looks[-1] - looks[0] >= policy.clear_after

    def _witness(self, alert: Alert) -> None:
        assert alert.key not in self.keys
        self.keys.add(alert.key)
        if alert.reason is Reason.OPENED:
            assert not self.open
            assert alert.root
            self.open = True
        elif alert.reason is Reason.RESOLVED:
            assert self.open
            self.open = False
        elif alert.reason is Reason.UNSTABLE:
            self.open = self.open or alert.loud
        elif alert.reason in (Reason.GREW, Reason.REMINDER):
            assert self.open
        if alert.reason in (Reason.OPENED, Reason.GREW, Reason.NOTED, Reason.UNSTABLE):
            assert {problem.key for problem in alert.new} <= self.sure
        assert all(self._is_clean(problem.key) for problem in alert.gone)


def test_whatever_is_seen_the_rules_of_alerting_hold() -> None:
    run_state_machine_as_test(
        WatchLife,
        settings=settings(
            max_examples=MACHINES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
