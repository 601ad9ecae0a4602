"""A message before any platform has drawn it. All text is plain: each renderer makes it inert in its own way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from handlers.charts import Timeline, in_characters


class Tone(StrEnum):
    """The mood of a card or a line; a platform turns it into a colour, a mark, or both."""

    GOOD = "good"
    UNSURE = "unsure"
    WARN = "warn"
    BAD = "bad"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing said. `quote` is text that a stranger wrote, shown as a quotation and never as markup."""

    text: str
    tone: Tone = Tone.PLAIN
    detail: str = ""
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """A short label with its value."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a heading row; every row is as long as `columns`."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Sketch:
    """A picture made of characters of one width, line by line: a tree, a path, bars. `title` says in words what it shows."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """The last word of a command, picked from `options`: each the word, and what people read. `usual` is one of the words."""

    question: str
    options: tuple[tuple[str, str], ...]
    usual: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to be drawn as the platform can; `alt` says in words all that it shows."""

    timeline: Timeline
    alt: str


@dataclass(frozen=True, slots=True)
class Button:
    """Pressing it opens `url`, or is the same as typing `command`, with the `choice` that is asked for where there is one.

    `in_place` says that the answer takes the place of the card, where a platform can do so.
    """

    label: str
    command: str = ""
    url: str = ""
    primary: bool = False
    in_place: bool = False
    choice: Choice | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """What is said, worst first: a headline, the one next step, the lines, at most one table, sketch and picture, buttons, a small footnote."""

    title: str
    tone: Tone = Tone.PLAIN
    step: str = ""
    lines: tuple[Line, ...] = ()
    facts: tuple[Fact, ...] = ()
    table: Table | None = None
    sketch: Sketch | None = None
    buttons: tuple[Button, ...] = ()
    footnote: str = ""
    private: bool = False
    picture: Picture | None = None

    def in_characters(self) -> Card:
        """The same with its picture as a sketch, for where no picture can be shown."""
        if self.picture is None:
            return self
        timeline = self.picture.timeline
        return replace(self, picture=None, sketch=Sketch(timeline.title, in_characters(timeline)))
