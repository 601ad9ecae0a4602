"""`mailcheck dmarc` says whether the name exists at all."""

from __future__ import annotations

import pytest

from bot.checks.dmarc import discover
from handlers.cli.dmarc import dmarc_card, parse_policy_domain
from tests.support.dns_world import World

ZONE = {"example.com": {"A": ["203.0.113.5"]}, "_dmarc.example.com": {"TXT": ["v=DMARC1; p=reject; np=quarantine"]}}


@pytest.mark.parametrize(
    ("domain", "title"),
    [
        ("example.com", "DMARC of example.com: the policy is reject"),
        ("gone.example.com", "the policy is quarantine; this name does not exist in DNS"),
        ("gone.example", "no policy applies; this name does not exist in DNS"),
    ],
)
async def test_dmarc_card_title_has_the_nonexistent_name(domain: str, title: str) -> None:
    card = dmarc_card(await discover(domain, World(ZONE)))
    assert card.title.endswith(title)


async def test_dmarc_card_shows_a_near_miss() -> None:
    card = dmarc_card(await discover("example.net", World({"_dmarc.example.net": {"TXT": [" v=DMARC1; p=none"]}})))
    assert "starts with a blank" in {fact.label: str(fact.value) for fact in card.facts}["Not accepted"]


@pytest.mark.parametrize("typed", ["Example.com", "ada@example.com", "mailto:ada@example.com", "example.com."])
def test_dmarc_domain_of_a_mail_address_is_taken(typed: str) -> None:
    assert parse_policy_domain(typed) == "example.com"
