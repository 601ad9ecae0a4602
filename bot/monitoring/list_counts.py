"""Counts of list results: of one poll, to see what turned to listed, and of a round over all targets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network

from bot.checks.dnsbl.resolver_fault import FAULT as RESOLVER_FAULT
from bot.checks.lookups import organizational_domain
from bot.models import Finding, Report
from bot.monitoring.models import Incident
from bot.monitoring.observations import BLOCKLIST, is_about_domain, is_listing

CONCLUSIVE_STATES = ("listed", "not_listed")
LISTS_EVERYTHING = "lists-everything"
NEIGHBORHOOD_PREFIX = {4: 24, 6: 48}


@dataclass(frozen=True, slots=True)
class ListCounts:
    """Targets with a verified answer of one list, those that turned to listed, and their neighborhoods."""

    answered: int = 0
    newly_listed: int = 0
    neighborhoods: frozenset[str] = frozenset()

    def __add__(self, other: ListCounts) -> ListCounts:
        return ListCounts(
            self.answered + other.answered,
            self.newly_listed + other.newly_listed,
            self.neighborhoods | other.neighborhoods,
        )


@dataclass(frozen=True, slots=True)
class ListResult:
    """A conclusive result of one list; `neighborhood` is the network or the domain it is about."""

    list_id: str
    address: str
    neighborhood: str
    listed: bool


def count_listings(before: Incident | None, results: Iterable[ListResult]) -> dict[str, ListCounts]:
    """Counts of one poll of one watch by list; a first poll has no newly listed targets."""
    known = (
        {(p.last_observation.subject, p.last_observation.address) for p in before.problems if p.phase != "clean"}
        if before
        else set()
    )
    counts: dict[str, ListCounts] = {}
    for result in dict.fromkeys(results):  # a domain counts once for all addresses
        is_new = before is not None and result.listed and (result.list_id, result.address) not in known
        addition = ListCounts(1, 1, frozenset({result.neighborhood})) if is_new else ListCounts(1)
        counts[result.list_id] = counts.get(result.list_id, ListCounts()) + addition
    return counts


def list_results(reports: Iterable[Report], is_range: bool) -> Iterator[ListResult]:
    """The conclusive results of reports on the targets of one watch."""
    for report in reports:
        ip, domain = report.request.target.ip, report.request.target.domain
        network = neighborhood(ip) if ip is not None else ""
        for finding in report.findings:
            if finding.check == BLOCKLIST and finding.facts.get("state") in CONCLUSIVE_STATES:
                about_domain = is_about_domain(finding)
                address = "" if about_domain or not is_range else str(ip)
                about = organizational_domain(domain) if about_domain and domain else network
                yield ListResult(finding.subject, address, about, is_listing(finding))


def neighborhood(address: IPv4Address | IPv6Address) -> str:
    """The network that lists add as one entry: `203.0.113.0/24`, `2001:db8::/48`."""
    return str(ip_network((address, NEIGHBORHOOD_PREFIX[address.version]), strict=False))


@dataclass(frozen=True, slots=True)
class RoundCounts:
    """Counts of one list in a round: targets queried, verified answers, and listings among them.

    `lists_everything`: its negative test point is listed.
    """

    list_id: str
    queried: int = 0
    answered: int = 0
    listed: int = 0
    lists_everything: bool = False

    def __add__(self, other: RoundCounts) -> RoundCounts:
        return RoundCounts(
            self.list_id,
            self.queried + other.queried,
            self.answered + other.answered,
            self.listed + other.listed,
            self.lists_everything or other.lists_everything,
        )


def counts_by_list(reports: Iterable[Report]) -> tuple[RoundCounts, ...]:
    """Counts by list of these reports, without lists that fail because the resolver does: they are not to blame."""
    by_target: dict[tuple[str, str], RoundCounts] = {}  # a domain counts once for all addresses
    for report in reports:
        ip, domain = str(report.request.target.ip), str(report.request.target.domain)
        faults = {finding.facts["reason"] for finding in report.findings if finding.code == RESOLVER_FAULT}
        for finding in report.findings:
            if finding.check == BLOCKLIST and finding.facts.get("reason") not in faults:
                by_target[finding.subject, domain if is_about_domain(finding) else ip] = _finding_counts(finding)
    totals: dict[str, RoundCounts] = {}
    for counts in by_target.values():
        totals[counts.list_id] = totals.get(counts.list_id, RoundCounts(counts.list_id)) + counts
    return tuple(totals.values())


def _finding_counts(finding: Finding) -> RoundCounts:
    state, reason = finding.facts.get("state"), finding.facts.get("reason")
    return RoundCounts(finding.subject, 1, state in CONCLUSIVE_STATES, state == "listed", reason == LISTS_EVERYTHING)
