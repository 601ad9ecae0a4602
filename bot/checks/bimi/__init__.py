"""BIMI: would mail programs show the logo of the domain beside its mail? It changes nothing about delivery.

The check is made by `bimi_check` from two functions that it does not own: how to find the DMARC policy, for no logo is shown
without one that is enforced, and how to fetch the logo, which may be left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from bot.checks.bimi.indicator import faults
from bot.checks.bimi.record import Assertion, BadRecord, is_assertion, parse
from bot.checks.finding_codes import Code, Outcome
from bot.checks.lookups import Reply, ask
from bot.inputs.domain_names import shown
from bot.models import Check, Finding, Lookup, LookupFailed, Order, Verdict

__all__ = ["CODES", "Discover", "FetchIndicator", "IndicatorUnavailable", "bimi_check", "faults"]

CODES: Mapping[str, Code] = {
    "bimi.ok": Code(
        "The domain has a logo with a certificate, and a DMARC policy under which it is shown.",
        "[BIMI draft](https://datatracker.ietf.org/doc/draft-brand-indicators-for-message-identification/)",
    ),
    "bimi.no-certificate": Code(
        "The domain has a logo without a certificate, so Gmail and Apple Mail do not show it.",
        "[BIMI draft](https://datatracker.ietf.org/doc/draft-brand-indicators-for-message-identification/)",
        "Have a certificate for the logo made (VMC or CMC) and name it in a=.",
    ),
    "bimi.missing": Code(
        "The domain has no BIMI record, so mail programs show no logo of it.",
        "[BIMI draft](https://datatracker.ietf.org/doc/draft-brand-indicators-for-message-identification/)",
    ),
    "bimi.declined": Code(
        "The domain says that it wants no logo shown (empty l= and a=).",
        "[BIMI draft](https://datatracker.ietf.org/doc/draft-brand-indicators-for-message-identification/)",
    ),
    "bimi.several": Code(
        "There is more than one BIMI record at one name, so receivers use none.",
        "[BIMI draft](https://datatracker.ietf.org/doc/draft-brand-indicators-for-message-identification/)",
        "Leave one of the records and remove the others.",
    ),
    "bimi.bad-record": Code(
        "The BIMI record breaks the form of the draft, so receivers show no logo.",
        "[BIMI draft](https://datatracker.ietf.org/doc/draft-brand-indicators-for-message-identification/)",
        "Publish a record of the form v=BIMI1; l=https://…",
    ),
    "bimi.not-enforced": Code(
        "The DMARC policy is too weak for a logo: it has to be quarantine or reject, for all mail.",
        "[BIMI draft](https://datatracker.ietf.org/doc/draft-brand-indicators-for-message-identification/)",
        "Raise the DMARC policy to quarantine or reject, for subdomains too.",
    ),
    "bimi.bad-logo": Code(
        "The logo does not fit SVG Tiny Portable/Secure or the limits of BIMI.",
        "[SVG Tiny PS draft](https://datatracker.ietf.org/doc/draft-svg-tiny-ps-abrotman/)",
        "Save the logo as SVG Tiny Portable/Secure, square and at most 32 kB.",
    ),
    "bimi.no-logo": Code(
        "The logo could not be fetched.",
        "[BIMI draft](https://datatracker.ietf.org/doc/draft-brand-indicators-for-message-identification/)",
        "Serve the logo over https at the address in l=.",
    ),
    "bimi.no-answer": Code(
        "The DNS did not answer for the BIMI record or for the DMARC policy.",
        "[BIMI draft](https://datatracker.ietf.org/doc/draft-brand-indicators-for-message-identification/)",
        "Check again in a few minutes.",
    ),
}


# The texts take {domain}, {at} (the record's name) and {problem}.
OUTCOMES: Mapping[str, Outcome] = {
    "bimi.ok": Outcome(Verdict.PASS, "{domain} has a logo with a certificate, and its DMARC policy lets it be shown."),
    "bimi.no-certificate": Outcome(
        Verdict.PASS,
        "{domain} has a logo without a certificate (a=): Yahoo and Fastmail show it, Gmail and Apple Mail do not.",
    ),
    "bimi.missing": Outcome(Verdict.PASS, "{domain} has no BIMI record, so its mail is shown without a logo."),
    "bimi.declined": Outcome(Verdict.PASS, "{domain} says that its mail is to be shown without a logo."),
    "bimi.several": Outcome(
        Verdict.WARN,
        "There is more than one BIMI record at {at}, so no logo is shown.",
        "Leave one of the records and remove the others.",
    ),
    "bimi.bad-record": Outcome(
        Verdict.WARN,
        "Receivers show no logo for the BIMI record at {at}: {problem}.",
        "Publish it in the form v=BIMI1; l=https://…; a=https://…",
    ),
    "bimi.not-enforced": Outcome(
        Verdict.WARN,
        "The logo of {domain} is not shown, because {problem}.",
        "Set the DMARC policy to quarantine or reject for all mail, once the reports show that your own mail passes.",
    ),
    "bimi.bad-logo": Outcome(
        Verdict.WARN,
        "Mail programs refuse the logo of {domain}: it {problem}.",
        "Save the logo again as SVG Tiny PS, square and below 32 KB.",
    ),
    "bimi.no-logo": Outcome(
        Verdict.UNKNOWN,
        "The logo of {domain} could not be fetched ({problem}), so it is not known whether it can be shown.",
        "Open the address in l= from outside your network, then check again.",
    ),
    "bimi.no-answer": Outcome(
        Verdict.UNKNOWN,
        "The DNS did not answer about BIMI of {domain} ({problem}), so it is not known whether its logo is shown.",
        "Check again in a few minutes.",
    ),
}


class PolicyRecord(Protocol):
    """A DMARC record as this check needs it: valid tags, and the value of pct."""

    @property
    def tags(self) -> Mapping[str, str]: ...

    @property
    def percent(self) -> str | None: ...


class Policy(Protocol):
    """The DMARC policy of a domain: `effective` after test mode, None where none applies."""

    @property
    def org_domain(self) -> str: ...

    @property
    def effective(self) -> str | None: ...

    @property
    def unanswered(self) -> str | None: ...

    @property
    def record(self) -> PolicyRecord | None: ...


Discover = Callable[[str, Lookup], Awaitable[Policy]]
FetchIndicator = Callable[[str], Awaitable[str]]


class IndicatorUnavailable(Exception):
    """The logo could not be fetched; the message is a few words that fit into brackets."""


def bimi_check(discover: Discover, fetch: FetchIndicator | None = None) -> Check:
    """The check of an order's domain; without `fetch` the logo itself is not looked at.

    `fetch` takes the https URL of the record and gives the SVG as text, or raises IndicatorUnavailable.
    """

    async def check(order: Order, lookup: Lookup) -> list[Finding]:
        domain = order.target.domain
        if domain is None:
            return []
        policy, reply = await asyncio.gather(discover(domain, lookup), ask(lookup, record_name(domain), "TXT"))
        at, texts = domain, _assertions(reply)
        if not texts and policy.org_domain != domain and not isinstance(reply, LookupFailed):
            at = policy.org_domain
            reply = await ask(lookup, record_name(at), "TXT")
            texts = _assertions(reply)
        if isinstance(reply, LookupFailed):
            return [_finding("bimi.no-answer", domain, at, reply.reason)]
        if len(texts) != 1:
            return [_finding("bimi.several" if texts else "bimi.missing", domain, at)]
        above = policy if policy.org_domain == domain else await discover(policy.org_domain, lookup)
        return [await _judge(domain, at, texts[0], (policy, above), fetch)]

    return check


def record_name(domain: str) -> str:
    return f"default._bimi.{domain}"


def weakness(policy: Policy) -> str | None:
    """Why no logo is shown under this policy, as the end of a sentence; None where it is strong enough.

    Receivers of RFC 7489 and RFC 9989 both count: pct= below 100 and sp=none weaken it for the former.
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
    domain: str, at: str, text: str, policies: tuple[Policy, Policy], fetch: FetchIndicator | None
) -> Finding:
    try:
        assertion = parse(text)
    except BadRecord as bad:
        return _finding("bimi.bad-record", domain, at, str(bad))
    if assertion.declined:
        return _finding("bimi.declined", domain, at)
    if silent := next((policy.unanswered for policy in policies if policy.unanswered), None):
        return _finding("bimi.no-answer", domain, at, silent)
    if weak := next(filter(None, map(weakness, policies)), None):
        return _finding("bimi.not-enforced", domain, at, weak, assertion)
    if fetch and assertion.location:
        try:
            wrong = faults(await fetch(assertion.location))
        except IndicatorUnavailable as away:
            return _finding("bimi.no-logo", domain, at, str(away), assertion)
        if wrong:
            return _finding("bimi.bad-logo", domain, at, ", and it ".join(wrong[:2]), assertion)
    return _finding("bimi.ok" if assertion.evidence else "bimi.no-certificate", domain, at, assertion=assertion)


def _assertions(reply: Reply) -> list[str]:
    return [] if isinstance(reply, LookupFailed) else [text for text in reply.records if is_assertion(text)]


def _finding(code: str, domain: str, at: str, problem: str = "", assertion: Assertion | None = None) -> Finding:
    outcome = OUTCOMES[code]
    words = {"domain": shown(domain), "at": record_name(at), "problem": problem}
    facts = {
        "record_at": record_name(at),
        "logo": assertion.location if assertion else None,
        "certificate": (assertion.evidence or None) if assertion else None,
    }
    return Finding("bimi", domain, outcome.verdict, code, outcome.says.format_map(words), outcome.step, facts)
