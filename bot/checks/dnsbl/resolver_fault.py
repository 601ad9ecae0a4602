"""A fault of the resolver, which shows as the same failure of many lists: said once. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from bot.checks.dnsbl.messages import CODES, REASONS, RESOLVER_CAUSES
from bot.checks.dnsbl.trust import ListTrust, TrustLevel
from bot.checks.dnsbl.zones import Zone
from bot.models import Finding, Verdict

FAULT = "dns.resolver-fault"
MIN_LISTS = 8  # one or two lists that fail are the fault of the lists
MIN_EMPTIED = 3
EMPTIED = "emptied"
OUR_REASONS = frozenset({"budget", "day-limit", "time"})  # the query was not sent


def with_resolver_fault(findings: Sequence[Finding], resolver: str) -> list[Finding]:
    """Return the findings about lists, and one about the resolver if half of the lists fail alike."""
    return [*findings, *resolver_fault(findings, resolver)]


def resolver_fault(findings: Sequence[Finding], resolver: str) -> list[Finding]:
    reasons = Counter(str(finding.facts["reason"]) for finding in findings if finding.verdict is Verdict.UNKNOWN)
    for reason in OUR_REASONS:
        del reasons[reason]
    (reason, count), *_ = reasons.most_common(1) or [("", 0)]
    if len(findings) < MIN_LISTS or count * 2 < len(findings):
        return []
    cause = RESOLVER_CAUSES.get(reason) or (REASONS[reason].cause if reason in REASONS else reason)
    text = CODES[FAULT]
    summary, remediation = text.fill({"resolver": resolver, "count": count, "total": len(findings), "cause": cause})
    facts = {"resolver": resolver, "state": "unknown", "reason": reason, "lists": count, "of": len(findings)}
    return [Finding("dns", resolver, text.verdict, FAULT, summary, remediation, facts)]


def without_hidden_entries(zones: Collection[Zone], trust: Mapping[str, ListTrust]) -> Mapping[str, ListTrust]:
    """Return the trust by apex, less where the resolver hides entries.

    Where half of the listed test points do not exist, a list without such a test point cannot show that
    its entries come through, so that it is as unusable as the others.
    """
    proving = [trust[zone.apex] for zone in zones if zone.must_list]
    emptied = [each for each in proving if each.reason == EMPTIED]
    if len(emptied) < MIN_EMPTIED or len(emptied) * 2 < len(proving):
        return trust
    unproven = {zone.apex for zone in zones if not zone.must_list and trust[zone.apex].level is TrustLevel.GOOD}
    hidden = {apex: replace(trust[apex], level=TrustLevel.UNUSABLE, reason=EMPTIED) for apex in unproven}
    return {**trust, **hidden}
