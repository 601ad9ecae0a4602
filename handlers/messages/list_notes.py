"""The note about a list that cannot be believed, and its end; said in one room of a workspace, where someone wants to know."""

from __future__ import annotations

from bot.watching.breaker import ListNote, NoteReason
from handlers.card import Card, Line, Tone


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
