"""The rules of the house that no linter knows: small files, small functions, nothing soft."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(path for room in ("bot", "handlers") for path in (ROOT / room).rglob("*.py"))
LONGEST_FILE = 400
LONGEST_FUNCTION = 40


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE
    long = {f.name: n for f in functions(path) if (n := (f.end_lineno or 0) - f.lineno + 1) > LONGEST_FUNCTION}
    assert not long, f"longer than {LONGEST_FUNCTION} lines: {long}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_room_is_called_by_a_word_that_says_nothing(path: Path) -> None:
    assert path.stem not in {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}


def test_the_readme_names_every_variable_and_no_other() -> None:
    from bot.settings import Settings, variable

    readme = (ROOT / "README.md").read_text()
    told = set(re.findall(r"`((?:MAILCHECK|SLACK|REDIS|TEAMS)_[A-Z_]+)`", readme))
    known = {variable(name) for name in Settings.model_fields}
    assert known == told


@pytest.mark.parametrize(
    "rule",
    [
        r"FROM python:\S+-slim",
        r"--require-hashes",
        r"^USER 10001$",
        r"^HEALTHCHECK ",
        r"/healthz",
    ],
)
def test_the_image_is_slim_locked_unprivileged_and_watched(rule: str) -> None:
    assert re.search(rule, (ROOT / "Dockerfile").read_text(), re.MULTILINE)
