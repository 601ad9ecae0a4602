"""BIMI: would mail clients show the logo of the domain? It never affects delivery.

`bimi_check` builds the check from two injected functions: DMARC policy discovery, since a logo
needs an enforced policy, and optionally the fetch of the logo.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from bot.checks.bimi.indicator import logo_problems
from bot.checks.bimi.messages import CODES, LOGO_PROBLEMS, NEXT_LOGO_PROBLEM, POLICY_WEAKNESSES, RECORD_PROBLEMS
from bot.checks.bimi.record import Assertion, BadBimiRecord, is_assertion, parse
from bot.checks.lookups import lookup_or_failure
from bot.inputs.domain_names import display_domain
from bot.models import Check, CheckRequest, Finding, Lookup, LookupFailed, LookupResult

__all__ = ["CODES", "DiscoverPolicy", "FetchIndicator", "IndicatorUnavailable", "bimi_check", "logo_problems"]


class DmarcRecord(Protocol):
    """The part of a DMARC record that this check needs: valid tags, and the value of pct."""

    @property
    def tags(self) -> Mapping[str, str]: ...

    @property
    def percent(self) -> str | None: ...


class DmarcPolicy(Protocol):
    """The DMARC policy of a domain; `effective` is after test mode, None where none applies."""

    @property
    def org_domain(self) -> str: ...

    @property
    def effective(self) -> str | None: ...

    @property
    def unanswered(self) -> str | None: ...

    @property
    def record(self) -> DmarcRecord | None: ...


DiscoverPolicy = Callable[[str, Lookup], Awaitable[DmarcPolicy]]
FetchIndicator = Callable[[str], Awaitable[str]]


class IndicatorUnavailable(Exception):
    """The logo could not be fetched; the message is a short reason, such as an HTTP status."""


def bimi_check(discover: DiscoverPolicy, fetch: FetchIndicator | None = None) -> Check:
    """Build the BIMI check; without `fetch` the logo itself is not checked.

    `fetch` takes the https URL in the record and returns the SVG text, or raises
    IndicatorUnavailable.
    """

    async def check(request: CheckRequest, lookup: Lookup) -> list[Finding]:
        domain = request.target.domain
        if domain is None:
            return []
        policy, result = await asyncio.gather(
            discover(domain, lookup), lookup_or_failure(lookup, record_name(domain), "TXT")
        )
        at, texts = domain, _assertions(result)
        if not texts and policy.org_domain != domain and not isinstance(result, LookupFailed):
            at = policy.org_domain
            result = await lookup_or_failure(lookup, record_name(at), "TXT")
            texts = _assertions(result)
        if isinstance(result, LookupFailed):
            return [_finding("bimi.no-answer", domain, at, result.reason)]
        if len(texts) != 1:
            finding = _finding("bimi.several" if texts else "bimi.missing", domain, at)
        else:
            org_policy = policy if policy.org_domain == domain else await discover(policy.org_domain, lookup)
            finding = await _judge(domain, at, texts[0], (policy, org_policy), fetch)
        return [finding._replace(facts={**finding.facts, "records": texts})]

    return check


def record_name(domain: str) -> str:
    return f"default._bimi.{domain}"


def policy_weakness(policy: DmarcPolicy) -> str | None:
    """Why the policy is too weak for a logo, a key of POLICY_WEAKNESSES; None if it is enforced.

    Covers receivers of RFC 7489 and of RFC 9989: pct= below 100 and sp=none weaken it for the
    former.
    """
    record = policy.record
    if record is None or policy.effective is None:
        return "missing"
    if policy.effective == "none":
        return "monitoring"
    if record.tags.get("sp") == "none":
        return "subdomains"
    if policy.effective == "quarantine" and record.percent not in (None, "100"):
        return "percent"
    return None


async def _judge(
    domain: str, at: str, text: str, policies: tuple[DmarcPolicy, DmarcPolicy], fetch: FetchIndicator | None
) -> Finding:
    try:
        assertion = parse(text)
    except BadBimiRecord as error:
        return _finding("bimi.bad-record", domain, at, error.problem.phrase(RECORD_PROBLEMS))
    if assertion.declined:
        return _finding("bimi.declined", domain, at)
    if reason := next((policy.unanswered for policy in policies if policy.unanswered), None):
        return _finding("bimi.no-answer", domain, at, reason)
    if weakness := next(filter(None, map(policy_weakness, policies)), None):
        return _finding("bimi.not-enforced", domain, at, POLICY_WEAKNESSES[weakness], assertion)
    if fetch and assertion.location:
        try:
            problems = logo_problems(await fetch(assertion.location))
        except IndicatorUnavailable as error:
            return _finding("bimi.no-logo", domain, at, str(error), assertion)
        if problems:
            phrases = (problem.phrase(LOGO_PROBLEMS) for problem in problems[:2])
            return _finding("bimi.bad-logo", domain, at, NEXT_LOGO_PROBLEM.join(phrases), assertion)
    return _finding("bimi.ok" if assertion.evidence else "bimi.no-certificate", domain, at, assertion=assertion)


def _assertions(result: LookupResult) -> list[str]:
    return [] if isinstance(result, LookupFailed) else [text for text in result.records if is_assertion(text)]


def _finding(code: str, domain: str, at: str, problem: str = "", assertion: Assertion | None = None) -> Finding:
    text = CODES[code]
    values = {"domain": display_domain(domain), "record_at": record_name(at), "problem": problem}
    facts = {
        "record_at": record_name(at),
        "logo": assertion.location if assertion else None,
        "certificate": (assertion.evidence or None) if assertion else None,
    }
    return Finding("bimi", domain, text.verdict, code, *text.fill(values), facts)
