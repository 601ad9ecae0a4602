"""Generated documentation matches the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot import list_reference
from bot.checks.dnsbl import load
from bot.checks.dnsbl.messages import REASONS
from bot.checks.finding_codes import FindingCode
from bot.checks.registry import CHECK_IDS
from bot.finding_reference import SECTIONS, SHARED_CODES, page
from handlers.commands import VERBS
from tests.support import cards

ROOT = Path(__file__).parent.parent
SOURCE = re.compile(
    r"RFC [0-9]{4}(?: §[0-9A-C][0-9.]*)?"
    r"|\[[^\]|]+\]\((?:https://|\.\./README)[^)\s|]+\)"
    r"|mailcheck itself"
)
CODE = re.compile(r"[a-z-]+\.[a-z0-9-]+")


def test_checks_page_is_up_to_date() -> None:
    assert (ROOT / "docs/checks.md").read_text() == page(), "run `make docs`"


def test_lists_page_is_up_to_date() -> None:
    assert (ROOT / "docs/lists.md").read_text() == list_reference.page(), "run `make docs`"


def test_lists_page_has_a_row_for_every_list_and_every_reason() -> None:
    lines = list_reference.page().splitlines()
    for blocklist in load().lists:
        (row,) = [line for line in lines if f" `{blocklist.zone}`" in line]
        assert len(row.split(" | ")) == 9, blocklist.id
        assert not set("{}") & set(row)
    for reason in (*REASONS, *(code.reason for item in load().lists for code in item.codes.exact.values())):
        assert not reason or [line for line in lines if line.startswith(f"| `{reason}` |")], reason


def test_cards_page_is_up_to_date_and_its_pictures_exist() -> None:
    assert (ROOT / "docs/cards.md").read_text() == cards.page(), (
        "run `.venv/bin/python -m tests.support.cards > docs/cards.md`"
    )
    pictures = re.findall(r"\]\((pictures/[^)]+)\)", cards.page())
    assert [name for name in pictures if not (ROOT / "docs" / name).exists()] == []


def test_finding_code_is_check_and_name() -> None:
    assert all(CODE.fullmatch(code) for codes in (*SECTIONS.values(), SHARED_CODES) for code in codes)


@pytest.mark.parametrize(
    ("code", "row"), [item for codes in (*SECTIONS.values(), SHARED_CODES) for item in codes.items()]
)
def test_finding_code_has_meaning_source_and_remediation(code: str, row: FindingCode) -> None:
    for sentence in (row.meaning, row.fix):
        assert sentence, code
        assert not sentence[0].islower(), code
        assert "|" not in sentence, code
    assert row.meaning.endswith(".")
    sources = re.split(r", (?=RFC|\[)", row.source)
    assert all(SOURCE.fullmatch(source) for source in sources), row.source


def test_every_finding_code_in_the_source_is_documented() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "bot/checks").rglob("*.py"))
    pattern = rf'"((?:{"|".join(CHECK_IDS)})\.[a-z][a-z0-9-]+)"'
    used = set(re.findall(pattern, source))
    assert used - {code for codes in (*SECTIONS.values(), SHARED_CODES) for code in codes} == set()
    assert len(used) > 40


def rows_of_what_changes_where() -> list[str]:
    _, _, text = (ROOT / "CONTRIBUTING.md").read_text().partition("## What changes where")
    return [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("| ")][1:]


def test_paths_of_what_changes_where_exist() -> None:
    rows = rows_of_what_changes_where()
    assert len(rows) >= 20
    paths = [path for row in rows for path in re.findall(r"`([^` ]+(?:\.py|\.toml|\.md|\.txt|/))`", row)]
    assert len(paths) >= len(rows)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_row_of_a_new_chat_command_names_the_only_list_of_verbs() -> None:
    [row] = [row for row in rows_of_what_changes_where() if row.startswith("| add a chat command |")]
    names = [f'"{verb.name}"' for verb in VERBS.rows]
    lists = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "handlers").rglob("*.py")
        if sum(name in path.read_text() for name in names) > len(names) / 2
    ]
    assert lists == re.findall(r"`([^`]+\.py)`", row)


def test_readme_commands_exist() -> None:
    from bot.__main__ import app

    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    known |= {str(group.name) for group in app.registered_groups}
    documented = set(re.findall(r"\.venv/bin/mailcheck (\w+)", (ROOT / "README.md").read_text()))
    assert documented
    assert documented <= known
