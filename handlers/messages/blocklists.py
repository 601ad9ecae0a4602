"""The note about a list that cannot be believed, and its end; said in one room of a workspace, where someone wants to know.

The health of the blocklists.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.checks.dnsbl import Trust
from bot.models import Verdict
from bot.monitoring.dnsbl_quarantine import ListNote, NoteReason
from handlers.message import Card, Line, Table, Tone
from handlers.messages.formatting import REASONS


def list_note_card(note: ListNote, name: str) -> Card:
    """One card for a list and what befell it: the end takes the place of the beginning."""
    if note.reason is not NoteReason.QUARANTINED:
        return Card(
            f"{name} is believed again", Tone.GOOD, lines=(Line("It had listed too much; what it says counts again."),)
        )
    flipped = f" {note.flipped} of the last {note.asked} targets turned to listed at once." if note.asked else ""
    own = " It lists its own test entry that must never be listed." if not note.asked else ""
    return Card(
        f"{name} lists too much to be believed, and is left out",
        Tone.WARN,
        lines=(
            Line(f"No channel is alerted for what it says.{flipped}{own}"),
            Line("It counts again after three good rounds of its own test entries; there is nothing to do."),
            Line(
                "Lists do so when they are closed, sold or broken. Servers that use it may refuse good mail meanwhile."
            ),
        ),
        footnote="Told in this channel only; settings lists off ends it",
    )


TRUST = {Trust.GOOD: Verdict.PASS, Trust.UNKNOWN: Verdict.UNKNOWN, Trust.UNUSABLE: Verdict.WARN}
HEALTH = {Verdict.PASS: "good", Verdict.UNKNOWN: "not known", Verdict.WARN: "not usable", Verdict.FAIL: "not usable"}

ListRow = tuple[str, Verdict, str, int]  # name, verdict, reason, milliseconds


def lists_card(lists: Sequence[ListRow]) -> Card:
    """The health of the lists; those that cannot be believed first."""
    good = sum(verdict is Verdict.PASS for _, verdict, _, _ in lists)
    ranked = sorted(lists, key=lambda row: (-row[1], row[0].lower()))
    rows = tuple(
        (name, HEALTH[verdict], REASONS.get(reason, reason) or f"{ms} ms") for name, verdict, reason, ms in ranked
    )
    return Card(
        f"{good} of {len(lists)} lists answer their own test entries right",
        Tone.GOOD if good == len(lists) else Tone.UNSURE,
        step="" if good else "Use a resolver of your own: lists refuse public ones.",
        table=Table(("Blocklist", "Health", "Why"), rows),
        private=True,
    )
