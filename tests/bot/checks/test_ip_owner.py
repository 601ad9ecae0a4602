"""Whose network an address is in: a help that never worries and never waits."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks import ip_owner
from bot.checks.hosting_providers import Provider, providers
from bot.checks.ip_owner import BadRow, Origin, nearest, read_holder, read_origin
from bot.checks.rdap import Contact
from bot.models import Address, Answer, Finding, Order, Target, Verdict
from tests.support.dns_world import World, Zone

ORIGIN = "5.113.0.203.origin.asn.cymru.com"
ORIGIN6 = "5" + ".0" * 23 + ".8.b.d.0.1.0.0.2.origin6.asn.cymru.com"
ROW = "64496 | 203.0.113.0/24 | DE | ripencc | 2020-01-01"
NAME = "64496 | DE | ripencc | 2020-01-01 | EXAMPLE-AS Example & Sons, DE"


async def look(zone: Zone, ip: str = "203.0.113.5") -> list[Finding]:
    return await ip_owner.check(Order(Target.of(ip)), World(zone))


async def test_the_holder_of_an_address_is_named() -> None:
    (finding,) = await look({ORIGIN: {"TXT": [ROW]}, "as64496.asn.cymru.com": {"TXT": [NAME]}})
    assert (finding.check, finding.code, finding.verdict) == ("network", "network.holder", Verdict.PASS)
    assert finding.says.startswith("203.0.113.5 is in the network of EXAMPLE-AS Example & Sons (AS64496, DE)")
    assert finding.facts["prefix"] == "203.0.113.0/24"


async def test_the_abuse_contact_of_the_registry_stands_behind_it() -> None:
    asked: list[tuple[str, str]] = []

    async def find_contact(registry: str, prefix: str, ip: Address, /) -> Contact | None:
        asked.append((registry, prefix))
        return Contact("EXAMPLE-NET", "abuse@example.net")

    world = World({ORIGIN: {"TXT": [ROW]}})
    (finding,) = await ip_owner.check(Order(Target.of("203.0.113.5")), world, find_contact=find_contact)
    assert asked == [("ripencc", "203.0.113.0/24")]
    assert finding.says.endswith("Complaints about it go to abuse@example.net.")
    assert (finding.facts["abuse"], finding.facts["network"]) == ("abuse@example.net", "EXAMPLE-NET")


async def test_an_ipv6_address_is_looked_up_by_its_digits() -> None:
    (finding,) = await look({ORIGIN6: {"TXT": ["64496 | 2001:db8::/32 | DE | ripencc |"]}}, "2001:db8::5")
    assert finding.facts["asns"] == [64496]


async def test_a_number_without_a_name_is_still_told() -> None:
    (finding,) = await look({ORIGIN: {"TXT": [ROW]}, "as64496.asn.cymru.com": {"TXT": "timeout"}})
    assert finding.says.startswith("203.0.113.5 is in the network AS64496, DE")


@pytest.mark.parametrize("provider", [each for each in providers().values() if each.asns], ids=lambda each: each.id)
async def test_a_known_provider_says_who_sets_the_name_and_whether_port_25_is_open(provider: Provider) -> None:
    for asn in provider.asns:
        (finding,) = await look({ORIGIN: {"TXT": [f"{asn} | 203.0.113.0/24 | US | arin |"]}})
        assert f"{provider.name} sets the reverse name." in finding.says
        assert finding.says.endswith(provider.port_25)
        assert finding.facts["reverse_name"] == provider.how
        assert set(finding.links) == {link for link in (provider.link, provider.port_25_link) if link}


@pytest.mark.parametrize("zone", [{}, {ORIGIN: {"TXT": "servfail"}}, {ORIGIN: {"TXT": ["no row", "| | |"]}}])
async def test_a_map_that_says_nothing_leaves_no_finding(zone: Zone) -> None:
    assert await look(zone) == []


async def test_nothing_waits_for_a_slow_map() -> None:
    async def never(name: str, kind: str, /) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError("the event is never set")

    assert await ip_owner.check(Order(Target.of("203.0.113.5")), never, within_s=0) == []


async def test_without_an_address_nothing_is_asked() -> None:
    world = World({})
    assert await ip_owner.check(Order(Target(domain="example.com")), world) == []
    assert world.asked == []


def test_the_longest_prefix_wins_and_several_origins_are_kept() -> None:
    rows = ["64500 | 203.0.0.0/16 | US | arin |", "broken", "64496 64497 | 203.0.113.0/24 | DE | ripencc |"]
    assert nearest(rows) == Origin((64496, 64497), "203.0.113.0/24", "DE", "ripencc")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (NAME, "EXAMPLE-AS Example & Sons"),
        ("64496 | US | arin | | EXAMPLE - Example.com, Inc., US", "EXAMPLE - Example.com, Inc."),
        ("64496 | BR | lacnic | | Exämple Comunicações, BR", "Exämple Comunicações"),
        ("64496 | US | arin | | <@everyone> `x` *b*\n, US", "??everyone? ?x? ?b??"),
        ("64496 | US | arin | | " + "A" * 500, "A" * ip_owner.MOST_HOLDER),
        ("64496 | US | arin | | no country", "no country"),
        ("64496 | US", ""),
        ("", ""),
    ],
)
def test_a_name_is_made_fit_for_a_sentence(text: str, name: str) -> None:
    assert read_holder(text) == name


@pytest.mark.parametrize(
    "text", ["", "64496", "x | 203.0.113.0/24 | DE", "64496 | 203.0.113.5/24 | DE", "² | 0.0.0.0/0 | DE"]
)
def test_what_is_no_row_is_refused(text: str) -> None:
    with pytest.raises(BadRow):
        read_origin(text)


@given(st.text(alphabet=st.sampled_from("0123456789 |./:DEx²\n"), max_size=60) | st.text(max_size=60))
def test_any_text_is_a_row_or_a_bad_one(text: str) -> None:
    assert len(read_holder(text)) <= ip_owner.MOST_HOLDER
    with suppress(BadRow):
        assert read_origin(text).asns
