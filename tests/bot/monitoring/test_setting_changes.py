"""What is told about settings, from the findings of the checks themselves over a small world of DNS."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.checks import dmarc, mx, ptr, spf
from bot.models import Order, Report, Role, Target
from bot.monitoring.observations import LONGEST_VALUE, observe
from tests.support.dns_world import World, Zone
from tests.support.incident_stories import Story, told

ZONE: Zone = {
    "25.2.0.192.in-addr.arpa": {"PTR": ["mail.example.com"]},
    "mail.example.com": {"A": ["192.0.2.25"]},
    "other.example.com": {"A": ["192.0.2.25"]},
    "example.com": {"TXT": ["v=spf1 ip4:192.0.2.25 -all"], "MX": ["10 mail.example.com"]},
    "_dmarc.example.com": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@example.com"]},
}
PTR, DMARC, DOMAIN = "25.2.0.192.in-addr.arpa", "_dmarc.example.com", "example.com"
ELEVEN = f"v=spf1 {' '.join(['exists:mail.example.com'] * 11)} -all"
TO_NOTHING = "v=spf1 a:one.example.com a:two.example.com a:three.example.com ip4:192.0.2.25 -all"


async def see(story: Story, zone: Zone, role: Role = Role.MTA) -> list[str]:
    order = Order(Target.of("192.0.2.25", "example.com"), role)
    checks = (ptr.check, spf.check, dmarc.check, mx.check)
    found = [finding for check in checks for finding in await check(order, World(zone))]
    report = Report(order, story.now, tuple(found), elapsed_ms=1, queries=1)
    return [told(alert) for alert in story.see(observe(report, story.incident.settings if story.incident else {}))]


async def twice(story: Story, zone: Zone, role: Role = Role.MTA) -> list[str]:
    """A regular look an hour later, and the second look."""
    story.now += timedelta(hours=1)
    heard = await see(story, zone, role)
    story.now += story.policy.confirm_after
    return heard + await see(story, zone, role)


@pytest.mark.parametrize(
    ("name", "kinds", "heard", "was", "value"),
    [
        (PTR, {}, "opened +ptr:gone", "mail.example.com", ""),
        (PTR, {"PTR": ["unknown.example.com"]}, "opened +ptr:gone", "mail.example.com", ""),
        (PTR, {"PTR": ["other.example.com"]}, "noted +ptr:changed", "mail.example.com", "other.example.com"),
        (DOMAIN, {"TXT": ["v=spf1 -all"], "MX": ["10 mail.example.com"]}, "opened +spf:failing", "pass", "fail"),
        (DOMAIN, {"TXT": ["v=spf1 ~all"], "MX": ["10 mail.example.com"]}, "opened +spf:failing", "pass", "softfail"),
        (DOMAIN, {"TXT": ["x"], "MX": ["10 mail.example.com"]}, "opened +spf:failing", "pass", "none"),
        (
            DOMAIN,
            {"TXT": [TO_NOTHING], "MX": ["10 mail.example.com"]},
            "opened +spf:limits",
            "within the limits",
            "3 lookups, 3 of them to nothing",
        ),
        (DMARC, {}, "opened +dmarc:gone", "reject", ""),
        (DMARC, {"TXT": ["v=DMARC1; p=none"]}, "noted +dmarc:weakened", "reject", "none"),
        (DMARC, {"TXT": ["v=DMARC1; p=reject; t=y"]}, "noted +dmarc:weakened", "reject", "quarantine"),
        (
            DOMAIN,
            {"TXT": ["v=spf1 ip4:192.0.2.25 -all"], "MX": ["10 other.example.com"]},
            "noted +mx:changed",
            "10 mail.example.com",
            "10 other.example.com",
        ),
        (DOMAIN, {"TXT": ["v=spf1 ip4:192.0.2.25 -all"]}, "opened +mx:gone", "10 mail.example.com", ""),
    ],
)
async def test_a_setting_that_breaks_or_changes_is_told_with_both_values(
    name: str, kinds: dict[str, list[str]], heard: str, was: str, value: str
) -> None:
    story = Story()
    assert await see(story, ZONE) == []
    assert await twice(story, ZONE | {name: kinds}) == [heard]
    (problem,) = story.alerts[0].new
    assert (problem.sight.was, problem.sight.value) == (was, value)
    assert problem.sight.says
    assert await twice(story, ZONE | {name: kinds}) == []
    end = [await twice(story, ZONE) for _ in range(3)]
    key = problem.key
    # What broke ends by being right; what was changed and is changed back was changed again.
    back = {"opened": f"resolved -{key}", "noted": "" if key == "dmarc:weakened" else f"noted +{key}"}[
        heard.partition(" ")[0]
    ]
    assert [word for words in end for word in words] == ([back] if back else [])


async def test_silence_of_dns_changes_no_setting() -> None:
    story = Story()
    await see(story, ZONE)
    for word in ("timeout", "servfail", "refused"):
        silent: Zone = {name: {"*": word} for name in ZONE}
        assert await twice(story, silent) == []
    assert await twice(story, ZONE) == []


async def test_silence_of_dns_repairs_no_setting() -> None:
    story = Story()
    await see(story, ZONE)
    broken = {name: {} if name != DOMAIN else {"TXT": ["v=spf1 -all"]} for name in ZONE}
    assert await twice(story, broken) == ["opened +ptr:gone +spf:failing +dmarc:gone +mx:gone"]
    for _ in range(4):
        for word in ("timeout", "servfail"):
            assert await twice(story, {name: {"*": word} for name in ZONE}) == []


async def test_what_is_wrong_at_the_first_look_is_known_and_its_repair_is_told() -> None:
    story = Story()
    bare: Zone = {"example.com": {"MX": ["10 mail.example.com"]}, "mail.example.com": {"A": ["192.0.2.25"]}}
    await see(story, bare)
    assert await twice(story, bare) == []
    heard = [word for _ in range(3) for words in [await twice(story, ZONE)] for word in words]
    assert heard == ["eased -ptr:gone -spf:failing -dmarc:gone"]


async def test_a_client_needs_no_reverse_name() -> None:
    story = Story()
    await see(story, ZONE, Role.CLIENT)
    assert await twice(story, ZONE | {PTR: {}}, Role.CLIENT) == []


async def test_a_setting_that_changes_to_and_fro_is_called_unstable_and_then_there_is_silence() -> None:
    story = Story()
    await see(story, ZONE)
    other: Zone = {**ZONE, PTR: {"PTR": ["other.example.com"]}}
    heard = [word for hour in range(24) for word in await twice(story, ZONE if hour % 2 else other)]
    assert heard == ["noted +ptr:changed", "noted +ptr:changed", "unstable +ptr:changed"]
    assert story.incident is not None
    assert story.incident.opened is None
    settled = [word for _ in range(14) for word in await twice(story, other)]
    assert len(settled) <= 1
    assert story.incident.settings["ptr"] == "other.example.com"


async def test_a_stronger_policy_is_the_new_normal_without_a_word() -> None:
    story = Story()
    await see(story, ZONE | {DMARC: {"TXT": ["v=DMARC1; p=none"]}})
    assert await twice(story, ZONE) == []
    assert await twice(story, ZONE | {DMARC: {"TXT": ["v=DMARC1; p=none"]}}) == ["noted +dmarc:weakened"]


async def test_the_limits_are_those_of_the_whole_record() -> None:
    """A mechanism that matches early saves this address, not the next one."""
    story = Story()
    await see(story, ZONE)
    zone = ZONE | {DOMAIN: {"TXT": [ELEVEN.replace("v=spf1", "v=spf1 ip4:192.0.2.25")], "MX": ["10 mail.example.com"]}}
    assert await twice(story, zone) == ["opened +spf:limits"]
    assert story.alerts[0].new[0].sight.value == "11 lookups, 0 of them to nothing"


async def test_a_long_value_still_shows_every_change() -> None:
    hosts = [f"10 {'m' * 40}{number}.example.com" for number in range(10)]
    story = Story()
    await see(story, ZONE | {DOMAIN: {"MX": hosts}})
    assert story.incident is not None
    assert len(story.incident.settings["mx"]) < LONGEST_VALUE + 20
    changed = ZONE | {DOMAIN: {"MX": [*hosts[:-1], hosts[-1].replace("m9", "n9")]}}
    assert "noted +mx:changed" in await twice(story, changed)
