"""Lint of a DMARC record: what its author meant and receivers do not read so; one rule per function. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from bot.checks.dmarc.discovery import Discovery
from bot.checks.dmarc.record import OBSOLETE_TAGS, POLICIES, TAG_PATTERNS, Record
from bot.checks.dmarc.reports import ReportHosts
from bot.checks.lookups import readable
from bot.inputs.domain_names import quoted

POLICY_TAGS = ("p", "sp", "np")
ALIGNMENT_TAGS = {"aspf": "return path", "adkim": "DKIM domain"}
SIMILARITY = 0.6  # of a misspelled tag with the right one: `apsf`
FULL = "100"


@dataclass(frozen=True, slots=True)
class Flaw:
    """A finding code that applies, the variant of its words, and values for them."""

    code: str
    variant: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


def flaws(discovery: Discovery, hosts: ReportHosts) -> Iterator[Flaw]:
    """Yield what is to be said about the applied record besides its policy."""
    if any(step.multiple for step in discovery.steps):
        yield Flaw("dmarc.several")
    if record := discovery.record:
        for rule in RULES:
            yield from rule(discovery, record, hosts)


def wrong_policies(record: Record) -> str:
    """The policy tags that are no policy, as published: `“p=rejct”`."""
    return " and ".join(quoted(f"{tag}={record.invalid[tag]}") for tag in POLICY_TAGS if tag in record.invalid)


def _sp_none(discovery: Discovery, record: Record, _: ReportHosts) -> Iterator[Flaw]:
    own_record = discovery.source is discovery.steps[0]
    if own_record and record.tags.get("sp") == "none" and discovery.policy not in (None, "none"):
        yield Flaw("dmarc.sp-none")


def _receivers_differ(discovery: Discovery, _record: Record, _: ReportHosts) -> Iterator[Flaw]:
    """The tree walk of RFC 9989 and the public suffix list of RFC 7489 can find different policies."""
    older = discovery.psl_step
    if older is None or older == discovery.source or older.unanswered:
        return
    found = older.record.policy(("sp", "p")) if older.record else None
    if discovery.policy != (found and found[1]):
        values = {"older_at": older.name, "older": f"p={found[1]}" if found else "no record"}
        yield Flaw("dmarc.receivers-differ", "registry" if discovery.is_of_registry else "", values)


def _invalid_tags(_: Discovery, record: Record, _hosts: ReportHosts) -> Iterator[Flaw]:
    for tag, value in record.invalid.items():
        if tag not in (*POLICY_TAGS, "rua", "ruf"):
            yield Flaw("dmarc.invalid-tag", "", {"part": quoted(f"{tag}={value}"), "tag": tag})


def _unknown_tags(_: Discovery, record: Record, _hosts: ReportHosts) -> Iterator[Flaw]:
    for part in record.unknown:
        values = {"part": quoted(part)}
        name = part.replace(":", "=", 1).partition("=")[0].strip().lower()
        rest = part[len(name) :].lstrip(" =:")
        if part.lower().startswith("mailto:"):
            yield Flaw("dmarc.unknown-tag", "address", values)
        elif right := next(iter(get_close_matches(name, KNOWN_TAGS, 1, SIMILARITY)), ""):
            yield Flaw("dmarc.unknown-tag", "misspelled", values | {"right": quoted(f"{right}={rest}")})
        else:
            yield Flaw("dmarc.unknown-tag", "", values)


def _report_addresses(_: Discovery, record: Record, _hosts: ReportHosts) -> Iterator[Flaw]:
    for tag in ("rua", "ruf"):
        if tag in record.invalid:
            yield Flaw("dmarc.report-address", "empty", {"tag": tag})
    for address in record.bad_report_addresses:
        if "@" in address and not address.lower().startswith("mailto"):
            right = quoted(f"mailto:{address.lstrip(':/ ')}")
            yield Flaw("dmarc.report-address", "", {"part": quoted(address), "right": right})
        else:
            yield Flaw("dmarc.report-address", "broken", {"part": quoted(address)})


def _report_hosts(_: Discovery, _record: Record, hosts: ReportHosts) -> Iterator[Flaw]:
    if hosts.unauthorized:
        yield Flaw("dmarc.report-unauthorised")
    for host in hosts.without_mail:
        yield Flaw("dmarc.report-undeliverable", "", {"host": readable(host)})


def _percent(discovery: Discovery, record: Record, _: ReportHosts) -> Iterator[Flaw]:
    """pct does something only to an enforced policy, and only at receivers by RFC 7489."""
    partial = (record.percent or FULL) != FULL and discovery.policy in POLICIES[1:]
    if partial:
        yield Flaw("dmarc.partial", discovery.policy or "")
    if removed := [tag for tag in record.obsolete_tags if tag != "pct" or not partial]:
        yield Flaw("dmarc.removed-tag", "", {"removed": " and ".join(removed)})


def _strict_alignment(_: Discovery, record: Record, _hosts: ReportHosts) -> Iterator[Flaw]:
    strict = [tag for tag in ALIGNMENT_TAGS if record.tags.get(tag) == "s"]
    if strict:
        identities = " and ".join(ALIGNMENT_TAGS[tag] for tag in strict)
        values = {"part": " and ".join(f"{tag}=s" for tag in strict), "identities": identities}
        yield Flaw("dmarc.strict-alignment", "", values)


def _order(_: Discovery, record: Record, _hosts: ReportHosts) -> Iterator[Flaw]:
    if "p" in record.tags and record.first_tag != "p":
        yield Flaw("dmarc.policy-not-first")


KNOWN_TAGS = (*TAG_PATTERNS, *OBSOLETE_TAGS)
RULES: tuple[Callable[[Discovery, Record, ReportHosts], Iterator[Flaw]], ...] = (
    _sp_none,
    _receivers_differ,
    _invalid_tags,
    _unknown_tags,
    _report_addresses,
    _report_hosts,
    _percent,
    _strict_alignment,
    _order,
)
