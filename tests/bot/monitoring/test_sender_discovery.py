"""Sender discovery over a fake DNS."""

from ipaddress import ip_network

import pytest

from bot.monitoring.sender_discovery import discover_senders
from tests.support.dns_world import World, Zone

MX = {"mx.example.com": {"A": ["192.0.2.5"], "AAAA": ["2001:db8::25"]}}


@pytest.mark.parametrize(
    ("zone", "networks"),
    [
        ({"example.com": {"MX": ["10 mx.example.com"]}, **MX}, ["192.0.2.5/32", "2001:db8::25/128"]),
        ({"example.com": {"A": ["192.0.2.9"]}}, ["192.0.2.9/32"]),  # no MX: implicit MX
        ({"example.com": {"MX": ["0 ."], "TXT": ["v=spf1 ip6:2001:db8::/120 -all"]}}, ["2001:db8::/120"]),
        (
            {"example.com": {"MX": ["10 mx.example.com"], "TXT": ["v=spf1 ip4:192.0.2.0/29 -all"]}, **MX},
            ["192.0.2.0/29", "2001:db8::25/128"],
        ),
        (
            {
                "example.com": {
                    "MX": ["0 ."],
                    "TXT": ["v=spf1 -ip4:192.0.2.1 ?ip4:192.0.2.2 ip4:192.0.2.3 -all ip4:192.0.2.4"],
                }
            },
            ["192.0.2.3/32"],
        ),
        ({"example.com": {"MX": ["0 ."], "TXT": ["v=spf1 ip4:192.0.2.1", "v=spf1 ip4:192.0.2.2"]}}, []),
        ({}, []),
    ],
)
async def test_discovery_returns_mx_and_spf_networks(zone: Zone, networks: list[str]) -> None:
    own = await discover_senders("example.com", World(zone))
    assert list(map(str, own.networks)) == networks
    assert (own.too_large, own.unresolved) == ((), ())


async def test_discovery_reports_too_large_network_separately() -> None:
    spf = "v=spf1 ip4:10.0.0.0/8 ip4:10.1.2.0/24 -all"
    own = await discover_senders("example.com", World({"example.com": {"MX": ["0 ."], "TXT": [spf]}}))
    assert (own.networks, own.too_large) == ((ip_network("10.1.2.0/24"),), (ip_network("10.0.0.0/8"),))


@pytest.mark.parametrize(
    ("records", "unknown"),
    [
        ({"MX": "timeout", "TXT": []}, ("MX of example.com",)),
        ({"MX": ["0 ."], "TXT": "servfail"}, ("SPF of example.com",)),
        ({"MX": ["0 ."], "TXT": ["v=spf1 ip4:nonsense"]}, ("SPF of example.com",)),
        ({"MX": ["10 silent.example.net"]}, ("addresses of silent.example.net",)),
    ],
)
async def test_discovery_reports_failed_lookups(records: dict[str, list[str] | str], unknown: tuple[str, ...]) -> None:
    world = World({"example.com": records, "silent.example.net": {"A": "timeout", "AAAA": "timeout"}})
    assert (await discover_senders("example.com", world)).unresolved == unknown
