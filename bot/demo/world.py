"""What the invented world holds: one domain in good order, one that is broken, three addresses, and the lists of the catalogue.

Addresses and names are those kept for documentation (RFC 5737, RFC 2606), so nobody's mail is talked about. What the lists say
here is invented as well. Pure: `Zones` answers questions, `bot.demo.dns_server` carries them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

from bot.checks.dnsbl.catalog import Blocklist, Catalogue
from bot.checks.dnsbl.return_codes import Effect
from bot.checks.dnsbl.zones import zones
from bot.checks.lookups import reverse_name, reversed_ip

CLEAN, LISTED, DYNAMIC = "192.0.2.10", "192.0.2.66", "192.0.2.77"
GOOD_DOMAIN, BROKEN_DOMAIN = "example.com", "example.org"
LISTING = "127.0.0.2"

Records = Mapping[str, Sequence[str]]  # by kind: {"A": ["192.0.2.10"]}


@dataclass(frozen=True, slots=True)
class Switch:
    """Something a person may make true in the world; `says` is the sentence beside it."""

    name: str
    says: str
    on: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """A command worth typing here, and what it shows."""

    command: str
    shows: str


EXAMPLES = (
    Example(f"{CLEAN} {GOOD_DOMAIN}", "everything in order"),
    Example(f"{LISTED} {GOOD_DOMAIN}", "on two blocklists"),
    Example(f"{DYNAMIC} as client", "a policy listing that is expected"),
    Example(BROKEN_DOMAIN, "SPF that cannot be evaluated"),
    Example("lists", "which lists can be believed"),
)
ALERTED = (Example(f"watch {CLEAN}", "then turn a switch, and see the alert come and go"),)
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
ALWAYS = (
    (LISTED, "spamhaus-zen", "127.0.0.4"),
    (LISTED, "spamcop", "127.0.0.2"),
    (DYNAMIC, "spamhaus-zen", "127.0.0.10"),
)
BY_SWITCH = {"listed": (CLEAN, "spamhaus-zen", "127.0.0.4"), "spamcop": (CLEAN, "spamcop", "127.0.0.2")}
SPOILT_BY_SWITCH = {"refusing": ("spamrats-all", "127.255.255.254"), "dying": ("kempt", LISTING)}  # to every question


class Zones:
    """The world as names and records; a switch changes what it answers from then on."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._switches = {switch.name: switch for switch in SWITCHES}
        self._lists = _lists(catalogue)
        self._turn()

    @property
    def switches(self) -> tuple[Switch, ...]:
        return tuple(self._switches.values())

    def switch(self, name: str, on: bool) -> None:
        """Raises KeyError for a switch that is not there."""
        self._switches[name] = replace(self._switches[name], on=on)
        self._turn()

    def answer(self, name: str, kind: str) -> Sequence[str] | None:
        """The records, empty where the name has none of this kind; None where there is no such name."""
        name = name.lower().rstrip(".")
        for apex, code in self._spoilt.items():
            if name.endswith(f".{apex}"):
                return (code,) if kind == "A" else ()
        if found := self._records.get(name):
            return found.get(kind, ())
        return () if any(other.endswith(f".{name}") for other in self._records) else None

    def _turn(self) -> None:
        on = {switch.name for switch in self.switches if switch.on}
        entries = (*ALWAYS, *(entry for name, entry in BY_SWITCH.items() if name in on))
        self._spoilt = {
            _zone_of(self._catalogue, about): code for name, (about, code) in SPOILT_BY_SWITCH.items() if name in on
        }
        self._records = {**DOMAINS, **self._lists, **dict(_entry(self._catalogue, *entry) for entry in entries)}
        if "spf" in on:
            self._records[GOOD_DOMAIN] = {"MX": DOMAINS[GOOD_DOMAIN]["MX"]}


def _lists(catalogue: Catalogue) -> Mapping[str, Records]:
    """Each zone of the catalogue alive: its apex, and the test entry that proves it (RFC 5782 section 5)."""
    alive: dict[str, Records] = {}
    for zone in zones(catalogue, {}):
        alive[zone.apex] = {"NS": [f"ns.{zone.apex}"]}
        if zone.must_list:
            alive[zone.must_list] = {"A": [_code_of(zone.blocklist)], "TXT": ["This is the test entry."]}
    return alive


def _entry(catalogue: Catalogue, ip: str, about: str, code: str) -> tuple[str, Records]:
    name = f"{reversed_ip(ip_address(ip))}.{_zone_of(catalogue, about)}"
    return name, {"A": [code], "TXT": ["Invented for the demo of mailcheck."]}


def _zone_of(catalogue: Catalogue, about: str) -> str:
    """A catalogue of the operator's own may not hold the list, and then nobody asks for the name."""
    blocklist = catalogue.of(about)
    return blocklist.zone if blocklist else f"{about}.invalid"


def _code_of(blocklist: Blocklist) -> str:
    """A code by which this list calls something listed."""
    candidates = ("127.0.0.2", "127.0.1.2", *(f"127.0.0.{octet}" for octet in range(3, 256)))
    answers = (Effect.LISTED, Effect.POLICY, Effect.INFO, Effect.ALLOW)
    return next(
        (code for code in candidates if any(means.effect in answers for means in blocklist.codes.find(code))), LISTING
    )
