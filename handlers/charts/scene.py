"""Scene of plain shapes in CSS pixels, and its SVG renderer.

Colors are named by role, so that one scene renders light or dark. The SVG uses attributes and no
styles, which a strict content security policy allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from xml.sax.saxutils import quoteattr


class ColorRole(StrEnum):
    """Roles of colors; the pale variants are for merged bars."""

    BACKGROUND = "paper"
    BORDER = "edge"
    TEXT = "text"
    SECONDARY_TEXT = "faint"
    TRACK = "lane"
    GRID = "grid"
    LISTED = "listed"
    LISTED_PALE = "listed pale"
    CONFIG = "setting"
    CONFIG_PALE = "setting pale"
    ACKNOWLEDGED = "acknowledged"
    ACKNOWLEDGED_PALE = "acknowledged pale"
    MUTED = "muted"
    MUTED_PALE = "muted pale"


Palette = Mapping[ColorRole, str]

# Chats do not reveal their theme: the light background has a border, so that it fits both.
LIGHT: Palette = {
    ColorRole.BACKGROUND: "#f7f7f5",
    ColorRole.BORDER: "#d9d9d4",
    ColorRole.TEXT: "#22272b",
    ColorRole.SECONDARY_TEXT: "#5c646b",
    ColorRole.TRACK: "#eaeae6",
    ColorRole.GRID: "#d9d9d4",
    ColorRole.LISTED: "#c4302b",
    ColorRole.LISTED_PALE: "#e09c97",
    ColorRole.CONFIG: "#b9770e",
    ColorRole.CONFIG_PALE: "#dfc08a",
    ColorRole.ACKNOWLEDGED: "#2b6cb0",
    ColorRole.ACKNOWLEDGED_PALE: "#9dbfdd",
    ColorRole.MUTED: "#6f7780",
    ColorRole.MUTED_PALE: "#b4b9be",
}
DARK: Palette = {
    ColorRole.BACKGROUND: "#1d2125",
    ColorRole.BORDER: "#3a4046",
    ColorRole.TEXT: "#e6e8ea",
    ColorRole.SECONDARY_TEXT: "#a3abb2",
    ColorRole.TRACK: "#2a2f34",
    ColorRole.GRID: "#3a4046",
    ColorRole.LISTED: "#e5605a",
    ColorRole.LISTED_PALE: "#8a4340",
    ColorRole.CONFIG: "#dba13a",
    ColorRole.CONFIG_PALE: "#7d6231",
    ColorRole.ACKNOWLEDGED: "#5b9bdc",
    ColorRole.ACKNOWLEDGED_PALE: "#3d6488",
    ColorRole.MUTED: "#8d959d",
    ColorRole.MUTED_PALE: "#565d64",
}


class Anchor(StrEnum):
    """Alignment of a text at its x coordinate."""

    START = "start"
    MIDDLE = "middle"
    END = "end"


@dataclass(frozen=True, slots=True)
class Box:
    """Filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    color: ColorRole
    radius: float = 0.0


@dataclass(frozen=True, slots=True)
class Label:
    """One line of text; `y` is its baseline."""

    x: float
    y: float
    text: str
    color: ColorRole = ColorRole.TEXT
    size: float = 13.0
    anchor: Anchor = Anchor.START


@dataclass(frozen=True, slots=True)
class Scene:
    """Shapes in drawing order."""

    width: float
    height: float
    shapes: tuple[Box | Label, ...]


FONT = "Inter, system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif"
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def render_svg(scene: Scene, palette: Palette = LIGHT, alt: str = "") -> str:
    """Render a scene; `alt` is its text alternative."""
    size = f"{_number(scene.width)} {_number(scene.height)}"
    width, height = size.split()
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
            f' viewBox="0 0 {size}" role="img" font-family={quoteattr(FONT)}>',
            f"<title>{escape_xml(alt)}</title>",
            *(
                _box_svg(shape, palette) if isinstance(shape, Box) else _label_svg(shape, palette)
                for shape in scene.shapes
            ),
            "</svg>",
        ]
    )


def escape_xml(text: str) -> str:
    """Escape markup and drop characters that XML does not allow."""
    return "".join(ENTITIES.get(c, c) for c in text if c.isprintable())


def _box_svg(box: Box, palette: Palette) -> str:
    values = {"x": box.x, "y": box.y, "width": box.width, "height": box.height, "rx": box.radius}
    attributes = " ".join(f'{name}="{_number(value)}"' for name, value in values.items() if value)
    return f'<rect {attributes} fill="{palette[box.color]}"/>'


def _label_svg(label: Label, palette: Palette) -> str:
    position = f'x="{_number(label.x)}" y="{_number(label.y)}" font-size="{_number(label.size)}"'
    style = f'text-anchor="{label.anchor}" fill="{palette[label.color]}"'
    return f"<text {position} {style}>{escape_xml(label.text)}</text>"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
