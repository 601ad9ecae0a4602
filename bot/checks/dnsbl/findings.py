"""A reading in the words of a finding: what is true, what it means for mail, and the one next thing to do. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv6Network
from typing import Any

from bot.checks.dnsbl.catalog import Blocklist, Key
from bot.checks.dnsbl.classify import Reading, State
from bot.checks.dnsbl.messages import (
    EFFECT_CODES,
    IMPACT,
    OR_KEY,
    OTHER_REASON,
    REASONS,
    REGISTER,
    SEVERITY_VERDICTS,
    STEPS,
    UNSERVED,
)
from bot.checks.dnsbl.return_codes import Code, Effect, Removal, Severity
from bot.checks.dnsbl.zones import Zone
from bot.models import Finding, Link, Role, Verdict

CHECK = "blocklist"
FORM, LOOK = "Removal form", "Look it up"
EFFECTS_WORST_FIRST = [Effect.LISTED, Effect.POLICY, Effect.INFO, Effect.ALLOW]


def finding_of(zone: Zone, subject: str, role: Role, reading: Reading, texts: Sequence[str] = ()) -> Finding:
    """The finding about one list; `subject` is the address or domain that was asked, in text form."""
    match reading.state:
        case State.NOT_LISTED:
            return not_listed(zone, subject)
        case State.LISTED if reading.codes:
            return _listed(zone, subject, role, reading, texts)
        case State.LISTED:
            return _unrecognised(zone, subject, reading, texts)
        case _:
            return _no_answer(zone, subject, reading)


def not_listed(zone: Zone, subject: str) -> Finding:
    """The usual answer of a list."""
    blocklist = zone.blocklist
    says = f"{subject} is not on {blocklist.name}."
    return Finding(CHECK, blocklist.id, Verdict.PASS, "blocklist.not-listed", says, "", zone.not_listed)


def verdict_of(code: Code, role: Role) -> Verdict:
    """How bad one code is: praise and plain information never are, policy only for an address that sends mail itself."""
    if code.effect is Effect.LISTED or (code.effect is Effect.POLICY and role is Role.MTA):
        return SEVERITY_VERDICTS[code.severity]
    return Verdict.PASS


def _listed(zone: Zone, subject: str, role: Role, reading: Reading, texts: Sequence[str]) -> Finding:
    codes = sorted(reading.codes, key=lambda code: _rank(code, role))
    worst, verdict = codes[0], verdict_of(codes[0], role)
    names = " and ".join(dict.fromkeys(code.name for code in codes))
    facts = {
        "sublists": list(dict.fromkeys(code.sublist for code in codes if code.sublist)),
        "txt": [zone.without_secret(text) for text in texts],
        "severity": worst.severity.value,
        "effect": worst.effect.value,
        "means": list(dict.fromkeys(code.means for code in codes)),
        "removed_by": worst.removal.who.value,
        "preconditions": list(worst.removal.preconditions),
        "unrecognised": list(reading.unrecognised),
    }
    return Finding(
        check=CHECK,
        about=zone.blocklist.id,
        verdict=verdict,
        code=EFFECT_CODES[worst.effect],
        says=f"{subject} is on {names}: {worst.means}{_consequence(worst, role)}.{_neighbours(subject, worst)}",
        step=_removal_step(zone.blocklist, worst.removal) if verdict > Verdict.PASS else "",
        facts=_facts(zone, reading) | facts,
        links=_removal_links([code.removal for code in codes], subject),
    )


def _rank(code: Code, role: Role) -> tuple[int, int, int]:
    """Sorts the worst first."""
    severity = list(Severity).index(code.severity)
    return -verdict_of(code, role), EFFECTS_WORST_FIRST.index(code.effect), severity


def _consequence(worst: Code, role: Role) -> str:
    if worst.effect is Effect.POLICY and role is Role.CLIENT:
        return "; this is expected for an address that does not send mail itself"
    return f"; {IMPACT[worst.severity]}" if worst.effect in (Effect.LISTED, Effect.POLICY) else ""


def _neighbours(subject: str, worst: Code) -> str:
    """An IPv6 user holds a /64 at least, so that is what lists and receivers hold together."""
    if ":" not in subject or worst.effect not in (Effect.LISTED, Effect.POLICY):
        return ""
    network = IPv6Network((subject, 64), strict=False)
    return f" An IPv6 entry is mostly for the whole network {network}, so look at the other addresses in it, too."


def _removal_step(blocklist: Blocklist, removal: Removal) -> str:
    expiry = f" {removal.expiry}" if removal.expiry else ""
    return removal.step or STEPS[removal.who].format(operator=blocklist.operator, expiry=expiry)


def _removal_links(removals: Sequence[Removal], subject: str) -> tuple[Link, ...]:
    """The way out of the worst entry first; a page that both shows and removes is named for what removes."""
    labels: dict[str, str] = {}
    for removal in removals:
        for label, page in ((FORM, removal.form), (LOOK, removal.look)):
            if page:
                url = page.replace("{ip}", subject).replace("{domain}", subject)
                labels[url] = FORM if labels.get(url) == FORM else label
    return tuple(Link(label, url) for url, label in labels.items())


def _unrecognised(zone: Zone, subject: str, reading: Reading, texts: Sequence[str]) -> Finding:
    blocklist = zone.blocklist
    answers = ", ".join(reading.unrecognised)
    facts = {
        "txt": [zone.without_secret(text) for text in texts],
        "severity": Severity.NONE.value,
        "unrecognised": list(reading.unrecognised),
    }
    return Finding(
        check=CHECK,
        about=blocklist.id,
        verdict=Verdict.PASS,
        code="blocklist.unrecognised",
        says=f"{blocklist.name} answers {answers} for {subject} and does not say what that means for its mail.",
        facts=_facts(zone, reading) | facts,
        links=_removal_links([blocklist.removal], subject),
    )


def _no_answer(zone: Zone, subject: str, reading: Reading) -> Finding:
    blocklist = zone.blocklist
    because, step = REASONS.get(reading.reason, OTHER_REASON)
    links: tuple[Link, ...] = ()
    if blocklist.register and reading.reason in UNSERVED:
        step, links = REGISTER, (Link("Make your resolver known", blocklist.register),)
    or_key = OR_KEY if blocklist.key is Key.SPAMHAUS and not zone.secret else ""
    return Finding(
        check=CHECK,
        about=blocklist.id,
        verdict=Verdict.UNKNOWN,
        code="blocklist.no-answer" if reading.state is State.UNKNOWN else "blocklist.unusable",
        says=f"{blocklist.name} does not tell whether {subject} is listed: {because}.",
        step=step.format(operator=blocklist.operator, or_key=or_key),
        facts=_facts(zone, reading),
        links=links,
    )


def _facts(zone: Zone, reading: Reading) -> dict[str, Any]:
    return {
        **zone.not_listed,
        "state": reading.state.value,
        "answers": list(reading.answers),
        "reason": reading.reason,
    }
