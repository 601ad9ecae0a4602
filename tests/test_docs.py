"""What the documents promise is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.checks.finding_codes import Code
from bot.finding_reference import OURS, ROOMS, page
from tests.support import cards

ROOT = Path(__file__).parent.parent
SOURCE = re.compile(
    r"RFC [0-9]{4}(?: §[0-9A-C][0-9.]*)?|\[[^\]|]+\]\((?:https://|\.\./README)[^)\s|]+\)|mailcheck itself"
)
CODE = re.compile(r"[a-z-]+\.[a-z0-9-]+")


def test_every_code_has_its_row_in_the_page_and_the_page_no_other() -> None:
    assert (ROOT / "docs/checks.md").read_text() == page(), "run `make docs`"


def test_every_kind_of_card_is_in_the_page_with_its_picture() -> None:
    assert (ROOT / "docs/cards.md").read_text() == cards.page(), (
        "run `.venv/bin/python -m tests.support.cards > docs/cards.md`"
    )
    pictures = re.findall(r"\]\((pictures/[^)]+)\)", cards.page())
    assert [name for name in pictures if not (ROOT / "docs" / name).exists()] == []


def test_a_code_is_a_check_and_words() -> None:
    assert all(CODE.fullmatch(code) for codes in (*ROOMS.values(), OURS) for code in codes)


@pytest.mark.parametrize(("code", "row"), [item for codes in (*ROOMS.values(), OURS) for item in codes.items()])
def test_a_code_says_what_it_means_where_that_stands_and_how_it_is_put_right(code: str, row: Code) -> None:
    sentences = (row.means, row.fix)
    assert all(text and not text[0].islower() and "|" not in text for text in sentences), code
    assert row.means.endswith(".")
    sources = re.split(r", (?=RFC|\[)", row.source)
    assert all(SOURCE.fullmatch(source) for source in sources), row.source


def test_every_code_that_the_source_makes_is_in_the_page() -> None:
    written = "\n".join(path.read_text() for path in (ROOT / "bot/checks").rglob("*.py"))
    made = set(re.findall(r'"((?:blocklist|ptr|helo|spf|dmarc|mx|network)\.[a-z][a-z-]+)"', written))
    assert made - {code for codes in (*ROOMS.values(), OURS) for code in codes} == set()
    assert len(made) > 40


def test_the_commands_of_the_readme_exist() -> None:
    from bot.__main__ import app

    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    known |= {str(group.name) for group in app.registered_groups}
    told = set(re.findall(r"\.venv/bin/mailcheck (\w+)", (ROOT / "README.md").read_text()))
    assert told
    assert told <= known
