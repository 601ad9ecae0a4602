"""Random lives of a watch on the real store: its state and its letters are those of the same life in memory.

`make test` runs a sample; `MAILCHECK_TEST_MACHINES=2000 pytest tests/bot/monitoring/test_repository_machine.py` runs them all.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Sequence
from datetime import datetime, timedelta
from itertools import product
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from redis.asyncio import Redis

from bot.models import Finding, Order, Report, Verdict
from bot.monitoring.alert_state import acknowledge, advance, mute, unmute
from bot.monitoring.dnsbl_quarantine import Limits
from bot.monitoring.models import Alert, Incident, Policy
from bot.monitoring.poll import baseline, observations
from bot.monitoring.poller import LEASES_S, Rules, Sweep
from bot.monitoring.repository import Register
from bot.monitoring.serialization import subject_of
from bot.storage.redis_client import client
from bot.storage.watch_store import ASKS, LOOKS, TELLS
from tests.support.redis_server import RedisServer
from tests.support.reports import listing
from tests.support.stored_watches import ROOM, Clock, watch

MACHINES = int(os.environ.get("MAILCHECK_TEST_MACHINES", "15"))
STEPS = 50

LISTS = ("a", "b", "low")
STATES = {"+": "listed", "-": "not_listed", "?": "unknown", "!": "unusable"}
SIGNS = st.sampled_from(list(product("+-?! ", repeat=len(LISTS))))
PAUSES = st.sampled_from([5, 30, 90, 91, 300, 900, 3600, 3600, 13 * 3600, 25 * 3600])
WATCH, RULES = watch(), Rules(limits=Limits(flips=10**9))
POLICY = Policy()


class Signs:
    """A checkup that says what the machine drew."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.signs: Sequence[str] = ("-", "-", "?")
        self.dies = False

    async def report(self, order: Order, fresh: bool = False) -> Report:
        if self.dies:
            raise asyncio.CancelledError
        return self.said(order)

    def said(self, order: Order) -> Report:
        drawn = [(name, STATES[sign]) for name, sign in zip(LISTS, self.signs, strict=True) if sign != " "]
        return Report(order, self.clock(), tuple(self._finding(*one) for one in drawn), 1, 1)

    def _finding(self, name: str, state: str) -> Finding:
        verdict = Verdict.FAIL if state == "listed" else Verdict.UNKNOWN
        return listing(name, verdict, state, severity="low" if name == "low" else "high")


class KeptLife(RuleBasedStateMachine):
    """The same looks, at the same times, once in memory and once through the store."""

    redis_url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.signs = Signs(self.clock)
        self.incident, self.again_at, self.asks = self.run(self._begin())
        self.spoken: list[Alert] = []

    def teardown(self) -> None:
        self.run(self.redis.aclose())
        self.runner.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def _begin(self) -> tuple[Incident, datetime | None, bool]:
        self.redis: Redis = client(self.redis_url, 5.0)
        await self.redis.flushall()
        self.register = Register(self.redis, self.clock)
        self.worker = Sweep(self.register, self.signs, self.clock, RULES)
        incident, _ = await baseline(WATCH, self.signs, self.clock())
        assert await self.register.add(WATCH, incident, self.clock() + timedelta(hours=1))
        return incident, None, False

    @rule(signs=SIGNS, pause=PAUSES)
    def look(self, signs: Sequence[str], pause: int) -> None:
        self.clock.add(pause)
        self.signs.signs = signs
        self._see(LOOKS)

    @precondition(lambda self: self.again_at)
    @rule(signs=SIGNS)
    def come_back_as_asked(self, signs: Sequence[str]) -> None:
        self.clock.now = max(self.clock.now, self.again_at)
        self.signs.signs = signs
        self._see(ASKS if self.asks else TELLS)

    @rule(signs=SIGNS)
    def die_and_be_replaced(self, signs: Sequence[str]) -> None:
        self.signs.signs = signs
        self.signs.dies = True
        self.run(self._make_due())
        try:
            self.run(self.worker.round())
        except asyncio.CancelledError:
            self.signs.dies = False
        assert not self.signs.dies
        assert self.run(self.worker.round()) == 0
        self.clock.add(LEASES_S[0])
        self._see(LOOKS, due=False)

    @rule(hours=st.integers(1, 48))
    def mute(self, hours: int) -> None:
        self._change(mute(self.incident, "U1", self.clock() + timedelta(hours=hours)))

    @precondition(lambda self: self.incident.muted)
    @rule()
    def unmute(self) -> None:
        self._change(unmute(self.incident))

    @precondition(lambda self: self.incident.opened)
    @rule()
    def acknowledge(self) -> None:
        self._change(acknowledge(self.incident, "U1", self.clock()))

    def _change(self, changed: Incident) -> None:
        assert self.run(self.register.change(ROOM, WATCH.id, changed, self.incident))
        self.incident = changed
        self._compare()

    def _see(self, schedule: str, due: bool = True) -> None:
        if due and schedule == LOOKS:
            self.run(self._make_due())
        seen = () if schedule == TELLS else [self.signs.said(Order(WATCH.targets[0], WATCH.role))]
        outcome = advance(self.incident, observations(seen, self.incident, WATCH), self.clock(), POLICY)
        self.incident, self.again_at, self.asks = outcome.incident, outcome.again_at, bool(outcome.ask)
        assert self.run(self.worker.round(schedule)) == 1
        self.spoken += outcome.alerts
        self._compare()
        planned = self.run(self._planned(ASKS)), self.run(self._planned(TELLS))
        again = None if self.again_at is None else round(self.again_at.timestamp(), 3)
        assert planned == ((again, None) if self.asks else (None, again))

    async def _make_due(self) -> None:
        await self.redis.zadd(LOOKS, {subject_of(WATCH): self.clock().timestamp()})

    async def _planned(self, schedule: str) -> float | None:
        return await self.redis.zscore(schedule, subject_of(WATCH))

    def _compare(self) -> None:
        (kept,) = self.run(self.register.of_room(ROOM))
        assert kept.incident == self.incident
        told: list[Alert] = []
        while letter := self.run(self.register.first(ROOM)):
            told.append(letter.alert)
            self.run(self.register.sent(letter, "1.0"))
        assert told == self.spoken
        self.spoken = []


def test_a_life_on_the_store_is_the_life_in_memory(redis_server: RedisServer) -> None:
    machine = type("OnThisServer", (KeptLife,), {"redis_url": redis_server.url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=MACHINES, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
