"""Renders cards as Block Kit within Slack's limits; one value over a limit fails the message.

No text is handed to mrkdwn: headlines, buttons and footnotes are `plain_text`, table cells
`raw_text`, and the rest `rich_text`, so no text can mention, link or format. The exception is the
fallback in `text`, which is escaped.

Sources: the Block Kit reference (docs.slack.dev) and, for the undocumented size limit of all blocks
together, slackapi/bolt-js#2509, where messages of about 13,200 characters were rejected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from bot.models import Link
from handlers.message import Button, Card, Fact, Line, Table, TextBlock, Tone
from handlers.sanitize import sanitize, sanitize_monospaced

FALLBACK_TEXT = 3_000  # Slack cuts at 40,000 and advises less than 4,000
HEADER_TEXT = 150
ALT_TEXT = 2_000
STEP_TEXT = 900  # the longest record that a step restores
SENTENCE_TEXT = 600  # of the 3,000 that a section may have
BUTTON_LABEL = 75
BUTTON_VALUE = 2_000
BUTTON_URL = 3_000
TABLE_ROWS = 100  # the heading row counts
TABLE_COLUMNS = 20
TABLE_CHARACTERS = 10_000
ALL_CHARACTERS = 12_000
RESPONSE_URL_USES = 5
RESPONSE_URL_SECONDS = 30 * 60

# Character budget of one message, so that a long part never displaces a more important one.
# The text block gets what the others leave, then the table.
STEP_SHARE = 1_000
LINES_SHARE = 4_000
FACTS_SHARE = 1_000
TEXT_BLOCK_SHARE = 2_600
TEXT_BLOCK_OVERHEAD = 450  # of that: title, block types and line ends
PASSED_SHARE = 1_100
ACTIONS_SHARE = 3_600
FOOTNOTE_SHARE = 500
EDGES_SHARE = HEADER_TEXT + STEP_SHARE + ACTIONS_SHARE + FOOTNOTE_SHARE + 50  # 50: the types in the header

# Slack allows 50 blocks; fewer are readable.
MAX_LINES = 20
MAX_PASSED = 4
MAX_FACTS = 20
MAX_TEXT_BLOCK_LINES = 30
TEXT_BLOCK_WIDTH = 90  # longer lines would wrap
MAX_BUTTONS = 10


def count_characters(value: Any) -> int:
    """Number of characters in all strings of a block, type names included; an upper bound."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(count_characters, value.values()))
    return sum(map(count_characters, value)) if isinstance(value, list) else 0


Block = dict[str, Any]
Payload = dict[str, Any]
Item = TypeVar("Item")

SYMBOLS = {Tone.BAD: "✕", Tone.WARN: "!", Tone.UNSURE: "?", Tone.GOOD: "✓", Tone.PLAIN: ""}
COLORS = {Tone.BAD: "#d0342c", Tone.WARN: "#dda11a", Tone.UNSURE: "#8a8a8a", Tone.GOOD: "#2b9c61"}
PROBLEM_TONES = (Tone.BAD, Tone.WARN)
NO_UNFURL = {"unfurl_links": False, "unfurl_media": False}  # a listed domain must not be previewed
EMPTY_TEXT = "–"  # Slack rejects empty text

OPEN_PREFIX = "open-"  # action id prefix of link buttons
RUN_PREFIX = "run-"  # action id prefix of command buttons

LINK_TEXT = 80
WEB_URL = re.compile(r"https?://[!-~]+")
CUT_ESCAPE = re.compile(r"&[a-z]*$")
CLOSING_UNDERSCORE = re.compile(r"_(?!\w)")
ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "›", "*": "∗", "~": "∼", "`": "ʹ"})


def render_message(card: Card, file: str = "") -> Payload:
    """Message payload: `text`, `blocks`, and `attachments` for the color bar of a toned card.

    `file` is the Slack id of the uploaded chart, which is rendered as text without one. Slack
    collapses long attachments behind "Show more", so the headline and the next step precede them,
    and the buttons have a short attachment of their own.
    """
    if not file:
        card = card.with_text_chart()
    body, notes = _body(card)
    header = [
        _header(card) if body or card.step else _plain_section(card.title),
        *_step(card.step),
        *_image(card, file),
    ]
    footer = [*_footnote((card.footnote, *notes)), *_actions(card.buttons)]
    if card.tone not in COLORS or not (body or card.step):
        return {"text": plain_text(card), "blocks": [*header, *body, *footer], **NO_UNFURL}
    attachments = [{"color": COLORS[card.tone], "blocks": blocks} for blocks in (body, footer) if blocks]
    return {"text": plain_text(card), "blocks": header, "attachments": attachments, **NO_UNFURL}


def plain_text(card: Card) -> str:
    """The card as escaped text, for notifications and screen readers."""
    parts = [f"{SYMBOLS[card.tone]} {card.title}", card.step]
    parts += [" ".join((SYMBOLS[line.tone], line.text, line.detail)) for line in card.lines]
    lines = "\n".join(escape_mrkdwn(sanitize(part, STEP_SHARE)) for part in parts if part.strip())
    return _cut_escaped(lines, FALLBACK_TEXT) or EMPTY_TEXT


def escape_mrkdwn(text: str) -> str:
    """Escape mrkdwn: entities for mentions and links, look-alikes for formatting characters.

    `>` becomes a look-alike, since Slack reads a leading `&gt;` as a quotation. Underscores that
    cannot close a pair stay, so that `_dmarc.example.com` can be copied.
    """
    return CLOSING_UNDERSCORE.sub("ˍ", text.translate(ESCAPES)).replace("://", ":∕∕")


def _cut_escaped(text: str, limit: int) -> str:
    return text if len(text) <= limit else CUT_ESCAPE.sub("", text[: limit - 1]) + "…"


def _plain_text(text: str, limit: int) -> Block:
    return {"type": "plain_text", "text": sanitize(text, limit) or EMPTY_TEXT, "emoji": False}


def _plain_section(text: str) -> Block:
    return {"type": "section", "text": _plain_text(text, SENTENCE_TEXT)}


def _header(card: Card) -> Block:
    return {"type": "header", "text": _plain_text(f"{SYMBOLS[card.tone]} {card.title}", HEADER_TEXT)}


def _step(step: str) -> list[Block]:
    text = sanitize(step, STEP_TEXT)
    return [_rich_text(_rich_section(("Next step: ", True), (text, False)))] if text else []


def _image(card: Card, file: str) -> list[Block]:
    if card.chart is None:
        return []
    return [{"type": "image", "slack_file": {"id": file}, "alt_text": sanitize(card.chart.alt, ALT_TEXT) or EMPTY_TEXT}]


def _body(card: Card) -> tuple[list[Block], list[str]]:
    """Problems, facts, text block, table, passed lines; and a note for each truncated part."""
    lines, more_lines = _problems([line for line in card.lines if line.tone is not Tone.GOOD])
    passed = _passed([line for line in card.lines if line.tone is Tone.GOOD])
    facts, more_facts = _facts(card.facts)
    budget = ALL_CHARACTERS - EDGES_SHARE - count_characters([lines, passed, facts])
    budget -= ALT_TEXT if card.chart else 0
    text_block, more_text = _text_block(card.text_block, min(budget, TEXT_BLOCK_SHARE))
    table, more_rows = _table(card.table, min(budget - count_characters(text_block), TABLE_CHARACTERS))
    omitted = ((more_lines, "lines"), (more_facts, "facts"), (more_text, "lines of the picture"), (more_rows, "rows"))
    return [*lines, *facts, *text_block, *table, *passed], [
        f"{number} more {noun} not shown" for number, noun in omitted if number
    ]


def _problems(lines: Sequence[Line]) -> tuple[list[Block], int]:
    return _fit(lines, lambda line: _rich_text(*_line_parts(line)), LINES_SHARE, MAX_LINES)


def _line_parts(line: Line) -> list[Block]:
    symbol = f"{SYMBOLS[line.tone]}  " if SYMBOLS[line.tone] else ""
    detail = sanitize(line.detail, STEP_TEXT)
    text = sanitize(line.text, SENTENCE_TEXT) or EMPTY_TEXT
    quote = sanitize(line.quote)
    parts = [
        _rich_section((symbol, True), (text, line.tone in PROBLEM_TONES), (f"\n{detail}" if detail else "", False))
    ]
    parts[0]["elements"] += [run for link in line.links for run in _link_runs(link)]
    return parts + ([{"type": "rich_text_quote", "elements": [_text_run(quote)]}] if quote else [])


def _passed(lines: Sequence[Line]) -> list[Block]:
    """One line each, in one block."""
    limit = (PASSED_SHARE - 100) // MAX_PASSED
    texts = [text for line in lines[:MAX_PASSED] if (text := sanitize(f"{line.text} {line.detail}", limit).strip())]
    prefixes = [f"{SYMBOLS[Tone.GOOD]}  ", *([f"\n{SYMBOLS[Tone.GOOD]}  "] * len(texts))]
    parts = [part for prefix, text in zip(prefixes, texts, strict=False) for part in ((prefix, True), (text, False))]
    return [_rich_text(_rich_section(*parts))] if parts else []


def _facts(facts: Sequence[Fact]) -> tuple[list[Block], int]:
    """One fact per line in one section; separate sections would run into each other."""
    prefixes = ("", *["\n"] * len(facts))
    prefixed = list(zip(prefixes, facts, strict=False))
    rendered, more = _fit(prefixed, lambda line: _fact_runs(*line), FACTS_SHARE, MAX_FACTS)
    section = {"type": "rich_text_section", "elements": [run for fact in rendered for run in fact]}
    return ([_rich_text(section)] if rendered else []), more


def _fact_runs(prefix: str, fact: Fact) -> list[Block]:
    return [
        _text_run(f"{prefix}{sanitize(fact.label, 60)}: ", bold=True),
        _text_run(sanitize(fact.value) or EMPTY_TEXT),
    ]


def _text_block(text_block: TextBlock | None, budget: int) -> tuple[list[Block], int]:
    if text_block is None:
        return [], 0
    budget -= TEXT_BLOCK_OVERHEAD
    rendered, more = _fit(
        text_block.lines, lambda line: sanitize_monospaced(line, TEXT_BLOCK_WIDTH), budget, MAX_TEXT_BLOCK_LINES
    )
    content = "\n".join(rendered)
    if not content.strip():
        return [], more
    preformatted = {"type": "rich_text_preformatted", "elements": [_text_run(content)]}
    return [_rich_text(_rich_section((sanitize(text_block.title) or EMPTY_TEXT, True)), preformatted)], more


def _table(table: Table | None, budget: int) -> tuple[list[Block], int]:
    if table is None or not table.columns:
        return [], 0
    columns = min(len(table.columns), TABLE_COLUMNS)
    rows = (table.columns, *table.rows)
    rendered, more = _fit(rows, lambda row: [_cell(t) for t in _padded(row, columns)], budget, TABLE_ROWS)
    settings = [{"is_wrapped": True} for _ in range(columns)]
    return ([{"type": "table", "rows": rendered, "column_settings": settings}] if rendered else []), more


def _padded(row: Sequence[str], columns: int) -> Iterable[str]:
    return (*row[:columns], *("" for _ in range(columns - len(row))))


def _cell(text: str) -> Block:
    return {"type": "raw_text", "text": sanitize(text) or EMPTY_TEXT}


def _footnote(notes: Iterable[str]) -> list[Block]:
    text = " · ".join(note for note in notes if note)
    return [{"type": "context", "elements": [_plain_text(text, FOOTNOTE_SHARE - 100)]}] if sanitize(text) else []


def _actions(buttons: Sequence[Button]) -> list[Block]:
    elements = [element for number, button in enumerate(buttons) if (element := _button(number, button))]
    rendered, _ = _fit(elements, lambda element: element, ACTIONS_SHARE, MAX_BUTTONS)
    return [{"type": "actions", "elements": rendered}] if rendered else []


def _button(number: int, button: Button) -> Block | None:
    """None for a target that Slack would reject; a truncated URL or command is useless."""
    element: Block = {"type": "button", "text": _plain_text(button.label, BUTTON_LABEL)}
    if button.primary:
        element["style"] = "primary"
    if WEB_URL.fullmatch(button.url) and len(button.url) <= BUTTON_URL:
        return {**element, "action_id": f"{OPEN_PREFIX}{number}", "url": button.url}
    command = sanitize(button.command, BUTTON_VALUE + 1)
    if not button.url and 0 < len(command) <= BUTTON_VALUE:
        return {**element, "action_id": f"{RUN_PREFIX}{number}", "value": command}
    return None


def _rich_text(*parts: Block) -> Block:
    return {"type": "rich_text", "elements": list(parts)}


def _rich_section(*runs: tuple[str, bool]) -> Block:
    return {"type": "rich_text_section", "elements": [_text_run(text, bold) for text, bold in runs if text]}


def _text_run(text: str, bold: bool = False) -> Block:
    return {"type": "text", "text": text} | ({"style": {"bold": True}} if bold else {})


def _link_runs(link: Link) -> list[Block]:
    """A link after the text before it; none to an address that is not a web page's."""
    if not WEB_URL.fullmatch(link.url) or len(link.url) > BUTTON_URL:
        return []
    return [_text_run("  "), {"type": "link", "url": link.url, "text": sanitize(link.label, LINK_TEXT) or EMPTY_TEXT}]


def _fit(
    items: Sequence[Item], render: Callable[[Item], Any], characters: int, max_items: int
) -> tuple[list[Any], int]:
    """The first items that fit, rendered, and the number of omitted ones."""
    rendered: list[Any] = []
    for item in items[:max_items]:
        block = render(item)
        characters -= count_characters(block)
        if characters < 0:
            break
        rendered.append(block)
    return rendered, len(items) - len(rendered)
