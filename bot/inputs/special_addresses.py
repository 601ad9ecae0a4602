"""Addresses that are not an ordinary place on the internet, and what each of them is instead.

`ipaddress.is_global` cannot answer this: it says yes to multicast, to NAT64 with a private address inside, to Azure's
wire server, and its answer changes with the version of Python. The table is the IANA special-purpose registries (RFC
6890 and its updates) with the ranges that IANA never handed out and the few that clouds use for themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from bot.models import Address


@dataclass(frozen=True, slots=True)
class Special:
    """What a special-purpose address is: `name` completes "it is …", `says` tells what that means for mail."""

    name: str
    says: str


NO_MAIL = "and no mail on the internet comes from it"
MEANINGS: Mapping[str, Special] = {
    "azure": Special("a Microsoft Azure service address", "every Azure network reaches its own Azure platform there."),
    "benchmark": Special("a benchmarking address", f"it is kept for tests of network devices, {NO_MAIL}."),
    "broadcast": Special("the broadcast address", f"it means every machine on the local network, {NO_MAIL}."),
    "compatible": Special("an IPv4-compatible IPv6 address", f"the format was given up in 2006, {NO_MAIL}."),
    "discard": Special("a discard-only address", f"routers drop what is sent there, {NO_MAIL}."),
    "documentation": Special("a documentation address", f"it is kept for examples in texts, {NO_MAIL}."),
    "dummy": Special("a dummy address", f"it is kept for equipment that must send an address and has none, {NO_MAIL}."),
    "link-local": Special("a link-local address", f"it works on one network segment only, {NO_MAIL}."),
    "loopback": Special("a loopback address", "it means the machine itself, and every machine has its own."),
    "mapped": Special("an IPv4 address in IPv6 form", "mail servers look at the IPv4 address inside it."),
    "multicast": Special("a multicast address", f"it names a group of listeners, {NO_MAIL}."),
    "nat64": Special("a NAT64 address", "a translator keeps an IPv4 address inside it, and mail leaves from that one."),
    "orchid": Special("an ORCHID identifier", f"it is an identifier in the form of an address, {NO_MAIL}."),
    "private": Special("a private address", f"many networks use the same one behind their own router, {NO_MAIL}."),
    "protocol": Special("an address kept for internet protocols", f"IANA holds it back for special uses, {NO_MAIL}."),
    "relay": Special("an anycast service address", f"many networks run the same service there, {NO_MAIL}."),
    "reserved": Special("a reserved address", f"nobody was ever given it, {NO_MAIL}."),
    "segment": Special("a segment routing identifier", f"it steers packets inside one network, {NO_MAIL}."),
    "shared": Special("a shared address", "a provider uses it between its customers and its NAT (RFC 6598)."),
    "site-local": Special("a site-local address", f"it is the older form of a private IPv6 address, {NO_MAIL}."),
    "sixtofour": Special("a 6to4 address", "an IPv4 address is packed inside it, and hardly any mail server takes it."),
    "teredo": Special("a Teredo address", f"it tunnels IPv6 through a home router, {NO_MAIL}."),
    "unique-local": Special("a unique local address", f"it is the private address of IPv6, {NO_MAIL}."),
    "unspecified": Special("the unspecified address", f"it means that no address is known yet, {NO_MAIL}."),
    "this-network": Special('an address of "this network"', f"it is only good while a machine starts up, {NO_MAIL}."),
}

# The first range that holds an address names it, so a range stands before the wider one around it.
RANGES: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/32", "unspecified"),
    ("0.0.0.0/8", "this-network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "shared"),
    ("127.0.0.0/8", "loopback"),
    ("168.63.129.16/32", "azure"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol"),
    ("192.0.2.0/24", "documentation"),
    ("192.31.196.0/24", "relay"),
    ("192.52.193.0/24", "relay"),
    ("192.88.99.0/24", "relay"),
    ("192.168.0.0/16", "private"),
    ("192.175.48.0/24", "relay"),
    ("198.18.0.0/15", "benchmark"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("233.252.0.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("255.255.255.255/32", "broadcast"),
    ("240.0.0.0/4", "reserved"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("::/96", "compatible"),
    ("::ffff:0:0/96", "mapped"),
    ("64:ff9b::/96", "nat64"),
    ("64:ff9b:1::/48", "nat64"),
    ("100::/64", "discard"),
    ("100:0:0:1::/64", "dummy"),
    ("2001::/32", "teredo"),
    ("2001:2::/48", "benchmark"),
    ("2001:3::/32", "relay"),
    ("2001:4:112::/48", "relay"),
    ("2001:10::/28", "orchid"),
    ("2001:20::/28", "orchid"),
    ("2001::/23", "protocol"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "sixtofour"),
    ("2620:4f:8000::/48", "relay"),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "segment"),
    ("fc00::/7", "unique-local"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
    ("::/3", "reserved"),  # addresses in use all begin with the bits 001 (2000::/3)
    ("4000::/2", "reserved"),
    ("8000::/1", "reserved"),
)

TABLE: tuple[tuple[IPv4Network | IPv6Network, Special], ...] = tuple(
    (ip_network(text), MEANINGS[meaning]) for text, meaning in RANGES
)


def special(ip: Address) -> Special | None:
    """What the address is, or None when it is an ordinary address of the internet."""
    return next((meaning for network, meaning in TABLE if ip in network), None)
