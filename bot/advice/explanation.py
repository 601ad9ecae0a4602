"""A consultant's summary of a domain: who may send, what is unused, what breaks next, what to change first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from bot.advice import messages
from bot.advice.evidence import MAX_RECORD_BYTES, Evidence, gather
from bot.advice.spf_steps import owner_of, unneeded_terms
from bot.checks.lookups import readable
from bot.checks.mail_services import MailService, mail_services
from bot.checks.registry import CHECKS
from bot.checks.spf.result import MAX_LOOKUP_TERMS
from bot.models import Finding, Report, Verdict

MAX_CHANGES = 3
OVER_LIMIT = frozenset({"spf.too-many-lookups", "spf.too-many-hosts", "spf.too-many-voids"})
PERMERRORS = OVER_LIMIT | {"spf.permanent-error", "spf.syntax-error", "spf.multiple-records", "spf.missing-include"}
ABOUT_OTHERS = frozenset({"senders", "blocklist", "ptr", "helo", "network", "dns"})  # not the domain's records
MANY_LOOKUPS, LONG_RECORD = MAX_LOOKUP_TERMS - 2, MAX_RECORD_BYTES - 50
NETWORKS = ("ip4:", "ip6:", "a:", "mx:", "a/", "mx/", "exists:", "ptr")


@dataclass(frozen=True, slots=True)
class SenderRow:
    """Who may send as the domain: by which SPF terms and DKIM selectors, and what passes DMARC by alignment."""

    sender: str
    spf: tuple[str, ...] = ()
    dkim: tuple[str, ...] = ()
    aligned: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The summary; the field names are JSON keys."""

    domain: str
    senders: tuple[SenderRow, ...]
    others: str
    unused: tuple[str, ...]
    next_to_break: tuple[str, ...]
    changes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def explain(report: Report) -> Explanation | None:
    """Explain the set-up of the domain of a report; None for an address alone."""
    if report.request.target.domain is None:
        return None
    evidence = gather(report.request, report.findings)
    return Explanation(
        evidence.domain,
        tuple(_senders(evidence)),
        _others(evidence),
        tuple(messages.UNUSED.format(term=term, why=why) for term, why in unneeded_terms(evidence).items()),
        tuple(_next_to_break(report.findings)),
        tuple(_changes(report.findings)),
    )


def _senders(evidence: Evidence) -> Iterator[SenderRow]:
    """One row per service, then the domain's own hosts and includes that no table knows."""
    terms = [term.lower().lstrip("+") for term in evidence.spf.root.split()[1:]]
    unneeded = unneeded_terms(evidence)
    known: dict[str, SenderRow] = {}
    for service in mail_services():
        spf = tuple(term for term in terms if _is_of(term, service))
        dkim = tuple(
            name for name in evidence.selectors if evidence.service_of(name) is service and _has_key(evidence, name)
        )
        if spf or dkim:
            by_spf = bool(set(spf) - set(unneeded)) and service.return_path != "own"
            known[service.name] = SenderRow(service.name, spf, dkim, _aligned(evidence, by_spf, bool(dkim)))
    yield from known.values()
    shown = {term for row in known.values() for term in row.spf}
    own = tuple(t for t in terms if t not in unneeded and (t in ("a", "mx") or t.startswith(NETWORKS)))
    of_services = {name for row in known.values() for name in row.dkim}
    own_keys = tuple(name for name in evidence.selectors if name not in of_services and _has_key(evidence, name))
    if own or own_keys:
        sender = messages.OWN_SERVERS if evidence.owns(evidence.domain) else owner_of(evidence, evidence.domain)
        yield SenderRow(sender, own, own_keys, _aligned(evidence, bool(own), bool(own_keys)))
    for term in terms:
        if term.startswith(("include:", "redirect=")) and term not in shown:
            name = term.partition(":")[2] or term.partition("=")[2]
            yield SenderRow(readable(name), (term,), (), _aligned(evidence, True, False))


def _is_of(term: str, service: MailService) -> bool:
    name = term.partition(":")[2] if term.startswith("include:") else term.partition("=")[2]
    return bool(name) and any(f".{name}".endswith(f".{suffix}") for suffix in service.spf)


def _aligned(evidence: Evidence, by_spf: bool, by_dkim: bool) -> str:
    """What passes DMARC; with a permerror nothing passes by SPF, over a limit only what matches early."""
    codes = {finding.code for finding in evidence.findings}
    is_broken = by_spf and not codes.isdisjoint(PERMERRORS)
    if is_broken and not by_dkim:
        return messages.LIMITED_SPF if codes.isdisjoint(PERMERRORS - OVER_LIMIT) else messages.BROKEN_SPF
    return messages.ALIGNED[by_spf and not is_broken, by_dkim]


def _has_key(evidence: Evidence, name: str) -> bool:
    without = ("dkim.missing-key", "dkim.no-answer", "dkim.no-selector-known", "dkim.revoked", "dkim.never-signs")
    return any(f.check == "dkim" and f.subject == name and f.code not in without for f in evidence.findings)


def _others(evidence: Evidence) -> str:
    """What receivers do with mail of everybody else."""
    terms = evidence.spf.root.lower().split()
    default = next((term for term in terms if term.lstrip("+-~?") == "all"), "")
    policy = next((f.facts.get("effective") for f in evidence.findings if f.check == "dmarc" and f.facts), None)
    return messages.OTHERS.format(
        spf=messages.DEFAULTS.get(default[:1], messages.DEFAULTS[""]) if terms else messages.NO_SPF,
        dmarc=messages.POLICIES.get(str(policy), messages.POLICIES["None"]),
    )


def _next_to_break(findings: Iterable[Finding]) -> Iterator[str]:
    """Limits that are nearly reached, and weak spots that are warned of."""
    for finding in findings:
        lookups, record = finding.facts.get("lookups"), finding.facts.get("record") or ""
        if finding.check == "spf" and isinstance(lookups, int) and MANY_LOOKUPS <= lookups <= MAX_LOOKUP_TERMS:
            yield messages.LOOKUPS_USED.format(count=lookups)
        if finding.code == "spf.valid-record" and len(str(record).encode()) > LONG_RECORD:
            yield messages.BYTES_USED.format(size=len(str(record).encode()))
        if finding.code in messages.WEAK_SPOTS:
            yield finding.summary


def _changes(findings: Iterable[Finding]) -> Iterator[str]:
    """The steps that matter most, each once: what stops mail first, then in report order."""
    order = {spec.id: spec.order for spec in CHECKS}
    problems = [f for f in findings if f.verdict >= Verdict.WARN and f.remediation and f.check not in ABOUT_OTHERS]
    ranked = sorted(problems, key=lambda f: (-f.verdict, order.get(f.check, 999)))
    yield from list(dict.fromkeys(f.remediation for f in ranked))[:MAX_CHANGES]
