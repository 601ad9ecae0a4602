"""MTA-STS: does the domain require verified TLS, and can senders then still deliver (RFC 8461)?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.checks.finding_codes import FindingCode, FindingTemplate
from bot.checks.lookups import lookup_or_failure, mx_hosts, readable
from bot.checks.mta_sts.policy import BadMtaSts, MtaStsPolicy, find_records, parse_policy, parse_record_id
from bot.inputs.domain_names import display_domain
from bot.models import CheckRequest, Finding, Lookup, LookupFailed, Verdict
from bot.probe_results import CERTIFICATE_ERRORS, ERROR_TEXTS, Fetch, HttpPage, ProbeError, ProbeFailed

CODES: Mapping[str, FindingCode] = {
    "mta-sts.ok": FindingCode(
        "A policy in mode enforce applies, and it names every mail server of the domain.", "RFC 8461 §5"
    ),
    "mta-sts.testing": FindingCode(
        "The policy is in mode testing: senders report what would fail, and deliver as ever.",
        "RFC 8461 §5",
        "Set the mode to enforce once the TLS reports show no failures.",
    ),
    "mta-sts.off": FindingCode("The policy is in mode none: senders deliver as if there were none.", "RFC 8461 §8.3"),
    "mta-sts.missing": FindingCode(
        "The domain has no MTA-STS record; most domains have none.",
        "RFC 8461 §3.1",
        "When everything else is right, publish a policy in mode testing.",
    ),
    "mta-sts.not-needed": FindingCode(
        "The domain takes no mail, so there is nothing to protect on its way.", "RFC 7505 §3"
    ),
    "mta-sts.several": FindingCode(
        "There is more than one record, so senders act as if there were none (RFC 8461 §3.1).",
        "RFC 8461 §3.1",
        "Leave one of the records and remove the others.",
    ),
    "mta-sts.bad-record": FindingCode(
        "The record does not follow RFC 8461 §3.1, so senders act as if there were none.",
        "RFC 8461 §3.1",
        "Publish one TXT record of the form v=STSv1; id=20260101T000000",
    ),
    "mta-sts.no-policy": FindingCode(
        "There is a record, and no policy can be fetched where it must be (RFC 8461 §3.3).",
        "RFC 8461 §3.3",
        ("Serve the policy at https://mta-sts.<domain>/.well-known/mta-sts.txt, or remove the record."),
    ),
    "mta-sts.redirect": FindingCode(
        "The policy's page redirects, which senders must not follow (RFC 8461 §3.3).",
        "RFC 8461 §3.3",
        "Serve the policy itself at that address.",
    ),
    "mta-sts.bad-certificate": FindingCode(
        "The certificate of the policy's host does not hold, so senders do not use the policy.",
        "RFC 8461 §3.3",
        "Give the web server a valid certificate for mta-sts.<domain>.",
    ),
    "mta-sts.bad-policy": FindingCode(
        "The policy does not follow RFC 8461 §3.2, so senders do not use it.",
        "RFC 8461 §3.2",
        "Correct the policy, then change the id in the record.",
    ),
    "mta-sts.wrong-type": FindingCode(
        "The policy is not served as text/plain, and some senders insist on it (RFC 8461 §3.2).",
        "RFC 8461 §3.2",
        "Make the web server send the policy as text/plain.",
    ),
    "mta-sts.mx-refused": FindingCode(
        ("The policy is in mode enforce and does not name a mail server: senders must not deliver to it."),
        "RFC 8461 §4.1",
        "Add a line mx: with the mail server to the policy, then change the id in the record.",
    ),
    "mta-sts.mx-unlisted": FindingCode(
        "The policy is in mode testing and does not name a mail server.",
        "RFC 8461 §5",
        "Add a line mx: with the mail server to the policy, then change the id in the record.",
    ),
    "mta-sts.short-age": FindingCode(
        ("Senders may remember the policy for less than a day, so it protects little (RFC 8461 §3.2)."),
        "RFC 8461 §3.2",
        "Raise max_age to some weeks, for example 2592000.",
    ),
    "mta-sts.not-fetched": FindingCode(
        "The policy could not be fetched from here in time, so it is not known.",
        "RFC 8461 §3.3",
        "Open the policy's address in a browser; if it shows there, check again.",
    ),
    "mta-sts.no-answer": FindingCode(
        "The DNS did not answer for the record or for the mail servers.",
        "RFC 8461 §3.1",
        "Check again in a few minutes.",
    ),
}
SHORT_AGE_S = 86_400
POLICY_MEDIA_TYPE = "text/plain"


# Placeholders: see `check` and `judge`.
TEMPLATES: Mapping[str, FindingTemplate] = {
    "mta-sts.ok": FindingTemplate(
        Verdict.PASS,
        ("Servers that follow MTA-STS deliver mail for {domain} over verified TLS only, and all MX names fit."),
    ),
    "mta-sts.testing": FindingTemplate(
        Verdict.PASS,
        "MTA-STS of {domain} only tests: senders report what would fail, and deliver anyway.",
        "Set the mode to enforce once the TLS reports show no failures.",
    ),
    "mta-sts.off": FindingTemplate(Verdict.PASS, "The MTA-STS policy of {domain} is switched off (mode none)."),
    "mta-sts.missing": FindingTemplate(
        Verdict.PASS,
        ("{domain} has no MTA-STS; mail arrives without it, but an attacker on the way can switch encryption off."),
        "When everything else is right, publish an MTA-STS policy in mode testing.",
    ),
    "mta-sts.not-needed": FindingTemplate(Verdict.PASS, "{domain} takes no mail, so it needs no MTA-STS."),
    "mta-sts.several": FindingTemplate(
        Verdict.WARN,
        "There is more than one MTA-STS record at {record_at}, so senders ignore them all.",
        "Leave one of the records and remove the others.",
    ),
    "mta-sts.bad-record": FindingTemplate(
        Verdict.WARN,
        "The MTA-STS record at {record_at} cannot be used: {why}.",
        "Publish one TXT record of the form: v=STSv1; id=20260101T000000",
    ),
    "mta-sts.no-policy": FindingTemplate(
        Verdict.WARN,
        ("{domain} announces an MTA-STS policy, but its host cannot give it: {why}. Senders deliver without it."),
        "Serve the policy at {url}, or remove the record at {record_at}.",
    ),
    "mta-sts.redirect": FindingTemplate(
        Verdict.WARN,
        (
            "The page of the MTA-STS policy of {domain} redirects, which senders do not follow,"
            " so they deliver without it."
        ),
        "Serve the policy itself at {url}.",
    ),
    "mta-sts.bad-certificate": FindingTemplate(
        Verdict.WARN,
        "Senders do not take the MTA-STS policy from {host}: {why}.",
        "Give the web server a valid certificate for {host}.",
    ),
    "mta-sts.bad-policy": FindingTemplate(
        Verdict.WARN,
        "The MTA-STS policy of {domain} cannot be used: {why}.",
        "Correct the policy at {url}, then change the id in the record at {record_at}.",
    ),
    "mta-sts.wrong-type": FindingTemplate(
        Verdict.WARN,
        "The MTA-STS policy of {domain} is not served as text/plain, so some senders ignore it.",
        "Make the web server send the policy as text/plain.",
    ),
    "mta-sts.mx-refused": FindingTemplate(
        Verdict.FAIL,
        (
            "Servers that follow MTA-STS (Gmail, Outlook and others) must not deliver to {bad}:"
            " the policy of {domain} leaves it out."
        ),
        ("Add a line “mx: {first_bad}” to the policy at {url}, then change the id in the record at {record_at}."),
    ),
    "mta-sts.mx-unlisted": FindingTemplate(
        Verdict.WARN,
        (
            "The MTA-STS policy of {domain} leaves out {bad}; in mode testing mail still arrives"
            " there, in enforce it will not."
        ),
        ("Add a line “mx: {first_bad}” to the policy at {url}, then change the id in the record at {record_at}."),
    ),
    "mta-sts.short-age": FindingTemplate(
        Verdict.PASS,
        ("Senders forget the MTA-STS policy of {domain} within a day (max_age {age}), so it protects little."),
        "Raise max_age to some weeks, for example 2592000.",
    ),
    "mta-sts.not-fetched": FindingTemplate(
        Verdict.UNKNOWN,
        ("The MTA-STS policy of {domain} could not be fetched from here, so it is not known to be right: {why}."),
        "Open {url} in a browser; if it shows there, check again.",
    ),
    "mta-sts.no-answer": FindingTemplate(
        Verdict.UNKNOWN,
        (
            "The DNS did not answer about MTA-STS or the mail servers of {domain} ({reason}), so"
            " it is not known to be right."
        ),
        "Check again in a few minutes.",
    ),
}
CODE_BY_ERROR: Mapping[ProbeError, str] = {
    ProbeError.REDIRECT: "mta-sts.redirect",
    ProbeError.TIMEOUT: "mta-sts.not-fetched",
    ProbeError.UNREACHABLE: "mta-sts.not-fetched",
    ProbeError.NO_ANSWER: "mta-sts.not-fetched",
    **dict.fromkeys(CERTIFICATE_ERRORS, "mta-sts.bad-certificate"),
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Finding codes that apply, values of their placeholders, and the facts."""

    codes: tuple[str, ...]
    values: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


async def check(request: CheckRequest, lookup: Lookup, *, fetch: Fetch) -> list[Finding]:
    """Check the record, the policy, and whether it covers every MX host of the target domain."""
    domain = request.target.domain
    if domain is None:
        return []
    evaluation = await _evaluate(domain, lookup, fetch)
    host = f"mta-sts.{domain}"
    values = {
        "domain": display_domain(domain),
        "record_at": f"_mta-sts.{domain}",
        "host": host,
        "url": policy_url(domain),
    }
    return [_finding(code, domain, {**values, **evaluation.values}, evaluation.facts) for code in evaluation.codes]


def policy_url(domain: str) -> str:
    return f"https://mta-sts.{domain}/.well-known/mta-sts.txt"


async def _evaluate(domain: str, lookup: Lookup, fetch: Fetch) -> Evaluation:
    result, hosts = await asyncio.gather(
        lookup_or_failure(lookup, f"_mta-sts.{domain}", "TXT"), _mx_hosts_or_failure(lookup, domain)
    )
    if isinstance(result, LookupFailed):
        return Evaluation(("mta-sts.no-answer",), {"reason": result.reason})
    records = find_records(result.records)
    if not records:
        return Evaluation(("mta-sts.missing" if hosts != () else "mta-sts.not-needed",))
    if len(records) > 1:
        return Evaluation(("mta-sts.several",))
    try:
        policy_id = parse_record_id(records[0])
    except BadMtaSts as error:
        return Evaluation(("mta-sts.bad-record",), {"why": str(error)})
    try:
        page = await fetch(policy_url(domain))
    except ProbeFailed as error:
        code = CODE_BY_ERROR.get(error.error, "mta-sts.no-policy")
        return Evaluation(
            (code,),
            {"why": ERROR_TEXTS[error.error]},
            {"id": policy_id, "trouble": error.error, "detail": error.detail},
        )
    return judge(policy_id, page, hosts)


async def _mx_hosts_or_failure(lookup: Lookup, domain: str) -> tuple[str, ...] | LookupFailed:
    try:
        return await mx_hosts(lookup, domain)
    except LookupFailed as error:
        return error


def judge(policy_id: str, page: HttpPage, hosts: tuple[str, ...] | LookupFailed) -> Evaluation:
    """Evaluate a fetched policy for these MX hosts; `policy_id` is the id in the record."""
    try:
        policy = parse_policy(page.body.decode("utf-8", "replace"))
    except BadMtaSts as error:
        return Evaluation(("mta-sts.bad-policy",), {"why": str(error)}, {"id": policy_id})
    known_hosts = () if isinstance(hosts, LookupFailed) else hosts
    uncovered = [name for name in known_hosts if not policy.allows(name)]
    warnings = {
        "mta-sts.wrong-type": page.media_type != POLICY_MEDIA_TYPE,
        "mta-sts.short-age": policy.max_age < SHORT_AGE_S and policy.mode != "none",
    }
    values = {
        "bad": ", ".join(map(readable, uncovered)),
        "first_bad": readable(uncovered[0]) if uncovered else "",
        "age": str(policy.max_age),
        "reason": hosts.reason if isinstance(hosts, LookupFailed) else "",
    }
    facts = {
        "id": policy_id,
        "mode": policy.mode,
        "max_age": policy.max_age,
        "mx": list(policy.mx_patterns),
        "not_named": uncovered,
        "media_type": page.media_type,
    }
    main_code = _main_code(policy, bool(uncovered), isinstance(hosts, LookupFailed))
    return Evaluation((main_code, *(code for code, holds in warnings.items() if holds)), values, facts)


def _main_code(policy: MtaStsPolicy, has_uncovered: bool, unanswered: bool) -> str:
    if policy.mode == "none":
        return "mta-sts.off"
    if has_uncovered:
        return "mta-sts.mx-refused" if policy.mode == "enforce" else "mta-sts.mx-unlisted"
    if unanswered:
        return "mta-sts.no-answer"
    return "mta-sts.ok" if policy.mode == "enforce" else "mta-sts.testing"


def _finding(code: str, domain: str, values: Mapping[str, str], facts: Mapping[str, Any]) -> Finding:
    template = TEMPLATES[code]
    summary, remediation = (template.summary.format_map(values), template.remediation.format_map(values))
    return Finding("mta-sts", domain, template.verdict, code, summary, remediation, facts)
