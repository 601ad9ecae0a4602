"""A picture as plain shapes, in pixels of a screen. Colours are named by what they are for, so one scene is dark or light."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


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
