"""MX records of a domain."""

from __future__ import annotations

import pytest

from bot.checks import mx
from bot.models import CheckRequest, Finding, Target, Verdict
from tests.support.dns_world import World, Zone

DOMAIN = "example.com"
HOSTS: Zone = {
    "mx1.example.com": {"A": ["203.0.113.5"]},
    "mx2.example.com": {"AAAA": ["2001:db8::5"]},
    "alias.example.com": {"CNAME": ["mx1.example.com"]},
    "slow.example.com": {"*": "timeout"},
    "inner.example.com": {"A": ["10.0.0.25", "192.168.1.25"]},
    "self.example.com": {"A": ["127.0.0.1"], "AAAA": ["::1"]},
    "mixed.example.com": {"A": ["10.0.0.25", "203.0.113.7"]},
    "half.example.com": {"A": ["203.0.113.6"], "AAAA": "servfail"},
}
CASES: list[tuple[Zone, list[tuple[str, Verdict]]]] = [
    ({DOMAIN: {"MX": ["10 mx1.example.com", "20 mx2.example.com"]}}, [("mx.ok", Verdict.PASS)]),
    ({DOMAIN: {"MX": ["10 MX1.example.com."]}}, [("mx.ok", Verdict.PASS)]),
    ({DOMAIN: {"MX": ["10 half.example.com"]}}, [("mx.ok", Verdict.PASS)]),
    ({DOMAIN: {"MX": ["10 mx2.example.com"]}}, [("mx.ipv6-only", Verdict.WARN)]),
    ({DOMAIN: {"MX": ["10 mx2.example.com", "20 slow.example.com"]}}, [("mx.no-answer", Verdict.UNKNOWN)]),
    ({DOMAIN: {"MX": ["10 inner.example.com"]}}, [("mx.unreachable", Verdict.FAIL)]),
    ({DOMAIN: {"MX": ["10 self.example.com", "20 mx1.example.com"]}}, [("mx.unreachable", Verdict.FAIL)]),
    ({DOMAIN: {"MX": ["10 mixed.example.com"]}}, [("mx.ok", Verdict.PASS)]),
    ({DOMAIN: {"MX": ["10 localhost."]}}, [("mx.unreachable", Verdict.FAIL)]),
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


async def run_check(zone: Zone, domain: str = DOMAIN) -> list[Finding]:
    return list(await mx.check(CheckRequest(Target(domain=domain)), World({**HOSTS, **zone})))


@pytest.mark.parametrize(("zone", "expected"), CASES)
async def test_mx_zone_gives_expected_codes(zone: Zone, expected: list[tuple[str, Verdict]]) -> None:
    assert [(finding.code, finding.verdict) for finding in await run_check(zone)] == expected


async def test_mx_nxdomain_is_not_missing_mx() -> None:
    (finding,) = await run_check({}, "example.net")
    assert finding.code == "mx.no-domain"


async def test_mx_problem_has_remediation() -> None:
    for zone, _ in CASES:
        for finding in await run_check(zone):
            assert bool(finding.remediation) == (finding.verdict is not Verdict.PASS)
            assert finding.code in mx.CODES
            assert "{" not in finding.summary


async def test_mx_resolves_at_most_ten_hosts() -> None:
    world = World({DOMAIN: {"MX": [f"10 mx{number}.example.net" for number in range(50)]}})
    await mx.check(CheckRequest(Target(domain=DOMAIN)), world)
    assert len(world.queries) == 1 + 3 * mx.MAX_MX_HOSTS


async def test_mx_facts_are_ordered_by_preference() -> None:
    (finding,) = await run_check({DOMAIN: {"MX": ["20 mx2.example.com", "5 mx1.example.com"]}})
    assert finding.facts["exchanges"] == ["5 mx1.example.com", "20 mx2.example.com"]
    assert finding.facts["addresses"] == {"mx1.example.com": ["203.0.113.5"], "mx2.example.com": ["2001:db8::5"]}


async def test_mx_without_domain_sends_no_query() -> None:
    world = World({})
    assert await mx.check(CheckRequest(Target.of("203.0.113.5")), world) == []
    assert world.queries == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mail.example.com.example.com", True),
        ("example.com.example.com", True),
        ("192.0.2.9.example.com", True),
        ("mail.example.com", False),
        ("mail.example.net", False),
    ],
)
async def test_mx_name_without_its_dot_is_named_as_such(name: str, expected: bool) -> None:
    (finding,) = await run_check({DOMAIN: {"MX": [f"10 {name}"]}})
    assert finding.code == "mx.unresolvable"
    assert ("with a dot at its end" in finding.remediation) == expected


@pytest.mark.parametrize(("records", "expected"), [(["10 ."], True), (["0 ."], False)])
async def test_null_mx_preference_other_than_zero_is_named(records: list[str], expected: bool) -> None:
    for texts in ([], ["v=spf1 -all"]):
        (finding,) = await run_check({DOMAIN: {"MX": records, "TXT": texts}})
        assert ("RFC 7505 wants 0" in finding.summary) == expected
