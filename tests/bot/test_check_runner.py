from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.check_runner import UNCACHED, Checkup
from bot.models import Check, Finding, Lookup, LookupFailed, Order, Report, Target, Verdict
from tests.support.dns_world import World

AT = datetime(2026, 11, 24, 6, tzinfo=UTC)
ORDER = Order(Target.of("192.0.2.1", "example.com"))
ALONE = Order(Target.of("192.0.2.1"))


def found(about: str) -> Finding:
    return Finding("mx", about, Verdict.PASS, "mx.ok", "It is right.")


async def names_its_target(order: Order, _lookup: Lookup, /) -> Sequence[Finding]:
    return [found(str(order.target))]


async def asks_twice(_order: Order, lookup: Lookup, /) -> Sequence[Finding]:
    await asyncio.gather(lookup("a.example", "A"), lookup("b.example", "A"))
    return []


async def is_broken(_order: Order, _lookup: Lookup, /) -> Sequence[Finding]:
    raise KeyError("a bug")


def made(*checks: tuple[str, Check], world: World | None = None, special_allowed: bool = True) -> Checkup:
    lookup = world or World({})
    return Checkup(checks, frozenset({"network"}), lookup, lookup, lambda: AT, special_allowed=special_allowed)


async def test_a_broken_check_is_unknown_and_takes_nothing_from_the_others() -> None:
    report = await made(("spf", is_broken), ("mx", names_its_target)).report(ORDER)
    assert [(f.code, f.verdict) for f in report.findings] == [
        ("spf.broken", Verdict.UNKNOWN),
        ("mx.ok", Verdict.PASS),
    ]
    assert "a bug" not in report.findings[0].says


async def test_questions_are_counted_and_the_clock_is_handed_in() -> None:
    report = await made(("mx", asks_twice)).report(ORDER)
    assert (report.queries, report.at, report.verdict) == (2, AT, Verdict.PASS)


@pytest.mark.parametrize(
    ("order", "asked_about"),
    [(ORDER, ["192.0.2.1 example.com", "example.com"]), (ALONE, ["192.0.2.1"])],
)
async def test_only_the_domain_is_asked_about_where_the_address_is_special(
    order: Order, asked_about: list[str]
) -> None:
    checkup = made(("network", names_its_target), ("mx", names_its_target), special_allowed=False)
    assert [f.about for f in (await checkup.report(order)).findings] == asked_about


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
    ("name", "targets"),
    [
        ("mail.example.com", ["192.0.2.1", "192.0.2.2", "2001:db8::1"]),
        ("example.com", [None]),
        ("example.net", [None]),
        ("nothing.example", [None]),
        ("silent.example", [None]),
        ("many.example", ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]),
    ],
)
async def test_a_name_with_addresses_and_no_mail_of_its_own_is_a_host(name: str, targets: list[str | None]) -> None:
    orders = await made(world=HOSTS).expand(Order(Target(domain=name)))
    assert [str(order.target.ip) if order.target.ip else None for order in orders] == targets
    assert {order.target.domain for order in orders} == {name}


class Shelf:
    """A report cache that can be away."""

    def __init__(self, away: bool = False) -> None:
        self.texts: dict[str, str] = {}
        self.away = away

    async def fetch(self, key: str, make: Callable[[], Awaitable[str]], fresh: bool = False) -> tuple[str, bool]:
        if key in self.texts and not fresh and not self.away:
            return self.texts[key], True
        self.texts[key] = await make()
        return self.texts[key], False


async def test_the_same_order_is_answered_from_the_cache_and_says_so() -> None:
    counted: list[Report] = []
    checkup = replace(made(("mx", names_its_target)), reports=Shelf(), count=counted.append)
    reports = [await checkup.report(ORDER), await checkup.report(ORDER), await checkup.report(ORDER, fresh=True)]
    assert [report.cached for report in reports] == [False, True, False]
    assert counted == reports
    assert await checkup.report(replace(ORDER, helo="mail.example.com")) != reports[1]


async def test_without_its_store_a_check_answers_and_says_that_it_is_uncached() -> None:
    report = await replace(made(("mx", names_its_target)), reports=Shelf(away=True)).report(ORDER)
    assert report.notes == (UNCACHED,)
    assert json.dumps(report.findings[0].says)


async def test_a_check_that_dns_keeps_waiting_ends_as_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    async def waits(_order: Order, _lookup: Lookup, /) -> Sequence[Finding]:
        raise TimeoutError

    async def fails(_order: Order, lookup: Lookup, /) -> Sequence[Finding]:
        try:
            await lookup("dead.example", "A")
        except LookupFailed as failed:
            return [Finding("mx", "dead.example", Verdict.UNKNOWN, "mx.no-answer", failed.reason)]
        return []

    report = await made(("spf", waits), ("mx", fails), world=World({"dead.example": {"*": "timeout"}})).report(ORDER)
    assert [f.code for f in report.findings] == ["spf.no-answer", "mx.no-answer"]
    assert report.verdict is Verdict.UNKNOWN
