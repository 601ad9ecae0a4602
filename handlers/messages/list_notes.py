"""Notes about a list itself: it lists too much to be believed, or it has fallen silent; and that this is over."""

from __future__ import annotations

from collections.abc import Mapping

from bot.watching.breaker import ListNote, NoteReason
from handlers.card import Card, Line, Tone


def list_note_card(note: ListNote, names: Mapping[str, str]) -> Card:
    """One note about a list itself, for whoever runs the bot; `names` are the lists' names by id."""
    lists = [names.get(name, name) for name in note.lists]
    said = lists[0] if len(lists) == 1 else f"{len(lists)} blocklists"
    title, tone, text, step = NOTES[note.reason]
    lines = [Line(text)]
    if note.reason is NoteReason.QUARANTINED and note.asked:
        lines.append(Line(f"{note.flipped} of the last {note.asked} targets asked turned to listed."))
    if len(lists) > 1:
        lines.append(Line(f"They are {', '.join(lists)}."))
    return Card(title.format(said, are="is" if len(lists) == 1 else "are"), tone, step, tuple(lines))


NOTES = {
    NoteReason.QUARANTINED: (
        "{} lists too much to be believed, and is left out",
        Tone.WARN,
        "No alert is sent for what it says. This happens when a list is closed, sold or broken.",
        "Nothing to do: it is believed again after three good answers to its own test entries.",
    ),
    NoteReason.TRUSTED: ("{} answers right again", Tone.GOOD, "What it says counts again.", ""),
    NoteReason.DEGRADED: (
        "{} {are} not answering",
        Tone.UNSURE,
        "What was listed stays listed and what was clean stays clean until there is an answer.",
        "If it lasts, run `mailcheck doctor` where the bot runs: its resolver may be refused.",
    ),
    NoteReason.ANSWERING: ("{} {are} answering again", Tone.GOOD, "Watches go on as before.", ""),
}
