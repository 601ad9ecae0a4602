"""MTA-STS: does the domain require verified TLS, and can senders then still deliver (RFC 8461)?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.checks.lookups import lookup_or_failure, mx_hosts, readable
from bot.checks.mta_sts.messages import CODES, FETCH_ERRORS, PROBLEMS, UNFETCHABLE
from bot.checks.mta_sts.policy import BadMtaSts, MtaStsPolicy, find_records, parse_policy, parse_record_id
from bot.inputs.domain_names import display_domain
from bot.models import CheckRequest, Finding, Lookup, LookupFailed
from bot.probe_results import CERTIFICATE_ERRORS, Fetch, HttpPage, ProbeError, ProbeFailed

__all__ = ["CODES", "check", "judge", "policy_url"]

SHORT_AGE_S = 86_400
EXPIRY_WARNINGS = {
    "mta-sts.certificate-expires-in-3-days": timedelta(days=3),
    "mta-sts.certificate-expires-soon": timedelta(days=14),
}
POLICY_MEDIA_TYPE = "text/plain"
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


def utc_now() -> datetime:
    return datetime.now(UTC)


async def check(
    request: CheckRequest, lookup: Lookup, *, fetch: Fetch, clock: Callable[[], datetime] = utc_now
) -> list[Finding]:
    """Check the record, the policy, and whether it covers every MX host of the target domain."""
    domain = request.target.domain
    if domain is None:
        return []
    evaluation = await _evaluate(domain, lookup, fetch, clock())
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


async def _evaluate(domain: str, lookup: Lookup, fetch: Fetch, now: datetime) -> Evaluation:
    result, hosts = await asyncio.gather(
        lookup_or_failure(lookup, f"_mta-sts.{domain}", "TXT"), _mx_hosts_or_failure(lookup, domain)
    )
    if isinstance(result, LookupFailed):
        return Evaluation(("mta-sts.no-answer",), {"reason": result.reason})
    records = find_records(result.records)
    if not records:
        return Evaluation(("mta-sts.missing" if hosts != () else "mta-sts.not-needed",), facts={"records": []})
    evaluation = await _evaluate_records(domain, records, hosts, fetch, now)
    return replace(evaluation, facts={**evaluation.facts, "records": records})


async def _evaluate_records(
    domain: str, records: Sequence[str], hosts: tuple[str, ...] | LookupFailed, fetch: Fetch, now: datetime
) -> Evaluation:
    if len(records) > 1:
        return Evaluation(("mta-sts.several",))
    try:
        policy_id = parse_record_id(records[0])
    except BadMtaSts as error:
        return Evaluation(("mta-sts.bad-record",), {"problem": error.problem.phrase(PROBLEMS)})
    try:
        page = await fetch(policy_url(domain))
    except ProbeFailed as error:
        code = CODE_BY_ERROR.get(error.error, "mta-sts.no-policy")
        return Evaluation(
            (code,),
            {"problem": FETCH_ERRORS.get(error.error, UNFETCHABLE)},
            {"id": policy_id, "trouble": error.error, "detail": error.detail},
        )
    return _with_expiry(judge(policy_id, page, hosts), page.certificate_expires, now)


def _with_expiry(evaluation: Evaluation, expires: datetime | None, now: datetime) -> Evaluation:
    """Add the code of a certificate of the policy host that expires soon, unless the policy is switched off."""
    code = next((code for code, limit in EXPIRY_WARNINGS.items() if expires and expires - now < limit), None)
    if code is None or expires is None or "mta-sts.off" in evaluation.codes:
        return evaluation
    values = {**evaluation.values, "date": f"{expires:%-d %B %Y}"}
    return replace(evaluation, codes=(*evaluation.codes, code), values=values)


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
        return Evaluation(("mta-sts.bad-policy",), {"problem": error.problem.phrase(PROBLEMS)}, {"id": policy_id})
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
    text = CODES[code]
    return Finding("mta-sts", domain, text.verdict, code, *text.fill(values), facts)
