"""Card → what a terminal shows. Text is never read as markup, so nothing in it can colour or move anything."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from handlers.message import Button, Card, Line, Sketch, Table, Tone
from handlers.sanitize import aligned, inert

STYLES = {Tone.GOOD: "green", Tone.UNSURE: "cyan", Tone.WARN: "yellow", Tone.BAD: "red", Tone.PLAIN: ""}
MARKS = {Tone.GOOD: "✓", Tone.UNSURE: "?", Tone.WARN: "!", Tone.BAD: "✗", Tone.PLAIN: "·"}
INDENT = 2
SENTENCE = 1_000  # our own sentences may quote a record, so they may be longer than foreign text


class Drawing:
    """A card that rich can print; `console.print(Drawing(card))`."""

    def __init__(self, card: Card) -> None:
        self.card = card

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from _parts(self.card.in_characters())


def _parts(card: Card) -> Iterator[Text | Padding]:
    yield _marked(card.title, card.tone, f"bold {STYLES[card.tone]}")
    if card.step:
        yield _indented(Text.assemble(("Next: ", "bold"), inert(card.step, SENTENCE)))
    for line in card.lines:
        yield from _line(line)
    if card.facts:
        yield _indented(Text("\n".join(f"{inert(f.label)}: {inert(f.value)}" for f in card.facts)))
    if card.sketch:
        yield from _sketch(card.sketch)
    if card.table:
        yield _indented(_table(card.table))
    for button in card.buttons:
        yield from _button(button)
    if card.footnote:
        yield _indented(Text(inert(card.footnote, SENTENCE), style="dim"))


def _line(line: Line) -> Iterator[Padding]:
    yield _indented(_marked(line.text, line.tone, STYLES[line.tone]))
    if line.detail:
        yield _indented(Text(inert(line.detail, SENTENCE)), 2)
    if line.quote:
        yield _indented(Text(f"“{inert(line.quote)}”", style="dim italic"), 2)


def _sketch(sketch: Sketch) -> Iterator[Padding]:
    yield _indented(Text(inert(sketch.title), style="bold"))
    lines = "\n".join(aligned(line, SENTENCE) for line in sketch.lines)
    yield _indented(Text(lines, no_wrap=True, overflow="ellipsis"), 2)


def _table(drawn: Table) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in drawn.columns:
        table.add_column(Text(inert(column)), overflow="fold")
    for row in drawn.rows:
        table.add_row(*(Text(inert(cell, SENTENCE)) for cell in row))
    return table


def _button(button: Button) -> Iterator[Padding]:
    """A terminal has no buttons: an address to open is printed, a command can be typed."""
    if button.url:
        yield _indented(Text.assemble((f"{inert(button.label)}: ", "bold"), (inert(button.url), "underline")))


def _marked(text: str, tone: Tone, style: str) -> Text:
    return Text.assemble(
        (f"{MARKS[tone]} ", STYLES[tone]), (inert(text, SENTENCE), style if tone is not Tone.GOOD else "")
    )


def _indented(what: Text | RichTable, levels: int = 1) -> Padding:
    return Padding(what, (0, 0, 0, INDENT * levels), expand=False)
