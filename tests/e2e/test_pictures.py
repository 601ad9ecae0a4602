"""The answers as people see them. They are kept in build/pictures, to be looked at;
`PICTURES=docs/pictures tests/e2e/run -k picture` puts them into the documentation."""

import struct
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.models import Verdict
from bot.monitoring.alert_state import begin, mute
from bot.monitoring.dnsbl_quarantine import ListHealth
from bot.monitoring.interfaces import Kept
from handlers.message import Card, Line, Tone
from handlers.messages.overview import Overview, Watched, lists_section, watched_sections
from handlers.slack.app_home import home_view
from handlers.slack.block_kit import message
from tests.e2e.picture import NotDrawn, picture
from tests.handlers.messages.test_overview import GOOD, NAMES, NOW
from tests.handlers.slack.hostile import HOSTILE
from tests.support.cards import gallery
from tests.support.incident_stories import T0
from tests.support.real_alerts import EGRESS, OFFICE, SECOND, ZEN, Life

CARDS = {name: shown.card for cards in gallery().values() for name, shown in cards.items()}
WATCHED = (
    ("#mail-ops", EGRESS, Life(EGRESS).look(timedelta(hours=1), ZEN).incident),
    ("#mail-ops", OFFICE, begin(OFFICE.id, (), T0)),
    ("#alerts", SECOND, mute(begin(SECOND.id, (), T0), "ada", T0 + timedelta(hours=5))),
)
HOME = watched_sections(
    [
        Watched(Kept(one, incident, NOW + timedelta(minutes=10), one.every), channel)
        for channel, one, incident in WATCHED
    ],
    NOW,
)
LISTS = lists_section(
    [*GOOD, ("SpamRATS", Verdict.WARN, "public-resolver", 3)], (ListHealth("kempt", held_since=T0),), NAMES
)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", CARDS)
def test_every_word_of_an_answer_is_in_its_picture(name: str, theme: str, pictures: Path) -> None:
    drawn = picture(message(CARDS[name]), theme)
    (pictures / f"{name}{'-dark' if theme == 'dark' else ''}.png").write_bytes(drawn)
    width, height = size(drawn)
    assert (width, height > 120) == (1400, True)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_word_of_the_app_home_is_in_its_picture(theme: str, pictures: Path) -> None:
    drawn = picture(home_view(Overview(HOME, (LISTS,)), NOW), theme)
    (pictures / f"app-home{'-dark' if theme == 'dark' else ''}.png").write_bytes(drawn)
    assert size(drawn)[1] > 600


def test_hostile_text_is_drawn_as_text() -> None:
    """A renderer of Slack's markup loads images and follows links where it is fooled; the page may ask for nothing."""
    shown = [text for text in HOSTILE if text.isascii() and text.isprintable() and text.strip()]
    card = Card("Hostile", Tone.BAD, lines=tuple(Line("t", Tone.BAD, quote=text[:60]) for text in shown[:18]))
    assert picture(message(card))
    assert picture(message(replace(card, lines=tuple(Line("t", Tone.BAD, quote=text[:60]) for text in shown[18:36]))))


def test_a_picture_that_leaves_something_out_is_none() -> None:
    unknown: dict[str, Any] = {"blocks": [{"type": "data_table", "rows": [[{"type": "raw_text", "text": "lost"}]]}]}
    with pytest.raises(NotDrawn, match="not drawn: lost"):
        picture(unknown)


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height
