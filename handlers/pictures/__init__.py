"""Pictures of what was over time: one layout of plain shapes, drawn as SVG, as PNG, or in characters."""

from handlers.pictures.characters import in_characters
from handlers.pictures.layout import laid_out
from handlers.pictures.svg import svg
from handlers.pictures.timeline import Bar, Kind, Row, Timeline

__all__ = ["Bar", "Kind", "Row", "Timeline", "in_characters", "laid_out", "svg"]
