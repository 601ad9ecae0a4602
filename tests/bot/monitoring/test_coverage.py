"""Whatever a watched check calls a warning or a failure, a watch reports, and clears; generated from the registry."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.checks.finding_codes import FindingCode
from bot.checks.registry import CHECKS, CheckSpec, Need, missing_parts
from bot.models import CheckRequest, Finding, Report, Target, Verdict
from bot.monitoring.models import Alert, AlertReason, Incident, Watch
from bot.monitoring.observations import BLOCKLIST
from bot.monitoring.poll import observe_reports
from tests.support.incident_stories import T0, Story
from tests.support.stored_watches import watch

DOMAIN, ADDRESS, RANGE = "example.com", "203.0.113.5/32", "203.0.113.16/30"
WATCHES = {
    "address": watch(ADDRESS),
    "address and domain": watch(ADDRESS, DOMAIN),
    "domain": watch(None, DOMAIN),
    "range": watch(RANGE, DOMAIN),
}
HOUR, CONFIRMED, HELD_DOWN = timedelta(hours=1), timedelta(seconds=90), timedelta(minutes=45)


def bad_codes(spec: CheckSpec) -> list[tuple[str, FindingCode]]:
    return [(code, row) for code, row in spec.codes.items() if row.verdict >= Verdict.WARN]


SPECS = [spec for spec in CHECKS if spec.watched and spec.id != BLOCKLIST and bad_codes(spec)]
PAIRS = [
    pytest.param(spec, code, form, id=f"{code} {form}")
    for spec in SPECS
    for code, _ in bad_codes(spec)
    for form, watched in WATCHES.items()
    if not spec.needs & missing_parts(CheckRequest(watched.targets[0]))
]


class Watched:
    """A watch whose check gives one finding about each of its targets."""

    def __init__(self, watched: Watch, spec: CheckSpec) -> None:
        self.watch, self.spec, self.story = watched, spec, Story()

    def poll(self, after: timedelta, code: str, verdict: Verdict) -> list[Alert]:
        self.story.now += after
        reports = [self._report(target, code, verdict) for target in self.watch.targets]
        incident = self.story.incident or Incident(self.watch.id, T0)
        return self.story.observe(observe_reports(reports, incident, self.watch))

    def _report(self, target: Target, code: str, verdict: Verdict) -> Report:
        subject = str(target.ip) if Need.ADDRESS in self.spec.needs else DOMAIN
        finding = Finding(code.partition(".")[0], subject, verdict, code, "It is so.")
        return Report(CheckRequest(target), self.story.now, (finding,), elapsed_ms=1, queries=1)


@pytest.mark.parametrize(("spec", "code", "form"), PAIRS)
def test_every_bad_finding_alerts_and_clears(spec: CheckSpec, code: str, form: str) -> None:
    world, verdict = Watched(WATCHES[form], spec), spec.codes[code].verdict
    good = f"{code.partition('.')[0]}.ok"
    assert world.poll(timedelta(0), good, Verdict.PASS) == []
    assert world.poll(HOUR, code, verdict) == []
    (told,) = world.poll(CONFIRMED, code, verdict)
    assert told.reason is AlertReason.OPENED
    assert {problem.last_observation.code for problem in told.new} == {code}
    assert world.poll(HOUR, code, Verdict.UNKNOWN) == []
    alerts = [alert for _ in range(3) for alert in world.poll(HELD_DOWN, good, Verdict.PASS)]
    assert [alert.reason for alert in alerts] == [AlertReason.RESOLVED]


@pytest.mark.parametrize(("spec", "code", "form"), PAIRS)
def test_bad_finding_at_the_first_poll_does_not_alert(spec: CheckSpec, code: str, form: str) -> None:
    world, verdict = Watched(WATCHES[form], spec), spec.codes[code].verdict
    for after in (timedelta(0), HOUR, HOUR):
        assert world.poll(after, code, verdict) == []
    assert world.story.incident is not None
    assert [problem.last_observation.code for problem in world.story.incident.problems][:1] == [code]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.id} {spec.order}")
def test_check_that_a_watch_did_not_follow_before_only_records(spec: CheckSpec) -> None:
    """An incident stored by a version that did not follow the check, or any but the blocklists."""
    world = Watched(WATCHES["address and domain"], spec)
    world.story.incident = Incident("w1", T0)
    code, row = bad_codes(spec)[0]
    for after in (HOUR, CONFIRMED, HOUR):
        assert world.poll(after, code, row.verdict) == []


def test_worse_code_of_a_known_subject_alerts_in_its_thread() -> None:
    spec = next(spec for spec in SPECS if spec.id == "spf")
    world = Watched(WATCHES["domain"], spec)
    world.poll(timedelta(0), "spf.pass", Verdict.PASS)
    world.poll(HOUR, "spf.softfail", Verdict.WARN)
    (opened,) = world.poll(CONFIRMED, "spf.softfail", Verdict.WARN)
    (grew,) = world.poll(HOUR, "spf.fail", Verdict.FAIL)
    assert (opened.reason, grew.reason) == (AlertReason.OPENED, AlertReason.GREW)
    assert grew.thread_key == opened.thread_key
    assert world.poll(HOUR, "spf.softfail", Verdict.WARN) == []


def test_subject_that_a_check_no_longer_mentions_clears() -> None:
    """Such as the key of a selector, or a host that is no longer a mail server."""
    watched, story = WATCHES["domain"], Story()

    def poll(after: timedelta, *subjects: tuple[str, Verdict]) -> list[AlertReason]:
        story.now += after
        findings = tuple(Finding("dkim", subject, verdict, "dkim.word", "So.") for subject, verdict in subjects)
        report = Report(CheckRequest(Target(domain=DOMAIN)), story.now, findings, elapsed_ms=1, queries=1)
        incident = story.incident or Incident(watched.id, T0)
        return [alert.reason for alert in story.observe(observe_reports([report], incident, watched))]

    key, other = f"s1._domainkey.{DOMAIN}", f"s2._domainkey.{DOMAIN}"
    poll(timedelta(0), (key, Verdict.PASS), (other, Verdict.PASS))
    poll(HOUR, (key, Verdict.FAIL), (other, Verdict.PASS))
    assert poll(CONFIRMED, (key, Verdict.FAIL), (other, Verdict.PASS)) == [AlertReason.OPENED]
    assert poll(HOUR, (other, Verdict.UNKNOWN)) == []
    cleared = [reason for _ in range(3) for reason in poll(HELD_DOWN, (other, Verdict.PASS))]
    assert cleared == [AlertReason.RESOLVED]
    assert story.incident is not None
    assert story.incident.config["selectors"] == "s1 s2"


def test_pairs_cover_every_form_of_target() -> None:
    print(f"{len(PAIRS)} pairs of a finding code and a form of target, of {len(SPECS)} checks")
    assert len(PAIRS) > 150
