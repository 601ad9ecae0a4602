"""Whatever a watched check calls a warning or a failure, a watch reports, and clears; generated from the registry."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from bot.checks.registry import CHECKS, WATCH_EVERY
from bot.models import CheckRequest, Finding, Report, Target, Verdict
from bot.monitoring.models import AlertReason, Incident
from bot.monitoring.observations import BLOCKLIST
from bot.monitoring.poll import observe_reports
from tests.support.incident_stories import T0, Story
from tests.support.watch_stories import (
    CONFIRMED,
    DOMAIN,
    HOUR,
    SPECS,
    WATCHES,
    Pair,
    StoryResult,
    World,
    bad_codes,
    earlier_version,
    pairs,
    play,
)

PAIRS = list(pairs())
HELD_DOWN = timedelta(minutes=45)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.id} {spec.order}")
async def test_every_bad_finding_alerts_in_its_interval_and_clears(spec: object) -> None:
    """At every form of target; `python -m tests.support.watch_stories` prints the table."""
    results = {f"{pair.code} {pair.form}": await play(pair) for pair in PAIRS if pair.spec is spec}
    expected = StoryResult(notified=True, cleared=True, false=0)
    assert {name: result for name, result in results.items() if result != expected} == {}
    assert results


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.id} {spec.order}")
async def test_bad_finding_at_the_first_poll_does_not_alert(spec: object) -> None:
    for pair in (pair for pair in PAIRS if pair.spec is spec):
        world = World(pair)
        world.report(pair.code, pair.verdict)
        assert await world.poll(timedelta(0)) + await world.poll_for(pair.promise) == [], pair.code
        assert world.story.incident is not None
        assert [problem.last_observation.code for problem in world.story.incident.problems][:1] == [pair.code]


@pytest.mark.parametrize("pair", {pair.spec.id: pair for pair in PAIRS}.values(), ids=lambda pair: pair.spec.id)
async def test_check_that_a_watch_did_not_follow_before_only_records(pair: Pair) -> None:
    """An incident stored by a version that did not follow the check, or any but the blocklists."""
    world = earlier_version(pair)
    world.report(pair.code, pair.verdict)
    assert await world.poll_for(2 * pair.promise) == []
    assert world.story.incident is not None
    assert pair.check in world.story.incident.config["checks"].split()


def test_pairs_hold_every_bad_code_of_every_watched_check() -> None:
    """So a check or a code that is added later has a story, at two forms of target at least."""
    forms = Counter(pair.code for pair in PAIRS)
    codes = {code for spec in CHECKS if spec.watched and spec.id != BLOCKLIST for code, _ in bad_codes(spec)}
    assert set(forms) == codes
    assert {code for code, count in forms.items() if count < 3} == set()
    assert {pair.form for pair in PAIRS} == set(WATCHES)
    assert set(WATCH_EVERY) == {"mta-sts", "starttls", "bimi", "registration"}


async def test_worse_code_of_a_known_subject_alerts_in_its_thread() -> None:
    world = World(next(pair for pair in PAIRS if pair.spec.id == "spf"))
    await world.poll(timedelta(0))
    world.report("spf.softfail", Verdict.WARN)
    (opened,) = await world.poll_for(HOUR + CONFIRMED)
    world.report("spf.fail", Verdict.FAIL)
    (grew,) = await world.poll_for(HOUR)
    assert (opened.reason, grew.reason) == (AlertReason.OPENED, AlertReason.GREW)
    assert grew.thread_key == opened.thread_key
    world.report("spf.softfail", Verdict.WARN)
    assert await world.poll_for(HOUR) == []


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
