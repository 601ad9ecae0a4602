"""A picture as plain shapes, in pixels of a screen. Colours are named by what they are for, so one scene is dark or light.

A scene as SVG. Colours are attributes and no style is used, so it keeps to a strict content security policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from xml.sax.saxutils import quoteattr


class Ink(StrEnum):
    PAPER = "paper"
    EDGE = "edge"
    TEXT = "text"
    FAINT = "faint"
    LANE = "lane"
    GRID = "grid"
    LISTED = "listed"
    LISTED_PALE = "listed pale"
    SETTING = "setting"
    SETTING_PALE = "setting pale"
    IN_HAND = "in hand"
    IN_HAND_PALE = "in hand pale"
    MUTED = "muted"
    MUTED_PALE = "muted pale"


Palette = Mapping[Ink, str]

# Chats do not say whether they are dark: the light paper has an edge of its own and is calm on both.
LIGHT: Palette = {
    Ink.PAPER: "#f7f7f5",
    Ink.EDGE: "#d9d9d4",
    Ink.TEXT: "#22272b",
    Ink.FAINT: "#5c646b",
    Ink.LANE: "#eaeae6",
    Ink.GRID: "#d9d9d4",
    Ink.LISTED: "#c4302b",
    Ink.LISTED_PALE: "#e09c97",
    Ink.SETTING: "#b9770e",
    Ink.SETTING_PALE: "#dfc08a",
    Ink.IN_HAND: "#2b6cb0",
    Ink.IN_HAND_PALE: "#9dbfdd",
    Ink.MUTED: "#6f7780",
    Ink.MUTED_PALE: "#b4b9be",
}
DARK: Palette = {
    Ink.PAPER: "#1d2125",
    Ink.EDGE: "#3a4046",
    Ink.TEXT: "#e6e8ea",
    Ink.FAINT: "#a3abb2",
    Ink.LANE: "#2a2f34",
    Ink.GRID: "#3a4046",
    Ink.LISTED: "#e5605a",
    Ink.LISTED_PALE: "#8a4340",
    Ink.SETTING: "#dba13a",
    Ink.SETTING_PALE: "#7d6231",
    Ink.IN_HAND: "#5b9bdc",
    Ink.IN_HAND_PALE: "#3d6488",
    Ink.MUTED: "#8d959d",
    Ink.MUTED_PALE: "#565d64",
}


class Anchor(StrEnum):
    """Which end of a text stands at its place."""

    START = "start"
    MIDDLE = "middle"
    END = "end"


@dataclass(frozen=True, slots=True)
class Box:
    x: float
    y: float
    width: float
    height: float
    ink: Ink
    radius: float = 0.0


@dataclass(frozen=True, slots=True)
class Words:
    """One line of text; `y` is its baseline."""

    x: float
    y: float
    text: str
    ink: Ink = Ink.TEXT
    size: float = 13.0
    anchor: Anchor = Anchor.START


@dataclass(frozen=True, slots=True)
class Scene:
    """Shapes in the order in which they are drawn."""

    width: float
    height: float
    shapes: tuple[Box | Words, ...]


FONT = "Inter, system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif"
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def svg(scene: Scene, palette: Palette = LIGHT, alt: str = "") -> str:
    """`alt` is what the picture shows in words, for those who do not see it."""
    size = f"{_number(scene.width)} {_number(scene.height)}"
    width, height = size.split()
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {size}" role="img"'
            f" font-family={quoteattr(FONT)}>",
            f"<title>{escaped(alt)}</title>",
            *(_box(shape, palette) if isinstance(shape, Box) else _words(shape, palette) for shape in scene.shapes),
            "</svg>",
        ]
    )


def escaped(text: str) -> str:
    """Nothing in it is markup, and nothing is a character that XML has no place for."""
    return "".join(ENTITIES.get(c, c) for c in text if c.isprintable())


def _box(box: Box, palette: Palette) -> str:
    numbers = {"x": box.x, "y": box.y, "width": box.width, "height": box.height, "rx": box.radius}
    placed = " ".join(f'{name}="{_number(value)}"' for name, value in numbers.items() if value)
    return f'<rect {placed} fill="{palette[box.ink]}"/>'


def _words(words: Words, palette: Palette) -> str:
    place = f'x="{_number(words.x)}" y="{_number(words.y)}" font-size="{_number(words.size)}"'
    return f'<text {place} text-anchor="{words.anchor}" fill="{palette[words.ink]}">{escaped(words.text)}</text>'


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
