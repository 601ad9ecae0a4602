"""What the documentation shows to be typed: its code blocks and its inline code, in order."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from handlers.commands import VERBS

ROOT = Path(__file__).parent.parent.parent
# docs/performance.md holds measurements, written by `make bench`.
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")) if path.name != "performance.md"),
)

FENCE = re.compile(r"^```(?P<marker>\S*)[^\n]*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)(?P<text>(?:(?: {4}|\t)[^\n]*\n)+)")
INLINE = re.compile(r"(?<!`)`(?P<text>(?:[^`\n]|\n(?!\n))+)`(?!`)")
COMMENT = re.compile(r"\s{2,}#.*$")
ASSIGNMENTS = re.compile(r"^(?:[A-Z][A-Z0-9_]*=\S+ )+(?=make |mailcheck |\.venv/)")
STEPS = re.compile(r" && ")


class Place(Enum):
    """Where a line is typed; the value is the name of the command there."""

    SLACK = "/mailcheck"
    TEAMS = "@mailcheck"
    TERMINAL = "mailcheck"
    MAKE = "make"


VERB_NAMES = frozenset(row.name for row in VERBS.rows)
PREFIXES = {place.value: place for place in Place} | {".venv/bin/mailcheck": Place.TERMINAL}


@dataclass(frozen=True, slots=True)
class DocumentedLine:
    """One command to type; `text` is what follows its name."""

    page: str
    line: int
    place: Place
    text: str

    @property
    def words(self) -> list[str]:
        """The arguments, without a redirection of the output."""
        words = shlex.split(self.text)
        return words[: next((n for n, word in enumerate(words) if word in (">", ">>")), len(words))]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.place.value} {self.text}"


@dataclass(frozen=True, slots=True)
class Block:
    """A code block; without a marker, all its lines are to be typed."""

    page: str
    line: int
    marker: str
    text: str


def blocks(page: str) -> list[Block]:
    """Fenced and indented code blocks."""
    source = (ROOT / page).read_text()
    unfenced = FENCE.sub(_blank, source)
    fenced = (Block(page, _line(source, found) + 1, found["marker"], found["text"]) for found in FENCE.finditer(source))
    indented = (Block(page, _line(unfenced, found), "", found["text"]) for found in INDENTED.finditer(unfenced))
    return [*fenced, *indented]


def documented_lines(page: str) -> list[DocumentedLine]:
    """Every line of a block, and every inline code, that starts with the name of a command."""
    commands = sorted([*_in_blocks(page), *_inline(page)], key=lambda item: item[0])
    return [DocumentedLine(page, number, *command) for number, command in commands]


def read_line(line: str) -> list[tuple[Place, str]]:
    """The commands on a line: the place of each and what follows its name; none for anything else.

    A chat verb with arguments needs no name in front.
    """
    parts = STEPS.split(COMMENT.sub("", line).strip())
    return [command for part in parts if (command := _read_command(part))]


def _read_command(text: str) -> tuple[Place, str] | None:
    first, _, rest = ASSIGNMENTS.sub("", text).partition(" ")
    if first in VERB_NAMES and rest:
        return Place.SLACK, text
    return (PREFIXES[first], rest.strip()) if first in PREFIXES else None


def _in_blocks(page: str) -> Iterator[tuple[int, tuple[Place, str]]]:
    for block in blocks(page):
        for number, line in enumerate(block.text.splitlines(), block.line):
            yield from ((number, command) for command in read_line(line))


def _inline(page: str) -> Iterator[tuple[int, tuple[Place, str]]]:
    """Without arguments, inline code names the program and is nothing to type."""
    text = INDENTED.sub(_blank, FENCE.sub(_blank, (ROOT / page).read_text()))
    for found in INLINE.finditer(text):
        commands = read_line(" ".join(found["text"].split()))
        yield from ((_line(text, found), command) for command in commands if command[1])


def _line(source: str, found: re.Match[str]) -> int:
    return source.count("\n", 0, found.start()) + 1


def _blank(found: re.Match[str]) -> str:
    """As many empty lines, so that what follows stays on its line."""
    return "\n" * found[0].count("\n")
