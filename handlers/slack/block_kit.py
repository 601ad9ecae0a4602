"""What Slack accepts. One value over its limit, and Slack refuses the whole message.

Sources: the Block Kit reference at docs.slack.dev, and for the size of all blocks together (which it does not tell)
the measurements in slackapi/bolt-js#2509, where messages of about 13,200 characters were refused.

A card as Block Kit.

No text is ever handed to Slack's markup language: headlines, buttons and footnotes are `plain_text`, cells `raw_text`,
everything else `rich_text`, where bold is a property and not a character. So no text can ping, link or format. The one
exception is the fallback in `text`, which is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from handlers.message import Button, Card, Fact, Line, Sketch, Table, Tone
from handlers.sanitize import aligned, inert

FALLBACK_TEXT = 3_000  # Slack cuts at 40,000 and advises less than 4,000
HEADER_TEXT = 150
ALT_TEXT = 2_000
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

# How the characters of one message are shared out, so that a long part never pushes out a more important one.
# Whatever the others leave is for the sketch, and then for the table.
STEP_SHARE = 600
LINES_SHARE = 4_000
FACTS_SHARE = 1_000
SKETCH_SHARE = 2_600
SKETCH_FRAME = 450  # of that: its title, the types of its blocks and the ends of its lines
PASSED_SHARE = 1_100
ACTIONS_SHARE = 3_600
FOOTNOTE_SHARE = 500
EDGES_SHARE = HEADER_TEXT + STEP_SHARE + ACTIONS_SHARE + FOOTNOTE_SHARE + 50  # 50: the types in the header

# Shares of the 50 blocks and of a reader's patience.
MOST_LINES = 20
MOST_PASSED = 4
MOST_FACTS = 20
MOST_SKETCH_LINES = 30
SKETCH_WIDTH = 90  # a longer line would be folded, and the picture lost
MOST_BUTTONS = 10


def weight(part: Any) -> int:
    """Characters in every string of a block, names of types included: a bit more than Slack can count."""
    if isinstance(part, str):
        return len(part)
    if isinstance(part, dict):
        return sum(map(weight, part.values()))
    return sum(map(weight, part)) if isinstance(part, list) else 0


Block = dict[str, Any]
Payload = dict[str, Any]
Thing = TypeVar("Thing")

MARKS = {Tone.BAD: "✕", Tone.WARN: "!", Tone.UNSURE: "?", Tone.GOOD: "✓", Tone.PLAIN: ""}
COLOURS = {Tone.BAD: "#d0342c", Tone.WARN: "#dda11a", Tone.UNSURE: "#8a8a8a", Tone.GOOD: "#2b9c61"}
LOUD = (Tone.BAD, Tone.WARN)
QUIET = {"unfurl_links": False, "unfurl_media": False}  # a listed domain must not be fetched and shown
NOTHING = "–"  # Slack refuses an empty text

OPEN = "open-"  # action ids of buttons that open a page
RUN = "run-"  # action ids of buttons that are a typed command

WEB_PAGE = re.compile(r"https?://[!-~]+")
CLOSING_UNDERSCORE = re.compile(r"_(?!\w)")
LIVE = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "›", "*": "∗", "~": "∼", "`": "ʹ"})


def message(card: Card, file: str = "") -> Payload:
    """The payload of a message: `text`, `blocks`, and where the card has a tone, `attachments` for its colour bar. `file` is
    Slack's id of its picture, which is drawn in characters without one.

    Slack folds a long attachment behind “Show more”: so the headline and the next step stand above it, and the buttons
    have a short one of their own.
    """
    if not file:
        card = card.in_characters()
    body, left_out = _body(card)
    head = [_header(card) if body or card.step else _sentence(card.title), *_step(card.step), *_picture(card, file)]
    foot = [*_footnote((card.footnote, *left_out)), *_actions(card.buttons)]
    if card.tone not in COLOURS or not (body or card.step):
        return {"text": spoken(card), "blocks": [*head, *body, *foot], **QUIET}
    bars = [{"color": COLOURS[card.tone], "blocks": blocks} for blocks in (body, foot) if blocks]
    return {"text": spoken(card), "blocks": head, "attachments": bars, **QUIET}


def spoken(card: Card) -> str:
    """The card in words, for notifications and screen readers, with nothing that Slack's markup would act on."""
    said = [f"{MARKS[card.tone]} {card.title}", card.step]
    said += [" ".join((MARKS[line.tone], line.text, line.detail)) for line in card.lines]
    lines = "\n".join(escaped(inert(part, STEP_SHARE)) for part in said if part.strip())
    return _cut_escaped(lines, FALLBACK_TEXT) or NOTHING


def escaped(text: str) -> str:
    """Entities for what opens a mention or a link, look-alikes for what formats or is turned into a link unasked.

    `>` has no entity here, since Slack reads `&gt;` at the start of a line as a quotation. An underscore stays where it
    cannot close a pair, so that `_dmarc.example.com` can still be copied.
    """
    return CLOSING_UNDERSCORE.sub("ˍ", text.translate(LIVE)).replace("://", ":∕∕")


def _cut_escaped(text: str, most: int) -> str:
    return text if len(text) <= most else re.sub(r"&[a-z]*$", "", text[: most - 1]) + "…"


def _plain(text: str, most: int) -> Block:
    return {"type": "plain_text", "text": inert(text, most) or NOTHING, "emoji": False}


def _sentence(text: str) -> Block:
    return {"type": "section", "text": _plain(text, SENTENCE_TEXT)}


def _header(card: Card) -> Block:
    return {"type": "header", "text": _plain(f"{MARKS[card.tone]} {card.title}", HEADER_TEXT)}


def _step(step: str) -> list[Block]:
    said = inert(step, STEP_SHARE - 100)
    return [_rich(_section(("Next step: ", True), (said, False)))] if said else []


def _picture(card: Card, file: str) -> list[Block]:
    if card.picture is None:
        return []
    return [{"type": "image", "slack_file": {"id": file}, "alt_text": inert(card.picture.alt, ALT_TEXT) or NOTHING}]


def _body(card: Card) -> tuple[list[Block], list[str]]:
    """Problems, facts, sketch, table, what passed; and a note for each part that had to be cut short."""
    lines, more_lines = _problems([line for line in card.lines if line.tone is not Tone.GOOD])
    passed = _passed([line for line in card.lines if line.tone is Tone.GOOD])
    facts, more_facts = _facts(card.facts)
    left = ALL_CHARACTERS - EDGES_SHARE - weight([lines, passed, facts])
    left -= ALT_TEXT if card.picture else 0
    sketch, more_drawn = _sketch(card.sketch, min(left, SKETCH_SHARE))
    table, more_rows = _table(card.table, min(left - weight(sketch), TABLE_CHARACTERS))
    left_out = ((more_lines, "lines"), (more_facts, "facts"), (more_drawn, "lines of the picture"), (more_rows, "rows"))
    return [*lines, *facts, *sketch, *table, *passed], [
        f"{number} more {what} not shown" for number, what in left_out if number
    ]


def _problems(lines: Sequence[Line]) -> tuple[list[Block], int]:
    return _fitting(lines, lambda line: _rich(*_line(line)), LINES_SHARE, MOST_LINES)


def _line(line: Line) -> list[Block]:
    mark = f"{MARKS[line.tone]}  " if MARKS[line.tone] else ""
    detail = inert(line.detail, STEP_SHARE)
    said = inert(line.text, STEP_SHARE) or NOTHING
    quote = inert(line.quote)
    parts = [_section((mark, True), (said, line.tone in LOUD), (f"\n{detail}" if detail else "", False))]
    return parts + ([{"type": "rich_text_quote", "elements": [_text(quote)]}] if quote else [])


def _passed(lines: Sequence[Line]) -> list[Block]:
    """One line each, in one block."""
    each = (PASSED_SHARE - 100) // MOST_PASSED
    said = [text for line in lines[:MOST_PASSED] if (text := inert(f"{line.text} {line.detail}", each).strip())]
    starts = [f"{MARKS[Tone.GOOD]}  ", *([f"\n{MARKS[Tone.GOOD]}  "] * len(said))]
    parts = [part for start, text in zip(starts, said, strict=False) for part in ((start, True), (text, False))]
    return [_rich(_section(*parts))] if parts else []


def _facts(facts: Sequence[Fact]) -> tuple[list[Block], int]:
    """One a line in one section: several would flow into each other."""
    starts = ("", *["\n"] * len(facts))
    lines = list(zip(starts, facts, strict=False))
    shown, more = _fitting(lines, lambda line: _fact(*line), FACTS_SHARE, MOST_FACTS)
    section = {"type": "rich_text_section", "elements": [run for fact in shown for run in fact]}
    return ([_rich(section)] if shown else []), more


def _fact(start: str, fact: Fact) -> list[Block]:
    return [_text(f"{start}{inert(fact.label, 60)}: ", bold=True), _text(inert(fact.value) or NOTHING)]


def _sketch(sketch: Sketch | None, room: int) -> tuple[list[Block], int]:
    if sketch is None:
        return [], 0
    room -= SKETCH_FRAME
    shown, more = _fitting(sketch.lines, lambda line: aligned(line, SKETCH_WIDTH), room, MOST_SKETCH_LINES)
    picture = "\n".join(shown)
    if not picture.strip():
        return [], more
    preformatted = {"type": "rich_text_preformatted", "elements": [_text(picture)]}
    return [_rich(_section((inert(sketch.title) or NOTHING, True)), preformatted)], more


def _table(table: Table | None, room: int) -> tuple[list[Block], int]:
    if table is None or not table.columns:
        return [], 0
    columns = min(len(table.columns), TABLE_COLUMNS)
    rows = (table.columns, *table.rows)
    shown, more = _fitting(rows, lambda row: [_cell(t) for t in _padded(row, columns)], room, TABLE_ROWS)
    settings = [{"is_wrapped": True} for _ in range(columns)]
    return ([{"type": "table", "rows": shown, "column_settings": settings}] if shown else []), more


def _padded(row: Sequence[str], columns: int) -> Iterable[str]:
    return (*row[:columns], *("" for _ in range(columns - len(row))))


def _cell(text: str) -> Block:
    return {"type": "raw_text", "text": inert(text) or NOTHING}


def _footnote(notes: Iterable[str]) -> list[Block]:
    said = " · ".join(note for note in notes if note)
    return [{"type": "context", "elements": [_plain(said, FOOTNOTE_SHARE - 100)]}] if inert(said) else []


def _actions(buttons: Sequence[Button]) -> list[Block]:
    drawn = [element for number, button in enumerate(buttons) if (element := _button(number, button))]
    shown, _ = _fitting(drawn, lambda element: element, ACTIONS_SHARE, MOST_BUTTONS)
    return [{"type": "actions", "elements": shown}] if shown else []


def _button(number: int, button: Button) -> Block | None:
    """None for a target that Slack would refuse: half an address or half a command is worse than no button."""
    element: Block = {"type": "button", "text": _plain(button.label, BUTTON_LABEL)}
    if button.primary:
        element["style"] = "primary"
    if WEB_PAGE.fullmatch(button.url) and len(button.url) <= BUTTON_URL:
        return {**element, "action_id": f"{OPEN}{number}", "url": button.url}
    command = inert(button.command, BUTTON_VALUE + 1)
    if not button.url and 0 < len(command) <= BUTTON_VALUE:
        return {**element, "action_id": f"{RUN}{number}", "value": command}
    return None


def _rich(*parts: Block) -> Block:
    return {"type": "rich_text", "elements": list(parts)}


def _section(*runs: tuple[str, bool]) -> Block:
    return {"type": "rich_text_section", "elements": [_text(text, bold) for text, bold in runs if text]}


def _text(text: str, bold: bool = False) -> Block:
    return {"type": "text", "text": text} | ({"style": {"bold": True}} if bold else {})


def _fitting(
    things: Sequence[Thing], draw: Callable[[Thing], Any], characters: int, number: int
) -> tuple[list[Any], int]:
    """The first things that fit, drawn, and how many were left out."""
    shown: list[Any] = []
    for thing in things[:number]:
        part = draw(thing)
        characters -= weight(part)
        if characters < 0:
            break
        shown.append(part)
    return shown, len(things) - len(shown)
