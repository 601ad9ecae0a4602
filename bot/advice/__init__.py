"""Next steps over the whole report: who sends, who owns each record, and what a change would break. Pure.

A check sees its own records only, so its remediation is what holds for everybody. Here a step is
replaced where other findings of the report show a better one. STEPS has one row per finding code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bot.advice.codes import CODES, NO_SENDER, UNNEEDED_TERM
from bot.advice.domain_steps import missing_dmarc, missing_mx, reverse_name, service_key, unused_domain
from bot.advice.evidence import Evidence, gather
from bot.advice.spf_steps import (
    foreign_record,
    missing_record,
    not_listed,
    other_return_path,
    permanent_error,
    syntax_error,
    unneeded_terms,
)
from bot.advice.steps import Change, Step
from bot.checks.lookups import readable
from bot.models import CheckRequest, Finding, Verdict

__all__ = ["CODES", "STEPS", "Change", "Step", "advise"]

NO_DOMAIN = "mx.no-domain"
RECORD_CHECKS = frozenset({"spf", "dmarc", "dkim", "mta-sts", "tls-rpt", "bimi", "dane", "starttls", "mx"})
FindStep = Callable[[Evidence, Finding], Step | None]
STEPS: Mapping[str, FindStep] = {
    "spf.missing-record": missing_record,
    "spf.fail": not_listed,
    "spf.softfail": not_listed,
    "spf.neutral": not_listed,
    "spf.permanent-error": permanent_error,
    "spf.syntax-error": syntax_error,
    **dict.fromkeys(
        (
            "spf.allows-everyone",
            "spf.neutral-default",
            "spf.no-default",
            "spf.uses-ptr",
            "spf.long-record",
            "spf.multiple-records",
            "spf.missing-include",
            "spf.wide-network",
        ),
        foreign_record,
    ),
    "dmarc.missing": missing_dmarc,
    "mx.missing": missing_mx,
    "mx.implicit": missing_mx,
    **dict.fromkeys(
        (
            "dkim.missing-key",
            "dkim.weak-key",
            "dkim.short-key",
            "dkim.testing",
            "dkim.only-sha1",
            "dkim.broken-key",
            "dkim.bad-record",
            "dkim.revoked",
        ),
        service_key,
    ),
    "ptr.missing": reverse_name,
    "ptr.generic": reverse_name,
    "ptr.not-confirmed": reverse_name,
    "ptr.several": reverse_name,
}


def advise(request: CheckRequest, findings: Sequence[Finding]) -> list[Finding]:
    """The findings with the steps that hold in view of the whole report, and findings about unneeded terms."""
    if all(finding.verdict is Verdict.PASS and finding.check != "spf" for finding in findings):
        return list(findings)
    findings = _of_existing_names(findings)
    evidence = gather(request, findings)
    findings = [_replaced(evidence, finding) for finding in findings]
    steps = (_with_step(evidence, finding) for finding in findings)
    return [*steps, *_unneeded(evidence), *_without_sender(evidence)]


def _of_existing_names(findings: Sequence[Finding]) -> list[Finding]:
    """The findings without what is said about records of a name that does not exist: it has none."""
    missing = {finding.subject for finding in findings if finding.code == NO_DOMAIN}
    return [
        finding
        for finding in findings
        if finding.code == NO_DOMAIN or finding.check not in RECORD_CHECKS or finding.subject not in missing
    ]


def _replaced(evidence: Evidence, finding: Finding) -> Finding:
    """The finding that the whole report makes of this one."""
    return other_return_path(evidence, finding) or unused_domain(evidence, finding) or finding


def _with_step(evidence: Evidence, finding: Finding) -> Finding:
    find_step = STEPS.get(finding.code)
    if find_step is None or finding.verdict < Verdict.WARN or (step := find_step(evidence, finding)) is None:
        return finding
    facts = dict(finding.facts)
    if step.change:
        facts["change"] = step.change.to_json()
        if finding.check == "spf":
            facts["new_record"] = step.change.new or None
    return finding._replace(remediation=step.text, facts=facts)


def _unneeded(evidence: Evidence) -> list[Finding]:
    text = CODES[UNNEEDED_TERM]
    return [
        Finding(
            "spf",
            evidence.domain,
            text.verdict,
            UNNEEDED_TERM,
            *text.fill({"domain": evidence.shown_domain, "term": term, "why": why}),
            {"term": term},
        )
        for term, why in unneeded_terms(evidence).items()
    ]


def _without_sender(evidence: Evidence) -> list[Finding]:
    """A domain with mailboxes whose record says that nobody sends; without mail servers it is as it should be."""
    if not evidence.sends_no_mail or not evidence.takes_mail or evidence.request.target.ip:
        return []
    text = CODES[NO_SENDER]
    values = {"domain": evidence.shown_domain, "hosts": ", ".join(map(readable, evidence.exchanges[:3]))}
    return [Finding("spf", evidence.domain, text.verdict, NO_SENDER, *text.fill(values))]
