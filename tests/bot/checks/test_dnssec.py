"""A fact about the domain, told only by a resolver that can know it."""

from __future__ import annotations

import pytest

from bot.checks import dnssec
from bot.models import Lookup, Order, Target, Verdict
from tests.support.dns_world import World, Zone
from tests.support.signed_world import SignedWorld

DOMAIN = "example.com"
ZONE: Zone = {DOMAIN: {"MX": ["10 mx.example.com"]}}
SILENT: Zone = {DOMAIN: {"MX": "servfail"}}


@pytest.mark.parametrize(
    ("lookup", "code"),
    [
        (SignedWorld(ZONE), "network.dnssec-signed"),
        (SignedWorld(ZONE, unproven=[DOMAIN]), "network.dnssec-unsigned"),
        (World(ZONE), "network.dnssec-not-checked"),
        (SignedWorld(SILENT), "network.dnssec-not-checked"),
        (World(SILENT), "network.dnssec-not-checked"),
    ],
)
async def test_only_a_resolver_that_validates_can_tell(lookup: Lookup, code: str) -> None:
    (finding,) = await dnssec.check(Order(Target(domain=DOMAIN)), lookup)
    assert (finding.code, finding.verdict, finding.step) == (code, Verdict.PASS, "")


async def test_without_a_domain_nothing_is_asked() -> None:
    world = World({})
    assert await dnssec.check(Order(Target.of("203.0.113.5")), world) == []
    assert world.asked == []


def test_every_sentence_is_documented_and_every_document_has_a_sentence() -> None:
    assert dnssec.SAYS.keys() == dnssec.CODES.keys()
