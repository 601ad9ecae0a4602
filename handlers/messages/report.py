"""The tree of SPF records as a sketch: every include with its lookups, and where the limit is passed.

The answer to an order, or to several at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.models import Finding, Order, Report, Role, Verdict
from handlers.message import Button, Card, Fact, Line, Sketch, Table, Tone
from handlers.messages.formatting import (
    NAMES,
    REASONS,
    TONES,
    count,
    is_listing,
    is_problem,
    line_of,
    list_name,
    name_of,
    summary,
    verdict_word,
    weight,
)
from handlers.sanitize import aligned, inert

WIDEST = 46  # characters for branch and term, so that the numbers stay in sight
ABOUT_RECORDS = frozenset(
    f"spf.{word}"
    for word in (
        "permanent-error",
        "multiple-records",
        "syntax-error",
        "missing-include",
        "too-many-lookups",
        "too-many-hosts",
        "too-many-voids",
        "dead-name",
    )
)
OVER = "← more than 10 from here"


def spf_sketch(findings: Iterable[Finding], asked_for: bool = False) -> Sketch | None:
    """Drawn where something is wrong with the records themselves, or where somebody asked for it."""
    about = [finding for finding in findings if finding.check == "spf"]
    wrong = any(finding.code in ABOUT_RECORDS and finding.verdict > Verdict.UNKNOWN for finding in about)
    rows = next((rows for finding in about if (rows := finding.facts.get("tree"))), None)
    if not rows or not (wrong or asked_for):
        return None
    total = rows[0]["lookups"]
    needs = "a circle" if total is None else f"{count(total, 'lookup')}, 10 allowed"
    return Sketch(f"SPF of {inert(str(rows[0]['text']))}: {needs}", tuple(_drawn(rows)))


def _drawn(rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    starts = [aligned(f"{branch}{row['text']}", WIDEST) for branch, row in zip(_branches(rows), rows, strict=True)]
    width = max(map(len, starts))
    for start, row in zip(starts, rows, strict=True):
        number = "" if row["lookups"] is None else str(row["lookups"])
        notes = " · ".join(note for note in (str(row["note"]), OVER if row["over"] else "") if note)
        yield f"{start:<{width}}  {number:>2}  {notes}".rstrip()


def _branches(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The lines in front of each row; read from the end, so that it is known which branches go on below."""
    branches: list[str] = []
    going_on: set[int] = set()
    for row in reversed(rows):
        depth = int(row["depth"])
        last = "├─ " if depth in going_on else "└─ "
        before = "".join("│  " if level in going_on else "   " for level in range(1, depth))
        branches.append(before + last if depth else "")
        going_on = {level for level in going_on if level < depth} | {depth}
    return branches[::-1]


PROBLEMS_SHOWN = 8
IN_FULL = 4  # of these, with their own step: more cannot be read in ten seconds
LISTINGS_IN_TABLE = 3  # fewer are told one by one, with their own step
FORM_BUTTONS = 2
NOT_THERE = (
    ".missing",
    ".no-selector-known",
    ".never-signs",
    ".not-checked",
    ".declined",
    ".not-needed",
    ".off",
    ".testing",
    ".no-mail",
)  # no fault, and not in order
WHEN_YOU_LIKE = {
    "mta-sts.missing": "an MTA-STS policy",
    "mta-sts.testing": "MTA-STS in mode enforce",
    "mta-sts.off": "an MTA-STS policy that is switched on",
    "mta-sts.short-age": "an MTA-STS policy that senders remember for weeks",
    "tls-rpt.missing": "reports about failed TLS",
}  # what mail arrives without, so it is no problem
TAKES = {Verdict.PASS: "yes", Verdict.UNKNOWN: "not known", Verdict.WARN: "perhaps not", Verdict.FAIL: "no"}


def so_far(done: int, orders: Sequence[Order]) -> str:
    """How far a check of several targets is: `12 of 16 addresses looked at`."""
    what = "addresses" if all(order.target.ip for order in orders) else "targets"
    return f"{done} of {len(orders)} {what} looked at"


def report_card(report: Report, tree: bool = False) -> Card:
    """The answer to one order: the verdict, the one next step, problems worst first, what passed in one line.

    The tree of SPF records is drawn where the next step is about it, and wherever `tree` asks for it.
    """
    problems = sorted((f for f in report.findings if is_problem(f)), key=weight)
    listings = [f for f in problems if f.check == "blocklist"]
    in_table = len(listings) >= LISTINGS_IN_TABLE
    told = [f for f in problems if not (in_table and f.check == "blocklist")]
    silent = [
        f for f in report.findings if f.verdict is Verdict.UNKNOWN and f not in problems and f.check == "blocklist"
    ]
    step = next((f.step for f in (*problems, *silent) if f.step), "")
    sketch = spf_sketch(report.findings, asked_for=tree)
    drawn = tree or any(f.check == "spf" for f in problems[:1])
    return Card(
        title=f"{name_of(report.order)}: {summary(report)}",
        tone=TONES[report.verdict],
        step=step,
        lines=(
            *_problems(told, step),
            *_explained(report.findings),
            *_silent_lists(silent),
            *(() if problems else _better(report.findings)),
            *_passed(report.findings),
        ),
        facts=(*(_receivers(report) if report.order.role is Role.MTA else ()), *_network(report.findings, problems)),
        sketch=sketch if drawn else None,
        table=_listing_table(listings) if in_table else None,
        buttons=(
            *_forms(problems),
            *_tree_button(report.order, sketch, drawn),
            again_button(report.order),
            watch_button(report.order),
        ),
        footnote=footnote(report),
    )


def reports_card(reports: Sequence[Report]) -> Card:
    """Several orders at once, as of a CIDR: one row each, worst first."""
    ranked = sorted(reports, key=lambda report: -report.verdict)
    worst = ranked[0].verdict
    bad = sum(report.verdict is Verdict.FAIL for report in reports)
    rows = tuple((name_of(report.order), verdict_word(report.verdict), summary(report)) for report in ranked)
    steps = (f.step for report in ranked for f in sorted(filter(is_problem, report.findings), key=weight) if f.step)
    return Card(
        title=f"{bad} of {len(reports)} targets {'has' if bad == 1 else 'have'} a problem that stops mail"
        if bad
        else _together(reports, worst),
        tone=TONES[worst],
        step=next(steps, ""),
        table=Table(("Target", "Verdict", "What was found"), rows),
        buttons=tuple(_look_closer(report) for report in ranked if report.verdict is Verdict.FAIL)[:4],
        footnote=f"{count(len(reports), 'target')} checked · {took(max(r.elapsed_ms for r in reports))}",
    )


def checking_card(orders: Sequence[Order], lists: int) -> Card:
    """Said at once, before the answer is known."""
    what = name_of(orders[0]) if len(orders) == 1 else f"{count(len(orders), 'target')}"
    against = f" against {count(lists, 'blocklist')}" if lists else ""
    return Card(f"Checking {what}{against} …", private=True)


def footnote(report: Report) -> str:
    """How the answer came about: lists asked, clean, listed, without an answer; time; cache."""
    states = [f.facts.get("state") for f in report.findings if f.check == "blocklist"]
    parts = ["checked as a client"] if report.order.role is Role.CLIENT else []
    if states:
        silent = states.count("unknown") + states.count("unusable")
        listed = sum(map(is_listing, report.findings))
        asked = f"{count(len(states), 'list')} asked: {states.count('not_listed')} clean, {listed} listed"
        parts.append(f"{asked}, {silent} without an answer" if silent else asked)
    parts.append("from the cache" if report.cached else took(report.elapsed_ms))
    return " · ".join((*parts, *report.notes))


def took(ms: int) -> str:
    return f"{ms} ms" if ms < 1_000 else f"{ms / 1_000:.1f} s"


def _tree_button(order: Order, sketch: Sketch | None, drawn: bool) -> tuple[Button, ...]:
    return (Button("SPF tree", command=f"check {order} tree"),) if sketch and not drawn else ()


def again_button(order: Order) -> Button:
    return Button("Check again", command=f"check {order} fresh", in_place=True)


def watch_button(order: Order) -> Button:
    """What was asked beyond the target would be lost with the card, so then the answer leaves it alone."""
    plain = order == Order(order.target, order.role)
    return Button("Watch", command=f"watch {order.target} as {order.role}", in_place=plain)


def _problems(told: Sequence[Finding], step: str) -> Iterable[Line]:
    """The worst with their own steps, unless the card has said that step already; then what else is wrong."""
    yield from (line_of(finding, but=step) for finding in told[:IN_FULL])
    yield from (Line(finding.says, TONES[finding.verdict]) for finding in told[IN_FULL:PROBLEMS_SHOWN])
    if len(told) > PROBLEMS_SHOWN:
        yield Line(f"{count(len(told) - PROBLEMS_SHOWN, 'more problem')}.")


def _explained(findings: Iterable[Finding]) -> Iterable[Line]:
    """What needs a word although it is no problem: an expected listing, praise, a plain fact."""
    tones = {"policy": Tone.GOOD, "allow": Tone.GOOD}
    told = (f for f in findings if f.verdict is Verdict.PASS and f.facts.get("state") == "listed")
    return (Line(f.says, tones.get(str(f.facts.get("effect")), Tone.PLAIN)) for f in told)


def _silent_lists(findings: Iterable[Finding]) -> Iterable[Line]:
    by_reason: dict[str, list[str]] = defaultdict(list)
    for finding in findings:
        by_reason[str(finding.facts.get("reason", ""))].append(list_name(finding))
    for reason, names in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        few = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        yield Line(f"{count(len(names), 'list')} not known ({REASONS.get(reason, reason)}): {few}.", Tone.UNSURE)


def _passed(findings: Sequence[Finding]) -> Iterable[Line]:
    clean = sum(f.facts.get("state") == "not_listed" for f in findings)
    there = (f for f in findings if f.verdict is Verdict.PASS and not f.code.endswith(NOT_THERE))
    good = [NAMES[f.check] for f in there if f.check in NAMES]
    bad = {NAMES.get(f.check, f.check) for f in findings if f.verdict is not Verdict.PASS}
    names = [name for name in dict.fromkeys(good) if name not in bad]
    parts = names + ([f"clean on {count(clean, 'blocklist')}"] if clean else [])
    return [Line(f"In order: {', '.join(parts)}.", Tone.GOOD)] if parts else []


def _better(findings: Iterable[Finding]) -> Iterable[Line]:
    """What could be added where nothing is wrong."""
    wishes = [wish for finding in findings if (wish := WHEN_YOU_LIKE.get(finding.code))]
    return [Line(f"Could be better: {' and '.join(wishes)}.")] if wishes else []


def _network(findings: Iterable[Finding], problems: Iterable[Finding]) -> tuple[Fact, ...]:
    """Whose address it is and who hears complaints, where the owner of the network may have to act."""
    if not any(finding.check in ("blocklist", "ptr") for finding in problems):
        return ()
    return tuple(Fact("Network", _holder(finding)) for finding in findings if finding.code == "network.holder")


def _holder(finding: Finding) -> str:
    facts = finding.facts
    name = facts.get("holder") or facts.get("network")
    number = f"AS{facts['asns'][0]}"
    complaints = f" · complaints go to {facts['abuse']}" if facts.get("abuse") else ""
    return (f"{name} ({number})" if name else number) + complaints


def _receivers(report: Report) -> tuple[Fact, ...]:
    """Would they take the mail: said where one of them would not, each in a word, with the reply it would give."""
    judged = [finding for finding in report.findings if finding.check == "senders"]
    if all(finding.verdict is Verdict.PASS for finding in judged):
        return ()
    return (Fact("Would take this mail", " · ".join(map(_receiver, judged))),)


def _receiver(finding: Finding) -> str:
    said = f"{finding.facts.get('name', finding.about)} {TAKES[finding.verdict]}"
    broken = (rule for rule in finding.facts.get("rules", ()) if rule["state"] == "broken")
    replies = list(dict.fromkeys(reply for rule in broken for reply in rule["replies"]))[:2]
    return f"{said} ({', '.join(replies)})" if replies and finding.verdict >= Verdict.WARN else said


def _listing_table(listings: Sequence[Finding]) -> Table:
    return Table(("Blocklist", "What it means", "Next step"), tuple((list_name(f), f.says, f.step) for f in listings))


def _forms(problems: Sequence[Finding]) -> tuple[Button, ...]:
    links = {link.url: (f, link) for f in problems if f.check == "blocklist" for link in f.links[:1]}
    buttons = [Button(f"{list_name(f)}: {link.label.lower()}", url=link.url) for f, link in links.values()]
    return tuple(buttons[:FORM_BUTTONS])


def _together(reports: Sequence[Report], worst: Verdict) -> str:
    endings = {Verdict.PASS: "all good", Verdict.UNKNOWN: "not everything could be checked"}
    return f"{count(len(reports), 'target')}: {endings.get(worst, 'nothing that stops mail, but have a look')}"


def _look_closer(report: Report) -> Button:
    return Button(name_of(report.order), command=f"check {report.order}")
