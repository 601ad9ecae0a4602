"""Special-purpose IP addresses and what each of them is.

`ipaddress.is_global` is not enough: it is true for multicast, for NAT64 with a private address
inside and for Azure's wire server, and changes with the Python version. The table has the IANA
special-purpose registries (RFC 6890 and updates), unallocated ranges, and ranges that clouds use
internally.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from bot.models import Address


@dataclass(frozen=True, slots=True)
class SpecialPurpose:
    """A kind of special-purpose address.

    `name` completes "it is …"; `summary` is a sentence of its own.
    """

    name: str
    summary: str


NO_MAIL = "No mail on the internet comes from it."
MEANINGS: Mapping[str, SpecialPurpose] = {
    "azure": SpecialPurpose(
        "a Microsoft Azure service address", "Every Azure network reaches its own Azure platform there."
    ),
    "benchmark": SpecialPurpose("a benchmarking address", f"It is reserved for tests of network devices. {NO_MAIL}"),
    "broadcast": SpecialPurpose("the broadcast address", f"It means every machine on the local network. {NO_MAIL}"),
    "compatible": SpecialPurpose("an IPv4-compatible IPv6 address", f"The format was deprecated in 2006. {NO_MAIL}"),
    "discard": SpecialPurpose("a discard-only address", f"Routers drop what is sent there. {NO_MAIL}"),
    "documentation": SpecialPurpose("a documentation address", f"It is reserved for examples in texts. {NO_MAIL}"),
    "dummy": SpecialPurpose(
        "a dummy address", f"It is reserved for equipment that must send an address and has none. {NO_MAIL}"
    ),
    "link-local": SpecialPurpose("a link-local address", f"It works on one network segment only. {NO_MAIL}"),
    "loopback": SpecialPurpose("a loopback address", "It means the machine itself, and every machine has its own."),
    "mapped": SpecialPurpose("an IPv4 address in IPv6 form", "Mail servers see the IPv4 address inside it."),
    "multicast": SpecialPurpose("a multicast address", f"It names a group of receivers. {NO_MAIL}"),
    "nat64": SpecialPurpose("a NAT64 address", "It holds the IPv4 address that mail leaves from."),
    "orchid": SpecialPurpose("an ORCHID identifier", f"It is an identifier in the form of an address. {NO_MAIL}"),
    "private": SpecialPurpose(
        "a private address", f"Many networks use the same one behind their own router. {NO_MAIL}"
    ),
    "protocol": SpecialPurpose(
        "an address reserved for internet protocols", f"IANA reserves it for special uses. {NO_MAIL}"
    ),
    "relay": SpecialPurpose("an anycast service address", f"Many networks run the same service there. {NO_MAIL}"),
    "reserved": SpecialPurpose("a reserved address", f"It was never assigned. {NO_MAIL}"),
    "segment": SpecialPurpose("a segment routing identifier", f"It steers packets inside one network. {NO_MAIL}"),
    "shared": SpecialPurpose("a shared address", "A provider uses it between its customers and its NAT (RFC 6598)."),
    "site-local": SpecialPurpose("a site-local address", f"It is the older form of a private IPv6 address. {NO_MAIL}"),
    "sixtofour": SpecialPurpose(
        "a 6to4 address", "It holds an IPv4 address, and hardly any mail server accepts mail from it."
    ),
    "teredo": SpecialPurpose("a Teredo address", f"It tunnels IPv6 through a home router. {NO_MAIL}"),
    "unique-local": SpecialPurpose("a unique local address", f"It is the private address of IPv6. {NO_MAIL}"),
    "unspecified": SpecialPurpose("the unspecified address", f"It means that no address is known yet. {NO_MAIL}"),
    "this-network": SpecialPurpose(
        'an address of "this network"', f"It is used only while a machine starts. {NO_MAIL}"
    ),
}

# The first matching range wins, so more specific ranges come first.
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
    ("::/3", "reserved"),  # global unicast is 2000::/3
    ("4000::/2", "reserved"),
    ("8000::/1", "reserved"),
)

TABLE: tuple[tuple[IPv4Network | IPv6Network, SpecialPurpose], ...] = tuple(
    (ip_network(text), MEANINGS[meaning]) for text, meaning in RANGES
)


def special_purpose_of(ip: Address) -> SpecialPurpose | None:
    """The kind of a special-purpose address, None for an ordinary one."""
    return next((meaning for network, meaning in TABLE if ip in network), None)
