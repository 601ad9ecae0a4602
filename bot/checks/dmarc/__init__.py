"""DMARC check (RFC 9989): what receivers do with mail that forges a domain.

Includes external report authorization (RFC 9990 §4): receivers send reports to another domain only
with its consent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.checks.dmarc.discovery import Discovery, discover
from bot.checks.dmarc.record import parse
from bot.checks.finding_codes import FindingCode, FindingTemplate
from bot.checks.lookups import lookup_concurrently, organizational_domain, readable
from bot.inputs.domain_names import MAX_OCTETS, display_domain
from bot.models import CheckRequest, Finding, Lookup, LookupFailed, LookupResult, Verdict

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

CODES: Mapping[str, FindingCode] = {
    "dmarc.ok": FindingCode("A policy of quarantine or reject applies to the domain.", "RFC 9989 §5.3.6"),
    "dmarc.missing": FindingCode(
        "No DMARC record applies to the domain.",
        "RFC 9989 §4.10",
        "Publish a TXT record at _dmarc of the domain: v=DMARC1; p=none; rua=mailto:… to begin with.",
    ),
    "dmarc.several": FindingCode(
        "There is more than one DMARC record at one name, so all of them are ignored.",
        "RFC 9989 §4.10",
        "Leave one of the records and remove the others.",
    ),
    "dmarc.invalid": FindingCode(
        "The record has no right policy and asks for no reports, so it is ignored.",
        "RFC 9989 §4.10.1",
        "Let the record say p=none, p=quarantine or p=reject.",
    ),
    "dmarc.no-policy": FindingCode(
        "The record has no right policy, so it counts as p=none.",
        "RFC 9989 §4.10.1",
        "Let the record say p=none, p=quarantine or p=reject.",
    ),
    "dmarc.monitoring-only": FindingCode(
        "The policy is none: receivers report, and deliver forged mail.",
        "RFC 9989 §5.1.7",
        "When the reports show all of your own mail as aligned, move on to p=quarantine.",
    ),
    "dmarc.testing": FindingCode(
        "The record is in test mode (t=y), so its policy is applied one level lower.",
        "RFC 9989 §4.7",
        "Remove t=y when the reports show no mail of your own that fails.",
    ),
    "dmarc.sp-none": FindingCode(
        "The domain is protected and its subdomains are not (sp=none).",
        "RFC 9989 §4.7",
        "Remove sp=none, or give it the policy of the domain.",
    ),
    "dmarc.partial": FindingCode(
        "Pct is below 100: receivers by RFC 9989 ignore it, older ones apply the policy to a part of the mail.",
        "RFC 9989 §A.6",
        "Remove pct.",
    ),
    "dmarc.removed-tag": FindingCode(
        "The record holds tags that RFC 9989 removed.", "RFC 9989 §C.5.2", "Remove the tags that the finding names."
    ),
    "dmarc.report-unauthorised": FindingCode(
        "A domain that is to get the reports does not say that it takes them.",
        "RFC 9990 §3",
        "Let the receiving domain publish v=DMARC1 at the name that the finding gives, or send the reports elsewhere.",
    ),
    "dmarc.no-answer": FindingCode(
        "The DNS did not answer, so it is not known which policy applies.",
        "RFC 9989 §4.10",
        "Check again in a few minutes.",
    ),
}


# Placeholders are filled in from `_values`.
TEMPLATES: Mapping[str, FindingTemplate] = {
    "dmarc.ok": FindingTemplate(
        Verdict.PASS, "Receivers are told to {do} mail that forges {domain} ({tag}={policy} at {record_at})."
    ),
    "dmarc.missing": FindingTemplate(
        Verdict.WARN,
        "{domain} has no DMARC record, so anyone can forge it, and Gmail, Yahoo and Outlook.com refuse its bulk mail.",
        "Publish a TXT record at _dmarc.{registered}: v=DMARC1; p=none; rua=mailto:dmarc@{registered}",
    ),
    "dmarc.several": FindingTemplate(
        Verdict.FAIL,
        "There is more than one DMARC record at {several_at}, so receivers ignore them all.",
        "Leave one of the records and remove the others.",
    ),
    "dmarc.invalid": FindingTemplate(
        Verdict.FAIL,
        "The DMARC record at {record_at} has no valid policy, so receivers ignore it.",
        "Set p to none, quarantine or reject in that record.",
    ),
    "dmarc.no-policy": FindingTemplate(
        Verdict.FAIL,
        "The DMARC record at {record_at} has a missing or wrong policy ({wrong}), so receivers take it as p=none.",
        "Set {wrong} to none, quarantine or reject in that record.",
    ),
    "dmarc.monitoring-only": FindingTemplate(
        Verdict.WARN,
        "DMARC of {domain} only watches ({tag}=none at {record_at}): mail that forges it is still delivered.",
        "{watch}",
    ),
    "dmarc.testing": FindingTemplate(
        Verdict.WARN,
        "DMARC of {domain} is in test mode (t=y at {record_at}): {tag}={policy} is applied as {effective}.",
        "Remove t=y once the reports show that your own mail passes.",
    ),
    "dmarc.sp-none": FindingTemplate(
        Verdict.WARN,
        "{domain} is protected, but mail that forges one of its subdomains is delivered (sp=none at {record_at}).",
        "Remove sp=none, or publish records for the subdomains that send mail.",
    ),
    "dmarc.partial": FindingTemplate(
        Verdict.WARN,
        "pct={percent} at {record_at} was removed in RFC 9989: new receivers ignore it, older ones still use it.",
        "Remove pct; for a trial use t=y instead.",
    ),
    "dmarc.removed-tag": FindingTemplate(
        Verdict.PASS, "The DMARC record at {record_at} holds {removed}, which RFC 9989 removed; it does no harm."
    ),
    "dmarc.report-unauthorised": FindingTemplate(
        Verdict.WARN,
        "{hosts} does not say that it takes DMARC reports for {domain}, so receivers send it none.",
        "Have this TXT record published: {report_name} with the text v=DMARC1",
    ),
    "dmarc.no-answer": FindingTemplate(
        Verdict.UNKNOWN,
        "The DNS did not answer about the DMARC policy of {domain} ({unanswered}), so it is not known.",
        "Check again in a few minutes.",
    ),
}
QUARANTINE_NEXT = "Go on to p=quarantine once the reports show that your own mail passes."
ADD_REPORTS_FIRST = (
    "Add rua=mailto:… with an address for reports, to see which mail passes before you set p=quarantine."
)


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
        "do": "refuse" if discovery.policy == "reject" else "put into the spam folder",
        "wrong": ", ".join(invalid_tags),
        "percent": readable(record.percent or "") if record else "",
        "removed": " and ".join(record.obsolete_tags) if record else "",
        "watch": QUARANTINE_NEXT if record and record.report_uris else ADD_REPORTS_FIRST,
        "hosts": " and ".join(map(readable, unauthorized)),
        "report_name": " and ".join(readable(f"{owner}._report._dmarc.{host}") for host in unauthorized),
        "unanswered": discovery.unanswered or "",
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
    template = TEMPLATES[code]
    summary, remediation = (template.summary.format_map(values), template.remediation.format_map(values))
    return Finding("dmarc", discovery.domain, template.verdict, code, summary, remediation, facts)
