"""The two icons of the app, drawn by arithmetic: an envelope with a tick, as strokes in a square of side 1. Pure."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

Point = tuple[float, float]
Stroke = tuple[Point, Point]
Colour = tuple[int, int, int]

ENVELOPE: tuple[Stroke, ...] = (
    ((0.18, 0.30), (0.82, 0.30)),
    ((0.18, 0.30), (0.18, 0.72)),
    ((0.18, 0.72), (0.48, 0.72)),
    ((0.82, 0.30), (0.82, 0.48)),
    ((0.18, 0.30), (0.50, 0.54)),
    ((0.50, 0.54), (0.82, 0.30)),
)
TICK: tuple[Stroke, ...] = (((0.60, 0.68), (0.69, 0.77)), ((0.69, 0.77), (0.86, 0.58)))
WHITE: Colour = (255, 255, 255)
BLUE: Colour = (31, 79, 130)


def colour_icon() -> bytes:
    """192 pixels square, white on blue, as the manifest asks."""
    return _drawn(192, BLUE, thickness=0.055)


def outline_icon() -> bytes:
    """32 pixels square, white on nothing."""
    return _drawn(32, None, thickness=0.07)


def _drawn(side: int, ground: Colour | None, thickness: float) -> bytes:
    rows = [
        [_pixel((x + 0.5) / side, (y + 0.5) / side, side, ground, thickness) for x in range(side)] for y in range(side)
    ]
    return png(rows)


def _pixel(x: float, y: float, side: int, ground: Colour | None, thickness: float) -> tuple[int, int, int, int]:
    """White where a stroke is, with a soft edge one pixel wide."""
    nearest = min(_distance((x, y), stroke) for stroke in (*ENVELOPE, *TICK))
    cover = min(max((thickness / 2 - nearest) * side + 0.5, 0.0), 1.0)
    if ground is None:
        return (*WHITE, round(255 * cover))
    red, green, blue = (round(under + (over - under) * cover) for under, over in zip(ground, WHITE, strict=True))
    return red, green, blue, 255


def _distance(point: Point, stroke: Stroke) -> float:
    """From a point to the nearest point of a stroke."""
    (x, y), ((ax, ay), (bx, by)) = point, stroke
    dx, dy = bx - ax, by - ay
    along = min(max(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0.0), 1.0)
    return float(((x - ax - along * dx) ** 2 + (y - ay - along * dy) ** 2) ** 0.5)


def png(rows: Sequence[Sequence[tuple[int, int, int, int]]]) -> bytes:
    """Rows of red, green, blue and opacity as a PNG (RFC 2083), each row without a filter."""
    raw = b"".join(b"\0" + bytes(value for pixel in row for value in pixel) for row in rows)
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, chunks))


def _chunk(named: tuple[bytes, bytes]) -> bytes:
    name, data = named
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
