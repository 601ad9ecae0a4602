"""The card of a whole audit: within every platform's limits, and read in ten seconds."""

from __future__ import annotations

import pytest

from handlers.commands.parser import read_check
from handlers.message import Card
from handlers.messages import report_card
from handlers.messages.report import IN_FULL
from handlers.slack.block_kit import message as in_slack
from handlers.teams.adaptive_card import in_words
from handlers.teams.adaptive_card import message as in_teams
from tests.support import real_reports
from tests.support import slack_validator as slack
from tests.support import teams_validator as teams

REPORTS = {kind: real_reports.whole_audit(kind) for kind in ("in order", "in disorder")}
WORDS_IN_TEN_SECONDS = 45


@pytest.mark.parametrize("tree", [False, True])
@pytest.mark.parametrize("kind", REPORTS)
def test_it_stays_within_the_limits_of_every_platform_and_nothing_is_cut(kind: str, tree: bool) -> None:
    card = report_card(REPORTS[kind], tree)
    for payload, faults in (
        (in_slack(card), slack.faults),
        (in_teams(card), teams.faults),
        (in_words(card), teams.faults),
    ):
        assert faults(payload) == []
        assert "not shown" not in str(payload)


@pytest.mark.parametrize("kind", REPORTS)
def test_verdict_and_next_step_are_read_in_ten_seconds(kind: str) -> None:
    card = report_card(REPORTS[kind])
    assert len(f"{card.title} {card.step}".split()) <= WORDS_IN_TEN_SECONDS
    assert sum(bool(line.detail) for line in card.lines) <= IN_FULL


def test_where_something_else_is_to_be_done_first_the_spf_tree_is_behind_a_button() -> None:
    report = REPORTS["in disorder"]
    card = report_card(report)
    (button,) = [button for button in card.buttons if button.label == "SPF tree"]
    typed = read_check(button.command.removeprefix("check "))
    assert (card.sketch, typed.tree, typed.orders) == (None, True, (report.order,))
    drawn = report_card(report, typed.tree)
    assert drawn.sketch
    assert "SPF tree" not in labels(drawn)


def test_where_the_next_step_is_about_spf_its_tree_is_drawn() -> None:
    card = report_card(real_reports.whole_audit("a domain in disorder"))
    assert card.sketch
    assert card.sketch.title == "SPF of example.org: 13 lookups, 10 allowed"


def labels(card: Card) -> list[str]:
    return [button.label for button in card.buttons]
