"""Shared formatting: tones, counts and the order of problems."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.checks.registry import CHECK_IDS, CHECK_NAMES
from bot.inputs.domain_names import display_domain
from bot.models import CheckRequest, Finding, Link, Report, Verdict
from handlers.message import Button, Card, Line, Select, Tone

TONES = {Verdict.PASS: Tone.GOOD, Verdict.UNKNOWN: Tone.UNSURE, Verdict.WARN: Tone.WARN, Verdict.FAIL: Tone.BAD}
SEVERITIES = ("high", "medium", "low", "none")
SPECIAL_PURPOSE = "network.special-purpose"
NO_SELECTOR = "dkim.no-selector-known"
MAX_REMOVAL_BUTTONS, MAX_REMOVAL_LINKS = 3, 8
MUTE_DURATIONS = Select(
    "For how long?",
    (("1h", "1 hour"), ("8h", "8 hours"), ("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days")),
    "24h",
)
QUARANTINED = "held-back"
REASON_TEXTS = {
    "timeout": "no answer in time",
    "servfail": "the server failed",
    "refused": "the query was refused",
    "public-resolver": "it refuses this resolver",
    "quota": "too many queries",
    "stripped": "the resolver removes its answers",
    "parked": "the domain of the list is parked",
    "emptied": "the list is empty",
    "lists-everything": "it lists its must-not-list test point",
    QUARANTINED: "it is unreliable right now, so its results are ignored",
    "blocked": "it refuses this resolver",
    "key-disabled": "its key was disabled",
    "key-misused": "its key belongs to another account",
    "no-key": "it needs a key that is not set",
    "malformed": "the answer could not be read",
    "truncated": "the answer was cut off",
    "loop": "its names form a CNAME loop",
    "wrong-zone": "its zone is misspelled in the catalog",
    "wrong-query": "it does not hold this kind of query",
    "contradiction": "its test points contradict each other",
    "formerr": "the server did not accept the query",
    "notimp": "the server did not accept the query",
    "time": "no time was left",
    "day-limit": "its queries of today are used up",
    "budget": "the queries of watches are used up",
}


def request_label(request: CheckRequest) -> str:
    target = request.target
    name = target.mailbox or (display_domain(target.domain) if target.domain else "")
    return " · ".join(part for part in (str(target.ip) if target.ip else "", name) if part)


def summarize_report(report: Report) -> str:
    """The verdict in a few words, for a title or a table row."""
    problems = sorted((f for f in report.findings if is_problem(f)), key=finding_sort_key)
    listed = [f for f in problems if f.check == "blocklist"]
    special = [str(f.facts["kind"]) for f in problems if f.code == SPECIAL_PURPOSE]
    other_problems = [f for f in problems if f.check != "blocklist" and f.code != SPECIAL_PURPOSE]
    if listed:
        first = list_name(listed[0])
        on = f"on {first}" if len(listed) == 1 else f"on {first} and {pluralize(len(listed) - 1, 'more blocklist')}"
        return f"{on}, and {pluralize(len(other_problems), 'more problem')}" if other_problems else on
    if other_problems:
        names = dict.fromkeys(CHECK_NAMES.get(f.check, f.check) for f in other_problems)
        return ", ".join((*special, f"{pluralize(len(other_problems), 'problem')} ({', '.join(names)})"))
    if special:
        return special[0]
    if report.verdict is Verdict.UNKNOWN:
        return "not everything could be checked"
    listings = [list_name(finding) for finding in report.findings if is_listing(finding)]
    if listings:
        return f"no problems, but listed on {join_names(listings, 1)}"
    is_unchecked = any(finding.code == NO_SELECTOR for finding in report.findings)
    return "no problems found; DKIM not checked" if is_unchecked else "no problems found"


def is_problem(finding: Finding) -> bool:
    """Whether a finding counts as a problem.

    Unanswered lists are summarized, and receiver verdicts only repeat other problems.
    """
    if finding.check == "senders":
        return False
    is_unanswered_list = finding.check == "blocklist" and "state" in finding.facts
    return finding.verdict >= Verdict.WARN or (finding.verdict is Verdict.UNKNOWN and not is_unanswered_list)


def is_listing(finding: Finding) -> bool:
    """Listed for whatever reason, but on an allowlist."""
    return finding.facts.get("state") == "listed" and finding.facts.get("effect") != "allow"


def list_name(finding: Finding) -> str:
    return str(finding.facts.get("name", finding.subject))


def pluralize(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}{'es' if noun.endswith(('ch', 's')) else 's'}"


def join_names(names: Sequence[str], limit: int = 8) -> str:
    """`Spamhaus ZEN, SpamCop and 3 more`."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def finding_sort_key(finding: Finding) -> tuple[int, int, int]:
    check = CHECK_IDS.index(finding.check) if finding.check in CHECK_IDS else len(CHECK_IDS)
    severity = finding.facts.get("severity", "none")
    return (-finding.verdict, check, SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES))


def steps_of(finding: Finding) -> list[str]:
    """The next step, and those of further sublists of a listing."""
    return [step for step in (finding.remediation, *finding.facts.get("more_steps", ())) if step]


def finding_line(finding: Finding, shown_step: str = "") -> Line:
    """A finding with its steps, but for `shown_step`."""
    texts = finding.facts.get("txt") or ()
    detail = " ".join(step for step in steps_of(finding) if step != shown_step)
    return Line(finding.summary, TONES[finding.verdict], detail, quote=str(texts[0]) if texts else "")


def verdict_word(verdict: Verdict) -> str:
    return {Verdict.PASS: "good", Verdict.UNKNOWN: "not known", Verdict.WARN: "warning", Verdict.FAIL: "bad"}[verdict]


def findings_card(title: str, findings: Sequence[Finding]) -> Card:
    """Findings with their steps, worst first."""
    ranked = sorted(findings, key=lambda finding: -finding.verdict)
    worst = ranked[0].verdict if ranked else Verdict.PASS
    return Card(title, TONES[worst], lines=tuple(finding_line(finding) for finding in ranked))


def removal_buttons(pages: Iterable[tuple[str, Link]]) -> tuple[Button, ...]:
    """Buttons to the first removal pages, one for each list; `pages` are names of lists, worst first, with a page."""
    first = _distinct(pages)[:MAX_REMOVAL_BUTTONS]
    return tuple(
        Button(f"{name}: {link.label.lower()}", url=link.url, primary=number == 0)
        for number, (name, link) in enumerate(first)
    )


def removal_links(pages: Iterable[tuple[str, Link]]) -> tuple[Line, ...]:
    """A line with the removal pages that have no button; the worst of them where there are many."""
    others = _distinct(pages)[MAX_REMOVAL_BUTTONS:]
    if not others:
        return ()
    shown = others[:MAX_REMOVAL_LINKS]
    text = "Other lists:" if shown == others else f"Other lists, the worst {len(shown)} of {len(others)}:"
    return (Line(text, links=tuple(Link(name, link.url) for name, link in shown)),)


def _distinct(pages: Iterable[tuple[str, Link]]) -> list[tuple[str, Link]]:
    """One page for each list, and one list for each page; a range has a page for each of its addresses."""
    by_name: dict[str, tuple[str, Link]] = {}
    for name, link in pages:
        by_name.setdefault(name, (name, link))
    by_url: dict[str, tuple[str, Link]] = {}
    for name, link in by_name.values():
        by_url.setdefault(link.url, (name, link))
    return list(by_url.values())
