"""Network owner of an address: informational, and never delays the report."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks import ip_owner
from bot.checks.hosting_providers import Provider, providers
from bot.checks.ip_owner import BadRow, Origin, longest_prefix, parse_as_name, parse_origin
from bot.checks.rdap import AbuseContact
from bot.models import Address, CheckRequest, DnsAnswer, Finding, Target, Verdict
from tests.support.dns_world import World, Zone

ORIGIN = "5.113.0.203.origin.asn.cymru.com"
ORIGIN6 = "5" + ".0" * 23 + ".8.b.d.0.1.0.0.2.origin6.asn.cymru.com"
ROW = "64496 | 203.0.113.0/24 | DE | ripencc | 2020-01-01"
NAME = "64496 | DE | ripencc | 2020-01-01 | EXAMPLE-AS Example & Sons, DE"


async def run_check(zone: Zone, ip: str = "203.0.113.5") -> list[Finding]:
    return await ip_owner.check(CheckRequest(Target.of(ip)), World(zone))


async def test_ip_owner_names_the_network() -> None:
    (finding,) = await run_check({ORIGIN: {"TXT": [ROW]}, "as64496.asn.cymru.com": {"TXT": [NAME]}})
    assert (finding.check, finding.code, finding.verdict) == ("network", "network.holder", Verdict.PASS)
    assert finding.summary.startswith("203.0.113.5 is in the network of EXAMPLE-AS Example & Sons (AS64496, DE)")
    assert finding.facts["prefix"] == "203.0.113.0/24"


async def test_ip_owner_adds_the_abuse_contact() -> None:
    requests: list[tuple[str, str]] = []

    async def find_contact(registry: str, prefix: str, ip: Address, /) -> AbuseContact | None:
        requests.append((registry, prefix))
        return AbuseContact("EXAMPLE-NET", "abuse@example.net")

    world = World({ORIGIN: {"TXT": [ROW]}})
    (finding,) = await ip_owner.check(CheckRequest(Target.of("203.0.113.5")), world, find_contact=find_contact)
    assert requests == [("ripencc", "203.0.113.0/24")]
    assert finding.summary.endswith("Complaints about it go to abuse@example.net.")
    assert (finding.facts["abuse"], finding.facts["network"]) == ("abuse@example.net", "EXAMPLE-NET")


async def test_ip_owner_ipv6_is_queried_by_nibbles() -> None:
    (finding,) = await run_check({ORIGIN6: {"TXT": ["64496 | 2001:db8::/32 | DE | ripencc |"]}}, "2001:db8::5")
    assert finding.facts["asns"] == [64496]


async def test_ip_owner_without_as_name_shows_asn() -> None:
    (finding,) = await run_check({ORIGIN: {"TXT": [ROW]}, "as64496.asn.cymru.com": {"TXT": "timeout"}})
    assert finding.summary.startswith("203.0.113.5 is in the network AS64496, DE")


@pytest.mark.parametrize("provider", [each for each in providers().values() if each.asns], ids=lambda each: each.id)
async def test_ip_owner_known_provider_adds_rdns_and_port_25(provider: Provider) -> None:
    for asn in provider.asns:
        (finding,) = await run_check({ORIGIN: {"TXT": [f"{asn} | 203.0.113.0/24 | US | arin |"]}})
        assert f"{provider.name} sets its PTR record." in finding.summary
        assert finding.summary.endswith(provider.port_25)
        assert finding.facts["reverse_name"] == provider.rdns_steps
        assert set(finding.links) == {link for link in (provider.link, provider.port_25_link) if link}


@pytest.mark.parametrize("zone", [{}, {ORIGIN: {"TXT": "servfail"}}, {ORIGIN: {"TXT": ["no row", "| | |"]}}])
async def test_ip_owner_without_mapping_finds_nothing(zone: Zone) -> None:
    assert await run_check(zone) == []


async def test_ip_owner_slow_mapping_times_out() -> None:
    async def never(name: str, kind: str, /) -> DnsAnswer:
        await asyncio.Event().wait()
        raise AssertionError("the event is never set")

    assert await ip_owner.check(CheckRequest(Target.of("203.0.113.5")), never, timeout_s=0) == []


async def test_ip_owner_without_address_sends_no_query() -> None:
    world = World({})
    assert await ip_owner.check(CheckRequest(Target(domain="example.com")), world) == []
    assert world.queries == []


def test_longest_prefix_wins_with_all_origins() -> None:
    rows = ["64500 | 203.0.0.0/16 | US | arin |", "broken", "64496 64497 | 203.0.113.0/24 | DE | ripencc |"]
    assert longest_prefix(rows) == Origin((64496, 64497), "203.0.113.0/24", "DE", "ripencc")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (NAME, "EXAMPLE-AS Example & Sons"),
        ("64496 | US | arin | | EXAMPLE - Example.com, Inc., US", "EXAMPLE - Example.com, Inc."),
        ("64496 | BR | lacnic | | Exämple Comunicações, BR", "Exämple Comunicações"),
        ("64496 | US | arin | | <@everyone> `x` *b*\n, US", "??everyone? ?x? ?b??"),
        ("64496 | US | arin | | " + "A" * 500, "A" * ip_owner.MAX_AS_NAME_LENGTH),
        ("64496 | US | arin | | no country", "no country"),
        ("64496 | US", ""),
        ("", ""),
    ],
)
def test_parse_as_name_replaces_unusual_characters(text: str, name: str) -> None:
    assert parse_as_name(text) == name


@pytest.mark.parametrize(
    "text", ["", "64496", "x | 203.0.113.0/24 | DE", "64496 | 203.0.113.5/24 | DE", "² | 0.0.0.0/0 | DE"]
)
def test_parse_origin_bad_row_raises(text: str) -> None:
    with pytest.raises(BadRow):
        parse_origin(text)


@given(st.text(alphabet=st.sampled_from("0123456789 |./:DEx²\n"), max_size=60) | st.text(max_size=60))
def test_parse_origin_any_text_parses_or_raises(text: str) -> None:
    assert len(parse_as_name(text)) <= ip_owner.MAX_AS_NAME_LENGTH
    with suppress(BadRow):
        assert parse_origin(text).asns
