"""DMARC check (RFC 9989): what receivers do with mail that forges a domain.

Includes external report authorization (RFC 9990 §4): receivers send reports to another domain only
with its consent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.checks.dmarc.discovery import Discovery, discover
from bot.checks.dmarc.messages import CODES
from bot.checks.dmarc.record import parse
from bot.checks.lookups import lookup_concurrently, organizational_domain, readable
from bot.inputs.domain_names import MAX_OCTETS, display_domain
from bot.models import CheckRequest, Finding, Lookup, LookupFailed, LookupResult

MAX_REPORT_HOSTS = 10


async def unauthorized_report_hosts(discovery: Discovery, lookup: Lookup) -> tuple[str, ...]:
    """Return the domains of `rua` and `ruf` that do not authorize reports for the record's domain.

    A domain whose DNS does not answer counts as authorized.
    """
    if discovery.source is None or discovery.record is None:
        return ()
    owner = discovery.source.domain
    hosts = [host for host in discovery.record.report_hosts[:MAX_REPORT_HOSTS] if not _same_owner(host, owner)]
    report_names = {host: f"{owner}._report._dmarc.{host}" for host in hosts}
    queries = {host: name for host, name in report_names.items() if len(name) <= MAX_OCTETS}
    replies = await lookup_concurrently(lookup, [(name, "TXT") for name in queries.values()])
    authorized = {host for host, reply in zip(queries, replies, strict=True) if _is_authorized(reply)}
    return tuple(host for host in hosts if host not in authorized)


def _same_owner(host: str, owner: str) -> bool:
    return organizational_domain(host) == organizational_domain(owner)


def _is_authorized(reply: LookupResult) -> bool:
    return isinstance(reply, LookupFailed) or any(parse(text) for text in reply.records)


__all__ = ["CODES", "Discovery", "check", "discover"]


async def check(request: CheckRequest, lookup: Lookup) -> list[Finding]:
    """Return findings about the DMARC policy: what applies, then other problems of the record."""
    if request.target.domain is None:
        return []
    discovery = await discover(request.target.domain, lookup)
    unauthorized = await unauthorized_report_hosts(discovery, lookup)
    policy_code, *other_codes = policy_codes(discovery, unauthorized)
    values = _values(discovery, unauthorized)
    facts = _facts(discovery, unauthorized)
    return [
        _finding(discovery, policy_code, values, facts),
        *(_finding(discovery, code, values, {}) for code in other_codes),
    ]


def policy_codes(discovery: Discovery, unauthorized: tuple[str, ...] = ()) -> list[str]:
    """Return the finding codes: one about the policy, then the other problems."""
    policy_code = _policy_code(discovery)
    if discovery.record is None or policy_code == "dmarc.no-answer":
        return [policy_code]
    record = discovery.record
    own_record = discovery.source is discovery.steps[0]
    partial = (record.percent or "100") != "100"
    problems = {
        "dmarc.several": any(step.multiple for step in discovery.steps),
        "dmarc.sp-none": own_record and record.tags.get("sp") == "none" and discovery.policy not in (None, "none"),
        "dmarc.partial": partial,
        "dmarc.removed-tag": bool(set(record.obsolete_tags) - ({"pct"} if partial else set())),
        "dmarc.report-unauthorised": bool(unauthorized),
    }
    return [policy_code, *(code for code, applies in problems.items() if applies)]


def _policy_code(discovery: Discovery) -> str:
    record = discovery.record
    if discovery.unanswered:
        return "dmarc.no-answer"
    if record is None:
        return "dmarc.several" if any(step.multiple for step in discovery.steps) else "dmarc.missing"
    if not record.has_policy:
        return "dmarc.no-policy" if discovery.policy else "dmarc.invalid"
    if discovery.policy == "none":
        return "dmarc.monitoring-only"
    return "dmarc.testing" if record.testing else "dmarc.ok"


def _values(discovery: Discovery, unauthorized: tuple[str, ...]) -> dict[str, str]:
    record, source = discovery.record, discovery.source
    multiple = next((step.name for step in discovery.steps if step.multiple), "")
    invalid_tags = [tag for tag in ("p", "sp", "np") if record and tag in record.invalid_tags] or ["p"]
    owner = source.domain if source else discovery.domain
    return {
        "domain": display_domain(discovery.domain),
        "registered": discovery.psl_org_domain,
        "record_at": source.name if source else "",
        "several_at": multiple,
        "tag": discovery.tag or "",
        "policy": discovery.policy or "",
        "effective": discovery.effective or "",
        "wrong": ", ".join(invalid_tags),
        "percent": readable(record.percent or "") if record else "",
        "removed": " and ".join(record.obsolete_tags) if record else "",
        "hosts": " and ".join(map(readable, unauthorized)),
        "report_name": " and ".join(readable(f"{owner}._report._dmarc.{host}") for host in unauthorized),
        "reason": discovery.unanswered or "",
    }


def _facts(discovery: Discovery, unauthorized: tuple[str, ...]) -> dict[str, Any]:
    facts = discovery.to_json() | {"applies": discovery.tag}
    differs = discovery.psl_org_domain != discovery.org_domain
    optional = {
        "psl_org_domain": discovery.psl_org_domain if differs else None,
        "invalid_tags": list(discovery.record.invalid_tags) if discovery.record else [],
        "unauthorised": list(unauthorized),
        "unanswered": [step.name for step in discovery.steps if step.unanswered],
    }
    return facts | {key: value for key, value in optional.items() if value}


def _finding(discovery: Discovery, code: str, values: Mapping[str, str], facts: Mapping[str, Any]) -> Finding:
    text = CODES[code].variant(_variant(discovery, code))
    return Finding("dmarc", discovery.domain, text.verdict, code, *text.fill(values), facts)


def _variant(discovery: Discovery, code: str) -> str:
    if code == "dmarc.monitoring-only":
        return "" if discovery.record and discovery.record.report_uris else "no-reports"
    return (discovery.policy or "") if code == "dmarc.ok" else ""
