"""Reverse name and HELO name of an address."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from bot.checks import ptr
from bot.checks.generic_rdns import ADDRESS, why_generic
from bot.checks.lookups import reverse_name
from bot.models import CheckRequest, Finding, Role, Target, Verdict
from tests.support.dns_world import World, Zone

IP = "203.0.113.5"
IP6 = "2001:db8::5"
REVERSE = reverse_name(ip_address(IP))
REVERSE6 = reverse_name(ip_address(IP6))
GOOD = {REVERSE: {"PTR": ["mail.example.com"]}, "mail.example.com": {"A": [IP]}}


async def run_check(zone: Zone, ip: str = IP, role: Role = Role.MTA, helo: str | None = None) -> list[Finding]:
    return list(await ptr.check(CheckRequest(Target.of(ip), role, helo), World(zone)))


async def codes(zone: Zone, ip: str = IP) -> list[tuple[str, Verdict]]:
    return [(finding.code, finding.verdict) for finding in await run_check(zone, ip)]


CASES: list[tuple[str, Zone, list[tuple[str, Verdict]]]] = [
    (IP, GOOD, [("ptr.ok", Verdict.PASS)]),
    (IP, {}, [("ptr.missing", Verdict.FAIL)]),
    (IP, {REVERSE: {"TXT": ["nothing here"]}}, [("ptr.missing", Verdict.FAIL)]),
    (IP, {REVERSE: {"PTR": "timeout"}}, [("ptr.no-answer", Verdict.UNKNOWN)]),
    (IP, {REVERSE: {"PTR": "servfail"}}, [("ptr.no-answer", Verdict.UNKNOWN)]),
    (IP, {REVERSE: {"PTR": ["mail.example.com"]}}, [("ptr.not-confirmed", Verdict.FAIL)]),
    (
        IP,
        {REVERSE: {"PTR": ["mail.example.com"]}, "mail.example.com": {"A": ["203.0.113.6"]}},
        [("ptr.not-confirmed", Verdict.FAIL)],
    ),
    (
        IP,
        {REVERSE: {"PTR": ["mail.example.com"]}, "mail.example.com": {"A": "timeout"}},
        [("ptr.no-answer", Verdict.UNKNOWN)],
    ),
    (
        IP,
        {REVERSE: {"PTR": ["mail.example.com"]}, "mail.example.com": {"A": [IP], "AAAA": "timeout"}},
        [("ptr.ok", Verdict.PASS)],
    ),
    (IP, {REVERSE: {"PTR": ["MAIL.Example.com"]}, "mail.example.com": {"A": [IP]}}, [("ptr.ok", Verdict.PASS)]),
    (
        IP,
        {REVERSE: {"PTR": ["mail.example.com", "www.example.com"]}, "mail.example.com": {"A": [IP]}},
        [("ptr.several", Verdict.WARN)],
    ),
    (IP, {REVERSE: {"PTR": ["server1.corp.local"]}}, [("ptr.private-name", Verdict.FAIL)]),
    (
        IP,
        {REVERSE: {"PTR": ["203-0-113-5.dyn.isp.example"]}, "203-0-113-5.dyn.isp.example": {"A": [IP]}},
        [("ptr.generic", Verdict.WARN)],
    ),
    (
        IP,
        {
            REVERSE: {"PTR": ["static.5.113.0.203.clients.your-server.de"]},
            "static.5.113.0.203.clients.your-server.de": {"A": [IP]},
        },
        [("ptr.provider-default", Verdict.WARN)],
    ),
    (
        IP,
        {
            REVERSE: {"PTR": ["mail.example.com", "5.113.0.203.pool.isp.example"]},
            "mail.example.com": {"A": [IP]},
            "5.113.0.203.pool.isp.example": {"A": [IP]},
        },
        [("ptr.several", Verdict.WARN)],
    ),
    (
        IP6,
        {REVERSE6: {"PTR": ["mail.example.com"]}, "mail.example.com": {"A": [IP], "AAAA": [IP6]}},
        [("ptr.ok", Verdict.PASS)],
    ),
    (
        IP6,
        {REVERSE6: {"PTR": ["mail.example.com"]}, "mail.example.com": {"A": [IP]}},
        [("ptr.not-confirmed", Verdict.FAIL)],
    ),
]


@pytest.mark.parametrize(("ip", "zone", "expected"), CASES)
async def test_ptr_zone_gives_expected_codes(ip: str, zone: Zone, expected: list[tuple[str, Verdict]]) -> None:
    assert await codes(zone, ip) == expected


@pytest.mark.parametrize(("ip", "zone", "expected"), CASES)
async def test_ptr_client_role_never_warns(ip: str, zone: Zone, expected: object) -> None:
    for finding in await run_check(zone, ip, Role.CLIENT):
        assert finding.verdict <= Verdict.UNKNOWN
        assert finding.verdict is Verdict.UNKNOWN or not finding.remediation


async def test_ptr_problem_has_remediation() -> None:
    for ip, zone, _ in CASES:
        for finding in await run_check(zone, ip):
            assert bool(finding.remediation) == (finding.verdict is not Verdict.PASS)
            assert finding.code in ptr.CODES
            assert finding.summary.endswith(".")
            assert "{" not in finding.summary + finding.remediation


async def test_ptr_facts_list_names() -> None:
    (finding,) = await run_check(GOOD)
    assert finding.subject == IP
    assert finding.facts == {"names": ["mail.example.com"], "confirmed": ["mail.example.com"], "provider": None}


async def test_ptr_missing_names_no_provider_that_is_not_known() -> None:
    (finding,) = await run_check({})
    assert finding.remediation == (
        "Ask the provider of the address to set its PTR record to the name of your mail server."
    )


async def test_ptr_known_provider_adds_name_and_link() -> None:
    name = "ec2-203-0-113-5.eu-west-1.compute.amazonaws.com"
    (finding,) = await run_check({REVERSE: {"PTR": [name]}, name: {"A": [IP]}})
    assert "Amazon Web Services" in finding.summary
    assert "Elastic IP" in finding.remediation
    assert finding.links[0].url.startswith("https://docs.aws.amazon.com/")


async def test_ptr_resolves_at_most_ten_names() -> None:
    names = [f"host{number}.example.com" for number in range(200)]
    world = World({REVERSE: {"PTR": names}})
    await ptr.check(CheckRequest(Target.of(IP)), world)
    assert len(world.queries) == 1 + 2 * ptr.MAX_NAMES


async def test_ptr_hostile_name_is_sanitized() -> None:
    (finding,) = await run_check({REVERSE: {"PTR": ["<!channel>|*evil*\n.example.com"]}})
    assert "<" not in finding.summary + finding.remediation
    assert "\n" not in finding.summary + finding.remediation


async def test_ptr_without_address_sends_no_query() -> None:
    world = World({})
    assert await ptr.check(CheckRequest(Target(domain="example.com")), world) == []
    assert world.queries == []


@pytest.mark.parametrize(
    ("helo", "code", "verdict"),
    [
        ("mail.example.com", "helo.ok", Verdict.PASS),
        ("MAIL.example.com.", "helo.ok", Verdict.PASS),
        ("www.example.com", "helo.other-name", Verdict.WARN),
        ("mx.example.net", "helo.elsewhere", Verdict.WARN),
        ("gone.example.com", "helo.missing", Verdict.FAIL),
        ("slow.example.com", "helo.no-answer", Verdict.UNKNOWN),
        ("localhost", "helo.not-a-name", Verdict.FAIL),
        ("[203.0.113.5]", "helo.not-a-name", Verdict.FAIL),
    ],
)
async def test_helo_is_compared_with_reverse_name(helo: str, code: str, verdict: Verdict) -> None:
    zone = {
        **GOOD,
        "www.example.com": {"A": [IP]},
        "mx.example.net": {"A": ["203.0.113.9"]},
        "slow.example.com": {"*": "timeout"},
    }
    (_, finding) = await run_check(zone, helo=helo)
    assert (finding.check, finding.subject, finding.code, finding.verdict) == ("helo", helo, code, verdict)


@pytest.mark.parametrize(
    ("name", "ip", "reason"),
    [
        ("203-0-113-5.isp.example", IP, ADDRESS),
        ("ip5.113.isp.example", IP, ADDRESS),
        ("host-113-005.isp.example", IP, ADDRESS),
        ("203000113005.isp.example", IP, ADDRESS),
        ("cb007105.isp.example", IP, ADDRESS),
        ("adsl.isp.example", IP, "adsl"),
        ("a17.dynamic.isp.example", IP, "dynamic"),
        ("mail.example.com", IP, None),
        ("mail113.example.com", IP, None),
        ("mx.dsl-shop.example", IP, None),
        ("mail-1-2.example.com", "203.0.1.2", None),
        ("2001-db8--5.isp.example", IP6, ADDRESS),
        ("0000000000000005.isp.example", IP6, ADDRESS),
        ("mx5.example.com", IP6, None),
    ],
)
def test_why_generic_recognizes_generic_names(name: str, ip: str, reason: str | None) -> None:
    assert why_generic(name, ip_address(ip)) == reason
