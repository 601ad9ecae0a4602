"""Everything the bot says, as cards. Words are chosen here once; a platform only draws them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from bot.checks.blocklists import Trust
from bot.domains import shown
from bot.model import Finding, Order, Report, Role, Verdict
from handlers.card import Button, Card, Line, Table, Tone

TONES = {Verdict.PASS: Tone.GOOD, Verdict.UNKNOWN: Tone.UNSURE, Verdict.WARN: Tone.WARN, Verdict.FAIL: Tone.BAD}
SPECIAL = "network.special-purpose"
TRUST = {Trust.GOOD: Verdict.PASS, Trust.UNKNOWN: Verdict.UNKNOWN, Trust.UNUSABLE: Verdict.WARN}
PROBLEMS_SHOWN = 8
LISTINGS_IN_TABLE = 3  # fewer are told one by one, with their own step
FORM_BUTTONS = 2

# What stops mail first comes first; within a check the worst severity comes first.
WEIGHT = ("blocklist", "ptr", "helo", "spf", "dmarc", "mx", "network")
SEVERITIES = ("high", "medium", "low", "none")
NAMES = {"ptr": "reverse name", "helo": "HELO name", "spf": "SPF", "dmarc": "DMARC", "mx": "MX"}
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


def report_card(report: Report) -> Card:
    """The answer to one order: the verdict, the one next step, problems worst first, what passed in one line."""
    problems = sorted((f for f in report.findings if is_problem(f)), key=_weight)
    listings = [f for f in problems if f.check == "blocklist"]
    in_table = len(listings) >= LISTINGS_IN_TABLE
    told = [f for f in problems if not (in_table and f.check == "blocklist")]
    step = next((f.step for f in problems if f.step), "")
    lines = [_line(f, but=step) for f in told[:PROBLEMS_SHOWN]]
    lines += [Line(f"{count(len(told) - PROBLEMS_SHOWN, 'more problem')}.")] if len(told) > PROBLEMS_SHOWN else []
    return Card(
        title=f"{name_of(report.order)}: {summary(report)}",
        tone=TONES[report.verdict],
        step=step,
        lines=(*lines, *_explained(report.findings), *_silent_lists(report.findings), *_passed(report.findings)),
        table=_listing_table(listings) if in_table else None,
        buttons=(*_forms(problems), again_button(report.order)),
        footnote=footnote(report),
    )


def reports_card(reports: Sequence[Report]) -> Card:
    """Several orders at once, as of a CIDR: one row each, worst first."""
    ranked = sorted(reports, key=lambda report: -report.verdict)
    worst = ranked[0].verdict
    bad = sum(report.verdict is Verdict.FAIL for report in reports)
    rows = tuple((name_of(report.order), _word(report.verdict), summary(report)) for report in ranked)
    steps = (f.step for report in ranked for f in sorted(filter(is_problem, report.findings), key=_weight) if f.step)
    return Card(
        title=f"{bad} of {len(reports)} targets have a problem that stops mail" if bad else _together(reports, worst),
        tone=TONES[worst],
        step=next(steps, ""),
        table=Table(("Target", "Verdict", "What was found"), rows),
        buttons=tuple(_look_closer(report) for report in ranked if report.verdict is Verdict.FAIL)[:4],
        footnote=f"{count(len(reports), 'target')} checked · {max(r.elapsed_ms for r in reports) / 1000:.1f} s",
    )


def checking_card(orders: Sequence[Order], lists: int) -> Card:
    """Said at once, before the answer is known."""
    what = name_of(orders[0]) if len(orders) == 1 else f"{count(len(orders), 'target')}"
    against = f" against {count(lists, 'blocklist')}" if lists else ""
    return Card(f"Checking {what}{against} …", private=True)


def still_checking_card(orders: Sequence[Order]) -> Card:
    """The one edit of a check that takes longer than two seconds."""
    return Card(f"Still checking {name_of(orders[0])}: some name servers are slow …", private=True)


def refusal_card(sentence: str) -> Card:
    """Something the person asked for cannot be done; the sentence says what to type instead."""
    return Card(sentence, tone=Tone.WARN, private=True)


def broken_card() -> Card:
    return Card("Something broke here, and it is logged. Please try again in a minute.", tone=Tone.BAD, private=True)


def help_card() -> Card:
    rows = (
        ("203.0.113.5 example.com", "check an address, a domain, or both"),
        ("203.0.113.0/28", "check up to 16 addresses"),
        ("203.0.113.5 as client", "the address submits mail with a password: a policy listing is expected"),
        ("203.0.113.5 helo mail.example.com", "check the name that the server greets with, too"),
        ("203.0.113.5 example.com private", "only you see the answer"),
        ("lists", "which blocklists answer, and which do not"),
        ("help", "this page"),
    )
    return Card(
        "What mailcheck can do",
        lines=(Line("Type an address, a domain, or both after the command."),),
        table=Table(("Type", "To"), rows),
        private=True,
    )


def lists_card(lists: Sequence[tuple[str, Verdict, str, int]]) -> Card:
    """The health of the lists, as (name, verdict, reason, milliseconds); those that cannot be believed first."""
    good = sum(verdict is Verdict.PASS for _, verdict, _, _ in lists)
    ranked = sorted(lists, key=lambda row: (-row[1], row[0].lower()))
    rows = tuple(
        (name, _word(verdict), REASONS.get(reason, reason) or f"{ms} ms") for name, verdict, reason, ms in ranked
    )
    return Card(
        f"{good} of {len(lists)} lists answer their own test entries right",
        Tone.GOOD if good == len(lists) else Tone.UNSURE,
        step="" if good else "Use a resolver of your own: lists refuse public ones.",
        table=Table(("Blocklist", "Health", "Why"), rows),
        private=True,
    )


def findings_card(title: str, findings: Sequence[Finding]) -> Card:
    """A handful of findings, each with its own step, worst first."""
    ranked = sorted(findings, key=lambda finding: -finding.verdict)
    worst = ranked[0].verdict if ranked else Verdict.PASS
    return Card(title, TONES[worst], lines=tuple(_line(finding) for finding in ranked))


def name_of(order: Order) -> str:
    ip, domain = order.target.ip, order.target.domain
    return " · ".join(part for part in (str(ip) if ip else "", shown(domain) if domain else "") if part)


def summary(report: Report) -> str:
    """The verdict in a few words, for a headline or a table row."""
    problems = sorted((f for f in report.findings if is_problem(f)), key=_weight)
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


def footnote(report: Report) -> str:
    """How the answer came about: lists asked, clean, listed, without an answer; time; cache."""
    states = [f.facts.get("state") for f in report.findings if f.check == "blocklist"]
    parts = ["checked as a client"] if report.order.role is Role.CLIENT else []
    if states:
        silent = states.count("unknown") + states.count("unusable")
        listed = sum(map(is_listing, report.findings))
        asked = f"{count(len(states), 'list')} asked: {states.count('not_listed')} clean, {listed} listed"
        parts.append(f"{asked}, {silent} without an answer" if silent else asked)
    parts.append("from the cache" if report.cached else f"{report.elapsed_ms / 1000:.1f} s")
    return " · ".join((*parts, *report.notes))


def again_button(order: Order) -> Button:
    return Button("Check again", command=f"check {order} fresh")


def is_problem(finding: Finding) -> bool:
    """Lists that gave no answer are told together, not one by one."""
    return finding.verdict >= Verdict.WARN or (finding.verdict is Verdict.UNKNOWN and finding.check != "blocklist")


def is_listing(finding: Finding) -> bool:
    """On a list that blocks, as evidence or as policy; an allowlist and a list of plain facts are none."""
    return finding.facts.get("state") == "listed" and finding.facts.get("effect", "listed") in ("listed", "policy")


def list_name(finding: Finding) -> str:
    return str(finding.facts.get("name", finding.about))


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _weight(finding: Finding) -> tuple[int, int, int]:
    check = WEIGHT.index(finding.check) if finding.check in WEIGHT else len(WEIGHT)
    severity = finding.facts.get("severity", "none")
    return (-finding.verdict, check, SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES))


def _line(finding: Finding, but: str = "") -> Line:
    """A finding with its step, unless the card has said that step already."""
    texts = finding.facts.get("txt") or ()
    detail = "" if finding.step == but else finding.step
    return Line(finding.says, TONES[finding.verdict], detail, quote=str(texts[0]) if texts else "")


def _explained(findings: Iterable[Finding]) -> Iterable[Line]:
    """What needs a word although it is no problem: an expected listing, praise, a plain fact."""
    tones = {"policy": Tone.GOOD, "allow": Tone.GOOD}
    told = (f for f in findings if f.verdict is Verdict.PASS and f.facts.get("state") == "listed")
    return (Line(f.says, tones.get(str(f.facts.get("effect")), Tone.PLAIN)) for f in told)


def _silent_lists(findings: Iterable[Finding]) -> Iterable[Line]:
    by_reason: dict[str, list[str]] = defaultdict(list)
    for finding in findings:
        if finding.check == "blocklist" and finding.verdict is Verdict.UNKNOWN:
            by_reason[str(finding.facts.get("reason", ""))].append(list_name(finding))
    for reason, names in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        few = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        yield Line(f"{count(len(names), 'list')} not known ({REASONS.get(reason, reason)}): {few}.", Tone.UNSURE)


def _passed(findings: Sequence[Finding]) -> Iterable[Line]:
    clean = sum(f.facts.get("state") == "not_listed" for f in findings)
    good = [NAMES[f.check] for f in findings if f.verdict is Verdict.PASS and f.check in NAMES]
    bad = {NAMES.get(f.check, f.check) for f in findings if f.verdict is not Verdict.PASS}
    names = [name for name in dict.fromkeys(good) if name not in bad]
    parts = names + ([f"clean on {count(clean, 'blocklist')}"] if clean else [])
    return [Line(f"In order: {', '.join(parts)}.", Tone.GOOD)] if parts else []


def _listing_table(listings: Sequence[Finding]) -> Table:
    return Table(("Blocklist", "What it means", "Next step"), tuple((list_name(f), f.says, f.step) for f in listings))


def _forms(problems: Sequence[Finding]) -> tuple[Button, ...]:
    links = {link.url: (f, link) for f in problems if f.check == "blocklist" for link in f.links[:1]}
    buttons = [Button(f"{list_name(f)}: {link.label.lower()}", url=link.url) for f, link in links.values()]
    return tuple(buttons[:FORM_BUTTONS])


def _word(verdict: Verdict) -> str:
    return {Verdict.PASS: "good", Verdict.UNKNOWN: "not known", Verdict.WARN: "look at it", Verdict.FAIL: "bad"}[
        verdict
    ]


def _together(reports: Sequence[Report], worst: Verdict) -> str:
    endings = {Verdict.PASS: "all good", Verdict.UNKNOWN: "not everything could be checked"}
    return f"{count(len(reports), 'target')}: {endings.get(worst, 'nothing that stops mail, but have a look')}"


def _look_closer(report: Report) -> Button:
    return Button(name_of(report.order), command=f"check {report.order}")
