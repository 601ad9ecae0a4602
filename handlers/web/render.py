"""Messages and pages as HTML.

All markup stands in the templates. A text of a card is made inert here and reaches a template only as text between tags or
as a quoted attribute value, where it is escaped without exception.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from handlers.message import Button, Card, Line, Sketch, Table, Tone
from handlers.sanitize import aligned, inert
from handlers.web.message_log import BOT, Message, guest

View = dict[str, Any]

TITLE, SENTENCE, CELL, LABEL, COMMAND, ALT = 300, 1_000, 300, 80, 2_000, 2_000  # characters
MOST_LINES, MOST_FACTS, MOST_DRAWN, MOST_ROWS, MOST_COLUMNS, MOST_BUTTONS = 60, 40, 200, 300, 12, 12
MOST_TYPED_LINES = 40
MARKS = {Tone.BAD: "✕", Tone.WARN: "!", Tone.UNSURE: "?", Tone.GOOD: "✓", Tone.PLAIN: ""}
WORDS = {Tone.BAD: "Problem:", Tone.WARN: "Warning:", Tone.UNSURE: "Not known:", Tone.GOOD: "Good:", Tone.PLAIN: ""}
NOTHING = "–"
WEB_PAGE = re.compile(r"https?://[!-~]{1,2000}")
ASKS_HOW_LONG = re.compile(r"mute \S+")  # no length is typed yet, so the page offers some


def templates() -> Environment:
    """Escapes everything, and fails on a name that nobody set."""
    found = Environment(
        loader=PackageLoader("handlers.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"clock": clock, "day": day}
    return found


def message_view(message: Message, person: str, thread: str = "") -> View:
    """One message as that person sees it in the channel, or in the thread that is named; its buttons type there, too."""
    channel = f"/c/{message.channel}"
    return {
        "id": message.id,
        "at": message.at,
        "name": name_of(message.author, person),
        "bot": message.author == BOT,
        "text": typed(message.text),
        "card": _card_of(message, f"{channel}/t/{thread}" if thread else channel),
        "thread": f"{channel}/t/{message.thread or message.id}",
        "in_thread": bool(message.thread),
        "replies": message.replies,
        "private": bool(message.only_for),
        "pending": message.pending,
    }


def _card_of(message: Message, action: str) -> View | None:
    picture = f"/c/{message.channel}/p/{message.id}"
    return card_view(message.card, action, picture) if message.card else None


def card_view(card: Card, action: str = "", picture: str = "") -> View:
    """A card; its buttons type at the page `action`, and without one only those that open a page are left. Its picture is
    under the address `picture`."""
    lines = [_line(line) for line in card.lines if line.tone is not Tone.GOOD]
    table = _table(card.table) if card.table and card.table.columns else None
    left_out = [
        (len(lines) - MOST_LINES, "lines"),
        (len(card.facts) - MOST_FACTS, "facts"),
        (len(card.sketch.lines) - MOST_DRAWN if card.sketch else 0, "lines of the picture"),
        (len(card.table.rows) - MOST_ROWS if card.table else 0, "rows"),
    ]
    notes = [f"{more} more {what} not shown" for more, what in left_out if more > 0]
    return {
        **_toned(card.tone),
        "title": inert(card.title, TITLE) or NOTHING,
        "step": inert(card.step, SENTENCE),
        "lines": lines[:MOST_LINES],
        "passed": [_line(line) for line in card.lines if line.tone is Tone.GOOD][:MOST_LINES],
        "facts": [(inert(f.label, LABEL), inert(f.value, SENTENCE) or NOTHING) for f in card.facts[:MOST_FACTS]],
        "sketch": _sketch(card.sketch) if card.sketch and card.sketch.lines else None,
        "picture": {"alt": inert(card.picture.alt, ALT), "at": picture} if card.picture and picture else None,
        "table": table,
        "buttons": list(_buttons(card.buttons, action))[:MOST_BUTTONS],
        "footnote": inert(" · ".join(note for note in (card.footnote, *notes) if note), SENTENCE),
        "action": action,
    }


def name_of(author: str, person: str) -> str:
    if author == BOT:
        return "mailcheck"
    return "You" if author == person else guest(author)


def typed(text: str) -> str:
    """What a person typed, line by line."""
    lines = text.splitlines()
    more = [f"… and {len(lines) - MOST_TYPED_LINES} more lines"] if len(lines) > MOST_TYPED_LINES else []
    return "\n".join([*(inert(line, SENTENCE) for line in lines[:MOST_TYPED_LINES]), *more])


def clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M} UTC"


def day(at: datetime) -> str:
    utc = at.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y, %H:%M} UTC"


def _toned(tone: Tone) -> View:
    return {"tone": str(tone), "mark": MARKS[tone], "word": WORDS[tone]}


def _line(line: Line) -> View:
    said = {"text": inert(line.text, SENTENCE), "detail": inert(line.detail, SENTENCE), "quote": inert(line.quote)}
    return {**_toned(line.tone), **said}


def _sketch(sketch: Sketch) -> View:
    lines = "\n".join(aligned(line, SENTENCE) for line in sketch.lines[:MOST_DRAWN])
    return {"title": inert(sketch.title, TITLE) or NOTHING, "lines": lines}


def _table(table: Table) -> View:
    columns = len(table.columns[:MOST_COLUMNS])
    rows = [[*row[:columns], *[""] * (columns - len(row))] for row in table.rows[:MOST_ROWS]]
    cells = [[inert(cell, CELL) or NOTHING for cell in row] for row in rows]
    return {"columns": [inert(name, LABEL) for name in table.columns[:columns]], "rows": cells}


def _buttons(buttons: Sequence[Button], action: str) -> Iterable[View]:
    """Half an address or half a command is worse than no button."""
    for button in buttons:
        named = {"label": inert(button.label, LABEL) or NOTHING, "primary": button.primary}
        command = inert(button.command, COMMAND + 1)
        if WEB_PAGE.fullmatch(button.url):
            yield {**named, "url": button.url}
        elif action and not button.url and 0 < len(command) <= COMMAND:
            yield {**named, "url": "", "command": command, "asks": bool(ASKS_HOW_LONG.fullmatch(command))}
