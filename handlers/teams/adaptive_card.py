"""What Teams accepts, and how a card of ours shares it out. Sizes are octets of JSON in UTF-8 unless they say otherwise.

Sources: "Format your bot messages" and "Cards" at learn.microsoft.com/microsoftteams. Teams says 100 KB in UTF-16, an
older page 40 KB; the budget here is a quarter of the one and, for a card in ASCII, just above the other's half.

Text for the few places where Teams reads Markdown, made to say the same and format nothing. Pure.

A card as an Adaptive Card 1.5, which is what Teams draws of a bot's cards.

No text is ever handed to Markdown: every word stands in the `TextRun`s of a `RichTextBlock`, where bold is a property and
not a character; only the fallback in words is escaped. `TextBlock` and `FactSet` would read Markdown.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from handlers.message import Button, Card, Choice, Fact, Line, Sketch, Table, Tone
from handlers.sanitize import CUT_AT, aligned, inert

MESSAGE = 25_000

# Shares, so that a long part never pushes out a more important one. Whatever the others leave is for the sketch, and then for the table.
LINES_SHARE = 7_000
FACTS_SHARE = 3_000
SKETCH_SHARE = 7_000
ACTIONS_SHARE = 4_500
FOOTNOTE_SHARE = 1_400
FALLBACK_SHARE = 2_500
ENVELOPE_SHARE = 1_500  # the message around the card, its summary, and the fixed keys of the card

# In characters.
TITLE_TEXT = 150
ALT_TEXT = 1_000
STEP_TEXT = 500
LINE_TEXT = 500
PASSED_TEXT = 600
LABEL_TEXT = 60
SKETCH_WIDTH = 90  # a longer line would be folded, and the picture lost
FOOTNOTE_TEXT = 250
BUTTON_LABEL = 60
BUTTON_COMMAND = 1_000
BUTTON_URL = 2_000
BAR_TEXT = 500  # what is shown under a card whose button was pressed

# Counts: Teams shows six buttons, the others are a reader's patience.
MOST_BUTTONS = 6
MOST_LINES = 20
MOST_FACTS = 20
MOST_SKETCH_LINES = 30
TABLE_ROWS = 60
TABLE_COLUMNS = 8


def weight(part: Any) -> int:
    return len(json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode())


LIVE = str.maketrans(
    {"<": "‹", ">": "›", "*": "∗", "~": "∼", "`": "ʹ", "[": "［", "]": "］", "#": "＃", "|": "¦", "\\": "＼"}
)
CLOSING_UNDERSCORE = re.compile(r"_(?!\w)|(?<!\w)_(?=\W*$)")
BULLET = re.compile(r"^[-+=](?=[\s=-]|$)")
NUMBER = re.compile(r"^(\d+)[.)](?=\s|$)")
DATE_OR_TIME = re.compile(r"\{(?=\{)")  # Adaptive Cards replace {{DATE(…)}} and {{TIME(…)}} in every text


def escaped(line: str) -> str:
    """One line with look-alikes for what formats or is turned into a link unasked.

    Backslashes would be the Markdown way, but not every client of Teams takes them. An underscore stays where it cannot
    close a pair, so that `_dmarc.example.com` can still be copied.
    """
    bare = CLOSING_UNDERSCORE.sub("ˍ", line.translate(LIVE)).replace("://", ":∕∕").replace("&", "＆")
    return NUMBER.sub(r"\1:", BULLET.sub("–", without_formulas(bare)))


def without_formulas(text: str) -> str:
    """The text with no pair of opening braces; it grows by one space for each."""
    return DATE_OR_TIME.sub("{ ", text)


Element = dict[str, Any]
Payload = dict[str, Any]
Thing = TypeVar("Thing")

CARD = "application/vnd.microsoft.card.adaptive"
PNG = "image/png"
SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"
MARKS = {Tone.BAD: "✕", Tone.WARN: "!", Tone.UNSURE: "?", Tone.GOOD: "✓", Tone.PLAIN: ""}
STYLES = {Tone.BAD: "attention", Tone.WARN: "warning", Tone.UNSURE: "emphasis", Tone.GOOD: "good"}
COLOURS = {Tone.BAD: "attention", Tone.WARN: "warning", Tone.GOOD: "good"}
LOUD = (Tone.BAD, Tone.WARN)
NOTHING = "–"
IN_PLACE, CHOICE = "in_place", "choice"  # what a button carries beside its command
GAP = re.compile(r"^ +| {2,}")  # what HTML would fold into one space, or none
WEB_PAGE = re.compile(r"https?://[!-~]+")


def message(card: Card, png: bytes = b"") -> Payload:
    """The activity that says a card; `summary` is what a notification shows. `png` is its picture, which stands under the
    card, since not every client of Teams shows a picture that is inside of one; without it, it is drawn in characters."""
    attachments: list[Payload] = [
        {"contentType": CARD, "content": content(replace(card, picture=None) if png else card)}
    ]
    if card.picture and png:
        drawn = f"data:{PNG};base64,{b64encode(png).decode()}"
        name = _said(card.picture.alt, ALT_TEXT) or NOTHING
        attachments.append({"contentType": PNG, "contentUrl": drawn, "name": name})
    return {"type": "message", "summary": _said(card.title, TITLE_TEXT) or NOTHING, "attachments": attachments}


def in_words(card: Card) -> Payload:
    """The same without a card, for when Teams refuses how it was drawn."""
    return {"type": "message", "textFormat": "plain", "text": spoken(card, MESSAGE - ENVELOPE_SHARE)}


def content(card: Card) -> Element:
    """The card as Teams takes it: the one key that is Teams' own gives it the whole width of a channel."""
    return {**adaptive(card.in_characters()), "msteams": {"width": "Full"}}


def adaptive(card: Card) -> Element:
    """The card in pure Adaptive Card 1.5. Teams shows the buttons last, however long the card."""
    head, actions = _head(card), _actions(card.buttons)
    edges = ENVELOPE_SHARE + FALLBACK_SHARE + FOOTNOTE_SHARE
    body, left_out = _body(card, MESSAGE - edges - weight([head, actions]))
    return {
        "type": "AdaptiveCard",
        "$schema": SCHEMA,
        "version": "1.5",
        "fallbackText": spoken(card, FALLBACK_SHARE),
        "body": [*head, *body, *_footnote((*left_out, card.footnote))],
        **({"actions": actions} if actions else {}),
    }


def spoken(card: Card, octets: int) -> str:
    """The card in words, a paragraph for each thing said, with nothing that Markdown would act on; cut to size."""
    shown: list[str] = []
    for text in _sentences(card.in_characters()):
        paragraph = escaped(inert(text, LINE_TEXT))
        octets -= weight(f"\n\n{paragraph}")
        if octets < len("\n\n…".encode()):
            return "\n\n".join([*shown, "…"])
        shown += [paragraph] if paragraph else []
    return "\n\n".join(shown) or NOTHING


def _sentences(card: Card) -> Iterator[str]:
    yield f"{MARKS[card.tone]} {card.title}"
    yield card.step
    for line in card.lines:
        yield _joined(" ", (MARKS[line.tone], line.text, line.detail))
    for fact in card.facts:
        yield _joined(": ", (fact.label, fact.value))
    if card.sketch:
        yield from (card.sketch.title, *card.sketch.lines)
    for row in card.table.rows if card.table else ():
        yield _joined(" · ", row)
    yield card.footnote


def _joined(between: str, texts: Iterable[str]) -> str:
    """One line of several texts, each cut before it is copied."""
    return between.join(inert(text, LINE_TEXT) for text in texts)


def _said(text: str, most: int) -> str:
    """One line of at most so many characters, which no client calculates with."""
    return without_formulas(inert(text, most))[:most]


def _run(text: str, **look: Any) -> Element:
    return {"type": "TextRun", "text": text, **look}


def _rich(*runs: Element | str, **placed: Any) -> Element:
    return {"type": "RichTextBlock", "inlines": list(runs), **placed}


def _head(card: Card) -> list[Element]:
    """Verdict and next step, on a ground in the colour of the verdict."""
    title = _said(f"{MARKS[card.tone]} {card.title}".strip(), TITLE_TEXT) or NOTHING
    step = _said(card.step, STEP_TEXT)
    items = [_rich(_run(title, weight="bolder", size="medium"))]
    items += [_rich(_run("Next step: ", weight="bolder"), step, spacing="small")] if step else []
    if card.tone is Tone.PLAIN:
        return items
    return [{"type": "Container", "style": STYLES[card.tone], "bleed": True, "items": items}]


def _body(card: Card, room: int) -> tuple[list[Element], list[str]]:
    """Problems, facts, sketch, table, what passed; and a note for each part that had to be cut short."""
    lines, more_lines = _problems([line for line in card.lines if line.tone is not Tone.GOOD])
    passed = _passed([line for line in card.lines if line.tone is Tone.GOOD])
    facts, more_facts = _fitting(card.facts, _fact, FACTS_SHARE, MOST_FACTS)
    left = room - weight([lines, passed, facts])
    sketch, more_drawn = _sketch(card.sketch, min(left, SKETCH_SHARE))
    table, more_rows = _table(card.table, left - weight(sketch))
    left_out = ((more_lines, "lines"), (more_facts, "facts"), (more_drawn, "lines of the picture"), (more_rows, "rows"))
    return [*lines, *facts, *sketch, *table, *passed], [
        f"{number} more {what} not shown" for number, what in left_out if number
    ]


def _problems(lines: Sequence[Line]) -> tuple[list[Element], int]:
    shown, more = _fitting(lines, _line, LINES_SHARE, MOST_LINES)
    return [element for line in shown for element in line], more


def _line(line: Line) -> list[Element]:
    mark, colour = MARKS[line.tone], {"color": COLOURS[line.tone]} if line.tone in COLOURS else {}
    said = _said(line.text, LINE_TEXT) or NOTHING
    detail = _said(line.detail, LINE_TEXT)
    quote = _said(line.quote, CUT_AT)
    runs = [_run(f"{mark}  ", weight="bolder", **colour)] if mark else []
    elements = [_rich(*runs, _run(said, weight="bolder") if line.tone in LOUD else said)]
    elements += [_rich(detail, spacing="none")] if detail else []
    return elements + ([_quotation(quote)] if quote else [])


def _quotation(text: str) -> Element:
    words = _rich(_run(text, fontType="monospace", size="small"))
    return {"type": "Container", "style": "emphasis", "spacing": "small", "items": [words]}


def _passed(lines: Sequence[Line]) -> list[Element]:
    said = _said(_joined(" ", (text for line in lines for text in (line.text, line.detail))), PASSED_TEXT)
    mark = _run(f"{MARKS[Tone.GOOD]}  ", weight="bolder", color=COLOURS[Tone.GOOD])
    return [_rich(mark, said)] if said else []


def _fact(fact: Fact) -> Element:
    label = _run(f"{_said(fact.label, LABEL_TEXT)}: ", weight="bolder")
    return _rich(label, _said(fact.value, LINE_TEXT) or NOTHING, spacing="small")


def _sketch(sketch: Sketch | None, room: int) -> tuple[list[Element], int]:
    if sketch is None:
        return [], 0
    title = _rich(_run(_said(sketch.title, CUT_AT) or NOTHING, weight="bolder"))
    frame: Element = {"type": "Container", "style": "emphasis", "spacing": "small", "items": []}
    left = room - weight([title, frame])
    shown, more = _fitting(sketch.lines, _sketched, left, MOST_SKETCH_LINES)
    return ([title, frame | {"items": shown}] if shown else []), more


def _sketched(line: str) -> Element:
    """A line of its own for each, since not every client of Teams breaks a line inside a text."""
    spaced = without_formulas(aligned(line, SKETCH_WIDTH))[:SKETCH_WIDTH]
    fixed = GAP.sub(lambda gap: "\u00a0" * len(gap.group()), spaced) or "\u00a0"
    return _rich(_run(fixed, fontType="monospace", size="small"), spacing="none")


def _table(table: Table | None, room: int) -> tuple[list[Element], int]:
    """The first row is a heading unless a table says otherwise, and the schema and Teams have two names for saying so."""
    if table is None or not table.columns:
        return [], 0
    heading = _row(table.columns, len(table.columns), weight="bolder")
    widths = [{"width": width} for width in _widths(table)]
    empty = {"type": "Table", "columns": widths, "rows": [heading]}
    rows, more = _fitting(table.rows, lambda row: _row(row, len(table.columns)), room - weight(empty), TABLE_ROWS)
    return ([empty | {"rows": [heading, *rows]}] if rows else []), more


def _widths(table: Table) -> list[int]:
    """A column's share of the width: by its longest text, within reason."""
    columns = range(min(len(table.columns), TABLE_COLUMNS))
    longest = [max(len(row[i]) for row in (table.columns, *table.rows) if i < len(row)) for i in columns]
    return [min(max(characters // 10, 1), 4) for characters in longest]


def _row(cells: Sequence[str], columns: int, **look: Any) -> Element:
    padded = (*cells[:columns], *("" for _ in range(columns - len(cells))))
    return {"type": "TableRow", "cells": [_cell(text, look) for text in padded[:TABLE_COLUMNS]]}


def _cell(text: str, look: Element) -> Element:
    said = _said(text, LINE_TEXT) or NOTHING
    return {"type": "TableCell", "items": [_rich(_run(said, **look) if look else said)]}


def _footnote(notes: Iterable[str]) -> list[Element]:
    said = _said(" · ".join(note for note in notes if note), FOOTNOTE_TEXT)
    return [_rich(_run(said, size="small", isSubtle=True), spacing="medium")] if said else []


def _actions(buttons: Sequence[Button]) -> list[Element]:
    drawn = [element for button in buttons if (element := _button(button))]
    shown, _ = _fitting(drawn, lambda element: element, ACTIONS_SHARE, MOST_BUTTONS)
    return shown


def _button(button: Button) -> Element | None:
    """None for a target that cannot be carried whole: half an address or half a command is worse than no button."""
    named: Element = {"title": _said(button.label, BUTTON_LABEL) or NOTHING}
    named |= {"style": "positive"} if button.primary else {}
    if WEB_PAGE.fullmatch(button.url) and len(button.url) <= BUTTON_URL:
        return {"type": "Action.OpenUrl", **named, "url": button.url}
    command = inert(button.command, BUTTON_COMMAND + 1)
    if button.url or not 0 < len(command) <= BUTTON_COMMAND:
        return None
    data = {"command": command} | ({IN_PLACE: True} if button.in_place else {})
    run = {"type": "Action.Execute", **named, "verb": command.split()[0], "data": data}
    return _asking(button.choice, run) if button.choice else run


def _asking(choice: Choice, run: Element) -> Element:
    """Unfolds the choice and the button that takes it along; what was picked comes back under its id."""
    picked = {
        "type": "Input.ChoiceSet",
        "id": CHOICE,
        "label": choice.question,
        "value": choice.usual,
        "choices": [{"title": title, "value": word} for word, title in choice.options],
    }
    inside = {"type": "AdaptiveCard", "body": [picked], "actions": [run | {"title": run["title"].rstrip("…")}]}
    return {"type": "Action.ShowCard", "title": run["title"], "card": inside}


def _fitting(things: Sequence[Thing], draw: Callable[[Thing], Any], octets: int, number: int) -> tuple[list[Any], int]:
    """The first things that fit, drawn, and how many were left out."""
    shown: list[Any] = []
    for thing in things[:number]:
        part = draw(thing)
        octets -= weight(part) + 1  # the comma before the next
        if octets < 0:
            break
        shown.append(part)
    return shown, len(things) - len(shown)
