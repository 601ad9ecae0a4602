"""Answers as pictures, saved in build/pictures.

`PICTURES=docs/pictures tests/e2e/run -k picture` updates the documentation.
"""

import struct
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.models import Verdict
from bot.monitoring.alert_state import initial_incident, mute
from bot.monitoring.dnsbl_quarantine import ListHealth
from bot.monitoring.interfaces import StoredWatch
from handlers.message import Card, Line, Tone
from handlers.messages import explanation_card, report_card
from handlers.messages.overview import ChannelWatch, Overview, lists_section, watch_sections
from handlers.slack.app_home import home_view
from handlers.slack.block_kit import render_message
from tests.e2e.picture import RenderError, render_png
from tests.handlers.messages.test_overview import GOOD, NAMES, NOW
from tests.handlers.slack.hostile import HOSTILE
from tests.support.cards import gallery
from tests.support.companies import COMPANIES, Company, explanation_of, report_of
from tests.support.incident_stories import T0
from tests.support.real_alerts import EGRESS, OFFICE, SECOND, ZEN, WatchScenario

CARDS = {name: shown.card for cards in gallery().values() for name, shown in cards.items()}
WATCHED = (
    ("#mail-ops", EGRESS, WatchScenario(EGRESS).poll(timedelta(hours=1), ZEN).incident),
    ("#mail-ops", OFFICE, initial_incident(OFFICE.id, (), T0)),
    ("#alerts", SECOND, mute(initial_incident(SECOND.id, (), T0), "ada", T0 + timedelta(hours=5))),
)
HOME = watch_sections(
    [
        ChannelWatch(StoredWatch(watch, incident, NOW + timedelta(minutes=10), watch.interval), channel)
        for channel, watch, incident in WATCHED
    ],
    NOW,
)
LISTS = lists_section(
    [*GOOD, ("SpamRATS", Verdict.WARN, "public-resolver", 3)], (ListHealth("kempt", quarantined_since=T0),), NAMES
)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", CARDS)
def test_card_picture_has_all_text(name: str, theme: str, pictures: Path) -> None:
    png = render_png(render_message(CARDS[name]), theme)
    (pictures / f"{name}{'-dark' if theme == 'dark' else ''}.png").write_bytes(png)
    width, height = size(png)
    assert (width, height > 120) == (1400, True)


@pytest.mark.parametrize("company", COMPANIES, ids=lambda company: company.domain)
def test_company_picture_has_all_text(company: Company, pictures: Path) -> None:
    explanation = explanation_of(company)
    assert explanation
    for name, card in (("report", report_card(report_of(company))), ("explanation", explanation_card(explanation))):
        png = render_png(render_message(card))
        (pictures / f"company-{company.domain.partition('.')[0]}-{name}.png").write_bytes(png)
        assert size(png)[1] > 120


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_app_home_picture_has_all_text(theme: str, pictures: Path) -> None:
    png = render_png(home_view(Overview(HOME, (LISTS,)), NOW), theme)
    (pictures / f"app-home{'-dark' if theme == 'dark' else ''}.png").write_bytes(png)
    assert size(png)[1] > 600


def test_hostile_text_picture_loads_nothing() -> None:
    """A fooled markup renderer would load images and follow links; the page may not."""
    printable = [text for text in HOSTILE if text.isascii() and text.isprintable() and text.strip()]
    card = Card("Hostile", Tone.BAD, lines=tuple(Line("t", Tone.BAD, quote=text[:60]) for text in printable[:18]))
    assert render_png(render_message(card))
    assert render_png(
        render_message(replace(card, lines=tuple(Line("t", Tone.BAD, quote=text[:60]) for text in printable[18:36])))
    )


def test_picture_with_unknown_block_is_refused() -> None:
    unknown: dict[str, Any] = {"blocks": [{"type": "data_table", "rows": [[{"type": "raw_text", "text": "lost"}]]}]}
    with pytest.raises(RenderError, match="not drawn: lost"):
        render_png(unknown)


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height
