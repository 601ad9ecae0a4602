"""Card of a whole audit: within every platform's limits, title and step short."""

from __future__ import annotations

import pytest

from handlers.commands import read_check
from handlers.message import Card
from handlers.messages import report_card
from handlers.messages.report import MAX_WITH_STEP
from handlers.slack.block_kit import render_message as in_slack
from handlers.teams.adaptive_card import message as in_teams
from handlers.teams.adaptive_card import plain_text_message
from tests.support import real_reports
from tests.support import slack_validator as slack
from tests.support import teams_validator as teams

REPORTS = {kind: real_reports.whole_audit(kind) for kind in ("in order", "in disorder")}
WORDS_IN_TEN_SECONDS = 45


@pytest.mark.parametrize("tree", [False, True])
@pytest.mark.parametrize("kind", REPORTS)
def test_audit_card_fits_every_platform_uncut(kind: str, tree: bool) -> None:
    card = report_card(REPORTS[kind], tree)
    for payload, faults in (
        (in_slack(card), slack.message_faults),
        (in_teams(card), teams.faults),
        (plain_text_message(card), teams.faults),
    ):
        assert faults(payload) == []
        assert "not shown" not in str(payload)


@pytest.mark.parametrize("kind", REPORTS)
def test_audit_card_title_and_step_are_short(kind: str) -> None:
    card = report_card(REPORTS[kind])
    assert len(f"{card.title} {card.step}".split()) <= WORDS_IN_TEN_SECONDS
    assert sum(bool(line.detail) for line in card.lines) <= MAX_WITH_STEP


def test_spf_tree_is_behind_button_if_next_step_differs() -> None:
    report = REPORTS["in disorder"]
    card = report_card(report)
    (button,) = [button for button in card.buttons if button.label == "SPF tree"]
    command = read_check(button.command.removeprefix("check "))
    assert (card.text_block, command.with_tree, command.requests) == (None, True, (report.request,))
    with_tree = report_card(report, command.with_tree)
    assert with_tree.text_block
    assert "SPF tree" not in labels(with_tree)


def test_spf_tree_is_shown_if_next_step_is_about_spf() -> None:
    card = report_card(real_reports.whole_audit("a domain in disorder"))
    assert card.text_block
    assert card.text_block.title == "SPF of example.org: 13 lookups, 10 allowed"


def labels(card: Card) -> list[str]:
    return [button.label for button in card.buttons]
