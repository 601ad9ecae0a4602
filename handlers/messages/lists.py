"""The health of the blocklists."""

from __future__ import annotations

from collections.abc import Sequence

from bot.checks.blocklists import Trust
from bot.model import Verdict
from handlers.card import Card, Table, Tone
from handlers.messages.words import REASONS

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
