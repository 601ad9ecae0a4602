"""Demo data: one domain in good order, a broken one, three addresses, and the catalog's lists.

Addresses and names are reserved for documentation (RFC 5737, RFC 2606); the listings are invented.
Pure: `bot.demo.dns_server` serves it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

from bot.checks.dnsbl.catalog import Blocklist, Catalog
from bot.checks.dnsbl.return_codes import Effect
from bot.checks.dnsbl.zones import usable_zones
from bot.checks.lookups import reverse_name, reversed_ip

CLEAN, LISTED, DYNAMIC = "192.0.2.10", "192.0.2.66", "192.0.2.77"
GOOD_DOMAIN, BROKEN_DOMAIN = "example.com", "example.org"
LISTING = "127.0.0.2"

Records = Mapping[str, Sequence[str]]  # by rdtype: {"A": ["192.0.2.10"]}


@dataclass(frozen=True, slots=True)
class Switch:
    """A fault that a user can turn on in the demo; `label` is the sentence beside it."""

    name: str
    label: str
    on: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """A command to try in the demo, and what it shows."""

    command: str
    shows: str


EXAMPLES = (
    Example(f"{CLEAN} {GOOD_DOMAIN}", "no problems"),
    Example(f"{LISTED} {GOOD_DOMAIN}", "on two blocklists"),
    Example(f"{DYNAMIC} as client", "a policy listing that is expected"),
    Example(BROKEN_DOMAIN, "SPF that cannot be evaluated"),
    Example("lists", "which blocklists are working"),
)
WATCH_EXAMPLES = (Example(f"watch {CLEAN}", "then turn a switch, and see the alert open and clear"),)
SWITCHES = (
    Switch("listed", f"{CLEAN} is on Spamhaus XBL"),
    Switch("spamcop", f"{CLEAN} is on SpamCop, too"),
    Switch("spf", f"{GOOD_DOMAIN} has lost its SPF record"),
    Switch("refusing", "SpamRATS refuses this resolver"),
    Switch("dying", "Kempt is dying: it calls everything listed"),
)
DOMAINS: Mapping[str, Records] = {
    GOOD_DOMAIN: {"MX": ["10 mail.example.com"], "TXT": [f"v=spf1 ip4:{CLEAN} ip4:{LISTED} -all"]},
    f"_dmarc.{GOOD_DOMAIN}": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@example.com"]},
    "mail.example.com": {"A": [CLEAN, LISTED]},
    reverse_name(ip_address(CLEAN)): {"PTR": ["mail.example.com"]},
    reverse_name(ip_address(LISTED)): {"PTR": ["mail.example.com"]},
    reverse_name(ip_address(DYNAMIC)): {"PTR": ["host-192-0-2-77.dynamic.example.net"]},
    "host-192-0-2-77.dynamic.example.net": {"A": [DYNAMIC]},
    BROKEN_DOMAIN: {"MX": ["10 mx.example.org"], "TXT": ["v=spf1 include:gone.example.org -all", "v=spf1 mx -all"]},
    f"_dmarc.{BROKEN_DOMAIN}": {"TXT": ["v=DMARC1; p=none"]},
    "mx.example.org": {"A": ["192.0.2.20"]},
    "": {"NS": ["ns.example"]},
}
PERMANENT_LISTINGS = (
    (LISTED, "spamhaus-zen", "127.0.0.4"),
    (LISTED, "spamcop", "127.0.0.2"),
    (DYNAMIC, "spamhaus-zen", "127.0.0.10"),
)
BY_SWITCH = {"listed": (CLEAN, "spamhaus-zen", "127.0.0.4"), "spamcop": (CLEAN, "spamcop", "127.0.0.2")}
FAULTS_BY_SWITCH = {"refusing": ("spamrats-all", "127.255.255.254"), "dying": ("kempt", LISTING)}  # for every query


class DemoZones:
    """Names and records of the demo; a switch changes the answers from then on."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._switches = {switch.name: switch for switch in SWITCHES}
        self._lists = _lists(catalog)
        self._rebuild()

    @property
    def switches(self) -> tuple[Switch, ...]:
        return tuple(self._switches.values())

    def switch(self, name: str, on: bool) -> None:
        """Raises KeyError for an unknown switch."""
        self._switches[name] = replace(self._switches[name], on=on)
        self._rebuild()

    def answer(self, name: str, rdtype: str) -> Sequence[str] | None:
        """The records, empty for NODATA; None for NXDOMAIN."""
        name = name.lower().rstrip(".")
        for apex, code in self._faults.items():
            if name.endswith(f".{apex}"):
                return (code,) if rdtype == "A" else ()
        if records := self._records.get(name):
            return records.get(rdtype, ())
        return () if any(owner.endswith(f".{name}") for owner in self._records) else None

    def _rebuild(self) -> None:
        on = {switch.name for switch in self.switches if switch.on}
        entries = (*PERMANENT_LISTINGS, *(entry for name, entry in BY_SWITCH.items() if name in on))
        self._faults = {
            _zone_of(self._catalog, list_id): code for name, (list_id, code) in FAULTS_BY_SWITCH.items() if name in on
        }
        self._records = {**DOMAINS, **self._lists, **dict(_entry(self._catalog, *entry) for entry in entries)}
        if "spf" in on:
            self._records[GOOD_DOMAIN] = {"MX": DOMAINS[GOOD_DOMAIN]["MX"]}


def _lists(catalog: Catalog) -> Mapping[str, Records]:
    """Each list of the catalog as a working zone: its apex and test point (RFC 5782 §5)."""
    records: dict[str, Records] = {}
    for zone in usable_zones(catalog, {}):
        records[zone.apex] = {"NS": [f"ns.{zone.apex}"]}
        if zone.must_list:
            records[zone.must_list] = {"A": [_code_of(zone.blocklist)], "TXT": ["This is the test point."]}
    return records


def _entry(catalog: Catalog, ip: str, list_id: str, code: str) -> tuple[str, Records]:
    name = f"{reversed_ip(ip_address(ip))}.{_zone_of(catalog, list_id)}"
    return name, {"A": [code], "TXT": ["Invented for the demo of mailcheck."]}


def _zone_of(catalog: Catalog, list_id: str) -> str:
    """Zone of a list; a name that is never queried where the operator's catalog lacks the list."""
    blocklist = catalog.get(list_id)
    return blocklist.zone if blocklist else f"{list_id}.invalid"


def _code_of(blocklist: Blocklist) -> str:
    """A return code that means listed on this list."""
    candidates = ("127.0.0.2", "127.0.1.2", *(f"127.0.0.{octet}" for octet in range(3, 256)))
    answers = (Effect.LISTED, Effect.POLICY, Effect.INFO, Effect.ALLOW)
    return next(
        (code for code in candidates if any(entry.effect in answers for entry in blocklist.codes.find(code))), LISTING
    )
