"""A scene as SVG. Colours are attributes and no style is used, so it keeps to a strict content security policy."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from handlers.pictures.scene import LIGHT, Box, Palette, Scene, Words

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
