from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.check_runner import NOT_CACHED, CheckRunner
from bot.checks.registry import CheckSpec, Need
from bot.models import Check, CheckRequest, Finding, Lookup, LookupFailed, Report, Target, Verdict
from tests.support.dns_world import World

AT = datetime(2026, 11, 24, 6, tzinfo=UTC)
REQUEST = CheckRequest(Target.of("192.0.2.1", "example.com"))
ADDRESS_REQUEST = CheckRequest(Target.of("192.0.2.1"))


async def names_its_target(request: CheckRequest, _lookup: Lookup, /) -> Sequence[Finding]:
    return [Finding("mx", str(request.target), Verdict.PASS, "mx.ok", "It is right.")]


async def queries_two_names(_request: CheckRequest, lookup: Lookup, /) -> Sequence[Finding]:
    await asyncio.gather(lookup("a.example", "A"), lookup("b.example", "A"))
    return []


async def is_broken(_request: CheckRequest, _lookup: Lookup, /) -> Sequence[Finding]:
    raise KeyError("a bug")


def runner(*checks: tuple[str, Check], world: World | None = None, allow_special: bool = True) -> CheckRunner:
    """A runner of these checks; that of "network" sees special-purpose addresses, too."""
    lookup = world or World({})
    specs = [
        CheckSpec(name, name.upper(), 1, check, {Need.SPECIAL_ADDRESSES} if name == "network" else frozenset())
        for name, check in checks
    ]
    return CheckRunner(specs, lookup, lookup, lambda: AT, allow_special=allow_special)


async def test_broken_check_is_unknown_and_others_still_run() -> None:
    report = await runner(("spf", is_broken), ("mx", names_its_target)).run(REQUEST)
    assert [(finding.code, finding.verdict) for finding in report.findings] == [
        ("spf.broken", Verdict.UNKNOWN),
        ("mx.ok", Verdict.PASS),
    ]
    assert "a bug" not in report.findings[0].summary


async def test_report_has_query_count_and_injected_time() -> None:
    report = await runner(("mx", queries_two_names)).run(REQUEST)
    assert (report.queries, report.at, report.verdict) == (2, AT, Verdict.PASS)


@pytest.mark.parametrize(
    ("check_request", "targets"),
    [(REQUEST, ["192.0.2.1 example.com", "example.com"]), (ADDRESS_REQUEST, ["192.0.2.1"])],
)
async def test_special_address_is_left_out_of_other_checks(check_request: CheckRequest, targets: list[str]) -> None:
    check_runner = runner(("network", names_its_target), ("mx", names_its_target), allow_special=False)
    report = await check_runner.run(check_request)
    assert [finding.subject for finding in report.findings] == targets


HOSTS = World(
    {
        "mail.example.com": {"A": ["192.0.2.1", "192.0.2.2"], "AAAA": ["2001:db8::1"]},
        "example.com": {"A": ["192.0.2.1"], "MX": ["10 mail.example.com"]},
        "example.net": {"A": ["192.0.2.1"], "TXT": ["v=spf1 -all"]},
        "silent.example": {"A": ["192.0.2.1"], "MX": "timeout"},
        "many.example": {"A": [f"192.0.2.{n}" for n in range(1, 40)]},
    }
)


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("mail.example.com", ["192.0.2.1", "192.0.2.2", "2001:db8::1"]),
        ("example.com", [None]),
        ("example.net", [None]),
        ("nothing.example", [None]),
        ("silent.example", [None]),
        ("many.example", ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]),
    ],
)
async def test_name_without_mail_records_is_expanded_to_addresses(name: str, addresses: list[str | None]) -> None:
    requests = await runner(world=HOSTS).expand(CheckRequest(Target(domain=name)))
    targets = [request.target for request in requests]
    assert [str(target.ip) if target.ip else None for target in targets] == addresses
    assert {target.domain for target in targets} == {name}


class FakeReportCache:
    """A report cache that can be unavailable."""

    def __init__(self, unavailable: bool = False) -> None:
        self.reports: dict[str, Report] = {}
        self.unavailable = unavailable

    async def fetch(self, key: str, make: Callable[[], Awaitable[Report]], fresh: bool = False) -> tuple[Report, bool]:
        if key in self.reports and not fresh and not self.unavailable:
            return self.reports[key], True
        self.reports[key] = await make()
        return self.reports[key], False


async def test_same_request_is_answered_from_cache_and_marked() -> None:
    recorded: list[Report] = []
    check_runner = replace(runner(("mx", names_its_target)), reports=FakeReportCache(), on_report=recorded.append)
    reports = [
        await check_runner.run(REQUEST),
        await check_runner.run(REQUEST),
        await check_runner.run(REQUEST, fresh=True),
    ]
    assert [report.cached for report in reports] == [False, True, False]
    assert recorded == reports
    assert await check_runner.run(replace(REQUEST, helo="mail.example.com")) != reports[1]


async def test_report_without_cache_notes_that_it_was_not_cached() -> None:
    check_runner = replace(runner(("mx", names_its_target)), reports=FakeReportCache(unavailable=True))
    report = await check_runner.run(REQUEST)
    assert report.notes == (NOT_CACHED,)
    assert json.dumps(report.findings[0].summary)


async def test_check_that_times_out_is_unknown() -> None:
    async def times_out(_request: CheckRequest, _lookup: Lookup, /) -> Sequence[Finding]:
        raise TimeoutError

    async def lookup_fails(_request: CheckRequest, lookup: Lookup, /) -> Sequence[Finding]:
        try:
            await lookup("dead.example", "A")
        except LookupFailed as error:
            return [Finding("mx", "dead.example", Verdict.UNKNOWN, "mx.no-answer", error.reason)]
        return []

    world = World({"dead.example": {"*": "timeout"}})
    report = await runner(("spf", times_out), ("mx", lookup_fails), world=world).run(REQUEST)
    assert [finding.code for finding in report.findings] == ["spf.no-answer", "mx.no-answer"]
    assert report.verdict is Verdict.UNKNOWN
