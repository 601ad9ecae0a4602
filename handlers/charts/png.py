"""PNG renderer, for platforms without SVG. Pillow is imported with the first chart, not before."""

from __future__ import annotations

import unicodedata
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING

from handlers.charts.scene import LIGHT, Anchor, Box, Label, Palette, Scene

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

SCALE = 2  # image pixels per CSS pixel, for high-density screens
PALETTE_SIZE = 64  # the colors and their antialiased edges; a third of the size of full color
ANCHORS = {Anchor.START: "ls", Anchor.MIDDLE: "ms", Anchor.END: "rs"}


def render_png(scene: Scene, palette: Palette = LIGHT) -> bytes:
    """Render a scene, about 20 kB; the rounded corners are transparent."""
    from PIL import Image, ImageDraw

    size = (round(scene.width * SCALE), round(scene.height * SCALE))
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    for shape in scene.shapes:
        if isinstance(shape, Box):
            _draw_box(draw, shape, palette)
        else:
            _draw_label(draw, shape, palette)
    buffer = BytesIO()
    image.quantize(PALETTE_SIZE, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def replace_unsupported(text: str) -> str:
    """Reduce text to the characters of Pillow's font: no accents, `?` for the rest."""
    known = text.translate({0x2013: "-", 0x2014: "-", 0x00DF: "ss"})
    characters = "".join(c for c in unicodedata.normalize("NFKD", known) if not unicodedata.combining(c))
    return "".join(c if " " <= c <= "~" or c == "·" else "?" for c in characters)


def _draw_box(draw: ImageDraw, box: Box, palette: Palette) -> None:
    left, top = box.x * SCALE, box.y * SCALE
    right, bottom = left + box.width * SCALE - 1, top + box.height * SCALE - 1
    corners = (left, top, max(left, right), max(top, bottom))
    draw.rounded_rectangle(corners, box.radius * SCALE, fill=palette[box.color])


def _draw_label(draw: ImageDraw, label: Label, palette: Palette) -> None:
    position = (label.x * SCALE, label.y * SCALE)
    draw.text(position, replace_unsupported(label.text), palette[label.color], _font(label.size), ANCHORS[label.anchor])


@cache
def _font(size: float) -> FreeTypeFont:
    """Pillow's bundled font, since a container may have none."""
    from PIL import ImageFont

    font = ImageFont.load_default(size * SCALE)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
