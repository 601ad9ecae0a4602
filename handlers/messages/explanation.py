"""The summary of a domain's set-up as a card."""

from __future__ import annotations

from bot.advice.explanation import Explanation, SenderRow
from bot.inputs.domain_names import display_domain
from bot.models import CheckRequest
from handlers.message import Button, Card, Line, Table, Tone

COLUMNS = ("Sender", "Allowed by", "DKIM keys", "Passes DMARC by")
NOBODY = "No server is listed: nothing may send as {domain}."
EXPLAIN = "Explain set-up"


def explain_button(request: CheckRequest) -> tuple[Button, ...]:
    """The button to the summary; none for an address alone."""
    return (Button(EXPLAIN, command=f"check {request} explain"),) if request.target.domain else ()


def explanation_card(explanation: Explanation) -> Card:
    """Who may send by which record, what is unused, what breaks next, and the changes worth making in order."""
    domain = display_domain(explanation.domain)
    rows = tuple(map(_row, explanation.senders))
    return Card(
        title=f"{domain}: who may send, and what to change",
        step=explanation.changes[0] if explanation.changes else "",
        lines=(
            *(() if rows else (Line(NOBODY.format(domain=domain)),)),
            Line(explanation.others),
            *(Line(f"Not needed: {text}") for text in explanation.unused),
            *(Line(f"Next to break: {text}", Tone.WARN) for text in explanation.next_to_break),
            *(Line(f"Then: {change}") for change in explanation.changes[1:]),
        ),
        table=Table(COLUMNS, rows) if rows else None,
    )


def _row(row: SenderRow) -> tuple[str, ...]:
    selectors = ", ".join(name.partition("._domainkey.")[0] for name in row.dkim)
    return (row.sender, " ".join(row.spf) or "–", selectors or "–", row.aligned)
