"""Words and marks that several messages share: tones, names of checks, counts, the order of problems."""

from __future__ import annotations

from collections.abc import Sequence

from bot.inputs.domain_names import shown
from bot.models import Finding, Order, Report, Verdict
from handlers.message import Card, Choice, Line, Tone

TONES = {Verdict.PASS: Tone.GOOD, Verdict.UNKNOWN: Tone.UNSURE, Verdict.WARN: Tone.WARN, Verdict.FAIL: Tone.BAD}

# What stops mail first comes first; within a check the worst severity comes first.
WEIGHT = (
    "blocklist",
    "ptr",
    "helo",
    "spf",
    "dmarc",
    "mx",
    "dkim",
    "mta-sts",
    "starttls",
    "network",
    "tls-rpt",
    "dane",
    "bimi",
    "senders",
)
SEVERITIES = ("high", "medium", "low", "none")
NAMES = {
    "ptr": "reverse name",
    "helo": "HELO name",
    "spf": "SPF",
    "dmarc": "DMARC",
    "mx": "MX",
    "dkim": "DKIM",
    "mta-sts": "MTA-STS",
    "starttls": "STARTTLS",
    "tls-rpt": "TLS reports",
    "dane": "DANE",
    "bimi": "BIMI",
}
SPECIAL = "network.special-purpose"
MUTE_FOR = Choice(
    "For how long?",
    (("1h", "1 hour"), ("8h", "8 hours"), ("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days")),
    "24h",
)
HELD = "held-back"
REASONS = {
    "timeout": "no answer in time",
    "servfail": "the server failed",
    "refused": "the query was refused",
    "public-resolver": "it refuses this resolver",
    "quota": "too many queries",
    "stripped": "the resolver removes its answers",
    "parked": "the domain of the list is parked",
    "emptied": "the list is empty",
    "lists-everything": "it lists everything",
    HELD: "it listed too much at once, so no watch believes it",
    "blocked": "it refuses this resolver",
    "key-disabled": "its key was disabled",
    "key-misused": "its key belongs to somebody else",
    "no-key": "it needs a key that is not set",
    "malformed": "the answer could not be read",
    "truncated": "the answer was cut off",
    "loop": "its name leads in a circle",
    "wrong-zone": "the zone was asked under a wrong name",
    "wrong-query": "it was asked the wrong kind of question",
    "contradiction": "its test entries contradict each other",
}


def name_of(order: Order) -> str:
    ip, domain = order.target.ip, order.target.domain
    return " · ".join(part for part in (str(ip) if ip else "", shown(domain) if domain else "") if part)


def summary(report: Report) -> str:
    """The verdict in a few words, for a headline or a table row."""
    problems = sorted((f for f in report.findings if is_problem(f)), key=weight)
    listed = [f for f in problems if f.check == "blocklist"]
    special = [str(f.facts["kind"]) for f in problems if f.code == SPECIAL]
    others = [f for f in problems if f.check != "blocklist" and f.code != SPECIAL]
    if listed:
        first = list_name(listed[0])
        on = f"on {first}" if len(listed) == 1 else f"on {first} and {count(len(listed) - 1, 'more blocklist')}"
        return f"{on}, and {count(len(others), 'more problem')}" if others else on
    if others:
        names = dict.fromkeys(NAMES.get(f.check, f.check) for f in others)
        return ", ".join((*special, f"{count(len(others), 'problem')} ({', '.join(names)})"))
    if special:
        return special[0]
    return "not everything could be checked" if report.verdict is Verdict.UNKNOWN else "all good"


def is_problem(finding: Finding) -> bool:
    """Lists that gave no answer are told together, and what a receiver makes of a problem is not one more of them."""
    if finding.check == "senders":
        return False
    silent_list = finding.check == "blocklist" and "state" in finding.facts
    return finding.verdict >= Verdict.WARN or (finding.verdict is Verdict.UNKNOWN and not silent_list)


def is_listing(finding: Finding) -> bool:
    """On a list that blocks, as evidence or as policy; an allowlist and a list of plain facts are none."""
    return finding.facts.get("state") == "listed" and finding.facts.get("effect", "listed") in ("listed", "policy")


def list_name(finding: Finding) -> str:
    return str(finding.facts.get("name", finding.about))


def count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}{'es' if noun.endswith(('ch', 's')) else 's'}"


def listed_by(names: Sequence[str], most: int = 8) -> str:
    """`Spamhaus ZEN, SpamCop and 3 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def weight(finding: Finding) -> tuple[int, int, int]:
    check = WEIGHT.index(finding.check) if finding.check in WEIGHT else len(WEIGHT)
    severity = finding.facts.get("severity", "none")
    return (-finding.verdict, check, SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES))


def line_of(finding: Finding, but: str = "") -> Line:
    """A finding with its step, unless the card has said that step already."""
    texts = finding.facts.get("txt") or ()
    detail = "" if finding.step == but else finding.step
    return Line(finding.says, TONES[finding.verdict], detail, quote=str(texts[0]) if texts else "")


def verdict_word(verdict: Verdict) -> str:
    return {Verdict.PASS: "good", Verdict.UNKNOWN: "not known", Verdict.WARN: "look at it", Verdict.FAIL: "bad"}[
        verdict
    ]


def findings_card(title: str, findings: Sequence[Finding]) -> Card:
    """A handful of findings, each with its own step, worst first."""
    ranked = sorted(findings, key=lambda finding: -finding.verdict)
    worst = ranked[0].verdict if ranked else Verdict.PASS
    return Card(title, TONES[worst], lines=tuple(line_of(finding) for finding in ranked))
