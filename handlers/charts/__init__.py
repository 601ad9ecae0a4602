"""Timeline charts: one layout of plain shapes, rendered as SVG, PNG or monospaced text."""

from handlers.charts.scene import render_svg
from handlers.charts.timeline import Bar, Row, RowKind, Timeline, layout_timeline, render_text

__all__ = ["Bar", "Row", "RowKind", "Timeline", "layout_timeline", "render_svg", "render_text"]
