"""Messages about blocklists: notices about unreliable lists, and the status of all lists."""

from __future__ import annotations

from collections.abc import Sequence

from bot.checks.dnsbl import TrustLevel
from bot.models import Verdict
from bot.monitoring.dnsbl_quarantine import ListNotice, NoticeReason
from handlers.message import Card, Line, Table, Tone
from handlers.messages.formatting import REASON_TEXTS


def list_notice_card(notice: ListNotice, list_name: str) -> Card:
    """Notice that a list is quarantined, or, as an edit of that one, trusted again."""
    if notice.reason is not NoticeReason.QUARANTINED:
        return Card(
            f"{list_name} is believed again",
            Tone.GOOD,
            lines=(Line("It had listed too much; what it says counts again."),),
        )
    flipped = (
        f" {notice.newly_listed} of the last {notice.answered} targets turned to listed at once."
        if notice.answered
        else ""
    )
    test_point = " It lists its own test entry that must never be listed." if not notice.answered else ""
    return Card(
        f"{list_name} lists too much to be believed, and is left out",
        Tone.WARN,
        lines=(
            Line(f"No channel is alerted for what it says.{flipped}{test_point}"),
            Line("It counts again after three good rounds of its own test entries; there is nothing to do."),
            Line(
                "Lists do so when they are closed, sold or broken. Servers that use it may refuse good mail meanwhile."
            ),
        ),
        footnote="Told in this channel only; settings lists off ends it",
    )


TRUST_VERDICTS = {TrustLevel.GOOD: Verdict.PASS, TrustLevel.UNKNOWN: Verdict.UNKNOWN, TrustLevel.UNUSABLE: Verdict.WARN}
STATUS_TEXTS = {
    Verdict.PASS: "good",
    Verdict.UNKNOWN: "not known",
    Verdict.WARN: "not usable",
    Verdict.FAIL: "not usable",
}

ListRow = tuple[str, Verdict, str, int]  # name, verdict, reason, milliseconds


def lists_card(lists: Sequence[ListRow]) -> Card:
    """Status of the lists, unusable ones first."""
    good = sum(verdict is Verdict.PASS for _, verdict, _, _ in lists)
    ranked = sorted(lists, key=lambda row: (-row[1], row[0].lower()))
    rows = tuple(
        (name, STATUS_TEXTS[verdict], REASON_TEXTS.get(reason, reason) or f"{ms} ms")
        for name, verdict, reason, ms in ranked
    )
    return Card(
        f"{good} of {len(lists)} lists answer their own test entries right",
        Tone.GOOD if good == len(lists) else Tone.UNSURE,
        step="" if good else "Use a resolver of your own: lists refuse public ones.",
        table=Table(("Blocklist", "Health", "Why"), rows),
        private=True,
    )
