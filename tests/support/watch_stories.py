"""Stories of every finding that can turn bad: broken, unknown for a while, mended; generated from the registry.

`python -m tests.support.watch_stories` prints how many pairs of a code and a form of target were tried, notified and
cleared, and how many alerts were false.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from bot.checks.finding_codes import FindingCode
from bot.checks.registry import CHECKS, CheckSpec, Need, missing_parts
from bot.models import CheckRequest, Finding, Report, Verdict
from bot.monitoring.alert_state import initial_incident
from bot.monitoring.check_schedule import RAN_AT, SLOW_CHECKS, checks_to_leave_out
from bot.monitoring.models import Alert, AlertReason, Incident, Watch
from bot.monitoring.observations import BLOCKLIST
from bot.monitoring.poll import observe_reports, run_checks
from tests.support.incident_stories import T0, Story
from tests.support.stored_watches import watch

DOMAIN, ADDRESS, RANGE = "example.com", "203.0.113.5/32", "203.0.113.16/30"
HOUR, CONFIRMED, DAY = timedelta(hours=1), timedelta(seconds=90), timedelta(days=1)
INTERVAL = {True: 4 * HOUR, False: HOUR}  # of the polls of checks that have a `watch_every`, and of all others
HOLD_DOWN = timedelta(minutes=31)
WATCHES = {
    "address": watch(ADDRESS),
    "address and domain": watch(ADDRESS, DOMAIN),
    "domain": watch(None, DOMAIN),
    "range": watch(RANGE, DOMAIN),
}


def bad_codes(spec: CheckSpec) -> list[tuple[str, FindingCode]]:
    return [(code, row) for code, row in spec.codes.items() if row.verdict >= Verdict.WARN]


SPECS = [spec for spec in CHECKS if spec.watched and spec.id != BLOCKLIST and bad_codes(spec)]


@dataclass(frozen=True, slots=True)
class Pair:
    """A finding code and a form of target."""

    spec: CheckSpec
    code: str
    form: str

    @property
    def watch(self) -> Watch:
        return WATCHES[self.form]

    @property
    def check(self) -> str:
        return self.code.partition(".")[0]

    @property
    def verdict(self) -> Verdict:
        return self.spec.codes[self.code].verdict

    @property
    def promise(self) -> timedelta:
        """So long after the record broke, the alert is out."""
        return (self.spec.watch_every or HOUR) + CONFIRMED


def pairs() -> Iterator[Pair]:
    for spec in SPECS:
        for code, _ in bad_codes(spec):
            for form, watched in WATCHES.items():
                if not spec.needs & missing_parts(CheckRequest(watched.targets[0])):
                    yield Pair(spec, code, form)


@dataclass
class World:
    """A watch whose check gives one finding about each target; polled as the poller does."""

    pair: Pair
    story: Story = field(default_factory=Story)
    code: str = ""
    verdict: Verdict = Verdict.PASS

    async def run(self, request: CheckRequest, fresh: bool = False) -> Report:
        spec = self.pair.spec
        # Of another check, so that a poll without the one of the story has a result.
        findings = [Finding("network", DOMAIN, Verdict.PASS, "network.dnssec-signed", "It is so.")]
        if spec.id not in request.left_out:
            subject = str(request.target.ip) if Need.ADDRESS in spec.needs else DOMAIN
            code = self.code or f"{self.pair.check}.ok"
            findings.append(Finding(self.pair.check, subject, self.verdict, code, "It is so."))
        return Report(request, self.story.now, tuple(findings), elapsed_ms=1, queries=int(fresh))

    def report(self, code: str = "", verdict: Verdict = Verdict.PASS) -> None:
        self.code, self.verdict = code, verdict

    async def poll(self, after: timedelta) -> list[Alert]:
        self.story.now += after
        watched, incident = self.pair.watch, self.story.incident
        if incident is None:
            reports = await run_checks(watched.targets, watched, self)
            observed = observe_reports(reports, Incident(watched.id, T0), watched)
            self.story.incident = initial_incident(watched.id, observed, self.story.now)
            return []
        left_out = checks_to_leave_out([incident], watched.domain, self.story.now)
        reports = await run_checks(watched.targets, watched, self, left_out=left_out)
        return self.story.observe(observe_reports(reports, incident, watched))

    async def poll_for(self, length: timedelta) -> list[Alert]:
        """Poll at the interval, and earlier where a problem is pending; without reminders."""
        alerts, until = list[Alert](), self.story.now + length
        interval = INTERVAL[self.pair.spec.watch_every is not None]
        regular = self.story.now
        while self.story.now < until:
            regular = regular if regular > self.story.now else self.story.now + interval
            at = min(filter(None, (regular, self.story.recheck_at, until)))
            alerts += await self.poll(max(at - self.story.now, timedelta(seconds=1)))
        return [alert for alert in alerts if alert.reason is not AlertReason.REMINDER]


@dataclass(frozen=True, slots=True)
class StoryResult:
    """What the channel of a pair was notified: the break, the end, and what was neither."""

    notified: bool
    cleared: bool
    false: int


async def play(pair: Pair) -> StoryResult:
    """Right, broken, unknown for a while, right again."""
    world = World(pair)
    early = await world.poll(timedelta(0)) + await world.poll_for(pair.promise)
    world.report(pair.code, pair.verdict)
    notified = await world.poll_for(pair.promise)
    world.report(f"{pair.check}.no-answer", Verdict.UNKNOWN)
    unknown = await world.poll_for(pair.promise)
    world.report()
    cleared = await world.poll_for(pair.promise + 2 * HOLD_DOWN)
    is_notified = [alert.reason for alert in notified] == [AlertReason.OPENED] and {
        problem.last_observation.code for problem in notified[0].new
    } == {pair.code}
    is_cleared = [alert.reason for alert in cleared] == [AlertReason.RESOLVED]
    false = len(early) + len(unknown) + len(notified) - is_notified + len(cleared) - is_cleared
    return StoryResult(is_notified, is_cleared, false)


async def play_all() -> Counter[str]:
    counts: Counter[str] = Counter()
    for pair in pairs():
        result = await play(pair)
        columns = {"tried": 1, "told": result.notified, "cleared": result.cleared}
        counts += Counter({f"{pair.spec.id} {column}": int(count) for column, count in columns.items()})
        counts[f"{pair.spec.id} false"] += result.false
    return counts


def main() -> None:
    counts = asyncio.run(play_all())
    columns = ("tried", "told", "cleared", "false")
    ids = list(dict.fromkeys(spec.id for spec in SPECS))
    print("check".ljust(14), *(column.rjust(8) for column in columns))
    for id in ids:
        print(id.ljust(14), *(str(counts[f"{id} {column}"]).rjust(8) for column in columns))
    sums = {column: sum(counts[f"{id} {column}"] for id in ids) for column in columns}
    print("all".ljust(14), *(str(sums[column]).rjust(8) for column in columns))


def earlier_version(pair: Pair) -> World:
    """The world of a watch that a version stored which did not follow the check."""
    world = World(pair)
    config = {RAN_AT: f"{(T0 - DAY).timestamp():.0f}"} if pair.spec.id in SLOW_CHECKS else {}
    world.story.incident = Incident(pair.watch.id, T0, config=config)
    return world


if __name__ == "__main__":
    main()
