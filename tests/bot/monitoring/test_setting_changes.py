"""Alerts about DNS config, from the real checks over a fake DNS."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

from bot.checks import dmarc, mx, ptr, spf
from bot.models import CheckRequest, Report, Role, Target
from bot.monitoring.domain_records import accept_records
from bot.monitoring.models import DomainRecords
from bot.monitoring.observations import observe
from bot.monitoring.record_values import MAX_VALUE_LENGTH, read_records
from tests.support.dns_world import World, Zone
from tests.support.incident_stories import Story, describe_alert

ZONE: Zone = {
    "25.2.0.192.in-addr.arpa": {"PTR": ["mail.example.com"]},
    "mail.example.com": {"A": ["192.0.2.25"]},
    "other.example.com": {"A": ["192.0.2.25"]},
    "example.com": {"TXT": ["v=spf1 ip4:192.0.2.25 -all"], "MX": ["10 mail.example.com"]},
    "reports.example.net": {"MX": ["10 mx.reports.example.net"]},
    "mx.reports.example.net": {"A": ["198.51.100.9"]},
    "example.com._report._dmarc.reports.example.net": {"TXT": ["v=DMARC1"]},
    "_dmarc.example.com": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@reports.example.net"]},
}
PTR, DMARC, DOMAIN = "25.2.0.192.in-addr.arpa", "_dmarc.example.com", "example.com"
SPF, REJECT = "v=spf1 ip4:192.0.2.25 -all", "p=reject; rua=mailto:dmarc@reports.example.net"
ELEVEN_LOOKUPS = f"v=spf1 {' '.join(['exists:mail.example.com'] * 11)} -all"
VOID_LOOKUPS = "v=spf1 a:one.example.com a:two.example.com a:three.example.com ip4:192.0.2.25 -all"


@dataclass
class RecordStory(Story):
    """A story whose domain has stored records."""

    records: DomainRecords | None = None


async def poll(story: RecordStory, zone: Zone, role: Role = Role.MTA) -> list[str]:
    request = CheckRequest(Target.of("192.0.2.25", "example.com"), role)
    checks = (ptr.check, spf.check, dmarc.check, mx.check)
    findings = [finding for check in checks for finding in await check(request, World(zone))]
    report = Report(request, story.now, tuple(findings), elapsed_ms=1, queries=1)
    config = story.incident.config if story.incident else {}
    alerts = story.observe(observe(report, config, domain_records=story.records))
    assert story.incident is not None
    story.records = accept_records(story.records, read_records(report), [story.incident.config], story.now) or (
        story.records
    )
    return [describe_alert(alert) for alert in alerts]


LAST_GOOD = {
    PTR: "mail.example.com",
    DMARC: "v=DMARC1; p=reject; rua=mailto:dmarc@reports.example.net",
    DOMAIN: "10 mail.example.com",
}


async def poll_twice(story: RecordStory, zone: Zone, role: Role = Role.MTA) -> list[str]:
    """A regular poll an hour later, and the confirmation poll."""
    story.now += timedelta(hours=1)
    alerts = await poll(story, zone, role)
    story.now += story.policy.confirm_after
    return alerts + await poll(story, zone, role)


@pytest.mark.parametrize(
    ("name", "records", "alert", "previous", "value"),
    [
        (PTR, {}, "opened +ptr:", "mail.example.com", ""),
        (PTR, {"PTR": ["unknown.example.com"]}, "opened +ptr:", "mail.example.com", "unknown.example.com"),
        (PTR, {"PTR": ["other.example.com"]}, "noted +ptr:changed", "mail.example.com", "other.example.com"),
        (DOMAIN, {"TXT": ["v=spf1 -all"], "MX": ["10 mail.example.com"]}, "opened +spf:", SPF, "v=spf1 -all"),
        (DOMAIN, {"TXT": ["v=spf1 ~all"], "MX": ["10 mail.example.com"]}, "opened +spf:", SPF, "v=spf1 ~all"),
        (DOMAIN, {"TXT": ["x"], "MX": ["10 mail.example.com"]}, "opened +spf:", SPF, ""),
        (DOMAIN, {"TXT": [VOID_LOOKUPS], "MX": ["10 mail.example.com"]}, "opened +spf:", SPF, VOID_LOOKUPS),
        (DMARC, {}, "opened +dmarc:", REJECT, ""),
        (DMARC, {"TXT": ["v=DMARC1; p=none"]}, "opened +dmarc:", REJECT, "p=none"),
        (DMARC, {"TXT": ["v=DMARC1; p=reject; t=y"]}, "opened +dmarc:", REJECT, "p=reject; t=y"),
        (
            DOMAIN,
            {"TXT": ["v=spf1 ip4:192.0.2.25 -all"], "MX": ["10 other.example.com"]},
            "noted +mx:changed",
            "10 mail.example.com",
            "10 other.example.com",
        ),
        (DOMAIN, {"TXT": ["v=spf1 ip4:192.0.2.25 -all"]}, "opened +mx:", "10 mail.example.com", ""),
    ],
)
async def test_config_change_alerts_with_both_values(
    name: str, records: dict[str, list[str]], alert: str, previous: str, value: str
) -> None:
    story = RecordStory()
    assert await poll(story, ZONE) == []
    assert await poll_twice(story, ZONE | {name: records}) == [alert]
    (problem,) = story.alerts[0].new
    assert (problem.last_observation.previous_value, problem.last_observation.value) == (previous, value)
    assert problem.last_observation.summary
    assert await poll_twice(story, ZONE | {name: records}) == []
    polls = [await poll_twice(story, ZONE) for _ in range(3)]
    key = problem.key
    # Broken config resolves when repaired; a change that is reverted is another change.
    reverted = {"opened": f"resolved -{key}", "noted": f"noted +{key}"}[alert.partition(" ")[0]]
    assert [text for sent in polls for text in sent] == [reverted]


@pytest.mark.parametrize("name", [PTR, DMARC, DOMAIN])
async def test_removed_record_is_to_be_restored_not_replaced(name: str) -> None:
    """The advice for a domain that never had the record would be weaker."""
    story = RecordStory()
    await poll(story, ZONE)
    await poll_twice(story, ZONE | {name: {"TXT": ["v=spf1 ip4:192.0.2.25 -all"]} if name == DOMAIN else {}})
    steps = [problem.last_observation.remediation for problem in story.alerts[0].new]
    assert f"Restore: `{LAST_GOOD[name]}`" in steps


async def test_dns_failure_changes_no_config() -> None:
    story = RecordStory()
    await poll(story, ZONE)
    for error in ("timeout", "servfail", "refused"):
        failing: Zone = {name: {"*": error} for name in ZONE}
        assert await poll_twice(story, failing) == []
    assert await poll_twice(story, ZONE) == []


async def test_dns_failure_clears_no_config_problem() -> None:
    story = RecordStory()
    await poll(story, ZONE)
    broken = {name: {} if name != DOMAIN else {"TXT": ["v=spf1 -all"]} for name in ZONE}
    assert await poll_twice(story, broken) == ["opened +ptr: +spf: +dmarc: +mx:"]
    for _ in range(4):
        for error in ("timeout", "servfail"):
            assert await poll_twice(story, {name: {"*": error} for name in ZONE}) == []


async def test_config_broken_at_first_poll_reports_only_repair() -> None:
    story = RecordStory()
    bare: Zone = {"example.com": {"MX": ["10 mail.example.com"]}, "mail.example.com": {"A": ["192.0.2.25"]}}
    await poll(story, bare)
    assert await poll_twice(story, bare) == []
    alerts = [text for _ in range(3) for sent in [await poll_twice(story, ZONE)] for text in sent]
    assert alerts == ["eased -ptr: -spf: -dmarc:"]


async def test_missing_ptr_of_client_sends_no_alert() -> None:
    story = RecordStory()
    await poll(story, ZONE, Role.CLIENT)
    assert await poll_twice(story, ZONE | {PTR: {}}, Role.CLIENT) == []


async def test_flapping_config_is_reported_once() -> None:
    story = RecordStory()
    await poll(story, ZONE)
    changed: Zone = {**ZONE, PTR: {"PTR": ["other.example.com"]}}
    alerts = [text for hour in range(24) for text in await poll_twice(story, ZONE if hour % 2 else changed)]
    assert alerts == ["noted +ptr:changed", "noted +ptr:changed", "unstable +ptr:changed"]
    assert story.incident is not None
    assert story.incident.opened_at is None
    later = [text for _ in range(14) for text in await poll_twice(story, changed)]
    assert len(later) <= 1
    assert story.incident.config["ptr"] == "other.example.com"


async def test_mended_dmarc_policy_sends_no_alert() -> None:
    story = RecordStory()
    await poll(story, ZONE | {DMARC: {"TXT": ["v=DMARC1; p=none"]}})
    assert await poll_twice(story, ZONE) == []
    assert await poll_twice(story, ZONE | {DMARC: {"TXT": ["v=DMARC1; p=none"]}}) == ["noted +dmarc:changed"]


async def test_spf_limits_count_the_whole_record() -> None:
    """A mechanism that matches early does not reduce the count for other addresses."""
    story = RecordStory()
    await poll(story, ZONE)
    zone = ZONE | {
        DOMAIN: {"TXT": [ELEVEN_LOOKUPS.replace("v=spf1", "v=spf1 ip4:192.0.2.25")], "MX": ["10 mail.example.com"]}
    }
    assert await poll_twice(story, zone) == ["opened +spf:"]
    assert story.alerts[0].new[0].last_observation.code == "spf.too-many-lookups"


async def test_long_value_is_truncated_and_still_compared() -> None:
    hosts = [f"10 {'m' * 40}{number}.example.com" for number in range(10)]
    story = RecordStory()
    await poll(story, ZONE | {DOMAIN: {"MX": hosts}})
    assert story.incident is not None
    assert len(story.incident.config["mx"]) < MAX_VALUE_LENGTH + 20
    changed = ZONE | {DOMAIN: {"MX": [*hosts[:-1], hosts[-1].replace("m9", "n9")]}}
    assert "noted +mx:changed" in await poll_twice(story, changed)
