"""Teams cards in Microsoft's own parser and Playground."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handlers.teams.adaptive_card import card_content
from tests.e2e.teams_playground import PICTURES
from tests.handlers.slack.hostile import HOSTILE
from tests.handlers.slack.test_block_kit import CARDS_BY_FIELD
from tests.handlers.teams.corrupted import CORRUPTIONS, GOOD, corrupted
from tests.handlers.teams.test_adaptive_card import OF_TEAMS, STORY

HERE = Path(__file__).parent
NODE = HERE / "node_modules/.bin/node"
ISOLATED_NETWORK = ("unshare", "--map-root-user", "--net")  # the Playground listens on all addresses


def faults(cards: list[dict[str, Any]]) -> list[list[str]]:
    """Errors of the official Adaptive Cards parser, per card."""
    command = [NODE, HERE / "teams_cards.mjs"]
    process = subprocess.run(command, input=json.dumps(cards), capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 0, process.stderr[-3_000:]
    return [json.loads(line) for line in process.stdout.splitlines()]


def test_all_cards_parse_with_official_parser() -> None:
    hostile = [build_card(text) for build_card in CARDS_BY_FIELD.values() for text in (*HOSTILE, *OF_TEAMS)]
    cards = [*STORY, *hostile]
    problem_lists = faults([card_content(card) for card in cards])
    assert {card.title[:40]: problems for card, problems in zip(cards, problem_lists, strict=True) if problems} == {}


@pytest.mark.parametrize("corrupt", CORRUPTIONS.values(), ids=CORRUPTIONS)
def test_official_parser_rejects_corrupted_card(corrupt: Callable[[dict[str, Any]], None]) -> None:
    good, bad = faults([GOOD, corrupted(corrupt)])
    assert (good, bool(bad)) == ([], True)


def test_playground_check_and_alert(pictures: Path) -> None:
    inside = 'ip link set lo up && exec "$@"'
    command = [
        *ISOLATED_NETWORK,
        "sh",
        "-c",
        inside,
        "sh",
        sys.executable,
        "-m",
        "tests.e2e.teams_playground",
        str(pictures),
    ]
    process = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert process.returncode == 0, process.stderr[-3_000:]
    assert all((pictures / name).stat().st_size > 20_000 for name in PICTURES)
