"""Test zones for mail: every list of the catalog with its test points, and one domain.

`python -m tests.support.mail_world > zone.json` writes them for `tests.support.dns_server`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from bot.checks.dnsbl.catalog import Blocklist
from bot.checks.dnsbl.return_codes import Effect
from bot.checks.dnsbl.zones import usable_zones
from bot.checks.lookups import reverse_name, reversed_ip
from tests.support.builtin_catalog import CATALOG
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
    """The zones; `listings` maps (address, list id) to return codes."""
    catalog = CATALOG
    records = dict(domain)
    for zone in usable_zones(catalog, {}):
        records[zone.apex] = {"NS": [f"ns.{zone.apex}"]}
        if zone.must_list:
            records[zone.must_list] = {"A": [listed_code(zone.blocklist)], "TXT": ["test entry"]}
    return records | listing_records(listings)


def listing_records(listings: Mapping[tuple[str, str], Sequence[str]]) -> Zone:
    """DNSBL records of these listings: (address, list id) to return codes."""
    catalog, entries = CATALOG, {}
    for (ip, list_id), codes in listings.items():
        blocklist = catalog.get(list_id)
        assert blocklist, list_id
        reason = f"Listed, see https://{blocklist.zone}/{ip}"
        entries[f"{reversed_ip(ip_address(ip))}.{blocklist.zone}"] = {"A": list(codes), "TXT": [reason]}
    return entries


def listed_code(blocklist: Blocklist) -> str:
    """A return code that this list uses for listings."""
    candidates = ("127.0.0.2", "127.0.1.2", *(f"127.0.0.{n}" for n in range(3, 256)))
    effects = (Effect.LISTED, Effect.POLICY, Effect.INFO, Effect.ALLOW)
    return next(
        candidate for candidate in candidates if any(code.effect in effects for code in blocklist.codes.find(candidate))
    )


if __name__ == "__main__":
    json.dump(mail_world(), sys.stdout)
