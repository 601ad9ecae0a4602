"""Renders messages and cards for the Jinja templates.

All markup is in the templates. Text of a card is sanitized here and reaches a template only as text
or as a quoted attribute value, always escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from handlers.message import Button, Card, Line, Table, TextBlock, Tone
from handlers.sanitize import sanitize, sanitize_monospaced
from handlers.web.message_log import BOT, Message, display_name

View = dict[str, Any]

TITLE, SENTENCE, CELL, LABEL, COMMAND, ALT = 300, 1_000, 300, 80, 2_000, 2_000  # characters
MAX_LINES, MAX_FACTS, MAX_TEXT_BLOCK_LINES, MAX_ROWS, MAX_COLUMNS, MAX_BUTTONS = (60, 40, 200, 300, 12, 12)
MAX_TYPED_LINES = 40
SYMBOLS = {Tone.BAD: "✕", Tone.WARN: "!", Tone.UNSURE: "?", Tone.GOOD: "✓", Tone.PLAIN: ""}
TONE_LABELS = {
    Tone.BAD: "Problem:",
    Tone.WARN: "Warning:",
    Tone.UNSURE: "Not known:",
    Tone.GOOD: "Good:",
    Tone.PLAIN: "",
}
EMPTY_TEXT = "–"
WEB_URL = re.compile(r"https?://[!-~]{1,2000}")
MUTE_WITHOUT_DURATION = re.compile(r"mute \S+")  # the page asks for the duration


def template_environment() -> Environment:
    """Environment that autoescapes and fails on undefined names."""
    environment = Environment(
        loader=PackageLoader("handlers.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"clock": format_time, "day": format_date}
    return environment


def message_view(message: Message, person: str, thread: str = "") -> View:
    """A message as the user sees it in the channel, or in `thread`."""
    channel = f"/c/{message.channel}"
    return {
        "id": message.id,
        "at": message.at,
        "name": author_name(message.author, person),
        "bot": message.author == BOT,
        "text": typed_text(message.text),
        "card": _message_card(message, f"{channel}/t/{thread}" if thread else channel),
        "thread": f"{channel}/t/{message.thread or message.id}",
        "in_thread": bool(message.thread),
        "replies": message.replies,
        "private": bool(message.only_for),
        "pending": message.pending,
    }


def _message_card(message: Message, action: str) -> View | None:
    chart_url = f"/c/{message.channel}/p/{message.id}"
    return card_view(message.card, action, chart_url) if message.card else None


def card_view(card: Card, action: str = "", chart_url: str = "") -> View:
    """A card; its buttons post to `action`, without which only links remain.

    `chart_url` is the base URL of its chart.
    """
    lines = [_line_view(line) for line in card.lines if line.tone is not Tone.GOOD]
    table = _table_view(card.table) if card.table and card.table.columns else None
    omitted = [
        (len(lines) - MAX_LINES, "lines"),
        (len(card.facts) - MAX_FACTS, "facts"),
        (len(card.text_block.lines) - MAX_TEXT_BLOCK_LINES if card.text_block else 0, "lines of the picture"),
        (len(card.table.rows) - MAX_ROWS if card.table else 0, "rows"),
    ]
    notes = [f"{extra} more {noun} not shown" for extra, noun in omitted if extra > 0]
    return {
        **_tone_view(card.tone),
        "title": sanitize(card.title, TITLE) or EMPTY_TEXT,
        "step": sanitize(card.step, SENTENCE),
        "lines": lines[:MAX_LINES],
        "passed": [_line_view(line) for line in card.lines if line.tone is Tone.GOOD][:MAX_LINES],
        "facts": [
            (sanitize(f.label, LABEL), sanitize(f.value, SENTENCE) or EMPTY_TEXT) for f in card.facts[:MAX_FACTS]
        ],
        "sketch": _text_block_view(card.text_block) if card.text_block and card.text_block.lines else None,
        "picture": {"alt": sanitize(card.chart.alt, ALT), "at": chart_url} if card.chart and chart_url else None,
        "table": table,
        "buttons": list(_button_views(card.buttons, action))[:MAX_BUTTONS],
        "footnote": sanitize(" · ".join(note for note in (card.footnote, *notes) if note), SENTENCE),
        "action": action,
    }


def author_name(author: str, person: str) -> str:
    if author == BOT:
        return "mailcheck"
    return "You" if author == person else display_name(author)


def typed_text(text: str) -> str:
    """A user's text, line by line."""
    lines = text.splitlines()
    more = [f"… and {len(lines) - MAX_TYPED_LINES} more lines"] if len(lines) > MAX_TYPED_LINES else []
    return "\n".join([*(sanitize(line, SENTENCE) for line in lines[:MAX_TYPED_LINES]), *more])


def format_time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M} UTC"


def format_date(at: datetime) -> str:
    utc = at.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y, %H:%M} UTC"


def _tone_view(tone: Tone) -> View:
    return {"tone": str(tone), "mark": SYMBOLS[tone], "word": TONE_LABELS[tone]}


def _line_view(line: Line) -> View:
    texts = {
        "text": sanitize(line.text, SENTENCE),
        "detail": sanitize(line.detail, SENTENCE),
        "quote": sanitize(line.quote),
    }
    links = [
        {"label": sanitize(link.label, LABEL) or EMPTY_TEXT, "url": link.url}
        for link in line.links
        if WEB_URL.fullmatch(link.url)
    ]
    return {**_tone_view(line.tone), **texts, "links": links}


def _text_block_view(text_block: TextBlock) -> View:
    lines = "\n".join(sanitize_monospaced(line, SENTENCE) for line in text_block.lines[:MAX_TEXT_BLOCK_LINES])
    return {"title": sanitize(text_block.title, TITLE) or EMPTY_TEXT, "lines": lines}


def _table_view(table: Table) -> View:
    columns = len(table.columns[:MAX_COLUMNS])
    rows = [[*row[:columns], *[""] * (columns - len(row))] for row in table.rows[:MAX_ROWS]]
    cells = [[sanitize(cell, CELL) or EMPTY_TEXT for cell in row] for row in rows]
    return {"columns": [sanitize(name, LABEL) for name in table.columns[:columns]], "rows": cells}


def _button_views(buttons: Sequence[Button], action: str) -> Iterable[View]:
    """Buttons with a usable target; a truncated URL or command is useless."""
    for button in buttons:
        base = {"label": sanitize(button.label, LABEL) or EMPTY_TEXT, "primary": button.primary}
        command = sanitize(button.command, COMMAND + 1)
        if WEB_URL.fullmatch(button.url):
            yield {**base, "url": button.url}
        elif action and not button.url and 0 < len(command) <= COMMAND:
            yield {**base, "url": "", "command": command, "asks": bool(MUTE_WITHOUT_DURATION.fullmatch(command))}
