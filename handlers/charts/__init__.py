"""Timeline charts: one layout of plain shapes, rendered as SVG, PNG or monospaced text."""

from handlers.charts.scene import render_svg
from handlers.charts.timeline import Bar, RowKind, Row, Timeline, render_text, layout_timeline

__all__ = ["Bar", "RowKind", "Row", "Timeline", "render_text", "layout_timeline", "render_svg"]
