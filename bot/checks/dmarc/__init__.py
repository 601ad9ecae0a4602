"""DMARC check (RFC 9989): what receivers do with mail that forges a domain.

Includes the report addresses: whether their hosts consent to the reports (RFC 9990 §4) and take mail.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.checks.dmarc.discovery import Discovery, discover
from bot.checks.dmarc.lint import Flaw, flaws, wrong_policies
from bot.checks.dmarc.messages import CODES
from bot.checks.dmarc.record import parse
from bot.checks.dmarc.reports import ReportHosts, check_report_hosts
from bot.checks.lookups import lookup_concurrently, readable
from bot.checks.near_miss import DMARC, NearMiss
from bot.inputs.domain_names import MAX_OCTETS, display_domain
from bot.models import CheckRequest, DnsAnswer, Finding, Lookup

__all__ = ["CODES", "Discovery", "check", "discover"]

# Where records stand that no receiver looks for.
PLACES = (("place", "{domain}"), ("place", "dmarc.{domain}"), ("doubled", "_dmarc.{domain}.{domain}"))


async def check(request: CheckRequest, lookup: Lookup) -> list[Finding]:
    """Return findings about the DMARC policy: what applies, then other problems of the record."""
    if request.target.domain is None:
        return []
    discovery = await discover(request.target.domain, lookup)
    hosts = await check_report_hosts(discovery, lookup)
    near_miss = await _near_miss(discovery, lookup)
    main, *others = judge(discovery, hosts, near_miss)
    values = _values(discovery, hosts, near_miss)
    return [
        _finding(discovery, main, values, _facts(discovery, hosts, near_miss)),
        *(_finding(discovery, flaw, values, {}) for flaw in others),
    ]


def judge(discovery: Discovery, hosts: ReportHosts, near_miss: NearMiss | None = None) -> list[Flaw]:
    """Return the codes that apply: one about the policy, then the other problems."""
    main = _policy_flaw(discovery, near_miss)
    if discovery.record is None or main.code == "dmarc.no-answer":
        return [main]
    return [main, *flaws(discovery, hosts)]


async def _near_miss(discovery: Discovery, lookup: Lookup) -> NearMiss | None:
    """A record that was meant for this domain, where none applies; only then is anything more queried."""
    if discovery.record or discovery.unanswered or any(step.multiple for step in discovery.steps):
        return None
    if discovery.near_miss:
        return discovery.near_miss
    domains = dict.fromkeys((discovery.domain, discovery.psl_org_domain))
    places = [(reason, name.format(domain=domain)) for domain in domains for reason, name in PLACES]
    places = [(reason, name) for reason, name in places if len(name) <= MAX_OCTETS]
    answers = await lookup_concurrently(lookup, [(name, "TXT") for _, name in places])
    for (reason, name), answer in zip(places, answers, strict=True):
        texts = answer.records if isinstance(answer, DnsAnswer) else ()
        if text := next(filter(parse, texts), ""):
            return NearMiss(DMARC, text, reason, name)
    return None


def _policy_flaw(discovery: Discovery, near_miss: NearMiss | None) -> Flaw:
    record = discovery.record
    if discovery.unanswered:
        return Flaw("dmarc.no-answer")
    if record is None:
        several = any(step.multiple for step in discovery.steps)
        return Flaw("dmarc.several") if several else Flaw("dmarc.missing", "near-miss" if near_miss else "")
    if not record.has_policy:
        return _without_policy(discovery)
    if discovery.policy == "none":
        return Flaw("dmarc.monitoring-only", "" if record.report_uris else "no-reports")
    return Flaw("dmarc.testing") if record.testing else Flaw("dmarc.ok", discovery.policy or "")


def _without_policy(discovery: Discovery) -> Flaw:
    """A record without p counts as p=none if it asks for reports; a wrong value is a fault (§4.10.1)."""
    wrong = wrong_policies(discovery.record) if discovery.record else ""
    if discovery.policy is None:
        return Flaw("dmarc.invalid", "wrong" if wrong else "", {"wrong": wrong})
    return Flaw("dmarc.no-policy", "", {"wrong": wrong}) if wrong else Flaw("dmarc.monitoring-only", "no-p")


def _values(discovery: Discovery, hosts: ReportHosts, near_miss: NearMiss | None) -> dict[str, str]:
    record, source = discovery.record, discovery.source
    multiple = next((step.name for step in discovery.steps if step.multiple), "")
    owner = source.domain if source else discovery.domain
    return {
        "domain": display_domain(discovery.domain),
        "registered": discovery.psl_org_domain,
        "record_at": source.name if source else "",
        "several_at": multiple,
        "tag": discovery.tag or "",
        "policy": discovery.policy or "",
        "effective": discovery.effective or "",
        "percent": readable(record.percent or "") if record else "",
        "hosts": " and ".join(map(readable, hosts.unauthorized)),
        "report_name": " and ".join(readable(f"{owner}._report._dmarc.{host}") for host in hosts.unauthorized),
        "reason": discovery.unanswered or "",
        "problem": near_miss.phrase(f"_dmarc.{discovery.psl_org_domain}") if near_miss else "",
    }


def _facts(discovery: Discovery, hosts: ReportHosts, near_miss: NearMiss | None) -> dict[str, Any]:
    facts = discovery.to_json() | {"applies": discovery.tag}
    differs = discovery.psl_org_domain != discovery.org_domain
    optional = {
        "psl_org_domain": discovery.psl_org_domain if differs else None,
        "invalid_tags": list(discovery.record.invalid_tags) if discovery.record else [],
        "unauthorised": list(hosts.unauthorized),
        "unanswered": [step.name for step in discovery.steps if step.unanswered],
        "near_miss": {"text": near_miss.text, "where": near_miss.where} if near_miss else None,
    }
    return facts | {key: value for key, value in optional.items() if value}


def _finding(discovery: Discovery, flaw: Flaw, values: Mapping[str, str], facts: Mapping[str, Any]) -> Finding:
    text = CODES[flaw.code].variant(flaw.variant)
    return Finding("dmarc", discovery.domain, text.verdict, flaw.code, *text.fill({**values, **flaw.values}), facts)
