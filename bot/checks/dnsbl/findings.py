"""Findings of the DNSBL check: summary, remediation, facts and links for a classification. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from ipaddress import IPv6Network
from operator import itemgetter
from typing import Any
from urllib.parse import quote

from bot.checks.dnsbl.catalog import Blocklist, Nature
from bot.checks.dnsbl.classify import Classification, ListState
from bot.checks.dnsbl.messages import (
    CODES,
    IMPACTS,
    IPV6_NOTE,
    KEY_ACCOUNT,
    LOOKUP_PAGE,
    NO_REASON,
    OWN_RESOLVER,
    OWN_RESOLVER_OR_KEY,
    REASONS,
    REGISTER_RESOLVER,
    REGISTRATION_PAGE,
    REMOVAL_FORM,
    REMOVAL_STEPS,
    UNKNOWN_MEANING,
)
from bot.checks.dnsbl.names import QueriedName
from bot.checks.dnsbl.return_codes import Effect, Removal, RemovalParty, ReturnCode, Severity
from bot.checks.dnsbl.zones import Zone
from bot.models import Finding, Link, Role, Verdict

CHECK = "blocklist"
MAX_TXT_CHARS = 300
PLACEHOLDER = re.compile(r"\{(ip|domain|email)\}")
EFFECT_CODES = {  # worst first
    Effect.LISTED: "blocklist.listed",
    Effect.POLICY: "blocklist.policy",
    Effect.INFO: "blocklist.noted",
    Effect.ALLOW: "blocklist.allowed",
}
EFFECTS_WORST_FIRST = [*EFFECT_CODES]
PROBLEM_EFFECTS = (Effect.LISTED, Effect.POLICY)
MAX_MEANINGS, MAX_SUBLISTS, MAX_UNKNOWN_CODES = 3, 4, 3  # that are named, of a sublist and of a list
READER_MAY_ASK = (RemovalParty.OWNER, RemovalParty.SELF_SERVICE, RemovalParty.DO_NOT_PAY)
SEVERITY_VERDICTS = {
    Severity.HIGH: Verdict.FAIL,
    Severity.MEDIUM: Verdict.FAIL,
    Severity.LOW: Verdict.WARN,
    Severity.NONE: Verdict.PASS,
}
# A listing whose code is not in the catalog; severity none and lists that are no evidence still pass.
UNRECOGNIZED = "blocklist.unrecognised"
UNKNOWN_EFFECTS = {Nature.POLICY: Effect.POLICY, Nature.INFO: Effect.INFO, Nature.ALLOW: Effect.INFO}
UNKNOWN_SEVERITIES = {
    Severity.HIGH: Severity.HIGH,
    Severity.MEDIUM: Severity.LOW,
    Severity.LOW: Severity.LOW,
    Severity.NONE: Severity.NONE,
}
# Reasons seen when a list serves only registered resolvers and this one is not registered.
UNREGISTERED_REASONS = frozenset({"timeout", "refused", "blocked", "public-resolver", "quota", "emptied"})
# Reasons seen where the key is wrong: its zone does not exist, so the test points do not either.
UNKNOWN_KEY_REASONS = frozenset({"emptied", "refused"})


def list_finding(
    zone: Zone, name: QueriedName, role: Role, classification: Classification, txt: Sequence[str] = ()
) -> Finding:
    """Return the finding about one list and one name."""
    match classification.state:
        case ListState.NOT_LISTED:
            return not_listed_finding(zone, name.display)
        case ListState.LISTED:
            return _listed(zone, name, role, classification, txt)
        case _:
            return _no_answer(zone, name.display, classification)


def not_listed_finding(zone: Zone, subject: str) -> Finding:
    """Return the finding for a target that is not listed."""
    blocklist = zone.blocklist
    summary = zone.not_listed_summary.replace("{subject}", subject)
    if " and " in subject:
        text = CODES["blocklist.not-listed"].variant("several")
        summary, _ = text.fill({"subject": subject, "list": blocklist.name})
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
    steps = _removal_steps(zone.blocklist, [code for code in codes if code not in unknown], role)
    code = UNRECOGNIZED if worst in unknown else EFFECT_CODES[worst.effect]
    text = CODES[code].variant(role)
    if name.is_providers:  # its user can neither change nor delist it
        code, verdict, steps = EFFECT_CODES[Effect.INFO], Verdict.PASS, {}
        text = CODES[code].variant("provider")
    values = {
        "subject": name.display,
        "listing": _listing(codes),
        "impact": IMPACTS[worst.severity],
        "note": _ipv6_note(name.text),
        "operator": zone.blocklist.operator,
        "step": next(iter(steps), ""),
    }
    summary, remediation = text.fill(values)
    facts = {
        "sublists": list(dict.fromkeys(code.sublist for code in codes if code.sublist)),
        "txt": [zone.redact(text)[:MAX_TXT_CHARS] for text in txt],  # a key is never cut in half
        "severity": worst.severity.value,
        "effect": Effect.INFO.value if name.is_providers else worst.effect.value,
        "means": list(dict.fromkeys(code.meaning for code in codes)),
        "removed_by": worst.removal.party.value,
        "preconditions": list(worst.removal.preconditions),
        "unrecognised": list(classification.unrecognized),
        "more_steps": [f"{code_name}: {step}" for step, code_name in [*steps.items()][1:MAX_SUBLISTS]],
    }
    return Finding(
        check=CHECK,
        subject=zone.blocklist.id,
        verdict=verdict,
        code=code,
        summary=summary,
        remediation=remediation if verdict > Verdict.PASS else "",
        facts=_facts(zone, classification) | facts,
        links=_removal_links(codes, unknown, name),
    )


def _unknown_code(blocklist: Blocklist, answers: Sequence[str]) -> tuple[ReturnCode, ...]:
    """Return the answers that the catalog does not know as one code of unknown meaning.

    Every A record means "listed" (RFC 5782 section 2.1); what for decides only how bad that is.
    """
    if not answers:
        return ()
    code = ReturnCode(
        effect=UNKNOWN_EFFECTS.get(blocklist.nature, Effect.LISTED),
        meaning=UNKNOWN_MEANING.format(answers=_enumerated(answers, MAX_UNKNOWN_CODES, "codes")),
        name=blocklist.name,
        severity=UNKNOWN_SEVERITIES[blocklist.severity],
        removal=blocklist.removal,
    )
    return (code,)


def _rank(code: ReturnCode, role: Role, is_unknown: bool) -> tuple[int, bool, int, int, bool]:
    """Sort key of a return code, worst first.

    Of equal verdicts the explained one leads, and then the one that the reader cannot have removed alone.
    """
    severity, may_ask = list(Severity).index(code.severity), code.removal.party in READER_MAY_ASK
    return -verdict_of(code, role), is_unknown, EFFECTS_WORST_FIRST.index(code.effect), severity, may_ask


def _ipv6_note(subject: str) -> str:
    """Mention the /64: lists and receivers treat an IPv6 /64 as one sender."""
    return IPV6_NOTE.format(network=IPv6Network((subject, 64), strict=False)) if ":" in subject else ""


def _listing(codes: Sequence[ReturnCode]) -> str:
    """`SpamCop: people reported it`, or of several sublists `Spamhaus XBL (…) and Spamhaus PBL (…)`, worst first."""
    meanings: dict[str, dict[str, None]] = {}
    for code in [code for code in codes if code.effect in PROBLEM_EFFECTS] or codes:
        meanings.setdefault(code.name, {})[code.meaning] = None
    texts = {name: _enumerated([*own], MAX_MEANINGS, "reasons") for name, own in meanings.items()}
    if len(texts) == 1:
        return "".join(f"{name}: {text}" for name, text in texts.items())
    return _enumerated([f"{name} ({text})" for name, text in texts.items()], MAX_SUBLISTS, "sublists")


def _enumerated(texts: Sequence[str], limit: int, noun: str) -> str:
    """`a`, `a and b`, `a, b, and c`, or with too many `a, b, and 3 more reasons`."""
    if len(texts) > limit:
        texts = [*texts[: limit - 1], f"{len(texts) - limit + 1} more {noun}"]
    *others, last = texts
    if len(others) < 2:
        return " and ".join(texts)
    return f"{', '.join(others)}, and {last}"


def _removal_steps(blocklist: Blocklist, codes: Sequence[ReturnCode], role: Role) -> dict[str, str]:
    """Return the steps of the sublists that are problems, worst first, each with the name of its sublist."""
    names: dict[str, str] = {}
    for code in codes:
        if verdict_of(code, role) > Verdict.PASS:
            names.setdefault(_removal_step(blocklist, code.removal), code.name)
    return names


def _removal_step(blocklist: Blocklist, removal: Removal) -> str:
    expiry = f" {removal.expiry}" if removal.expiry else ""
    return removal.remediation or REMOVAL_STEPS[removal.party].format(operator=blocklist.operator, expiry=expiry)


def _removal_links(codes: Sequence[ReturnCode], unknown: Collection[ReturnCode], name: QueriedName) -> tuple[Link, ...]:
    """Return the removal links, those of the worst code first.

    A page is labeled as a removal form only if the reader may request removal there: not praise, not an
    entry or a name that only the provider can act on, not one of unknown meaning. Several codes may share a
    page, which then has the label of the worst one. Of the pages of one list, one that opens with the
    entry is first: a form where the subject is typed again is second.
    """
    labels: dict[str, str] = {}
    for code in codes:
        removal = code.removal
        may_ask = removal.party in READER_MAY_ASK and code not in unknown and not name.is_providers
        pages = [(REMOVAL_FORM if may_ask else LOOKUP_PAGE, removal.form_url), (LOOKUP_PAGE, removal.lookup_url)]
        if code.effect is Effect.ALLOW:
            pages = pages[1:]
        for label, page in sorted(filter(itemgetter(1), pages), key=lambda row: not PLACEHOLDER.search(row[1])):
            labels.setdefault(PLACEHOLDER.sub(quote(name.text, safe=":"), page), label)
    return tuple(Link(label, url) for url, label in labels.items())


def _no_answer(zone: Zone, subject: str, classification: Classification) -> Finding:
    blocklist = zone.blocklist
    cause, step = REASONS.get(classification.reason, NO_REASON)
    links: tuple[Link, ...] = ()
    if step == OWN_RESOLVER and blocklist.key == "spamhaus" and not zone.secret:
        step = OWN_RESOLVER_OR_KEY
    if zone.secret and classification.reason in UNKNOWN_KEY_REASONS:
        step = KEY_ACCOUNT
    if blocklist.registration_url and classification.reason in UNREGISTERED_REASONS:
        step, links = REGISTER_RESOLVER, (Link(REGISTRATION_PAGE, blocklist.registration_url),)
    code = "blocklist.no-answer" if classification.state is ListState.UNKNOWN else "blocklist.unusable"
    text = CODES[code]
    values = {
        "list": blocklist.name,
        "subject": subject,
        "cause": cause,
        "step": step.format(operator=blocklist.operator),
    }
    return Finding(
        CHECK, blocklist.id, text.verdict, code, *text.fill(values), facts=_facts(zone, classification), links=links
    )


def _facts(zone: Zone, classification: Classification) -> dict[str, Any]:
    return {
        **zone.not_listed_facts,
        "state": classification.state.value,
        "answers": list(classification.answers),
        "reason": classification.reason,
    }
