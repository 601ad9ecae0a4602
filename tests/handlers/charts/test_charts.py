"""Timeline charts as SVG, PNG and text: layout, contrast, speed and sanitized labels."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from io import BytesIO
from xml.etree import ElementTree

import pytest
from PIL import Image

from handlers.charts import Bar, Row, RowKind, Timeline, layout_timeline, render_svg, render_text
from handlers.charts.png import SCALE, render_png, replace_unsupported
from handlers.charts.scene import DARK, LIGHT, Box, ColorRole, Label
from handlers.charts.timeline import LEFT, MAX_ROWS, MIN_BAR_WIDTH, TEXT_COLUMNS, TRACK_WIDTH, WIDTH, tick_step
from handlers.messages.history import build_timeline, tracks_in_range
from tests.handlers.charts.timelines import DAY, NOW, busy, ordinary
from tests.support.incident_stories import T0

HOSTILE = "</title></text><script>alert(1)</script>&amp;\"\u202e\x00\ud800 onload='x' 日本"


def timeline(*rows: Row, since: datetime = T0, until: datetime = NOW, title: str = "A watch") -> Timeline:
    return Timeline(title, since, until, rows)


def busy_timeline(changes: int) -> Timeline:
    return build_timeline("busy", tracks_in_range(busy(changes), T0, NOW), T0, NOW)


def boxes(chart: Timeline, ink: ColorRole) -> list[Box]:
    return [shape for shape in layout_timeline(chart).shapes if isinstance(shape, Box) and shape.color is ink]


def test_timeline_with_thousand_changes_renders_small() -> None:
    scene = layout_timeline(busy_timeline(1_000))
    assert len(render_png(scene)) < 60_000
    assert len(render_svg(scene)) < 100_000
    assert len(render_text(busy_timeline(1_000))) == 11
    assert sum(shape.color is ColorRole.LISTED for shape in scene.shapes) == 500


def test_bar_is_positioned_by_its_time() -> None:
    row = Row("a", RowKind.LISTED, (Bar(T0 + 15 * DAY, NOW),))
    (box,) = boxes(timeline(row), ColorRole.LISTED)
    assert (box.x, box.width) == (LEFT + TRACK_WIDTH / 2, TRACK_WIDTH / 2)


@pytest.mark.parametrize("at", [T0 - 99 * DAY, T0, T0 + 3 * DAY, NOW, NOW + 99 * DAY])
def test_shortest_bar_is_visible_and_stays_in_its_track(at: datetime) -> None:
    (box,) = boxes(timeline(Row("a", RowKind.MUTED, (Bar(at, at),))), ColorRole.MUTED)
    assert box.width == MIN_BAR_WIDTH
    assert LEFT <= box.x <= LEFT + TRACK_WIDTH - box.width


def test_merged_bars_are_paler_and_below_others() -> None:
    row = Row("a", RowKind.CONFIG, (Bar(T0, T0 + DAY), Bar(T0, NOW, merged=True)))
    inks = [shape.color for shape in layout_timeline(timeline(row)).shapes if isinstance(shape, Box)]
    assert inks.index(ColorRole.CONFIG_PALE) < inks.index(ColorRole.CONFIG)


@pytest.mark.parametrize("length", [timedelta(minutes=1), timedelta(hours=7), DAY, 7 * DAY, 30 * DAY, 4_000 * DAY])
def test_tick_count_is_limited_for_every_range(length: timedelta) -> None:
    scene = layout_timeline(timeline(until=T0 + length))
    dates = [shape for shape in scene.shapes if isinstance(shape, Label) and shape.anchor == "middle"]
    assert len(dates) <= 7
    assert all(LEFT <= date.x <= LEFT + TRACK_WIDTH for date in dates)
    assert tick_step(length) > timedelta(0)


def test_rows_over_the_limit_are_counted() -> None:
    scene = layout_timeline(timeline(*(Row(f"list {n}", RowKind.LISTED) for n in range(MAX_ROWS + 5))))
    assert any(isinstance(shape, Label) and "5 more not shown" in shape.text for shape in scene.shapes)


def test_svg_and_png_render_the_same_scene() -> None:
    scene = layout_timeline(build_timeline("x", tracks_in_range(ordinary(), T0, NOW), T0, NOW))
    image = Image.open(BytesIO(render_png(scene)))
    root = ElementTree.fromstring(render_svg(scene))
    assert image.size == (WIDTH * SCALE, scene.height * SCALE)
    assert (root.get("width"), root.get("height")) == ("700", f"{scene.height:g}")
    texts = [element.text for element in root if element.tag.endswith("text")]
    assert texts == [shape.text for shape in scene.shapes if isinstance(shape, Label)]


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_palette_meets_wcag_contrast(palette: dict[ColorRole, str]) -> None:
    """WCAG 2.2: text 4.5 : 1 against its background, meaningful shapes 3 : 1."""
    assert set(palette) == set(ColorRole)
    for ink in (ColorRole.TEXT, ColorRole.SECONDARY_TEXT):
        assert contrast(palette[ink], palette[ColorRole.BACKGROUND]) >= 4.5
    for ink in (ColorRole.LISTED, ColorRole.CONFIG, ColorRole.ACKNOWLEDGED, ColorRole.MUTED):
        assert contrast(palette[ink], palette[ColorRole.TRACK]) >= 3


def contrast(left: str, right: str) -> float:
    def luminance(color: str) -> float:
        parts = [int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(left), luminance(right)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_hostile_names_are_sanitized_in_every_format() -> None:
    chart = timeline(Row(HOSTILE, RowKind.LISTED, (Bar(T0, NOW),), HOSTILE), title=HOSTILE)
    rendered = render_svg(layout_timeline(chart), LIGHT, HOSTILE)
    root = ElementTree.fromstring(rendered)
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == {"svg", "title", "rect", "text"}
    allowed = {"x", "y", "width", "height", "rx", "fill", "font-size", "font-family", "text-anchor", "viewBox", "role"}
    assert {name for element in root.iter() for name in element.attrib} <= allowed
    assert render_png(layout_timeline(chart)).startswith(b"\x89PNG")
    assert not any(c in line for line in render_text(chart) for c in "\u202e\x00\ud800\n")


def test_characters_missing_in_the_font_are_replaced() -> None:
    assert replace_unsupported("Zürich é – ß · …") == "Zurich e - ss · ..."
    assert replace_unsupported("日本") == "??"


def test_text_timeline_aligns_its_columns() -> None:
    rows = (Row("a", RowKind.LISTED, (Bar(T0, NOW),), "30d"), Row("long name", RowKind.MUTED, (Bar(T0, T0),), "1m"))
    first, second, dates = render_text(timeline(*rows))
    assert first == f"a          {'█' * TEXT_COLUMNS}  30d"
    assert second == f"long name  ▌{'·' * (TEXT_COLUMNS - 1)}  1m"
    assert dates.split() == ["24", "Nov", "24", "Dec"]


def test_pillow_is_imported_with_the_first_chart_only() -> None:
    program = "import sys, handlers.message, handlers.messages, bot.__main__; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
