"""DNSSEC status of a domain, known only with a validating resolver."""

from __future__ import annotations

import pytest

from bot.checks import dnssec
from bot.models import CheckRequest, Lookup, Target, Verdict
from tests.support.dns_world import World, Zone
from tests.support.signed_world import SignedWorld

DOMAIN = "example.com"
ZONE: Zone = {DOMAIN: {"MX": ["10 mx.example.com"]}}
FAILING: Zone = {DOMAIN: {"MX": "servfail"}}


@pytest.mark.parametrize(
    ("lookup", "code"),
    [
        (SignedWorld(ZONE), "network.dnssec-signed"),
        (SignedWorld(ZONE, unproven=[DOMAIN]), "network.dnssec-unsigned"),
        (World(ZONE), "network.dnssec-not-checked"),
        (SignedWorld(FAILING), "network.dnssec-not-checked"),
        (World(FAILING), "network.dnssec-not-checked"),
    ],
)
async def test_dnssec_code_depends_on_resolver_validation(lookup: Lookup, code: str) -> None:
    (finding,) = await dnssec.check(CheckRequest(Target(domain=DOMAIN)), lookup)
    assert (finding.code, finding.verdict, finding.remediation) == (code, Verdict.PASS, "")


async def test_dnssec_without_domain_sends_no_query() -> None:
    world = World({})
    assert await dnssec.check(CheckRequest(Target.of("203.0.113.5")), world) == []
    assert world.queries == []
