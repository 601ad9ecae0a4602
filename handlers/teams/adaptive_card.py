"""Renders a card as an Adaptive Card 1.5 within Teams' size limits.

All text is in `TextRun`s of `RichTextBlock`s, which are never Markdown; `TextBlock` and `FactSet`
would be. Only the plain-text fallback is escaped. Sizes are bytes of JSON in UTF-8 unless noted.

Sources: "Format your bot messages" and "Cards" at learn.microsoft.com/microsoftteams. Teams says
100 KB in UTF-16, an older page 40 KB; the limit here is a quarter of the one and, for a card in
ASCII, just above half of the other.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from bot.models import Link
from handlers.message import Button, Card, Fact, Line, Select, Table, TextBlock, Tone
from handlers.sanitize import MAX_CHARACTERS, sanitize, sanitize_monospaced

MAX_MESSAGE_BYTES = 25_000

# Shares, so that a long part never displaces a more important one. The rest is for the text block
# and the table.
LINES_SHARE = 7_000
FACTS_SHARE = 3_000
TEXT_BLOCK_SHARE = 7_000
ACTIONS_SHARE = 4_500
FOOTNOTE_SHARE = 1_400
FALLBACK_SHARE = 2_500
ENVELOPE_SHARE = 1_500  # the message around the card, its summary, and the fixed keys of the card

# In characters.
TITLE_TEXT = 150
ALT_TEXT = 1_000
STEP_TEXT = 900  # the longest record that a step restores
LINE_TEXT = 500
PASSED_TEXT = 600
LABEL_TEXT = 60
TEXT_BLOCK_WIDTH = 90  # longer lines would wrap and break the layout
FOOTNOTE_TEXT = 250
BUTTON_LABEL = 60
BUTTON_COMMAND = 1_000
BUTTON_URL = 2_000
ACTION_TEXT = 500  # shown below a card after an action

# Counts: Teams shows six buttons; the others keep a card readable.
MAX_BUTTONS = 6
MAX_LINES = 20
MAX_FACTS = 20
MAX_TEXT_BLOCK_LINES = 30
TABLE_ROWS = 60
TABLE_COLUMNS = 8


def json_bytes(part: Any) -> int:
    return len(json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode())


LOOKALIKES = str.maketrans(
    {"<": "‹", ">": "›", "*": "∗", "~": "∼", "`": "ʹ", "[": "［", "]": "］", "#": "＃", "|": "¦", "\\": "＼"}
)
CLOSING_UNDERSCORE = re.compile(r"_(?!\w)|(?<!\w)_(?=\W*$)")
BULLET = re.compile(r"^[-+=](?=[\s=-]|$)")
NUMBER = re.compile(r"^(\d+)[.)](?=\s|$)")
DATE_OR_TIME = re.compile(r"\{(?=\{)")  # Adaptive Cards replace {{DATE(…)}} and {{TIME(…)}} in every text


def escape_markdown(line: str) -> str:
    """One line with look-alikes for characters that format or make links.

    Not every Teams client honors backslash escapes. An underscore stays where it cannot close a
    pair, so that `_dmarc.example.com` can be copied.
    """
    bare = CLOSING_UNDERSCORE.sub("ˍ", line.translate(LOOKALIKES)).replace("://", ":∕∕").replace("&", "＆")
    return NUMBER.sub(r"\1:", BULLET.sub("–", escape_date_macros(bare)))


def escape_date_macros(text: str) -> str:
    """Break every pair of opening braces with a space."""
    return DATE_OR_TIME.sub("{ ", text)


Element = dict[str, Any]
Payload = dict[str, Any]
Thing = TypeVar("Thing")

CARD = "application/vnd.microsoft.card.adaptive"
PNG = "image/png"
SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"
SYMBOLS = {Tone.BAD: "✕", Tone.WARN: "!", Tone.UNSURE: "?", Tone.GOOD: "✓", Tone.PLAIN: ""}
STYLES = {Tone.BAD: "attention", Tone.WARN: "warning", Tone.UNSURE: "emphasis", Tone.GOOD: "good"}
COLORS = {Tone.BAD: "attention", Tone.WARN: "warning", Tone.GOOD: "good"}
PROBLEM_TONES = (Tone.BAD, Tone.WARN)
EMPTY_TEXT = "–"
IN_PLACE, SELECT_ID = "in_place", "choice"  # keys of a button beside its command
GAP = re.compile(r"^ +| {2,}")  # runs of spaces that HTML would collapse
LINK_TEXT = 80
WEB_PAGE = re.compile(r"https?://[!-~]+")


def message(card: Card, png: bytes = b"") -> Payload:
    """The message activity of a card; `summary` is the notification text.

    `png` is the chart, attached below the card because not every client shows images inside one;
    without it the chart is rendered as text.
    """
    attachments: list[Payload] = [
        {"contentType": CARD, "content": card_content(replace(card, chart=None) if png else card)}
    ]
    if card.chart and png:
        data_url = f"data:{PNG};base64,{b64encode(png).decode()}"
        name = _text(card.chart.alt, ALT_TEXT) or EMPTY_TEXT
        attachments.append({"contentType": PNG, "contentUrl": data_url, "name": name})
    return {"type": "message", "summary": _text(card.title, TITLE_TEXT) or EMPTY_TEXT, "attachments": attachments}


def plain_text_message(card: Card) -> Payload:
    """The card as a plain-text message, for when Teams rejects the rendered one."""
    return {"type": "message", "textFormat": "plain", "text": plain_text(card, MAX_MESSAGE_BYTES - ENVELOPE_SHARE)}


def card_content(card: Card) -> Element:
    """The card with Teams' own key for the full width of a channel."""
    return {**adaptive_card(card.with_text_chart()), "msteams": {"width": "Full"}}


def adaptive_card(card: Card) -> Element:
    """The card in pure Adaptive Card 1.5. Teams shows the buttons last."""
    head, actions = _head(card), _actions(card.buttons)
    edges = ENVELOPE_SHARE + FALLBACK_SHARE + FOOTNOTE_SHARE
    body, left_out = _body(card, MAX_MESSAGE_BYTES - edges - json_bytes([head, actions]))
    return {
        "type": "AdaptiveCard",
        "$schema": SCHEMA,
        "version": "1.5",
        "fallbackText": plain_text(card, FALLBACK_SHARE),
        "body": [*head, *body, *_footnote((*left_out, card.footnote))],
        **({"actions": actions} if actions else {}),
    }


def plain_text(card: Card, max_bytes: int) -> str:
    """The card as plain text, one paragraph per part, inert as Markdown and cut to size."""
    shown: list[str] = []
    for text in _sentences(card.with_text_chart()):
        paragraph = escape_markdown(sanitize(text, LINE_TEXT))
        max_bytes -= json_bytes(f"\n\n{paragraph}")
        if max_bytes < len("\n\n…".encode()):
            return "\n\n".join([*shown, "…"])
        shown += [paragraph] if paragraph else []
    return "\n\n".join(shown) or EMPTY_TEXT


def _sentences(card: Card) -> Iterator[str]:
    yield f"{SYMBOLS[card.tone]} {card.title}"
    yield card.step
    for line in card.lines:
        yield _joined(" ", (SYMBOLS[line.tone], line.text, line.detail))
    for fact in card.facts:
        yield _joined(": ", (fact.label, fact.value))
    if card.text_block:
        yield from (card.text_block.title, *card.text_block.lines)
    for row in card.table.rows if card.table else ():
        yield _joined(" · ", row)
    yield card.footnote


def _joined(between: str, texts: Iterable[str]) -> str:
    """Join several texts into one line, each cut first."""
    return between.join(sanitize(text, LINE_TEXT) for text in texts)


def _text(text: str, max_characters: int) -> str:
    """One line of at most `max_characters`, without date formulas."""
    return escape_date_macros(sanitize(text, max_characters))[:max_characters]


def _run(text: str, **style: Any) -> Element:
    return {"type": "TextRun", "text": text, **style}


def _rich(*runs: Element | str, **layout: Any) -> Element:
    return {"type": "RichTextBlock", "inlines": list(runs), **layout}


def _head(card: Card) -> list[Element]:
    """Title and next step, on the color of the tone."""
    title = _text(f"{SYMBOLS[card.tone]} {card.title}".strip(), TITLE_TEXT) or EMPTY_TEXT
    step = _text(card.step, STEP_TEXT)
    items = [_rich(_run(title, weight="bolder", size="medium"))]
    items += [_rich(_run("Next step: ", weight="bolder"), step, spacing="small")] if step else []
    if card.tone is Tone.PLAIN:
        return items
    return [{"type": "Container", "style": STYLES[card.tone], "bleed": True, "items": items}]


def _body(card: Card, max_bytes: int) -> tuple[list[Element], list[str]]:
    """Problems, facts, text block, table, passed lines; and a note for each part that was cut."""
    lines, more_lines = _problems([line for line in card.lines if line.tone is not Tone.GOOD])
    passed = _passed([line for line in card.lines if line.tone is Tone.GOOD])
    facts, more_facts = _fit(card.facts, _fact, FACTS_SHARE, MAX_FACTS)
    left = max_bytes - json_bytes([lines, passed, facts])
    sketch, more_block_lines = _text_block(card.text_block, min(left, TEXT_BLOCK_SHARE))
    table, more_rows = _table(card.table, left - json_bytes(sketch))
    left_out = (
        (more_lines, "lines"),
        (more_facts, "facts"),
        (more_block_lines, "lines of the picture"),
        (more_rows, "rows"),
    )
    return [*lines, *facts, *sketch, *table, *passed], [
        f"{number} more {what} not shown" for number, what in left_out if number
    ]


def _problems(lines: Sequence[Line]) -> tuple[list[Element], int]:
    shown, more = _fit(lines, _line, LINES_SHARE, MAX_LINES)
    return [element for line in shown for element in line], more


def _line(line: Line) -> list[Element]:
    mark, colour = SYMBOLS[line.tone], {"color": COLORS[line.tone]} if line.tone in COLORS else {}
    text = _text(line.text, LINE_TEXT) or EMPTY_TEXT
    detail = _text(line.detail, STEP_TEXT)
    quote = _text(line.quote, MAX_CHARACTERS)
    runs = [_run(f"{mark}  ", weight="bolder", **colour)] if mark else []
    elements = [_rich(*runs, _run(text, weight="bolder") if line.tone in PROBLEM_TONES else text)]
    elements += [_rich(detail, spacing="none")] if detail else []
    links = [run for link in line.links for run in _link(link)]
    elements += [_rich(*links, spacing="none")] if links else []
    return elements + ([_quotation(quote)] if quote else [])


def _link(link: Link) -> list[Element | str]:
    """A link and the space after it; none to an address that is not a web page's."""
    if not WEB_PAGE.fullmatch(link.url) or len(link.url) > BUTTON_URL:
        return []
    label = _text(link.label, LINK_TEXT) or EMPTY_TEXT
    return [_run(label, selectAction={"type": "Action.OpenUrl", "title": label, "url": link.url}), "  "]


def _quotation(text: str) -> Element:
    words = _rich(_run(text, fontType="monospace", size="small"))
    return {"type": "Container", "style": "emphasis", "spacing": "small", "items": [words]}


def _passed(lines: Sequence[Line]) -> list[Element]:
    text = _text(_joined(" ", (text for line in lines for text in (line.text, line.detail))), PASSED_TEXT)
    mark = _run(f"{SYMBOLS[Tone.GOOD]}  ", weight="bolder", color=COLORS[Tone.GOOD])
    return [_rich(mark, text)] if text else []


def _fact(fact: Fact) -> Element:
    label = _run(f"{_text(fact.label, LABEL_TEXT)}: ", weight="bolder")
    return _rich(label, _text(fact.value, LINE_TEXT) or EMPTY_TEXT, spacing="small")


def _text_block(text_block: TextBlock | None, max_bytes: int) -> tuple[list[Element], int]:
    if text_block is None:
        return [], 0
    title = _rich(_run(_text(text_block.title, MAX_CHARACTERS) or EMPTY_TEXT, weight="bolder"))
    frame: Element = {"type": "Container", "style": "emphasis", "spacing": "small", "items": []}
    left = max_bytes - json_bytes([title, frame])
    shown, more = _fit(text_block.lines, _monospaced, left, MAX_TEXT_BLOCK_LINES)
    return ([title, frame | {"items": shown}] if shown else []), more


def _monospaced(line: str) -> Element:
    """One element per line, since not every client breaks lines inside a text."""
    spaced = escape_date_macros(sanitize_monospaced(line, TEXT_BLOCK_WIDTH))[:TEXT_BLOCK_WIDTH]
    fixed = GAP.sub(lambda gap: "\u00a0" * len(gap.group()), spaced) or "\u00a0"
    return _rich(_run(fixed, fontType="monospace", size="small"), spacing="none")


def _table(table: Table | None, max_bytes: int) -> tuple[list[Element], int]:
    """A table; its first row is the heading by default."""
    if table is None or not table.columns:
        return [], 0
    heading = _row(table.columns, len(table.columns), weight="bolder")
    widths = [{"width": width} for width in _widths(table)]
    empty = {"type": "Table", "columns": widths, "rows": [heading]}
    rows, more = _fit(table.rows, lambda row: _row(row, len(table.columns)), max_bytes - json_bytes(empty), TABLE_ROWS)
    return ([empty | {"rows": [heading, *rows]}] if rows else []), more


def _widths(table: Table) -> list[int]:
    """Relative column widths, by the longest text, between 1 and 4."""
    columns = range(min(len(table.columns), TABLE_COLUMNS))
    longest = [max(len(row[i]) for row in (table.columns, *table.rows) if i < len(row)) for i in columns]
    return [min(max(characters // 10, 1), 4) for characters in longest]


def _row(cells: Sequence[str], columns: int, **style: Any) -> Element:
    padded = (*cells[:columns], *("" for _ in range(columns - len(cells))))
    return {"type": "TableRow", "cells": [_cell(text, style) for text in padded[:TABLE_COLUMNS]]}


def _cell(text: str, style: Element) -> Element:
    content = _text(text, LINE_TEXT) or EMPTY_TEXT
    return {"type": "TableCell", "items": [_rich(_run(content, **style) if style else content)]}


def _footnote(notes: Iterable[str]) -> list[Element]:
    text = _text(" · ".join(note for note in notes if note), FOOTNOTE_TEXT)
    return [_rich(_run(text, size="small", isSubtle=True), spacing="medium")] if text else []


def _actions(buttons: Sequence[Button]) -> list[Element]:
    elements = [element for button in buttons if (element := _button(button))]
    shown, _ = _fit(elements, lambda element: element, ACTIONS_SHARE, MAX_BUTTONS)
    return shown


def _button(button: Button) -> Element | None:
    """None if the URL or command is too long: a truncated one would be wrong."""
    named: Element = {"title": _text(button.label, BUTTON_LABEL) or EMPTY_TEXT}
    named |= {"style": "positive"} if button.primary else {}
    if WEB_PAGE.fullmatch(button.url) and len(button.url) <= BUTTON_URL:
        return {"type": "Action.OpenUrl", **named, "url": button.url}
    command = sanitize(button.command, BUTTON_COMMAND + 1)
    if button.url or not 0 < len(command) <= BUTTON_COMMAND:
        return None
    data = {"command": command} | ({IN_PLACE: True} if button.in_place else {})
    run = {"type": "Action.Execute", **named, "verb": command.split()[0], "data": data}
    return _with_select(button.select, run) if button.select else run


def _with_select(select: Select, run: Element) -> Element:
    """A ShowCard with the select and the action; the value is returned under its id."""
    picked = {
        "type": "Input.ChoiceSet",
        "id": SELECT_ID,
        "label": select.question,
        "value": select.default,
        "choices": [{"title": title, "value": word} for word, title in select.options],
    }
    inside = {"type": "AdaptiveCard", "body": [picked], "actions": [run | {"title": run["title"].rstrip("…")}]}
    return {"type": "Action.ShowCard", "title": run["title"], "card": inside}


def _fit(
    items: Sequence[Thing], render: Callable[[Thing], Any], max_bytes: int, max_items: int
) -> tuple[list[Any], int]:
    """Render the first items that fit; also returns how many were left out."""
    shown: list[Any] = []
    for item in items[:max_items]:
        part = render(item)
        max_bytes -= json_bytes(part) + 1  # the separating comma
        if max_bytes < 0:
            break
        shown.append(part)
    return shown, len(items) - len(shown)
