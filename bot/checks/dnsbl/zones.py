"""DNSBL zones as queried by this installation: with its API keys and test point names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from bot.checks.dnsbl.catalog import Blocklist, Catalog, Controls, Kind
from bot.checks.dnsbl.messages import CODES
from bot.checks.dnsbl.names import NamesByKind, QueriedName, mailbox_label, query_label
from bot.checks.lookups import reversed_ip
from bot.inputs.redaction import redact
from bot.models import SharedFacts

MAX_QUERY_LENGTH = 253
HOLDS = {Kind.IP4: "addresses", Kind.IP6: "addresses", Kind.DOMAIN: "domains", Kind.EMAIL: "mail addresses"}


@dataclass(frozen=True, slots=True)
class Zone:
    """One list to query. `apex` is the suffix of every query and may contain the API key `secret`.

    Neither is ever displayed. `must_list` and `must_not_list` are the query names of the test
    points, None where the list has none. `not_listed_summary` (but for {subject}) and
    `not_listed_facts` are those of a "not listed" finding, made once: a bulk check makes about
    fifty such findings per address.
    """

    blocklist: Blocklist
    apex: str = field(repr=False)
    secret: str = field(repr=False, default="")
    must_list: str | None = field(repr=False, default=None)
    must_not_list: str | None = field(repr=False, default=None)
    not_listed_summary: str = field(repr=False, default="")
    not_listed_facts: SharedFacts = field(repr=False, default_factory=SharedFacts)

    @property
    def test_point_names(self) -> tuple[str, ...]:
        return tuple(name for name in (self.must_list, self.must_not_list) if name is not None)

    def trust_key(self, resolver_id: str) -> str:
        """Return the trust cache key: trust differs by resolver, and by public or key zone."""
        return f"{resolver_id} {self.blocklist.zone}{' key' if self.secret else ''}"

    def redact(self, text: str) -> str:
        return redact(text, [self.secret])


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A query to one list: `name` may contain an API key, `queried` is what is displayed."""

    zone: Zone
    name: str = field(repr=False)
    queried: QueriedName

    @property
    def label(self) -> str:
        return self.name.removesuffix(f".{self.zone.apex}")


def usable_zones(catalog: Catalog, keys: Mapping[str, str]) -> tuple[Zone, ...]:
    """Return the zones that are usable with these keys (`{"spamhaus": …}`), in catalog order."""
    candidates = (zone_of(blocklist, keys) for blocklist in catalog.lists)
    return tuple(zone for zone in candidates if zone is not None)


def zone_of(blocklist: Blocklist, keys: Mapping[str, str]) -> Zone | None:
    """Return the zone to query: the key zone where its key is set.

    None for a list that is not enabled, or whose required key is missing.
    """
    if not blocklist.enabled:
        return None
    secret = keys.get(blocklist.key, "") if blocklist.key else ""
    if blocklist.needs_key and not secret:
        return None
    apex = blocklist.key_zone.format(key=secret) if secret else blocklist.zone
    if secret and blocklist.key_per_day:
        blocklist = replace(blocklist, per_day=blocklist.key_per_day)
    must_list, must_not_list = (
        f"{_test_point_label(blocklist, test_point)}.{apex}"
        for test_point in (blocklist.must_list, blocklist.must_not_list)
    )
    return Zone(
        blocklist,
        apex,
        secret,
        must_list if blocklist.controls.has_listed_entry else None,
        None if blocklist.controls is Controls.NONE else must_not_list,
        CODES["blocklist.not-listed"].summary.replace("{list}", blocklist.name),
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
        holds=HOLDS[next(iter(blocklist.kinds))],
    )


def list_queries(list_zones: Iterable[Zone], names: NamesByKind) -> list[ListQuery]:
    """Return the queries about these names, in catalog order."""
    return [
        ListQuery(zone, name, queried)
        for zone in list_zones
        for kind, queried_names in names.items()
        if kind in zone.blocklist.kinds
        for queried in queried_names
        if len(name := f"{query_label(zone.blocklist, queried)}.{zone.apex}") <= MAX_QUERY_LENGTH
    ]


def _test_point_label(blocklist: Blocklist, test_point: str) -> str:
    if "@" in test_point:
        return mailbox_label(test_point, blocklist.mailbox_hash)
    try:
        return reversed_ip(ip_address(test_point))
    except ValueError:
        return test_point
