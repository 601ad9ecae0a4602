"""BIMI: would mail clients show the logo of the domain? It never affects delivery.

`bimi_check` builds the check from two injected functions: DMARC policy discovery, since a logo
needs an enforced policy, and optionally the fetch of the logo.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from bot.checks.bimi.indicator import logo_problems
from bot.checks.bimi.record import Assertion, BadBimiRecord, is_assertion, parse
from bot.checks.finding_codes import FindingCode, FindingTemplate
from bot.checks.lookups import lookup_or_failure
from bot.inputs.domain_names import display_domain
from bot.models import Check, CheckRequest, Finding, Lookup, LookupFailed, LookupResult, Verdict

__all__ = ["CODES", "DiscoverPolicy", "FetchIndicator", "IndicatorUnavailable", "bimi_check", "logo_problems"]

CODES: Mapping[str, FindingCode] = {
    "bimi.ok": FindingCode(
        "The domain has a logo with a certificate, and a DMARC policy under which it is shown.",
        "[BIMI draft](https://datatracker.ietf.org/doc/draft-brand-indicators-for-message-identification/)",
    ),
    "bimi.no-certificate": FindingCode(
        "The domain has a logo without a certificate, so Gmail and Apple Mail do not show it.",
        "[BIMI draft](https://datatracker.ietf.org/doc/draft-brand-indicators-for-message-identification/)",
        "Have a certificate for the logo made (VMC or CMC) and name it in a=.",
    ),
    "bimi.missing": FindingCode(
        "The domain has no BIMI record, so mail programs show no logo of it.",
        "[BIMI draft](https://datatracker.ietf.org/doc/draft-brand-indicators-for-message-identification/)",
    ),
    "bimi.declined": FindingCode(
        "The domain says that it wants no logo shown (empty l= and a=).",
        "[BIMI draft](https://datatracker.ietf.org/doc/draft-brand-indicators-for-message-identification/)",
    ),
    "bimi.several": FindingCode(
        "There is more than one BIMI record at one name, so receivers use none.",
        "[BIMI draft](https://datatracker.ietf.org/doc/draft-brand-indicators-for-message-identification/)",
        "Leave one of the records and remove the others.",
    ),
    "bimi.bad-record": FindingCode(
        "The BIMI record breaks the form of the draft, so receivers show no logo.",
        "[BIMI draft](https://datatracker.ietf.org/doc/draft-brand-indicators-for-message-identification/)",
        "Publish a record of the form v=BIMI1; l=https://…",
    ),
    "bimi.not-enforced": FindingCode(
        "The DMARC policy is too weak for a logo: it has to be quarantine or reject, for all mail.",
        "[BIMI draft](https://datatracker.ietf.org/doc/draft-brand-indicators-for-message-identification/)",
        "Raise the DMARC policy to quarantine or reject, for subdomains too.",
    ),
    "bimi.bad-logo": FindingCode(
        "The logo does not fit SVG Tiny Portable/Secure or the limits of BIMI.",
        "[SVG Tiny PS draft](https://datatracker.ietf.org/doc/draft-svg-tiny-ps-abrotman/)",
        "Save the logo as SVG Tiny Portable/Secure, square and at most 32 kB.",
    ),
    "bimi.no-logo": FindingCode(
        "The logo could not be fetched.",
        "[BIMI draft](https://datatracker.ietf.org/doc/draft-brand-indicators-for-message-identification/)",
        "Serve the logo over https at the address in l=.",
    ),
    "bimi.no-answer": FindingCode(
        "The DNS did not answer for the BIMI record or for the DMARC policy.",
        "[BIMI draft](https://datatracker.ietf.org/doc/draft-brand-indicators-for-message-identification/)",
        "Check again in a few minutes.",
    ),
}


# Placeholders: {domain}, {at} (name of the record), {problem}.
TEMPLATES: Mapping[str, FindingTemplate] = {
    "bimi.ok": FindingTemplate(
        Verdict.PASS, "{domain} has a logo with a certificate, and its DMARC policy lets it be shown."
    ),
    "bimi.no-certificate": FindingTemplate(
        Verdict.PASS,
        ("{domain} has a logo without a certificate (a=): Yahoo and Fastmail show it, Gmail and Apple Mail do not."),
    ),
    "bimi.missing": FindingTemplate(Verdict.PASS, "{domain} has no BIMI record, so its mail is shown without a logo."),
    "bimi.declined": FindingTemplate(Verdict.PASS, "{domain} says that its mail is to be shown without a logo."),
    "bimi.several": FindingTemplate(
        Verdict.WARN,
        "There is more than one BIMI record at {at}, so no logo is shown.",
        "Leave one of the records and remove the others.",
    ),
    "bimi.bad-record": FindingTemplate(
        Verdict.WARN,
        "Receivers show no logo for the BIMI record at {at}: {problem}.",
        "Publish it in the form v=BIMI1; l=https://…; a=https://…",
    ),
    "bimi.not-enforced": FindingTemplate(
        Verdict.WARN,
        "The logo of {domain} is not shown, because {problem}.",
        ("Set the DMARC policy to quarantine or reject for all mail, once the reports show that your own mail passes."),
    ),
    "bimi.bad-logo": FindingTemplate(
        Verdict.WARN,
        "Mail programs refuse the logo of {domain}: it {problem}.",
        "Save the logo again as SVG Tiny PS, square and below 32 KB.",
    ),
    "bimi.no-logo": FindingTemplate(
        Verdict.UNKNOWN,
        ("The logo of {domain} could not be fetched ({problem}), so it is not known whether it can be shown."),
        "Open the address in l= from outside your network, then check again.",
    ),
    "bimi.no-answer": FindingTemplate(
        Verdict.UNKNOWN,
        ("The DNS did not answer about BIMI of {domain} ({problem}), so it is not known whether its logo is shown."),
        "Check again in a few minutes.",
    ),
}


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
    """The logo could not be fetched; the message is a short reason in brackets."""


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
            return [_finding("bimi.several" if texts else "bimi.missing", domain, at)]
        org_policy = policy if policy.org_domain == domain else await discover(policy.org_domain, lookup)
        return [await _judge(domain, at, texts[0], (policy, org_policy), fetch)]

    return check


def record_name(domain: str) -> str:
    return f"default._bimi.{domain}"


def policy_weakness(policy: DmarcPolicy) -> str | None:
    """Why the policy is too weak for a logo, as the end of a sentence; None if it is enforced.

    Covers receivers of RFC 7489 and of RFC 9989: pct= below 100 and sp=none weaken it for the
    former.
    """
    record = policy.record
    if record is None or policy.effective is None:
        return "no DMARC policy applies to it"
    if policy.effective == "none":
        return "its DMARC policy only watches"
    if record.tags.get("sp") == "none":
        return "its DMARC policy leaves out subdomains (sp=none)"
    if policy.effective == "quarantine" and record.percent not in (None, "100"):
        return "its DMARC policy is for a part of the mail only (pct)"
    return None


async def _judge(
    domain: str, at: str, text: str, policies: tuple[DmarcPolicy, DmarcPolicy], fetch: FetchIndicator | None
) -> Finding:
    try:
        assertion = parse(text)
    except BadBimiRecord as error:
        return _finding("bimi.bad-record", domain, at, str(error))
    if assertion.declined:
        return _finding("bimi.declined", domain, at)
    if reason := next((policy.unanswered for policy in policies if policy.unanswered), None):
        return _finding("bimi.no-answer", domain, at, reason)
    if reason := next(filter(None, map(policy_weakness, policies)), None):
        return _finding("bimi.not-enforced", domain, at, reason, assertion)
    if fetch and assertion.location:
        try:
            problems = logo_problems(await fetch(assertion.location))
        except IndicatorUnavailable as error:
            return _finding("bimi.no-logo", domain, at, str(error), assertion)
        if problems:
            return _finding("bimi.bad-logo", domain, at, ", and it ".join(problems[:2]), assertion)
    return _finding("bimi.ok" if assertion.evidence else "bimi.no-certificate", domain, at, assertion=assertion)


def _assertions(result: LookupResult) -> list[str]:
    return [] if isinstance(result, LookupFailed) else [text for text in result.records if is_assertion(text)]


def _finding(code: str, domain: str, at: str, problem: str = "", assertion: Assertion | None = None) -> Finding:
    template = TEMPLATES[code]
    values = {"domain": display_domain(domain), "at": record_name(at), "problem": problem}
    facts = {
        "record_at": record_name(at),
        "logo": assertion.location if assertion else None,
        "certificate": (assertion.evidence or None) if assertion else None,
    }
    return Finding(
        "bimi", domain, template.verdict, code, template.summary.format_map(values), template.remediation, facts
    )
