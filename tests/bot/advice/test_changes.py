"""Every step, applied as data, helps whom it is for and breaks nobody else's mail."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from hypothesis import given, settings

from bot.advice import advise
from bot.check_runner import CheckRunner
from bot.checks import spf
from bot.checks.registry import CHECKS
from bot.checks.spf import ResultCode, check_host
from bot.checks.spf.lint import MAX_RECORD_BYTES
from bot.checks.spf.result import MAX_LOOKUP_TERMS
from bot.models import CheckRequest, Finding, Report, Target
from tests.bot.advice.set_ups import DOMAIN, SENDERS, SetUp, set_ups
from tests.support.dns_world import World

AT = datetime(2026, 1, 1, tzinfo=UTC)
JUDGED = tuple(spec for spec in CHECKS if spec.id in ("ptr", "spf", "dmarc", "mx", "dkim"))


async def report_of(set_up: SetUp) -> Report:
    world = World(set_up.zone)
    target = Target(ip_address(set_up.ip) if set_up.ip else None, DOMAIN)
    runner = CheckRunner(JUDGED, world, world, lambda: AT, allow_special=True)
    return await runner.run(CheckRequest(target, discovers_selectors=False))


async def spf_results(zone: Mapping[str, Any]) -> dict[str, ResultCode]:
    world = World(zone)
    return {ip: (await check_host(ip_address(ip), f"postmaster@{DOMAIN}", DOMAIN, world)).code for ip in SENDERS}


async def lookups(zone: Mapping[str, Any]) -> int:
    (finding, *_) = await spf.check(CheckRequest(Target(domain=DOMAIN)), World(zone))
    return int(finding.facts["lookups"] or 0)


def changed_zone(zone: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The zone with the change made, as its owner would make it."""
    name, rdtype = change["record"], change["type"]
    records = list(zone.get(name, {}).get(rdtype, []))
    texts = [text for text in records if text != change["old"]] if rdtype == "TXT" else []
    return {**zone, name: {**zone.get(name, {}), rdtype: [*texts, change["new"]]}}


def changes(findings: tuple[Finding, ...]) -> list[tuple[Finding, Mapping[str, Any]]]:
    return [(f, f.facts["change"]) for f in findings if f.facts.get("change") and f.facts["change"]["new"]]


@settings(max_examples=250, deadline=None)
@given(set_ups())
def test_change_breaks_no_sender_and_no_limit(set_up: SetUp) -> None:
    async def story() -> None:
        report = await report_of(set_up)
        before = await spf_results(set_up.zone)
        for finding, change in changes(report.findings):
            assert change["owner"] is None, "a record of somebody else's is not ours to write"
            zone = changed_zone(set_up.zone, change)
            after = await spf_results(zone)
            broken = [ip for ip, code in before.items() if code is ResultCode.PASS and after[ip] is not code]
            assert not broken, (finding.code, change)
            if finding.check == "spf":
                assert len(change["new"].encode()) <= MAX_RECORD_BYTES
                assert await lookups(zone) <= max(MAX_LOOKUP_TERMS, await lookups(set_up.zone)), change

    asyncio.run(story())


@settings(max_examples=150, deadline=None)
@given(set_ups())
def test_change_for_an_address_lets_it_pass(set_up: SetUp) -> None:
    async def story() -> None:
        report = await report_of(set_up)
        for finding, change in changes(report.findings):
            if finding.check == "spf" and set_up.ip and finding.code != "spf.missing-record":
                after = await spf_results(changed_zone(set_up.zone, change))
                assert after[set_up.ip] is ResultCode.PASS, (finding.code, change)

    asyncio.run(story())


def test_report_without_problems_is_not_changed() -> None:
    assert advise(CheckRequest(Target(domain=DOMAIN)), []) == []
