"""Messages about check reports: one report, several reports, and the SPF include tree.

The tree shows the DNS lookups of every include and where the limit is exceeded (RFC 7208 4.6.4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.checks.registry import CHECK_NAMES
from bot.models import CheckRequest, Finding, Report, Role, Verdict
from handlers.message import Button, Card, Fact, Line, Table, TextBlock, Tone
from handlers.messages.explanation import explain_button
from handlers.messages.formatting import (
    REASON_TEXTS,
    TONES,
    finding_line,
    finding_sort_key,
    is_listing,
    is_problem,
    list_name,
    pluralize,
    removal_buttons,
    removal_links,
    request_label,
    steps_of,
    summarize_report,
    verdict_word,
)
from handlers.sanitize import sanitize, sanitize_monospaced

MAX_TERM_WIDTH = 46  # characters of branch and term, so that the numbers stay visible
RECORD_CODES = frozenset(
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
OVER_LIMIT_NOTE = "← more than 10 from here"


def spf_tree_block(findings: Iterable[Finding], requested: bool = False) -> TextBlock | None:
    """The SPF include tree if the records are broken or it was requested, else None."""
    spf_findings = [finding for finding in findings if finding.check == "spf"]
    is_broken = any(finding.code in RECORD_CODES and finding.verdict > Verdict.UNKNOWN for finding in spf_findings)
    rows = next((rows for finding in spf_findings if (rows := finding.facts.get("tree"))), None)
    if not rows or not (is_broken or requested):
        return None
    total = rows[0]["lookups"]
    total_text = "include loop" if total is None else f"{pluralize(total, 'lookup')}, 10 allowed"
    return TextBlock(f"SPF of {sanitize(str(rows[0]['text']))}: {total_text}", tuple(_tree_lines(rows)))


def _tree_lines(rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    starts = [
        sanitize_monospaced(f"{branch}{row['text']}", MAX_TERM_WIDTH)
        for branch, row in zip(_branch_marks(rows), rows, strict=True)
    ]
    width = max(map(len, starts))
    for start, row in zip(starts, rows, strict=True):
        number = "" if row["lookups"] is None else str(row["lookups"])
        notes = " · ".join(note for note in (str(row["note"]), OVER_LIMIT_NOTE if row["over"] else "") if note)
        yield f"{start:<{width}}  {number:>2}  {notes}".rstrip()


def _branch_marks(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Branch characters of each row; from the last row up, to know which branches continue."""
    branches: list[str] = []
    open_levels: set[int] = set()
    for row in reversed(rows):
        depth = int(row["depth"])
        mark = "├─ " if depth in open_levels else "└─ "
        indent = "".join("│  " if level in open_levels else "   " for level in range(1, depth))
        branches.append(indent + mark if depth else "")
        open_levels = {level for level in open_levels if level < depth} | {depth}
    return branches[::-1]


RESOLVER_FAULT = "dns.resolver-fault"  # it stands for all lists that fail for its reason
MAX_PROBLEMS = 8
MAX_WITH_STEP = 4  # of these, with their own step: more cannot be read in ten seconds
MIN_TABLE_LISTINGS = 3  # fewer are separate lines, with their own step
# Neither a problem nor a success.
NEUTRAL_SUFFIXES = (
    ".missing",
    ".no-selector-known",
    ".never-signs",
    ".not-checked",
    ".declined",
    ".not-needed",
    ".off",
    ".testing",
    ".no-mail",
)
# Mail is delivered without them, so they are no problems.
IMPROVEMENTS = {
    "mta-sts.missing": "an MTA-STS policy",
    "mta-sts.testing": "MTA-STS in mode enforce",
    "mta-sts.off": "an MTA-STS policy that is switched on",
    "mta-sts.short-age": "an MTA-STS policy with a longer max_age",
    "tls-rpt.missing": "reports about failed TLS",
}
RECEIVER_VERDICTS = {
    Verdict.PASS: "{name} accepts",
    Verdict.UNKNOWN: "{name} not known",
    Verdict.WARN: "{name} may reject",
    Verdict.FAIL: "{name} rejects",
}


def progress_text(completed: int, requests: Sequence[CheckRequest]) -> str:
    """Progress of a check of several targets: `12 of 16 addresses checked`."""
    unit = "addresses" if all(request.target.ip for request in requests) else "targets"
    return f"{completed} of {len(requests)} {unit} checked"


def report_card(report: Report, with_tree: bool = False) -> Card:
    """One report: verdict, next step, problems worst first, and one line of what passed.

    The SPF include tree is shown if the next step is about SPF, or if `with_tree` is set.
    """
    problems = sorted((f for f in report.findings if is_problem(f)), key=finding_sort_key)
    listings = [f for f in problems if f.check == "blocklist"]
    pages = [(list_name(f), link) for f in listings for link in f.links[:1]]
    uses_table = len(listings) >= MIN_TABLE_LISTINGS
    detailed = [f for f in problems if not (uses_table and f.check == "blocklist")]
    unanswered = _unanswered(report.findings, problems)
    step = next((f.remediation for f in (*problems, *unanswered) if f.remediation), "")
    spf_tree = spf_tree_block(report.findings, requested=with_tree)
    shows_tree = with_tree or any(f.check == "spf" for f in problems[:1])
    return Card(
        title=f"{request_label(report.request)}: {summarize_report(report)}",
        tone=TONES[report.verdict],
        step=step,
        lines=(
            *_problem_lines(detailed, step),
            *removal_links(pages),
            *_listing_notes(report.findings),
            *_unanswered_lines(unanswered),
            *(() if problems else _improvement_lines(report.findings)),
            *_passed_lines(report.findings),
        ),
        facts=(
            *(_receiver_facts(report) if report.request.role is Role.MTA else ()),
            *_network_facts(report.findings, problems),
        ),
        text_block=spf_tree if shows_tree else None,
        table=_listing_table(listings) if uses_table else None,
        buttons=(
            *removal_buttons(pages),
            *_tree_button(report.request, spf_tree, shows_tree),
            *explain_button(report.request),
            check_again_button(report.request),
            watch_button(report.request),
        ),
        footnote=report_footnote(report),
    )


def _unanswered(findings: Sequence[Finding], problems: Sequence[Finding]) -> list[Finding]:
    """Lists without an answer, but for those that a fault of the resolver explains."""
    explained = {f.facts["reason"] for f in problems if f.code == RESOLVER_FAULT}
    unknown = (f for f in findings if f.check == "blocklist" and f.verdict is Verdict.UNKNOWN)
    return [f for f in unknown if f not in problems and f.facts.get("reason") not in explained]


def reports_card(reports: Sequence[Report]) -> Card:
    """Several reports, as of a CIDR range: one row each, worst first."""
    ranked = sorted(reports, key=lambda report: -report.verdict)
    worst = ranked[0].verdict
    bad = sum(report.verdict is Verdict.FAIL for report in reports)
    rows = tuple((request_label(report.request), _report_word(report), summarize_report(report)) for report in ranked)
    steps = (
        f.remediation
        for report in ranked
        for f in sorted(filter(is_problem, report.findings), key=finding_sort_key)
        if f.remediation
    )
    return Card(
        title=(f"{bad} of {len(reports)} targets {'has' if bad == 1 else 'have'} a problem that stops mail")
        if bad
        else _overall_verdict(reports, worst),
        tone=TONES[worst],
        step=next(steps, ""),
        table=Table(("Target", "Verdict", "Problems"), rows),
        buttons=tuple(_details_button(report) for report in ranked if report.verdict is Verdict.FAIL)[:4],
        footnote=(f"{pluralize(len(reports), 'target')} checked · {elapsed_text(max(r.elapsed_ms for r in reports))}"),
    )


def checking_card(requests: Sequence[CheckRequest]) -> Card:
    """Acknowledgement before the check; how many lists are queried depends on the PTR name, so the answer says it."""
    what = request_label(requests[0]) if len(requests) == 1 else f"{pluralize(len(requests), 'target')}"
    return Card(f"Checking {what} …", private=True)


def report_footnote(report: Report) -> str:
    """Footnote: numbers of lists by state, elapsed time or cache, notes."""
    states = [f.facts.get("state") for f in report.findings if f.check == "blocklist"]
    parts = ["checked as a client"] if report.request.role is Role.CLIENT else []
    if states:
        unanswered = states.count("unknown") + states.count("unusable")
        listed = sum(map(is_listing, report.findings))
        queried = f"{pluralize(len(states), 'list')} queried: {states.count('not_listed')} clean, {listed} listed"
        parts.append(f"{queried}, {unanswered} without an answer" if unanswered else queried)
    parts.append("from the cache" if report.cached else elapsed_text(report.elapsed_ms))
    return " · ".join((*parts, *report.notes))


def elapsed_text(ms: int) -> str:
    return f"{ms} ms" if ms < 1_000 else f"{ms / 1_000:.1f} s"


def _tree_button(request: CheckRequest, spf_tree: TextBlock | None, shows_tree: bool) -> tuple[Button, ...]:
    return (Button("SPF tree", command=f"check {request} tree"),) if spf_tree and not shows_tree else ()


def check_again_button(request: CheckRequest) -> Button:
    return Button("Check again", command=f"check {request} fresh", in_place=True)


def watch_button(request: CheckRequest) -> Button:
    """Watch button; replaces the card unless the check had options that the watch has not."""
    target_only = request == CheckRequest(request.target, request.role)
    return Button("Watch", command=f"watch {request.target} as {request.role}", in_place=target_only)


def _problem_lines(problems: Sequence[Finding], shown_step: str) -> Iterable[Line]:
    """The worst problems with their steps, unless already shown, then the others."""
    yield from (finding_line(finding, shown_step) for finding in problems[:MAX_WITH_STEP])
    yield from (Line(finding.summary, TONES[finding.verdict]) for finding in problems[MAX_WITH_STEP:MAX_PROBLEMS])
    if len(problems) > MAX_PROBLEMS:
        yield Line(f"{pluralize(len(problems) - MAX_PROBLEMS, 'more problem')}.")


def _listing_notes(findings: Iterable[Finding]) -> Iterable[Line]:
    """Listings that are no problems: expected ones, allowlists, informational lists."""
    tones = {"policy": Tone.GOOD, "allow": Tone.GOOD}
    listings = (f for f in findings if f.verdict is Verdict.PASS and f.facts.get("state") == "listed")
    return (Line(f.summary, tones.get(str(f.facts.get("effect")), Tone.PLAIN)) for f in listings)


def _unanswered_lines(findings: Iterable[Finding]) -> Iterable[Line]:
    by_reason: dict[str, list[str]] = defaultdict(list)
    for finding in findings:
        by_reason[str(finding.facts.get("reason", ""))].append(list_name(finding))
    for reason, names in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        few = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        yield Line(
            f"{pluralize(len(names), 'list')} not known ({REASON_TEXTS.get(reason, reason)}): {few}.", Tone.UNSURE
        )


def _passed_lines(findings: Sequence[Finding]) -> Iterable[Line]:
    clean = sum(f.facts.get("state") == "not_listed" for f in findings)
    present = (f for f in findings if f.verdict is Verdict.PASS and not f.code.endswith(NEUTRAL_SUFFIXES))
    good = [CHECK_NAMES[f.check] for f in present if f.check in CHECK_NAMES]
    bad = {CHECK_NAMES.get(f.check, f.check) for f in findings if f.verdict is not Verdict.PASS}
    names = [name for name in dict.fromkeys(good) if name not in bad]
    parts = names + ([f"not listed on {pluralize(clean, 'blocklist')}"] if clean else [])
    return [Line(f"Passed: {', '.join(parts)}.", Tone.GOOD)] if parts else []


def _improvement_lines(findings: Iterable[Finding]) -> Iterable[Line]:
    """Optional improvements, for reports without problems."""
    improvements = [improvement for finding in findings if (improvement := IMPROVEMENTS.get(finding.code))]
    return [Line(f"Could be better: {' and '.join(improvements)}.")] if improvements else []


def _network_facts(findings: Iterable[Finding], problems: Iterable[Finding]) -> tuple[Fact, ...]:
    """Network owner and abuse contact, if they may have to act."""
    if not any(finding.check in ("blocklist", "ptr") for finding in problems):
        return ()
    return tuple(Fact("Network", _network_owner(finding)) for finding in findings if finding.code == "network.holder")


def _network_owner(finding: Finding) -> str:
    facts = finding.facts
    name = facts.get("holder") or facts.get("network")
    number = f"AS{facts['asns'][0]}"
    complaints = f" · complaints go to {facts['abuse']}" if facts.get("abuse") else ""
    return (f"{name} ({number})" if name else number) + complaints


def _receiver_facts(report: Report) -> tuple[Fact, ...]:
    """Verdict of each receiver with its SMTP reply, unless all would accept."""
    verdicts = [finding for finding in report.findings if finding.check == "senders"]
    if all(finding.verdict is Verdict.PASS for finding in verdicts):
        return ()
    return (Fact("Likely", " · ".join(map(_receiver_verdict, verdicts))),)


def _receiver_verdict(finding: Finding) -> str:
    verdict = RECEIVER_VERDICTS[finding.verdict].format(name=finding.facts.get("name", finding.subject))
    broken = (rule for rule in finding.facts.get("rules", ()) if rule["state"] == "broken")
    replies = list(dict.fromkeys(reply for rule in broken for reply in rule["replies"]))[:2]
    return f"{verdict} ({', '.join(replies)})" if replies and finding.verdict >= Verdict.WARN else verdict


def _listing_table(listings: Sequence[Finding]) -> Table:
    return Table(
        ("Blocklist", "What it means", "Next step"),
        tuple((list_name(f), f.summary, " ".join(steps_of(f))) for f in listings),
    )


def _report_word(report: Report) -> str:
    """The verdict of a report in a word; a listing that is no problem is not called good."""
    if report.verdict is Verdict.PASS and any(map(is_listing, report.findings)):
        return "listed"
    return verdict_word(report.verdict)


def _overall_verdict(reports: Sequence[Report], worst: Verdict) -> str:
    endings = {Verdict.PASS: "no problems found", Verdict.UNKNOWN: "not everything could be checked"}
    if worst is Verdict.PASS and any(is_listing(finding) for report in reports for finding in report.findings):
        return f"{pluralize(len(reports), 'target')}: no problems, but listed"
    return f"{pluralize(len(reports), 'target')}: {endings.get(worst, 'nothing that stops mail, but some warnings')}"


def _details_button(report: Report) -> Button:
    return Button(request_label(report.request), command=f"check {report.request}")
