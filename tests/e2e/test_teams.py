"""Microsoft's own parts take what the bot says to Teams, and show it as it was meant."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handlers.teams.adaptive_card import content
from tests.e2e.teams_playground import PICTURES
from tests.handlers.slack.hostile import HOSTILE
from tests.handlers.slack.test_block_kit import PLACES
from tests.handlers.teams.corrupted import CORRUPTIONS, GOOD, corrupted
from tests.handlers.teams.test_adaptive_card import OF_TEAMS, STORY

HERE = Path(__file__).parent
NODE = HERE / "node_modules/.bin/node"
ALONE = ("unshare", "--map-root-user", "--net")  # it listens on every address, so it gets a machine's worth of its own


def faults(cards: list[dict[str, Any]]) -> list[list[str]]:
    """What the official parser of Adaptive Cards finds wrong, card by card."""
    command = [NODE, HERE / "teams_cards.mjs"]
    told = subprocess.run(command, input=json.dumps(cards), capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 0, told.stderr[-3_000:]
    return [json.loads(line) for line in told.stdout.splitlines()]


def test_every_card_is_understood_by_the_official_parser() -> None:
    hostile = [place(text) for place in PLACES.values() for text in (*HOSTILE, *OF_TEAMS)]
    cards = [*STORY, *hostile]
    found = faults([content(card) for card in cards])
    assert {card.title[:40]: wrong for card, wrong in zip(cards, found, strict=True) if wrong} == {}


@pytest.mark.parametrize("how", CORRUPTIONS.values(), ids=CORRUPTIONS)
def test_the_official_parser_finds_what_is_wrong(how: Callable[[dict[str, Any]], None]) -> None:
    good, bad = faults([GOOD, corrupted(how)])
    assert (good, bool(bad)) == ([], True)


def test_a_check_and_an_alert_in_a_channel_of_teams(pictures: Path) -> None:
    inside = 'ip link set lo up && exec "$@"'
    command = [*ALONE, "sh", "-c", inside, "sh", sys.executable, "-m", "tests.e2e.teams_playground", str(pictures)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert told.returncode == 0, told.stderr[-3_000:]
    assert all((pictures / name).stat().st_size > 20_000 for name in PICTURES)
