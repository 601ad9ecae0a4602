"""Renders cards for a terminal.

Card text is never parsed as markup, so it cannot style or move anything.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from handlers.message import Button, Card, Line, Table, TextBlock, Tone
from handlers.sanitize import sanitize, sanitize_monospaced

STYLES = {Tone.GOOD: "green", Tone.UNSURE: "cyan", Tone.WARN: "yellow", Tone.BAD: "red", Tone.PLAIN: ""}
MARKS = {Tone.GOOD: "✓", Tone.UNSURE: "?", Tone.WARN: "!", Tone.BAD: "✗", Tone.PLAIN: "·"}
INDENT = 2
MAX_SENTENCE = 1_000  # our own sentences may quote a record, so they may exceed foreign text


class RenderedCard:
    """A card as a rich renderable: `console.print(RenderedCard(card))`."""

    def __init__(self, card: Card) -> None:
        self.card = card

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from _parts(self.card.with_text_chart())


def _parts(card: Card) -> Iterator[Text | Padding]:
    yield _marked(card.title, card.tone, f"bold {STYLES[card.tone]}")
    if card.step:
        yield _indented(Text.assemble(("Next: ", "bold"), sanitize(card.step, MAX_SENTENCE)))
    for line in card.lines:
        yield from _line(line)
    if card.facts:
        facts = [f"{sanitize(fact.label)}: {sanitize(fact.value)}" for fact in card.facts]
        yield _indented(Text("\n".join(facts)))
    if card.text_block:
        yield from _text_block(card.text_block)
    if card.table:
        yield _indented(_table(card.table))
    for button in card.buttons:
        yield from _button(button)
    if card.footnote:
        yield _indented(Text(sanitize(card.footnote, MAX_SENTENCE), style="dim"))


def _line(line: Line) -> Iterator[Padding]:
    yield _indented(_marked(line.text, line.tone, STYLES[line.tone]))
    if line.detail:
        yield _indented(Text(sanitize(line.detail, MAX_SENTENCE)), 2)
    for link in line.links:
        yield _indented(Text.assemble(f"{sanitize(link.label)}: ", (sanitize(link.url), "underline")), 2)
    if line.quote:
        yield _indented(Text(f"“{sanitize(line.quote)}”", style="dim italic"), 2)


def _text_block(block: TextBlock) -> Iterator[Padding]:
    yield _indented(Text(sanitize(block.title), style="bold"))
    lines = "\n".join(sanitize_monospaced(line, MAX_SENTENCE) for line in block.lines)
    yield _indented(Text(lines, no_wrap=True, overflow="ellipsis"), 2)


def _table(source: Table) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in source.columns:
        table.add_column(Text(sanitize(column)), overflow="fold")
    for row in source.rows:
        table.add_row(*(Text(sanitize(cell, MAX_SENTENCE)) for cell in row))
    return table


def _button(button: Button) -> Iterator[Padding]:
    """The link of a button; commands can be typed, so other buttons are left out."""
    if button.url:
        label = (f"{sanitize(button.label)}: ", "bold")
        yield _indented(Text.assemble(label, (sanitize(button.url), "underline")))


def _marked(text: str, tone: Tone, style: str) -> Text:
    return Text.assemble(
        (f"{MARKS[tone]} ", STYLES[tone]), (sanitize(text, MAX_SENTENCE), style if tone is not Tone.GOOD else "")
    )


def _indented(content: Text | RichTable, levels: int = 1) -> Padding:
    return Padding(content, (0, 0, 0, INDENT * levels), expand=False)
