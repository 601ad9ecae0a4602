"""Renders the charts of the documentation: `python -m tests.handlers.charts docs/pictures`."""

from __future__ import annotations

import sys
from pathlib import Path

from bot.monitoring.history import History, Track
from bot.monitoring.interfaces import StoredWatch
from handlers.charts import layout_timeline
from handlers.charts.png import render_png
from handlers.charts.scene import DARK, LIGHT, Palette
from handlers.message import Card
from handlers.messages.history import digest_card, history_card
from tests.handlers.charts.timelines import DAY, NOW, ordinary, span
from tests.support.incident_stories import T0
from tests.support.stored_watches import baseline, watch


def digest() -> Card:
    watches = [watch(name="HQ egress"), watch("198.51.100.7/32", "example.com"), watch(None, "example.net")]
    histories = [
        ordinary(),
        History((Track("blocklist:psbl", "PSBL", (span(24, 20), span(27, 9))),)),
        History((Track("spf:failing", "", (span(25, 30),)),)),
    ]
    stored = [StoredWatch(stored_watch, baseline(stored_watch)) for stored_watch in watches]
    histories_by_id = {stored_watch.id: history for stored_watch, history in zip(watches, histories, strict=True)}
    return digest_card(stored, histories_by_id, NOW - 7 * DAY, NOW)


def draw(card: Card, palette: Palette, path: Path) -> None:
    assert card.chart
    path.write_bytes(render_png(layout_timeline(card.chart.timeline), palette))


def main(folder: Path) -> None:
    history = history_card(watch(name="HQ egress"), ordinary(), T0, NOW)
    draw(history, LIGHT, folder / "history.png")
    draw(history, DARK, folder / "history-dark.png")
    draw(digest(), LIGHT, folder / "digest.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
