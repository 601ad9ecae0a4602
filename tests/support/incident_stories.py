"""Stories of a watch as tables, with virtual time: when, what was seen, what was told.

    0s   | a-         |                 the first row is the silent first look
    1h   | a+         |
    +90s | a+         | opened +a       `+90s` counts from the row before
    2h   | a? b!      |                 no answer, list unusable

Signs: `+` listed, `-` not listed, `?` unknown, `!` unusable, `=` held by the breaker. A list named `low…` is a minor one;
`a/x/y+` is listed on the sublists x and y; `a@192.0.2.1+` is one of several addresses. Words: `ack`, `mute:2h`, `unmute`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bot.inputs.durations import read_duration
from bot.monitoring.alert_state import acknowledge, advance, begin, mute, unmute
from bot.monitoring.models import Alert, Incident, Observation, Policy, Problem, Severity, State
from bot.monitoring.serialization import from_json, to_json

T0 = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
SIGNS = {"+": State.LISTED, "-": State.NOT_LISTED, "?": State.UNKNOWN, "!": State.UNUSABLE, "=": State.HELD}
SIGHT = re.compile(r"(?P<list>[\w-]+?)(?P<sublists>(?:/\w+)*)(?:@(?P<address>[\d.]+))?(?P<sign>[-+?!=])")


def sight(word: str, at: datetime) -> Observation:
    match = SIGHT.fullmatch(word)
    assert match, word
    return Observation(
        check="blocklist",
        about=match["list"],
        state=SIGNS[match["sign"]],
        at=at,
        address=match["address"] or "",
        sublists=tuple(match["sublists"].split("/")[1:]),
        severity=Severity.LOW if word.startswith("low") else Severity.HIGH,
        says=f"Listed on {match['list']}.",
    )


def sights(words: str, at: datetime) -> tuple[Observation, ...]:
    return tuple(sight(word, at) for word in words.split())


@dataclass
class Story:
    """A watch under test. Its state goes through JSON between two looks, as it does in the store."""

    policy: Policy = field(default_factory=Policy)
    now: datetime = T0
    incident: Incident | None = None
    alerts: list[Alert] = field(default_factory=list)
    again_at: datetime | None = None
    ask: frozenset[str] = frozenset()

    def look(self, words: str) -> list[Alert]:
        return self.see(sights(words, self.now))

    def see(self, seen: tuple[Observation, ...]) -> list[Alert]:
        if self.incident is None:
            self.incident = begin("w1", seen, self.now)
            return []
        outcome = advance(self.incident, seen, self.now, self.policy)
        if outcome.alerts:
            assert outcome == advance(self.incident, seen, self.now, self.policy)
        self.incident = from_json(Incident, json.loads(json.dumps(to_json(outcome.incident))))
        assert self.incident == outcome.incident
        self.again_at, self.ask = outcome.again_at, outcome.ask
        self.alerts += outcome.alerts
        return list(outcome.alerts)

    def row(self, when: str, words: list[str]) -> list[Alert]:
        self.now = self.now + read_duration(when[1:]) if when[0] == "+" else T0 + seconds(when)
        for word in [word for word in words if word.split(":")[0] in ("ack", "mute", "unmute")]:
            words = [other for other in words if other != word]
            self._press(*word.split(":"))
        return self.look(" ".join(words))

    def _press(self, verb: str, length: str = "") -> None:
        assert self.incident is not None
        if verb == "ack":
            self.incident = acknowledge(self.incident, "U1", self.now)
        elif verb == "mute":
            self.incident = mute(self.incident, "U1", self.now + read_duration(length))
        else:
            self.incident = unmute(self.incident)


def seconds(when: str) -> timedelta:
    return timedelta(0) if when == "0s" else read_duration(when)


def told(alert: Alert) -> str:
    """`opened +a +b`, `eased -a`; `*a` was lost."""
    signed = [("+", alert.new), ("-", alert.gone), ("*", alert.lost)]
    return " ".join([str(alert.reason), *(f"{sign}{short(p)}" for sign, problems in signed for p in problems)])


def short(problem: Problem) -> str:
    return problem.key.removeprefix("blocklist:")


def play(table: str, policy: Policy | None = None) -> tuple[list[str], list[str]]:
    """What each row should have told, and what it told."""
    story = Story(policy or Policy())
    wanted, got = [], []
    for line in filter(None, map(str.strip, table.splitlines())):
        when, words, says = (cell.strip() for cell in line.split("|"))
        wanted.append(f"{when}: {says}")
        got.append(f"{when}: " + ", ".join(map(told, story.row(when, words.split()))))
    return wanted, got
