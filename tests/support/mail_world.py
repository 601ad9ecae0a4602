"""A small world of mail as a zone: every list of the catalogue alive, and one domain with its records.

`python -m tests.support.mail_world > zone.json` writes it for `tests.support.dns_server`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from bot.checks.dnsbl import load
from bot.checks.dnsbl.catalog import Blocklist
from bot.checks.dnsbl.return_codes import Effect
from bot.checks.dnsbl.zones import zones
from bot.checks.lookups import reverse_name, reversed_ip
from tests.support.dns_world import Zone

GOOD, LISTED, DYNAMIC = "192.0.2.25", "192.0.2.66", "192.0.2.77"

DOMAIN: Zone = {
    "example.com": {
        "TXT": ["v=spf1 include:one.example.net mx -all"],
        "MX": ["10 mx1.example.com", "20 mx2.example.com"],
    },
    "one.example.net": {"TXT": ["v=spf1 include:two.example.net ~all"]},
    "two.example.net": {"TXT": ["v=spf1 include:three.example.net ~all"]},
    "three.example.net": {"TXT": ["v=spf1 ip4:192.0.2.0/27 ~all"]},
    "_dmarc.example.com": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@example.com"]},
    "mx1.example.com": {"A": ["198.51.100.1"]},
    "mx2.example.com": {"A": ["198.51.100.2"], "AAAA": ["2001:db8::2"]},
    "mail.example.com": {"A": [GOOD, LISTED]},
    reverse_name(ip_address(GOOD)): {"PTR": ["mail.example.com"]},
    reverse_name(ip_address(LISTED)): {"PTR": ["mail.example.com"]},
}
LISTINGS: Mapping[tuple[str, str], Sequence[str]] = {
    (LISTED, "spamhaus-zen"): ("127.0.0.4", "127.0.0.2"),
    (LISTED, "spamcop"): ("127.0.0.2",),
    (DYNAMIC, "spamhaus-zen"): ("127.0.0.10",),
}


def mail_world(listings: Mapping[tuple[str, str], Sequence[str]] = LISTINGS, domain: Zone = DOMAIN) -> Zone:
    """`listings` is (address, list) → return codes."""
    catalogue = load()
    world = dict(domain)
    for zone in zones(catalogue, {}):
        world[zone.apex] = {"NS": [f"ns.{zone.apex}"]}
        if zone.must_list:
            world[zone.must_list] = {"A": [test_code(zone.blocklist)], "TXT": ["test entry"]}
    return world | listed_at(listings)


def listed_at(listings: Mapping[tuple[str, str], Sequence[str]]) -> Zone:
    """What the lists hold of these: (address, list) → return codes."""
    catalogue, entries = load(), {}
    for (ip, list_id), codes in listings.items():
        blocklist = catalogue.of(list_id)
        assert blocklist, list_id
        reason = f"Listed, see https://{blocklist.zone}/{ip}"
        entries[f"{reversed_ip(ip_address(ip))}.{blocklist.zone}"] = {"A": list(codes), "TXT": [reason]}
    return entries


def test_code(blocklist: Blocklist) -> str:
    """A return code that this list gives to what it lists."""
    candidates = ("127.0.0.2", "127.0.1.2", *(f"127.0.0.{n}" for n in range(3, 256)))
    listing = (Effect.LISTED, Effect.POLICY, Effect.INFO, Effect.ALLOW)
    return next(c for c in candidates if any(code.effect in listing for code in blocklist.codes.find(c)))


if __name__ == "__main__":
    json.dump(mail_world(), sys.stdout)
