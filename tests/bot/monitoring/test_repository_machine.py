"""Stateful test: a watch in Redis has the same incident and messages as a model in memory.

`make test` runs a sample. For a full run:
`MAILCHECK_TEST_MACHINES=2000 pytest tests/bot/monitoring/test_repository_machine.py`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Sequence
from datetime import datetime, timedelta
from itertools import product
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from redis.asyncio import Redis

from bot.models import CheckRequest, Finding, Report, Verdict
from bot.monitoring.alert_state import acknowledge, advance, mute, unmute
from bot.monitoring.dnsbl_quarantine import QuarantinePolicy
from bot.monitoring.interfaces import AlertMessage
from bot.monitoring.models import Alert, AlertPolicy, Incident
from bot.monitoring.poll import baseline, observe_reports
from bot.monitoring.poller import LEASES_S, Poller
from bot.monitoring.poller_config import PollerConfig
from bot.monitoring.repository import RedisRepository
from bot.monitoring.serialization import poll_subject
from bot.storage.redis_client import open_client
from bot.storage.watch_store import NOTIFY_SCHEDULE, POLL_SCHEDULE, RECHECK_SCHEDULE
from tests.support.redis_server import RedisServer
from tests.support.reports import listing
from tests.support.stored_watches import CHANNEL, Clock, watch

T = TypeVar("T")

MACHINES = int(os.environ.get("MAILCHECK_TEST_MACHINES", "15"))
STEPS = 50

LISTS = ("a", "b", "low")
STATES = {"+": "listed", "-": "not_listed", "?": "unknown", "!": "unusable"}
SIGNS = st.sampled_from(list(product("+-?! ", repeat=len(LISTS))))
PAUSES = st.sampled_from([5, 30, 90, 91, 300, 900, 3600, 3600, 13 * 3600, 25 * 3600])
WATCH, RULES = watch(), PollerConfig(quarantine_policy=QuarantinePolicy(min_newly_listed=10**9))
POLICY = AlertPolicy()


class ScriptedRunner:
    """Check runner that returns the drawn list states."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.signs: Sequence[str] = ("-", "-", "?")
        self.crashes = False

    async def run(self, request: CheckRequest, fresh: bool = False) -> Report:
        if self.crashes:
            raise asyncio.CancelledError
        return self.build(request)

    def build(self, request: CheckRequest) -> Report:
        results = [(name, STATES[sign]) for name, sign in zip(LISTS, self.signs, strict=True) if sign != " "]
        return Report(request, self.clock(), tuple(self._finding(*item) for item in results), 1, 1)

    def _finding(self, name: str, state: str) -> Finding:
        verdict = Verdict.FAIL if state == "listed" else Verdict.UNKNOWN
        return listing(name, verdict, state, severity="low" if name == "low" else "high")


def is_muted(machine: StoredWatchMachine) -> bool:
    return machine.incident.muted is not None


def is_opened(machine: StoredWatchMachine) -> bool:
    return machine.incident.opened_at is not None


class StoredWatchMachine(RuleBasedStateMachine):
    """The same polls at the same times, in memory and through Redis."""

    redis_url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.loop_runner = asyncio.Runner()
        self.clock = Clock()
        self.runner = ScriptedRunner(self.clock)
        self.incident, self.recheck_at, self.needs_query = self.run(self._begin())
        self.pending_alerts: list[Alert] = []

    def teardown(self) -> None:
        self.run(self.redis.aclose())
        self.loop_runner.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop_runner.run(coroutine)

    async def _begin(self) -> tuple[Incident, datetime | None, bool]:
        self.redis: Redis = open_client(self.redis_url, 5.0)
        await self.redis.flushall()
        self.repository = RedisRepository(self.redis, self.clock)
        self.worker = Poller(self.repository, self.runner, self.clock, RULES)
        incident, _ = await baseline(WATCH, self.runner, self.clock())
        assert await self.repository.add(WATCH, incident, self.clock() + timedelta(hours=1))
        return incident, None, False

    @rule(signs=SIGNS, pause=PAUSES)
    def poll(self, signs: Sequence[str], pause: int) -> None:
        self.clock.add(pause)
        self.runner.signs = signs
        self._poll(POLL_SCHEDULE)

    @precondition(lambda self: self.recheck_at)
    @rule(signs=SIGNS)
    def recheck(self, signs: Sequence[str]) -> None:
        self.clock.now = max(self.clock.now, self.recheck_at)
        self.runner.signs = signs
        self._poll(RECHECK_SCHEDULE if self.needs_query else NOTIFY_SCHEDULE)

    @rule(signs=SIGNS)
    def replace_crashed_worker(self, signs: Sequence[str]) -> None:
        self.runner.signs = signs
        self.runner.crashes = True
        self.run(self._make_due())
        try:
            self.run(self.worker.run_round())
        except asyncio.CancelledError:
            self.runner.crashes = False
        assert not self.runner.crashes
        assert self.run(self.worker.run_round()) == 0
        self.clock.add(LEASES_S[0])
        self._poll(POLL_SCHEDULE, due=False)

    @rule(hours=st.integers(1, 48))
    def mute(self, hours: int) -> None:
        self._change(mute(self.incident, "U1", self.clock() + timedelta(hours=hours)))

    @precondition(is_muted)
    @rule()
    def unmute(self) -> None:
        self._change(unmute(self.incident))

    @precondition(is_opened)
    @rule()
    def acknowledge(self) -> None:
        self._change(acknowledge(self.incident, "U1", self.clock()))

    def _change(self, changed: Incident) -> None:
        assert self.run(self.repository.update_incident(CHANNEL, WATCH.id, changed, self.incident))
        self.incident = changed
        self._compare()

    def _poll(self, schedule: str, due: bool = True) -> None:
        if due and schedule == POLL_SCHEDULE:
            self.run(self._make_due())
        reports = () if schedule == NOTIFY_SCHEDULE else [self.runner.build(CheckRequest(WATCH.targets[0], WATCH.role))]
        transition = advance(self.incident, observe_reports(reports, self.incident, WATCH), self.clock(), POLICY)
        self.incident, self.recheck_at, self.needs_query = (
            transition.incident,
            transition.recheck_at,
            bool(transition.recheck_keys),
        )
        assert self.run(self.worker.run_round(schedule)) == 1
        self.pending_alerts += transition.alerts
        self._compare()
        planned = (self.run(self._planned(RECHECK_SCHEDULE)), self.run(self._planned(NOTIFY_SCHEDULE)))
        recheck_at = None if self.recheck_at is None else round(self.recheck_at.timestamp(), 3)
        assert planned == ((recheck_at, None) if self.needs_query else (None, recheck_at))

    async def _make_due(self) -> None:
        await self.redis.zadd(POLL_SCHEDULE, {poll_subject(WATCH): self.clock().timestamp()})

    async def _planned(self, schedule: str) -> float | None:
        return await self.redis.zscore(schedule, poll_subject(WATCH))

    def _compare(self) -> None:
        (stored,) = self.run(self.repository.list_watches(CHANNEL))
        assert stored.incident == self.incident
        alerts: list[Alert] = []
        while message := self.run(self.repository.peek(CHANNEL)):
            assert isinstance(message, AlertMessage)
            alerts.append(message.alert)
            self.run(self.repository.mark_sent(message, "1.0"))
        assert alerts == self.pending_alerts
        self.pending_alerts = []


def test_stored_watch_matches_in_memory_model(redis_server: RedisServer) -> None:
    machine = type("WithServer", (StoredWatchMachine,), {"redis_url": redis_server.url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=MACHINES, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
