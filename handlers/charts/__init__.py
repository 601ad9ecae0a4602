"""Pictures of what was over time: one layout of plain shapes, drawn as SVG, as PNG, or in characters."""

from handlers.charts.scene import svg
from handlers.charts.timeline import Bar, Kind, Row, Timeline, in_characters, laid_out

__all__ = ["Bar", "Kind", "Row", "Timeline", "in_characters", "laid_out", "svg"]
