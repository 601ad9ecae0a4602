"""Addresses and domains that no blocklist has: they show whether a list lists everything.

For lists without a negative test point (RFC 5782 section 5), and for the case that a resolver
still has the answer of that test point in its cache. Which ones are asked changes every day.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from hashlib import blake2b
from ipaddress import ip_address
from random import Random

from bot.checks.dnsbl.catalog import Kind
from bot.checks.dnsbl.classify import ListState, classify_result
from bot.checks.dnsbl.zones import Zone
from bot.checks.lookups import reversed_ip
from bot.models import Lookup, LookupFailed

SAMPLE_SIZE = 3
MAJORITY = 2

# Addresses of a.root-servers.net to m.root-servers.net. Source: IANA, "Root Servers".
# fmt: off
ROOT_SERVERS = {
    Kind.IP4: (
        "198.41.0.4", "170.247.170.2", "192.33.4.12", "199.7.91.13", "192.203.230.10", "192.5.5.241", "192.112.36.4",
        "198.97.190.53", "192.36.148.17", "192.58.128.30", "193.0.14.129", "199.7.83.42", "202.12.27.33",
    ),
    Kind.IP6: (
        "2001:503:ba3e::2:30", "2801:1b8:10::b", "2001:500:2::c", "2001:500:2d::d", "2001:500:a8::e", "2001:500:2f::f",
        "2001:500:12::d0d", "2001:500:1::53", "2001:7fe::53", "2001:503:c27::2:30", "2001:7fd::1", "2001:500:9f::42",
        "2001:dc3::35",
    ),
}
# fmt: on
# Domains of the bodies that run the root zone and the registries of numbers and names.
REGISTRY_DOMAINS = ("root-servers.net", "iana.org", "ietf.org", "icann.org", "rfc-editor.org", "ripe.net", "arin.net")


async def lists_everything(zone: Zone, lookup: Lookup, day: date) -> bool | None:
    """Whether a list has most of three names that no list has; None without enough answers."""
    states = await asyncio.gather(*(_state(zone, label, lookup) for label in sample_labels(zone, day)))
    for state, verdict in ((ListState.LISTED, True), (ListState.NOT_LISTED, False)):
        if states.count(state) >= MAJORITY:
            return verdict
    return None


def sample_labels(zone: Zone, day: date) -> Sequence[str]:
    """The labels to query below the apex of the list, the same ones for a whole day."""
    digest = blake2b(f"{zone.blocklist.id} {day}".encode(), digest_size=8).digest()
    kind = next((kind for kind in ROOT_SERVERS if kind in zone.blocklist.kinds), None)
    names = [reversed_ip(ip_address(text)) for text in ROOT_SERVERS[kind]] if kind else REGISTRY_DOMAINS
    return Random(digest).sample(names, SAMPLE_SIZE)


async def _state(zone: Zone, label: str, lookup: Lookup) -> ListState:
    try:
        answer = await lookup(f"{label}.{zone.apex}", "A")
    except LookupFailed as failure:
        return classify_result(zone.blocklist, failure).state
    return classify_result(zone.blocklist, answer).state
