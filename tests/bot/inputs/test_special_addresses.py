"""Special-purpose addresses and their names."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from bot.inputs.special_addresses import MEANINGS, RANGES, TABLE, special_purpose_of
from tests.support.forbidden_addresses import FORBIDDEN

NAMES = {
    "0.0.0.0": "the unspecified address",
    "0.1.2.3": 'an address of "this network"',
    "10.1.2.3": "a private address",
    "172.31.255.255": "a private address",
    "192.168.0.1": "a private address",
    "100.64.0.1": "a shared address",
    "100.100.100.200": "a shared address",
    "127.0.0.1": "a loopback address",
    "168.63.129.16": "a Microsoft Azure service address",
    "169.254.169.254": "a link-local address",
    "192.0.0.192": "an address reserved for internet protocols",
    "192.0.2.1": "a documentation address",
    "198.51.100.1": "a documentation address",
    "203.0.113.5": "a documentation address",
    "192.88.99.1": "an anycast service address",
    "198.19.0.1": "a benchmarking address",
    "224.0.0.1": "a multicast address",
    "233.252.0.1": "a documentation address",
    "240.0.0.1": "a reserved address",
    "255.255.255.255": "the broadcast address",
    "::": "the unspecified address",
    "::1": "a loopback address",
    "::127.0.0.1": "an IPv4-compatible IPv6 address",
    "::ffff:192.0.2.1": "an IPv4 address in IPv6 form",
    "64:ff9b::7f00:1": "a NAT64 address",
    "64:ff9b:1::7f00:1": "a NAT64 address",
    "100::1": "a discard-only address",
    "2001::1": "a Teredo address",
    "2001:2::1": "a benchmarking address",
    "2001:20::1": "an ORCHID identifier",
    "2001:100::1": "an address reserved for internet protocols",
    "2001:db8::1": "a documentation address",
    "3fff::1": "a documentation address",
    "2002:7f00:1::": "a 6to4 address",
    "5f00::1": "a segment routing identifier",
    "fd00::1": "a unique local address",
    "fe80::1": "a link-local address",
    "fec0::1": "a site-local address",
    "ff02::1": "a multicast address",
    "4000::1": "a reserved address",
    "::2:0:0:1": "a reserved address",
}
ORDINARY = ["1.1.1.1", "100.128.0.1", "172.32.0.1", "192.0.1.1", "198.20.0.1", "168.63.129.17", "223.255.255.255"]
ORDINARY += ["2001:200::1", "2001:4860:4860::8888", "2003::1", "2a00::1", "3ffe::1", "2620:4f:8001::1"]


@pytest.mark.parametrize(("ip", "name"), NAMES.items())
def test_special_address_has_expected_name(ip: str, name: str) -> None:
    meaning = special_purpose_of(ip_address(ip))
    assert meaning is not None
    assert meaning.name == name
    assert meaning.summary.endswith(".")


@pytest.mark.parametrize("ip", ORDINARY)
def test_ordinary_address_is_not_special(ip: str) -> None:
    assert special_purpose_of(ip_address(ip)) is None


def test_ranges_specific_ones_come_first() -> None:
    for network, meaning in TABLE:
        assert meaning in (special_purpose_of(network[0]), special_purpose_of(network[-1])), network


def test_meanings_are_all_used() -> None:
    assert {meaning for _, meaning in RANGES} == set(MEANINGS)


def test_forbidden_addresses_cover_every_range() -> None:
    covered = {next(net for net, _ in TABLE if ip_address(ip) in net) for ip in FORBIDDEN}
    assert covered == {net for net, _ in TABLE}
