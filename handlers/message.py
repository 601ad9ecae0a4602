"""Platform-neutral messages. All text is plain; each renderer escapes for its platform."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from bot.models import Link
from handlers.charts import Timeline, render_text


class Tone(StrEnum):
    """Severity of a card or line; a platform renders it as a color, a symbol, or both."""

    GOOD = "good"
    UNSURE = "unsure"
    WARN = "warn"
    BAD = "bad"
    PLAIN = "plain"


class UpdateMode(StrEnum):
    """How updates of an alert are shown: as replies, as replies the whole channel sees, or by editing the alert."""

    THREAD = "thread"
    BROADCAST = "thread+broadcast"
    EDIT_ONLY = "edit-only"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a card. `quote` is foreign text, rendered as a quotation and never as markup.

    `links` follow the text, in a row.
    """

    text: str
    tone: Tone = Tone.PLAIN
    detail: str = ""
    quote: str = ""
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and its value."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Table:
    """A heading row and rows of the same length."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class TextBlock:
    """Monospaced text, such as a tree or a chart; `title` describes it in words."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Select:
    """The last argument of a command, chosen from `options` (value, label)."""

    question: str
    options: tuple[tuple[str, str], ...]
    default: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, rendered as the platform can; `alt` says all that it shows."""

    timeline: Timeline
    alt: str


@dataclass(frozen=True, slots=True)
class Button:
    """Opens `url`, or runs `command` with the value of `select` appended.

    `in_place`: the answer replaces the card, where a platform can do so.
    """

    label: str
    command: str = ""
    url: str = ""
    primary: bool = False
    in_place: bool = False
    select: Select | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """A message: headline, next step, lines worst first, at most one table and chart."""

    title: str
    tone: Tone = Tone.PLAIN
    step: str = ""
    lines: tuple[Line, ...] = ()
    facts: tuple[Fact, ...] = ()
    table: Table | None = None
    text_block: TextBlock | None = None
    buttons: tuple[Button, ...] = ()
    footnote: str = ""
    private: bool = False
    chart: Chart | None = None

    def with_text_chart(self) -> Card:
        """The card with its chart as monospaced text."""
        if self.chart is None:
            return self
        timeline = self.chart.timeline
        return replace(self, chart=None, text_block=TextBlock(timeline.title, render_text(timeline)))
