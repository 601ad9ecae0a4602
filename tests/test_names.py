"""Names in the code are terms of the trade: none contains a word of `names_to_avoid.txt`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WORDS = frozenset(
    line.split("#")[0].strip()
    for line in (ROOT / "tests/names_to_avoid.txt").read_text(encoding="utf-8").splitlines()
    if line.split("#")[0].strip()
)
TERMS = ("in_flight", "single_flight")  # terms of the trade that contain such a word
FILES = sorted(
    path
    for folder in ("bot", "handlers", "benchmarks", "tests")
    for path in (ROOT / folder).rglob("*.py")
    if "node_modules" not in path.parts
)


def parts_of(name: str) -> set[str]:
    """`SlackErrands.to_job` style names split at underscores and capitals, plurals reduced."""
    snake = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3_\2\4", name).lower()
    for term in TERMS:
        snake = snake.replace(term, "")
    words = snake.split("_")
    return {form for word in words for form in (word, word.removesuffix("s"), word.removesuffix("es"))}


def names_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg


@pytest.mark.parametrize("folder", ["bot", "handlers", "benchmarks", "tests"])
def test_names_contain_no_word_to_avoid(folder: str) -> None:
    offenders = []
    for path in FILES:
        relative = path.relative_to(ROOT)
        if relative.parts[0] != folder:
            continue
        names = [(0, part) for part in relative.with_suffix("").parts]
        names += names_in(ast.parse(path.read_text(encoding="utf-8")))
        offenders += [f"{relative}:{line} {name}" for line, name in names if parts_of(name) & WORDS]
    assert offenders == []


def test_name_parts_are_split_at_capitals_and_underscores() -> None:
    assert {"slack", "errand"} <= parts_of("SlackErrands")
    assert "errand" in parts_of("_from_errand")
    assert not parts_of("handler_keepalive_lookup") & WORDS


NOT_OURS = re.compile(r"mc1:[a-z_:]*|math\.floor")  # stored keys, and Lua's own


@pytest.mark.parametrize("path", sorted((ROOT / "bot/storage/scripts").glob("*.lua")), ids=lambda path: path.name)
def test_scripts_contain_no_word_to_avoid(path: Path) -> None:
    """Comments, too: a script is read with them. Names of stored keys stay as they are."""
    lines = path.read_text(encoding="utf-8").splitlines()
    words = [
        (number, word)
        for number, line in enumerate(lines, 1)
        for word in re.findall(r"[A-Za-z_]+", NOT_OURS.sub("", line))
    ]
    assert [(number, word) for number, word in words if parts_of(word) & WORDS] == []
