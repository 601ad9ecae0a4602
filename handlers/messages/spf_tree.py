"""The tree of SPF records as a sketch: every include with its lookups, and where the limit is passed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.model import Finding, Verdict
from handlers.card import Sketch
from handlers.inert import aligned, inert
from handlers.messages.words import count

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
