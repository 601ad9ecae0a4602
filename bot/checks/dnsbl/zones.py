"""The lists as this installation can ask them: with its keys, and with the names of their test points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from bot.checks.dnsbl.catalog import Blocklist, Catalogue, Controls, Kind
from bot.checks.lookups import organisational_domain, reversed_ip
from bot.models import SharedFacts, Target

ADDRESS_KINDS = {4: Kind.IP4, 6: Kind.IP6}


@dataclass(frozen=True, slots=True)
class Zone:
    """One list to ask. `apex` ends every question and may hold the key `secret`: neither is ever shown.

    `must_list` and `must_not_list` are the questions for the test points, None where the list keeps none; `not_listed` are the
    facts of its usual answer.
    """

    blocklist: Blocklist
    apex: str = field(repr=False)
    secret: str = field(repr=False, default="")
    must_list: str | None = field(repr=False, default=None)
    must_not_list: str | None = field(repr=False, default=None)
    not_listed: SharedFacts = field(repr=False, default_factory=SharedFacts)

    @property
    def controls(self) -> tuple[str, ...]:
        return tuple(name for name in (self.must_list, self.must_not_list) if name is not None)

    def standing_id(self, resolver_id: str) -> str:
        """One list may stand differently through another resolver, and its key zone differently from the public one."""
        return f"{resolver_id} {self.blocklist.zone}{' key' if self.secret else ''}"

    def without_secret(self, text: str) -> str:
        return text.replace(self.secret, "…") if self.secret else text


@dataclass(frozen=True, slots=True)
class Question:
    """One list asked about one thing: `name` goes to the DNS and may hold a key, `subject` is what a person reads."""

    zone: Zone
    name: str = field(repr=False)
    subject: str

    @property
    def label(self) -> str:
        return self.name.removesuffix(f".{self.zone.apex}")


def zones(catalogue: Catalogue, keys: Mapping[str, str]) -> tuple[Zone, ...]:
    """Every list that can be asked with these keys (`{"spamhaus": …}`), in the order of the catalogue."""
    asked = (zone_of(blocklist, keys) for blocklist in catalogue.lists)
    return tuple(zone for zone in asked if zone is not None)


def zone_of(blocklist: Blocklist, keys: Mapping[str, str]) -> Zone | None:
    """The zone to ask, the key zone where its key is set; None for a list that needs a key which is not."""
    secret = keys.get(blocklist.key, "") if blocklist.key else ""
    if blocklist.needs_key and not secret:
        return None
    apex = blocklist.key_zone.format(key=secret) if secret else blocklist.zone
    must_list, must_not_list = (f"{_label(point)}.{apex}" for point in (blocklist.must_list, blocklist.must_not_list))
    return Zone(
        blocklist,
        apex,
        secret,
        must_list if blocklist.controls is Controls.BOTH else None,
        None if blocklist.controls is Controls.NONE else must_not_list,
        _not_listed(blocklist),
    )


def _not_listed(blocklist: Blocklist) -> SharedFacts:
    return SharedFacts(
        state="not_listed",
        answers=[],
        sublists=[],
        txt=[],
        reason="",
        severity=blocklist.severity.value,
        name=blocklist.name,
        zone=blocklist.zone,
        holds="domains" if Kind.DOMAIN in blocklist.kinds else "addresses",
    )


def questions(asked: Iterable[Zone], target: Target) -> list[Question]:
    """What to ask about a target: each list of its addresses, each list of domains about its registered domain."""
    asked_about = labels(target)
    return [
        Question(zone, f"{label}.{zone.apex}", subject)
        for zone in asked
        for kind, (label, subject) in asked_about.items()
        if kind in zone.blocklist.kinds
    ]


def labels(target: Target) -> dict[Kind, tuple[str, str]]:
    """What stands before a zone of that kind, and how a person reads it."""
    found: dict[Kind, tuple[str, str]] = {}
    if target.ip is not None:
        found[ADDRESS_KINDS[target.ip.version]] = reversed_ip(target.ip), str(target.ip)
    if target.domain is not None:
        registered = organisational_domain(target.domain)
        found[Kind.DOMAIN] = registered, registered
    return found


def _label(point: str) -> str:
    try:
        return reversed_ip(ip_address(point))
    except ValueError:
        return point
