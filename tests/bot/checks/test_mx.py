"""Where mail comes back to."""

from __future__ import annotations

import pytest

from bot.checks import mx
from bot.models import Finding, Order, Target, Verdict
from tests.support.dns_world import World, Zone

DOMAIN = "example.com"
HOSTS: Zone = {
    "mx1.example.com": {"A": ["203.0.113.5"]},
    "mx2.example.com": {"AAAA": ["2001:db8::5"]},
    "alias.example.com": {"CNAME": ["mx1.example.com"]},
    "slow.example.com": {"*": "timeout"},
    "half.example.com": {"A": ["203.0.113.6"], "AAAA": "servfail"},
}
WORLDS: list[tuple[Zone, list[tuple[str, Verdict]]]] = [
    ({DOMAIN: {"MX": ["10 mx1.example.com", "20 mx2.example.com"]}}, [("mx.ok", Verdict.PASS)]),
    ({DOMAIN: {"MX": ["10 MX1.example.com."]}}, [("mx.ok", Verdict.PASS)]),
    ({DOMAIN: {"MX": ["10 half.example.com"]}}, [("mx.ok", Verdict.PASS)]),
    ({DOMAIN: {"MX": ["0 ."]}}, [("mx.null", Verdict.WARN)]),
    ({DOMAIN: {"MX": ["0 ."], "TXT": ["hello", "v=spf1  -ALL"]}}, [("mx.parked", Verdict.PASS)]),
    ({DOMAIN: {"MX": ["0 ."], "TXT": ["v=spf1 mx -all"]}}, [("mx.null", Verdict.WARN)]),
    ({DOMAIN: {"MX": ["0 ."], "TXT": "timeout"}}, [("mx.null", Verdict.WARN)]),
    ({DOMAIN: {"MX": ["0 .", "10 mx1.example.com"]}}, [("mx.null-mixed", Verdict.FAIL)]),
    ({DOMAIN: {"MX": ["10 203.0.113.5"]}}, [("mx.literal", Verdict.FAIL)]),
    ({DOMAIN: {"MX": ["10 [203.0.113.5]", "20 mx1.example.com"]}}, [("mx.literal", Verdict.FAIL)]),
    ({DOMAIN: {"MX": ["10 alias.example.com"]}}, [("mx.alias", Verdict.WARN)]),
    ({DOMAIN: {"MX": ["10 gone.example.com"]}}, [("mx.unresolvable", Verdict.FAIL)]),
    ({DOMAIN: {"MX": ["10 gone.example.com", "20 mx1.example.com"]}}, [("mx.partly-unresolvable", Verdict.WARN)]),
    ({DOMAIN: {"MX": ["10 slow.example.com"]}}, [("mx.no-answer", Verdict.UNKNOWN)]),
    (
        {DOMAIN: {"MX": ["10 gone.example.com", "20 slow.example.com"]}},
        [("mx.partly-unresolvable", Verdict.WARN), ("mx.no-answer", Verdict.UNKNOWN)],
    ),
    ({DOMAIN: {"MX": "servfail"}}, [("mx.no-answer", Verdict.UNKNOWN)]),
    ({DOMAIN: {"A": ["203.0.113.5"]}}, [("mx.implicit", Verdict.WARN)]),
    ({DOMAIN: {"TXT": ["v=spf1 -all"]}}, [("mx.missing", Verdict.FAIL)]),
    ({DOMAIN: {"TXT": ["v=spf1 -all"], "A": "timeout"}}, [("mx.no-answer", Verdict.UNKNOWN)]),
]


async def look(zone: Zone, domain: str = DOMAIN) -> list[Finding]:
    return list(await mx.check(Order(Target(domain=domain)), World({**HOSTS, **zone})))


@pytest.mark.parametrize(("zone", "found"), WORLDS)
async def test_mail_servers_are_judged(zone: Zone, found: list[tuple[str, Verdict]]) -> None:
    assert [(finding.code, finding.verdict) for finding in await look(zone)] == found


async def test_a_domain_that_does_not_exist_is_told_apart_from_one_without_mail() -> None:
    (finding,) = await look({}, "example.net")
    assert finding.code == "mx.no-domain"


async def test_what_is_not_right_has_a_next_step() -> None:
    for zone, _ in WORLDS:
        for finding in await look(zone):
            assert bool(finding.step) == (finding.verdict is not Verdict.PASS)
            assert finding.code in mx.CODES
            assert "{" not in finding.says


def test_every_outcome_is_documented_and_every_document_has_an_outcome() -> None:
    assert mx.OUTCOMES.keys() == mx.CODES.keys()


async def test_only_ten_mail_servers_are_followed() -> None:
    world = World({DOMAIN: {"MX": [f"10 mx{number}.example.net" for number in range(50)]}})
    await mx.check(Order(Target(domain=DOMAIN)), world)
    assert len(world.asked) == 1 + 3 * mx.MOST_EXCHANGES


async def test_the_facts_hold_the_records_in_the_order_of_use() -> None:
    (finding,) = await look({DOMAIN: {"MX": ["20 mx2.example.com", "5 mx1.example.com"]}})
    assert finding.facts == {"exchanges": ["5 mx1.example.com", "20 mx2.example.com"]}


async def test_without_a_domain_nothing_is_asked() -> None:
    world = World({})
    assert await mx.check(Order(Target.of("203.0.113.5")), world) == []
    assert world.asked == []
