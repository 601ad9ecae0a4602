"""Findings of the DNSBL check: summary, remediation, facts and links for a classification. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv6Network
from typing import Any
from urllib.parse import quote

from bot.checks.dnsbl.catalog import Blocklist
from bot.checks.dnsbl.classify import Classification, ListState
from bot.checks.dnsbl.messages import (
    DEFAULT_REASON,
    EFFECT_CODES,
    IMPACT_TEXTS,
    OR_KEY,
    PROVIDERS_NAME,
    REASON_TEXTS,
    REGISTER_RESOLVER,
    REMEDIATIONS,
    SEVERITY_VERDICTS,
    UNKNOWN_EFFECTS,
    UNKNOWN_MEANING,
    UNKNOWN_REMEDIATION,
    UNKNOWN_SEVERITIES,
    UNRECOGNIZED,
    UNREGISTERED_REASONS,
)
from bot.checks.dnsbl.names import QueriedName
from bot.checks.dnsbl.return_codes import Effect, Removal, ReturnCode, Severity
from bot.checks.dnsbl.zones import Zone
from bot.models import Finding, Link, Role, Verdict

CHECK = "blocklist"
PLACEHOLDER = re.compile(r"\{(ip|domain|email)\}")
FORM_LABEL, LOOKUP_LABEL = "Removal form", "Look it up"
EFFECTS_WORST_FIRST = [Effect.LISTED, Effect.POLICY, Effect.INFO, Effect.ALLOW]


def list_finding(
    zone: Zone, name: QueriedName, role: Role, classification: Classification, txt: Sequence[str] = ()
) -> Finding:
    """Return the finding about one list and one name."""
    match classification.state:
        case ListState.NOT_LISTED:
            return not_listed_finding(zone, name.display)
        case ListState.LISTED:
            finding = _listed(zone, name, role, classification, txt)
            return _as_note(finding) if name.is_providers else finding
        case _:
            return _no_answer(zone, name.display, classification)


def not_listed_finding(zone: Zone, subject: str) -> Finding:
    """Return the finding for a target that is not listed."""
    blocklist = zone.blocklist
    verb = "are" if " and " in subject else "is"
    summary = f"{subject} {verb} not on {blocklist.name}."
    return Finding(CHECK, blocklist.id, Verdict.PASS, "blocklist.not-listed", summary, "", zone.not_listed_facts)


def verdict_of(code: ReturnCode, role: Role) -> Verdict:
    """Return the verdict for one return code.

    Allowlist and neutral codes pass; policy codes count only for an address that sends mail itself.
    """
    if code.effect is Effect.LISTED or (code.effect is Effect.POLICY and role is Role.MTA):
        return SEVERITY_VERDICTS[code.severity]
    return Verdict.PASS


def _listed(zone: Zone, name: QueriedName, role: Role, classification: Classification, txt: Sequence[str]) -> Finding:
    unknown = _unknown_code(zone.blocklist, classification.unrecognized)
    codes = sorted((*classification.codes, *unknown), key=lambda code: _rank(code, role, code in unknown))
    worst, verdict = codes[0], verdict_of(codes[0], role)
    is_unknown = worst in unknown
    list_names = " and ".join(dict.fromkeys(code.name for code in codes))
    facts = {
        "sublists": list(dict.fromkeys(code.sublist for code in codes if code.sublist)),
        "txt": [zone.redact(text) for text in txt],
        "severity": worst.severity.value,
        "effect": worst.effect.value,
        "means": list(dict.fromkeys(code.meaning for code in codes)),
        "removed_by": worst.removal.party.value,
        "preconditions": list(worst.removal.preconditions),
        "unrecognised": list(classification.unrecognized),
    }
    return Finding(
        check=CHECK,
        subject=zone.blocklist.id,
        verdict=verdict,
        code=UNRECOGNIZED if is_unknown else EFFECT_CODES[worst.effect],
        summary=(
            f"{name.display} is on {list_names}: {worst.meaning}{'' if is_unknown else _impact(worst, role)}."
            f"{_ipv6_network_note(name.text, worst)}"
        ),
        remediation=_remediation(zone.blocklist, worst.removal) if verdict > Verdict.PASS else "",
        facts=_facts(zone, classification) | facts,
        links=_removal_links([code.removal for code in codes], name.text),
    )


def _as_note(finding: Finding) -> Finding:
    """Return a listing of a name that the provider chose, which its user can neither change nor delist."""
    return finding._replace(
        verdict=Verdict.PASS,
        code=EFFECT_CODES[Effect.INFO],
        summary=f"{finding.summary.removesuffix('.')}; {PROVIDERS_NAME}.",
        remediation="",
        facts={**finding.facts, "effect": Effect.INFO.value},
    )


def _unknown_code(blocklist: Blocklist, answers: Sequence[str]) -> tuple[ReturnCode, ...]:
    """Return the answers that the catalog does not know as one code of unknown meaning.

    Every A record means "listed" (RFC 5782 section 2.1); what for decides only how bad that is.
    """
    if not answers:
        return ()
    code = ReturnCode(
        effect=UNKNOWN_EFFECTS.get(blocklist.nature, Effect.LISTED),
        meaning=UNKNOWN_MEANING.format(answers=" and ".join(answers)),
        name=blocklist.name,
        severity=UNKNOWN_SEVERITIES[blocklist.severity],
        removal=replace(blocklist.removal, remediation=UNKNOWN_REMEDIATION.format(operator=blocklist.operator)),
    )
    return (code,)


def _rank(code: ReturnCode, role: Role, is_unknown: bool) -> tuple[int, bool, int, int]:
    """Sort key of a return code, worst first; of equal verdicts the explained one leads."""
    severity = list(Severity).index(code.severity)
    return -verdict_of(code, role), is_unknown, EFFECTS_WORST_FIRST.index(code.effect), severity


def _impact(worst: ReturnCode, role: Role) -> str:
    if worst.effect is Effect.POLICY and role is Role.CLIENT:
        return "; this is expected for an address that does not send mail itself"
    return f"; {IMPACT_TEXTS[worst.severity]}" if worst.effect in (Effect.LISTED, Effect.POLICY) else ""


def _ipv6_network_note(subject: str, worst: ReturnCode) -> str:
    """Mention the /64: lists and receivers treat an IPv6 /64 as one sender."""
    if ":" not in subject or worst.effect not in (Effect.LISTED, Effect.POLICY):
        return ""
    network = IPv6Network((subject, 64), strict=False)
    return f" An IPv6 entry is mostly for the whole network {network}, so look at the other addresses in it, too."


def _remediation(blocklist: Blocklist, removal: Removal) -> str:
    expiry = f" {removal.expiry}" if removal.expiry else ""
    return removal.remediation or REMEDIATIONS[removal.party].format(operator=blocklist.operator, expiry=expiry)


def _removal_links(removals: Sequence[Removal], subject: str) -> tuple[Link, ...]:
    """Return the removal links, those of the worst code first.

    A page that both shows and removes an entry is labeled as a removal form.
    """
    labels: dict[str, str] = {}
    for removal in removals:
        for label, page in ((FORM_LABEL, removal.form_url), (LOOKUP_LABEL, removal.lookup_url)):
            if page:
                url = PLACEHOLDER.sub(quote(subject, safe=":"), page)
                labels[url] = FORM_LABEL if labels.get(url) == FORM_LABEL else label
    return tuple(Link(label, url) for url, label in labels.items())


def _no_answer(zone: Zone, subject: str, classification: Classification) -> Finding:
    blocklist = zone.blocklist
    cause, remediation = REASON_TEXTS.get(classification.reason, DEFAULT_REASON)
    links: tuple[Link, ...] = ()
    if blocklist.registration_url and classification.reason in UNREGISTERED_REASONS:
        remediation, links = (REGISTER_RESOLVER, (Link("Make your resolver known", blocklist.registration_url),))
    or_key = OR_KEY if blocklist.key == "spamhaus" and not zone.secret else ""
    return Finding(
        check=CHECK,
        subject=blocklist.id,
        verdict=Verdict.UNKNOWN,
        code="blocklist.no-answer" if classification.state is ListState.UNKNOWN else "blocklist.unusable",
        summary=f"{blocklist.name} does not tell whether {subject} is listed: {cause}.",
        remediation=remediation.format(operator=blocklist.operator, or_key=or_key),
        facts=_facts(zone, classification),
        links=links,
    )


def _facts(zone: Zone, classification: Classification) -> dict[str, Any]:
    return {
        **zone.not_listed_facts,
        "state": classification.state.value,
        "answers": list(classification.answers),
        "reason": classification.reason,
    }
