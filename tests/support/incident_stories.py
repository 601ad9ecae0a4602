"""Tables of polls with virtual time: time, results, expected alerts.

    0s   | a-         |                 the first row is the first poll, without alerts
    1h   | a+         |
    +90s | a+         | opened +a       `+90s` counts from the row before
    2h   | a? b!      |                 no answer, list unusable

Signs: `+` listed, `-` not listed, `?` unknown, `!` unusable, `=` quarantined. A list named `low…`
has severity low; `a/x/y+` is listed on the sublists x and y; `a@192.0.2.1+` is one address of a
range. Actions: `ack`, `mute:2h`, `unmute`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bot.inputs.durations import parse_duration
from bot.monitoring.alert_state import acknowledge, advance, initial_incident, mute, unmute
from bot.monitoring.models import Alert, AlertPolicy, Incident, Observation, ObservedState, Problem, Severity
from bot.monitoring.serialization import from_json, to_json

T0 = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
SIGNS = {
    "+": ObservedState.LISTED,
    "-": ObservedState.NOT_LISTED,
    "?": ObservedState.UNKNOWN,
    "!": ObservedState.UNUSABLE,
    "=": ObservedState.QUARANTINED,
}
OBSERVATION_PATTERN = re.compile(r"(?P<list>[\w-]+?)(?P<sublists>(?:/\w+)*)(?:@(?P<address>[\d.]+))?(?P<sign>[-+?!=])")


def parse_observation(result: str, at: datetime) -> Observation:
    match = OBSERVATION_PATTERN.fullmatch(result)
    assert match, result
    return Observation(
        check="blocklist",
        subject=match["list"],
        state=SIGNS[match["sign"]],
        at=at,
        address=match["address"] or "",
        sublists=tuple(match["sublists"].split("/")[1:]),
        severity=Severity.LOW if result.startswith("low") else Severity.HIGH,
        summary=f"Listed on {match['list']}.",
    )


def parse_observations(results: str, at: datetime) -> tuple[Observation, ...]:
    return tuple(parse_observation(result, at) for result in results.split())


@dataclass
class Story:
    """A watch under test. Its incident goes through JSON between two polls, as in the store."""

    policy: AlertPolicy = field(default_factory=AlertPolicy)
    now: datetime = T0
    incident: Incident | None = None
    alerts: list[Alert] = field(default_factory=list)
    recheck_at: datetime | None = None
    recheck_keys: frozenset[str] = frozenset()

    def poll(self, results: str) -> list[Alert]:
        return self.observe(parse_observations(results, self.now))

    def observe(self, observations: tuple[Observation, ...]) -> list[Alert]:
        if self.incident is None:
            self.incident = initial_incident("w1", observations, self.now)
            return []
        transition = advance(self.incident, observations, self.now, self.policy)
        if transition.alerts:
            assert transition == advance(self.incident, observations, self.now, self.policy)
        self.incident = from_json(Incident, json.loads(json.dumps(to_json(transition.incident))))
        assert self.incident == transition.incident
        self.recheck_at, self.recheck_keys = transition.recheck_at, transition.recheck_keys
        self.alerts += transition.alerts
        return list(transition.alerts)

    def row(self, when: str, tokens: list[str]) -> list[Alert]:
        self.now = self.now + parse_duration(when[1:]) if when[0] == "+" else T0 + read_offset(when)
        for action in [action for action in tokens if action.split(":")[0] in ("ack", "mute", "unmute")]:
            tokens = [token for token in tokens if token != action]
            self._apply_action(*action.split(":"))
        return self.poll(" ".join(tokens))

    def _apply_action(self, verb: str, length: str = "") -> None:
        assert self.incident is not None
        if verb == "ack":
            self.incident = acknowledge(self.incident, "U1", self.now)
        elif verb == "mute":
            self.incident = mute(self.incident, "U1", self.now + parse_duration(length))
        else:
            self.incident = unmute(self.incident)


def networks(count: int) -> frozenset[str]:
    """Networks that are neighbors of none of the others."""
    return frozenset(f"10.{n // 256}.{n % 256}.0/24" for n in range(count))


def read_offset(when: str) -> timedelta:
    return timedelta(0) if when == "0s" else parse_duration(when)


def describe_alert(alert: Alert) -> str:
    """`opened +a +b`, `eased -a`; `*a` is unverified."""
    groups = [("+", alert.new), ("-", alert.cleared), ("*", alert.unverified)]
    return " ".join([str(alert.reason), *(f"{sign}{short_key(p)}" for sign, problems in groups for p in problems)])


def short_key(problem: Problem) -> str:
    return problem.key.removeprefix("blocklist:")


def replay(table: str, policy: AlertPolicy | None = None) -> tuple[list[str], list[str]]:
    """Expected and actual alerts of each row."""
    story = Story(policy or AlertPolicy())
    expected, actual = [], []
    for line in filter(None, map(str.strip, table.splitlines())):
        when, results, alerts = (cell.strip() for cell in line.split("|"))
        expected.append(f"{when}: {alerts}")
        actual.append(f"{when}: " + ", ".join(map(describe_alert, story.row(when, results.split()))))
    return expected, actual
