"""Whether another domain agreed to take this domain's reports: without its word no report is sent (RFC 9990 §4).

DMARC: what receivers are told to do with mail that only claims to come from a domain (RFC 9989).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.checks.dmarc.discovery import Discovery, discover
from bot.checks.dmarc.record import parse
from bot.checks.finding_codes import Code, Outcome
from bot.checks.lookups import Reply, ask_all, organisational_domain, readable
from bot.inputs.domain_names import MOST_OCTETS, shown
from bot.models import Finding, Lookup, LookupFailed, Order, Verdict

MOST_HOSTS = 10


async def find_unauthorised(discovery: Discovery, lookup: Lookup) -> tuple[str, ...]:
    """The domains of `rua` and `ruf` that do not say they take reports for the record's domain, all asked at once.

    A domain whose DNS does not answer is not among them: silence is not a refusal.
    """
    if discovery.source is None or discovery.record is None:
        return ()
    owner = discovery.source.domain
    hosts = [host for host in discovery.record.report_hosts[:MOST_HOSTS] if not _same_owner(host, owner)]
    names = {host: f"{owner}._report._dmarc.{host}" for host in hosts}
    askable = {host: name for host, name in names.items() if len(name) <= MOST_OCTETS}
    replies = await ask_all(lookup, [(name, "TXT") for name in askable.values()])
    agreed = {host for host, reply in zip(askable, replies, strict=True) if _agrees(reply)}
    return tuple(host for host in hosts if host not in agreed)


def _same_owner(host: str, owner: str) -> bool:
    return organisational_domain(host) == organisational_domain(owner)


def _agrees(reply: Reply) -> bool:
    return isinstance(reply, LookupFailed) or any(parse(text) for text in reply.records)


__all__ = ["CODES", "Discovery", "check", "discover"]

CODES: Mapping[str, Code] = {
    "dmarc.ok": Code("A policy of quarantine or reject applies to the domain.", "RFC 9989 §5.3.6"),
    "dmarc.missing": Code(
        "No DMARC record applies to the domain.",
        "RFC 9989 §4.10",
        "Publish a TXT record at _dmarc of the domain: v=DMARC1; p=none; rua=mailto:… to begin with.",
    ),
    "dmarc.several": Code(
        "There is more than one DMARC record at one name, so all of them are ignored.",
        "RFC 9989 §4.10",
        "Leave one of the records and remove the others.",
    ),
    "dmarc.invalid": Code(
        "The record has no right policy and asks for no reports, so it is ignored.",
        "RFC 9989 §4.10.1",
        "Let the record say p=none, p=quarantine or p=reject.",
    ),
    "dmarc.no-policy": Code(
        "The record has no right policy, so it counts as p=none.",
        "RFC 9989 §4.10.1",
        "Let the record say p=none, p=quarantine or p=reject.",
    ),
    "dmarc.monitoring-only": Code(
        "The policy is none: receivers report, and deliver forged mail.",
        "RFC 9989 §5.1.7",
        "When the reports show all of your own mail as aligned, move on to p=quarantine.",
    ),
    "dmarc.testing": Code(
        "The record is in test mode (t=y), so its policy is applied one level lower.",
        "RFC 9989 §4.7",
        "Remove t=y when the reports show no mail of your own that fails.",
    ),
    "dmarc.sp-none": Code(
        "The domain is protected and its subdomains are not (sp=none).",
        "RFC 9989 §4.7",
        "Remove sp=none, or give it the policy of the domain.",
    ),
    "dmarc.partial": Code(
        "Pct is below 100: receivers by RFC 9989 ignore it, older ones apply the policy to a part of the mail.",
        "RFC 9989 §A.6",
        "Remove pct.",
    ),
    "dmarc.removed-tag": Code(
        "The record holds tags that RFC 9989 removed.", "RFC 9989 §C.5.2", "Remove the tags that the finding names."
    ),
    "dmarc.report-unauthorised": Code(
        "A domain that is to get the reports does not say that it takes them.",
        "RFC 9990 §3",
        "Let the receiving domain publish v=DMARC1 at the name that the finding gives, or send the reports elsewhere.",
    ),
    "dmarc.no-answer": Code(
        "The DNS did not answer, so it is not known which policy applies.",
        "RFC 9989 §4.10",
        "Check again in a few minutes.",
    ),
}


# The texts take the words of `_words`.
OUTCOMES: Mapping[str, Outcome] = {
    "dmarc.ok": Outcome(
        Verdict.PASS, "Receivers are told to {do} mail that forges {domain} ({tag}={policy} at {record_at})."
    ),
    "dmarc.missing": Outcome(
        Verdict.WARN,
        "{domain} has no DMARC record, so anyone can forge it, and Gmail, Yahoo and Outlook.com refuse its bulk mail.",
        "Publish a TXT record at _dmarc.{registered}: v=DMARC1; p=none; rua=mailto:dmarc@{registered}",
    ),
    "dmarc.several": Outcome(
        Verdict.FAIL,
        "There is more than one DMARC record at {several_at}, so receivers ignore them all.",
        "Leave one of the records and remove the others.",
    ),
    "dmarc.invalid": Outcome(
        Verdict.FAIL,
        "The DMARC record at {record_at} has no valid policy, so receivers ignore it.",
        "Set p to none, quarantine or reject in that record.",
    ),
    "dmarc.no-policy": Outcome(
        Verdict.FAIL,
        "The DMARC record at {record_at} has a missing or wrong policy ({wrong}), so receivers take it as p=none.",
        "Set {wrong} to none, quarantine or reject in that record.",
    ),
    "dmarc.monitoring-only": Outcome(
        Verdict.WARN,
        "DMARC of {domain} only watches ({tag}=none at {record_at}): mail that forges it is still delivered.",
        "{watch}",
    ),
    "dmarc.testing": Outcome(
        Verdict.WARN,
        "DMARC of {domain} is in test mode (t=y at {record_at}): {tag}={policy} is applied as {effective}.",
        "Remove t=y once the reports show that your own mail passes.",
    ),
    "dmarc.sp-none": Outcome(
        Verdict.WARN,
        "{domain} is protected, but mail that forges one of its subdomains is delivered (sp=none at {record_at}).",
        "Remove sp=none, or publish records for the subdomains that send mail.",
    ),
    "dmarc.partial": Outcome(
        Verdict.WARN,
        "pct={percent} at {record_at} was removed in RFC 9989: new receivers ignore it, older ones still use it.",
        "Remove pct; for a trial use t=y instead.",
    ),
    "dmarc.removed-tag": Outcome(
        Verdict.PASS, "The DMARC record at {record_at} holds {removed}, which RFC 9989 removed; it does no harm."
    ),
    "dmarc.report-unauthorised": Outcome(
        Verdict.WARN,
        "{hosts} does not say that it takes DMARC reports for {domain}, so receivers send it none.",
        "Have this TXT record published: {report_name} with the text v=DMARC1",
    ),
    "dmarc.no-answer": Outcome(
        Verdict.UNKNOWN,
        "The DNS did not answer about the DMARC policy of {domain} ({unanswered}), so it is not known.",
        "Check again in a few minutes.",
    ),
}
WATCH = "Go on to p=quarantine once the reports show that your own mail passes."
WATCH_BLINDLY = "Add rua=mailto:… with an address for reports, to see which mail passes before you set p=quarantine."


async def check(order: Order, lookup: Lookup) -> list[Finding]:
    """Findings about the DMARC policy of the order's domain: first what applies to it, then what is odd in the record."""
    if order.target.domain is None:
        return []
    discovery = await discover(order.target.domain, lookup)
    unauthorised = await find_unauthorised(discovery, lookup)
    first, *others = judge(discovery, unauthorised)
    words = _words(discovery, unauthorised)
    facts = _facts(discovery, unauthorised)
    return [_finding(discovery, first, words, facts), *(_finding(discovery, code, words, {}) for code in others)]


def judge(discovery: Discovery, unauthorised: tuple[str, ...] = ()) -> list[str]:
    """The codes that hold: one about the policy, then the oddities."""
    applied = _applied(discovery)
    if discovery.record is None or applied == "dmarc.no-answer":
        return [applied]
    record = discovery.record
    own = discovery.source is discovery.steps[0]
    partial = (record.percent or "100") != "100"
    odd = {
        "dmarc.several": any(step.several for step in discovery.steps),
        "dmarc.sp-none": own and record.tags.get("sp") == "none" and discovery.policy not in (None, "none"),
        "dmarc.partial": partial,
        "dmarc.removed-tag": bool(set(record.removed) - ({"pct"} if partial else set())),
        "dmarc.report-unauthorised": bool(unauthorised),
    }
    return [applied, *(code for code, holds in odd.items() if holds)]


def _applied(discovery: Discovery) -> str:
    record = discovery.record
    if discovery.unanswered:
        return "dmarc.no-answer"
    if record is None:
        return "dmarc.several" if any(step.several for step in discovery.steps) else "dmarc.missing"
    if not record.has_policy:
        return "dmarc.no-policy" if discovery.policy else "dmarc.invalid"
    if discovery.policy == "none":
        return "dmarc.monitoring-only"
    return "dmarc.testing" if record.testing else "dmarc.ok"


def _words(discovery: Discovery, unauthorised: tuple[str, ...]) -> dict[str, str]:
    record, source = discovery.record, discovery.source
    several = next((step.name for step in discovery.steps if step.several), "")
    wrong = [tag for tag in ("p", "sp", "np") if record and tag in record.invalid] or ["p"]
    owner = source.domain if source else discovery.domain
    return {
        "domain": shown(discovery.domain),
        "registered": discovery.psl_org_domain,
        "record_at": source.name if source else "",
        "several_at": several,
        "tag": discovery.tag or "",
        "policy": discovery.policy or "",
        "effective": discovery.effective or "",
        "do": "refuse" if discovery.policy == "reject" else "put into the spam folder",
        "wrong": ", ".join(wrong),
        "percent": readable(record.percent or "") if record else "",
        "removed": " and ".join(record.removed) if record else "",
        "watch": WATCH if record and record.reports_to else WATCH_BLINDLY,
        "hosts": " and ".join(map(readable, unauthorised)),
        "report_name": " and ".join(readable(f"{owner}._report._dmarc.{host}") for host in unauthorised),
        "unanswered": discovery.unanswered or "",
    }


def _facts(discovery: Discovery, unauthorised: tuple[str, ...]) -> dict[str, Any]:
    facts = discovery.to_json() | {"applies": discovery.tag}
    differs = discovery.psl_org_domain != discovery.org_domain
    optional = {
        "psl_org_domain": discovery.psl_org_domain if differs else None,
        "invalid_tags": list(discovery.record.invalid) if discovery.record else [],
        "unauthorised": list(unauthorised),
        "unanswered": [step.name for step in discovery.steps if step.unanswered],
    }
    return facts | {key: value for key, value in optional.items() if value}


def _finding(discovery: Discovery, code: str, words: Mapping[str, str], facts: Mapping[str, Any]) -> Finding:
    outcome = OUTCOMES[code]
    says, step = outcome.says.format_map(words), outcome.step.format_map(words)
    return Finding("dmarc", discovery.domain, outcome.verdict, code, says, step, facts)
