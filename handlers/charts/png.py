"""A scene as PNG, for chats that show no SVG. Pillow is loaded with the first picture, and not before."""

from __future__ import annotations

import unicodedata
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING

from handlers.charts.scene import LIGHT, Anchor, Box, Palette, Scene, Words

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

SHARP = 2  # pixels of the picture for one of the screen, of which new screens have many
COLOURS = 64  # the inks and their smooth edges: a palette of these makes a file of a third
ANCHORS = {Anchor.START: "ls", Anchor.MIDDLE: "ms", Anchor.END: "rs"}


def png(scene: Scene, palette: Palette = LIGHT) -> bytes:
    """About 20 kB; the corners outside of the paper are transparent."""
    from PIL import Image, ImageDraw

    size = (round(scene.width * SHARP), round(scene.height * SHARP))
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    for shape in scene.shapes:
        if isinstance(shape, Box):
            _box(draw, shape, palette)
        else:
            _words(draw, shape, palette)
    written = BytesIO()
    image.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(written, "PNG", optimize=True)
    return written.getvalue()


def plain(text: str) -> str:
    """In the letters that the built-in font has: accents are dropped, and what is left becomes a question mark."""
    known = text.translate({0x2013: "-", 0x2014: "-", 0x00DF: "ss"})
    letters = "".join(c for c in unicodedata.normalize("NFKD", known) if not unicodedata.combining(c))
    return "".join(c if " " <= c <= "~" or c == "·" else "?" for c in letters)


def _box(draw: ImageDraw, box: Box, palette: Palette) -> None:
    left, top = box.x * SHARP, box.y * SHARP
    right, bottom = left + box.width * SHARP - 1, top + box.height * SHARP - 1
    corners = (left, top, max(left, right), max(top, bottom))
    draw.rounded_rectangle(corners, box.radius * SHARP, fill=palette[box.ink])


def _words(draw: ImageDraw, words: Words, palette: Palette) -> None:
    place = (words.x * SHARP, words.y * SHARP)
    draw.text(place, plain(words.text), palette[words.ink], _font(words.size), ANCHORS[words.anchor])


@cache
def _font(size: float) -> FreeTypeFont:
    """The font inside of Pillow, since a new machine has none."""
    from PIL import ImageFont

    font = ImageFont.load_default(size * SHARP)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
