"""DNSBL zones as queried by this installation: with its API keys and test point names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from bot.checks.dnsbl.catalog import Blocklist, Catalog, Controls, Kind
from bot.checks.lookups import organizational_domain, reversed_ip
from bot.models import SharedFacts, Target

ADDRESS_KINDS = {4: Kind.IP4, 6: Kind.IP6}


@dataclass(frozen=True, slots=True)
class Zone:
    """One list to query. `apex` is the suffix of every query and may contain the API key `secret`.

    Neither is ever displayed. `must_list` and `must_not_list` are the query names of the test
    points, None where the list has none; `not_listed_facts` are the facts of a "not listed"
    finding.
    """

    blocklist: Blocklist
    apex: str = field(repr=False)
    secret: str = field(repr=False, default="")
    must_list: str | None = field(repr=False, default=None)
    must_not_list: str | None = field(repr=False, default=None)
    not_listed_facts: SharedFacts = field(repr=False, default_factory=SharedFacts)

    @property
    def test_point_names(self) -> tuple[str, ...]:
        return tuple(name for name in (self.must_list, self.must_not_list) if name is not None)

    def trust_key(self, resolver_id: str) -> str:
        """Return the trust cache key: trust differs by resolver, and by public or key zone."""
        return f"{resolver_id} {self.blocklist.zone}{' key' if self.secret else ''}"

    def redact(self, text: str) -> str:
        return text.replace(self.secret, "…") if self.secret else text


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A query to one list: `name` may contain an API key, `subject` is what is displayed."""

    zone: Zone
    name: str = field(repr=False)
    subject: str

    @property
    def label(self) -> str:
        return self.name.removesuffix(f".{self.zone.apex}")


def usable_zones(catalog: Catalog, keys: Mapping[str, str]) -> tuple[Zone, ...]:
    """Return the zones that are usable with these keys (`{"spamhaus": …}`), in catalog order."""
    candidates = (zone_of(blocklist, keys) for blocklist in catalog.lists)
    return tuple(zone for zone in candidates if zone is not None)


def zone_of(blocklist: Blocklist, keys: Mapping[str, str]) -> Zone | None:
    """Return the zone to query: the key zone where its key is set.

    None for a list whose required key is missing.
    """
    secret = keys.get(blocklist.key, "") if blocklist.key else ""
    if blocklist.needs_key and not secret:
        return None
    apex = blocklist.key_zone.format(key=secret) if secret else blocklist.zone
    must_list, must_not_list = (
        f"{_test_point_label(test_point)}.{apex}" for test_point in (blocklist.must_list, blocklist.must_not_list)
    )
    return Zone(
        blocklist,
        apex,
        secret,
        must_list if blocklist.controls.has_listed_entry else None,
        None if blocklist.controls is Controls.NONE else must_not_list,
        _not_listed_facts(blocklist),
    )


def _not_listed_facts(blocklist: Blocklist) -> SharedFacts:
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


def list_queries(list_zones: Iterable[Zone], target: Target) -> list[ListQuery]:
    """Return the queries about a target: its address, and its registered domain at domain lists."""
    labels_by_kind = query_labels(target)
    return [
        ListQuery(zone, f"{label}.{zone.apex}", subject)
        for zone in list_zones
        for kind, (label, subject) in labels_by_kind.items()
        if kind in zone.blocklist.kinds
    ]


def query_labels(target: Target) -> dict[Kind, tuple[str, str]]:
    """Return, by kind of list, the label to query and its display form."""
    labels_by_kind: dict[Kind, tuple[str, str]] = {}
    if target.ip is not None:
        labels_by_kind[ADDRESS_KINDS[target.ip.version]] = reversed_ip(target.ip), str(target.ip)
    if target.domain is not None:
        registered = organizational_domain(target.domain)
        labels_by_kind[Kind.DOMAIN] = registered, registered
    return labels_by_kind


def _test_point_label(test_point: str) -> str:
    try:
        return reversed_ip(ip_address(test_point))
    except ValueError:
        return test_point
