"""Timelines as SVG, as PNG and in characters: one layout, readable, quick, and nothing in them that a stranger could use."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import datetime, timedelta
from io import BytesIO
from xml.etree import ElementTree

import pytest
from PIL import Image

from handlers.charts import Bar, Kind, Row, Timeline, in_characters, laid_out, svg
from handlers.charts.png import SHARP, plain, png
from handlers.charts.scene import DARK, LIGHT, Box, Ink, Words
from handlers.charts.timeline import CELLS, LANE, LEFT, MOST_ROWS, NARROWEST, WIDTH, tick_step
from handlers.messages.history import pasts_of, timeline_of
from tests.handlers.charts.timelines import DAY, NOW, busy, ordinary
from tests.support.incident_stories import T0

HOSTILE = "</title></text><script>alert(1)</script>&amp;\"\u202e\x00\ud800 onload='x' 日本"


def timeline(*rows: Row, since: datetime = T0, until: datetime = NOW, title: str = "A watch") -> Timeline:
    return Timeline(title, since, until, rows)


def drawn(changes: int) -> Timeline:
    return timeline_of("busy", pasts_of(busy(changes), T0, NOW), T0, NOW)


def boxes(of: Timeline, ink: Ink) -> list[Box]:
    return [shape for shape in laid_out(of).shapes if isinstance(shape, Box) and shape.ink is ink]


def test_a_thousand_changes_are_drawn_in_less_than_a_second() -> None:
    began = time.process_time()
    scene = laid_out(drawn(1_000))
    assert len(png(scene)) < 60_000
    assert len(svg(scene)) < 100_000
    assert len(in_characters(drawn(1_000))) == 11
    assert time.process_time() - began < 1
    assert sum(shape.ink is Ink.LISTED for shape in scene.shapes) == 500


def test_a_bar_stands_where_its_time_is() -> None:
    half = Row("a", Kind.LISTED, (Bar(T0 + 15 * DAY, NOW),))
    (box,) = boxes(timeline(half), Ink.LISTED)
    assert (box.x, box.width) == (LEFT + LANE / 2, LANE / 2)


@pytest.mark.parametrize("at", [T0 - 99 * DAY, T0, T0 + 3 * DAY, NOW, NOW + 99 * DAY])
def test_the_shortest_time_is_seen_and_none_leaves_its_lane(at: datetime) -> None:
    (box,) = boxes(timeline(Row("a", Kind.MUTED, (Bar(at, at),))), Ink.MUTED)
    assert box.width == NARROWEST
    assert LEFT <= box.x <= LEFT + LANE - box.width


def test_several_times_in_one_are_paler_and_hide_no_other() -> None:
    row = Row("a", Kind.SETTING, (Bar(T0, T0 + DAY), Bar(T0, NOW, several=True)))
    inks = [shape.ink for shape in laid_out(timeline(row)).shapes if isinstance(shape, Box)]
    assert inks.index(Ink.SETTING_PALE) < inks.index(Ink.SETTING)


@pytest.mark.parametrize("length", [timedelta(minutes=1), timedelta(hours=7), DAY, 7 * DAY, 30 * DAY, 4_000 * DAY])
def test_there_are_never_more_dates_than_can_be_read(length: timedelta) -> None:
    scene = laid_out(timeline(until=T0 + length))
    dates = [shape for shape in scene.shapes if isinstance(shape, Words) and shape.anchor == "middle"]
    assert len(dates) <= 7
    assert all(LEFT <= date.x <= LEFT + LANE for date in dates)
    assert tick_step(length) > timedelta(0)


def test_more_rows_than_fit_are_counted() -> None:
    scene = laid_out(timeline(*(Row(f"list {n}", Kind.LISTED) for n in range(MOST_ROWS + 5))))
    assert any(isinstance(shape, Words) and "5 more not shown" in shape.text for shape in scene.shapes)


def test_svg_and_png_are_of_one_scene() -> None:
    scene = laid_out(timeline_of("x", pasts_of(ordinary(), T0, NOW), T0, NOW))
    image = Image.open(BytesIO(png(scene)))
    root = ElementTree.fromstring(svg(scene))
    assert image.size == (WIDTH * SHARP, scene.height * SHARP)
    assert (root.get("width"), root.get("height")) == ("700", f"{scene.height:g}")
    texts = [element.text for element in root if element.tag.endswith("text")]
    assert texts == [shape.text for shape in scene.shapes if isinstance(shape, Words)]


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_words_and_bars_stand_out_from_their_ground(palette: dict[Ink, str]) -> None:
    """WCAG 2.2: text 4.5 : 1 against its ground, shapes that mean something 3 : 1."""
    assert set(palette) == set(Ink)
    for ink in (Ink.TEXT, Ink.FAINT):
        assert contrast(palette[ink], palette[Ink.PAPER]) >= 4.5
    for ink in (Ink.LISTED, Ink.SETTING, Ink.IN_HAND, Ink.MUTED):
        assert contrast(palette[ink], palette[Ink.LANE]) >= 3


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_hostile_names_are_inert_in_every_drawing() -> None:
    hostile = timeline(Row(HOSTILE, Kind.LISTED, (Bar(T0, NOW),), HOSTILE), title=HOSTILE)
    drawn = svg(laid_out(hostile), LIGHT, HOSTILE)
    root = ElementTree.fromstring(drawn)
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == {"svg", "title", "rect", "text"}
    allowed = {"x", "y", "width", "height", "rx", "fill", "font-size", "font-family", "text-anchor", "viewBox", "role"}
    assert {name for element in root.iter() for name in element.attrib} <= allowed
    assert png(laid_out(hostile)).startswith(b"\x89PNG")
    assert not any(c in line for line in in_characters(hostile) for c in "\u202e\x00\ud800\n")


def test_letters_that_the_font_has_not_are_written_without_what_it_lacks() -> None:
    assert plain("Zürich é – ß · …") == "Zurich e - ss · ..."
    assert plain("日本") == "??"


def test_characters_stand_under_each_other() -> None:
    rows = (Row("a", Kind.LISTED, (Bar(T0, NOW),), "30d"), Row("long name", Kind.MUTED, (Bar(T0, T0),), "1m"))
    first, second, dates = in_characters(timeline(*rows))
    assert first == f"a          {'█' * CELLS}  30d"
    assert second == f"long name  ▌{'·' * (CELLS - 1)}  1m"
    assert dates.split() == ["24", "Nov", "24", "Dec"]


def test_pillow_is_loaded_with_the_first_picture_and_not_before() -> None:
    program = "import sys, handlers.message, handlers.messages, bot.__main__; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
