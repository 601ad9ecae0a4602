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
            f"{list_name} is reliable again",
            Tone.GOOD,
            lines=(Line("It had listed too many targets; its results count again."),),
        )
    flipped = (
        f" {notice.newly_listed} of the last {notice.answered} targets became listed in one round."
        if notice.answered
        else ""
    )
    test_point = " It lists its own test point that must never be listed." if not notice.answered else ""
    return Card(
        f"{list_name} is unreliable right now, so its results are ignored",
        Tone.WARN,
        lines=(
            Line(f"Its listings raise no alerts.{flipped}{test_point}"),
            Line("They count again after three rounds in which its test points are right; there is nothing to do."),
            Line("This happens when a list is closed, sold or broken. Servers that use it may reject good mail."),
        ),
        footnote="Posted in this channel only; settings lists off stops it",
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
        f"{good} of {len(lists)} blocklists are working",
        Tone.GOOD if good == len(lists) else Tone.UNSURE,
        step="" if good else "Use a resolver of your own: blocklists refuse public ones.",
        table=Table(("Blocklist", "State", "Why"), rows),
        private=True,
    )
