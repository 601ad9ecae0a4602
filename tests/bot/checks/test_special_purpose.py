"""Special-purpose addresses and lookalike domains."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from bot.checks import special_purpose
from bot.models import CheckRequest, Target, Verdict
from tests.support.dns_world import World


@pytest.mark.parametrize(
    ("ip", "sentence"),
    [
        ("203.0.113.5", "203.0.113.5 is a documentation address. "),
        ("10.0.0.1", "10.0.0.1 is a private address. "),
        ("fe80::1", "fe80::1 is a link-local address. "),
        ("168.63.129.16", "168.63.129.16 is a Microsoft Azure service address. "),
    ],
)
async def test_special_address_is_named(ip: str, sentence: str) -> None:
    world = World({})
    (finding,) = await special_purpose.check(CheckRequest(Target.of(ip, "example.com")), world)
    assert finding.summary.startswith(sentence)
    assert (finding.subject, finding.code, finding.verdict) == (ip, "network.special-purpose", Verdict.UNKNOWN)
    assert finding.remediation
    assert world.queries == []


async def test_special_address_allowed_passes() -> None:
    (finding,) = await special_purpose.check(CheckRequest(Target.of("203.0.113.5")), World({}), allow_special=True)
    assert (finding.verdict, finding.remediation) == (Verdict.PASS, "")


async def test_ordinary_target_finds_nothing() -> None:
    assert await special_purpose.check(CheckRequest(Target.of("1.1.1.1", "example.com")), World({})) == []


async def test_lookalike_domain_is_shown_in_both_forms() -> None:
    domain = "xn--pypal-4ve.example"
    (finding,) = await special_purpose.check(CheckRequest(Target(domain=domain)), World({}))
    assert finding.code == "network.look-alike"
    assert f"p\u0430ypal.example ({domain})" in finding.summary


@pytest.mark.parametrize(
    ("ip", "allowed", "runs"), [("1.1.1.1", False, True), ("10.0.0.1", False, False), ("10.0.0.1", True, True)]
)
def test_runs_ip_checks_needs_allowed_special_address(ip: str, allowed: bool, runs: bool) -> None:
    assert special_purpose.runs_ip_checks(ip_address(ip), allowed) is runs
