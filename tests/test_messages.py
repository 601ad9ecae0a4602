"""All sentences of a check stand together: in `messages.py` of its package, or in one block of its module."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

from bot.checks.finding_codes import ANY_CHECK, FindingCode, FindingText, Problem
from bot.finding_reference import SECTIONS

ROOT = Path(__file__).parent.parent
CHECKS = ROOT / "bot/checks"
# Errors of files that the operator writes, which name file, table and key; and the titles of checks.
NO_FINDINGS = frozenset({"catalog.py", "catalog_file.py", "own_catalog.py", "hosting_providers.py", "registry.py"})
SOURCES = sorted(
    path
    for path in (*CHECKS.rglob("*.py"), *(ROOT / "bot/doctor").rglob("*.py"))
    if path.name not in NO_FINDINGS | {"messages.py"}
)
PACKAGES = sorted({path.parent for path in SOURCES if (path.parent / "messages.py").exists()})
MODULES = [path for path in SOURCES if path.parent == CHECKS and "\nCODES: " in path.read_text(encoding="utf-8")]
# Three words in a row, or an end like that of a sentence.
PROSE = re.compile(r"[A-Za-z'’]{2,},? [a-z'’]+,? [a-z'’]{2,}|[A-Za-z]+ [^\n]*[a-z)}”][.?!]$")
FINDING_CODE = re.compile(r"[a-z]+(?:-[a-z]+)*\.[a-z0-9]+(?:-[a-z0-9]+)*")
ROWS = [(code, row) for codes in (*SECTIONS.values(), ANY_CHECK) for code, row in codes.items()]


def texts_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the string literals that are no docstrings."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def block_of_codes(tree: ast.Module) -> range:
    """Return the lines of the assignments in one run with CODES, ANY_CHECK, or the PROBLEMS and PHRASES quoted."""
    runs: list[list[ast.stmt]] = [[]]
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            runs[-1].append(statement)
        else:
            runs.append([])
    for run in runs:
        targets = [statement.target for statement in run if isinstance(statement, ast.AnnAssign)]
        if any(
            isinstance(target, ast.Name) and target.id in ("CODES", "ANY_CHECK", "PROBLEMS", "PHRASES")
            for target in targets
        ):
            return range(run[0].lineno, (run[-1].end_lineno or 0) + 1)
    return range(0)


def prose_outside_block(source: str) -> list[tuple[int, str]]:
    tree = ast.parse(source)
    block = block_of_codes(tree)
    return [(line, text) for line, text in texts_in(tree) if line not in block and PROSE.search(text)]


def codes_in(tree: ast.AST, checks: set[str]) -> set[str]:
    """Return the finding codes of these checks that a module names."""
    codes = {text for _, text in texts_in(tree) if FINDING_CODE.fullmatch(text)}
    return {code for code in codes if code.partition(".")[0] in checks}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "bot")))
def test_sentences_stand_only_with_the_finding_codes(path: Path) -> None:
    exempt = {"Nothing to do."} if path.name == "finding_codes.py" else set()
    outside = prose_outside_block(path.read_text(encoding="utf-8"))
    assert [(line, text) for line, text in outside if text not in exempt] == []


def test_sentences_of_monitoring_stand_in_its_messages() -> None:
    sentences = [
        (path.name, line, text)
        for path in (ROOT / "bot/monitoring").rglob("*.py")
        for line, text in prose_outside_block(path.read_text(encoding="utf-8"))
        if text.endswith((".", "?")) and path.name != "messages.py"
    ]
    assert sentences == []


@pytest.mark.parametrize(
    "line",
    [
        'PROBLEM = "its key is cut off"',
        'raise BadKey(f"its key has {size} bytes where 32 belong")',
        'Finding("mx", domain, verdict, code, "Mail waits.")',
    ],
)
def test_sentence_outside_the_block_is_found(line: str) -> None:
    source = f'CODES: Mapping[str, FindingCode] = {{"mx.ok": "All is well there."}}\n\ndef judge():\n    {line}\n'
    assert [number for number, _ in prose_outside_block(source)] == [4]


def test_checks_with_sentences_are_found() -> None:
    assert {path.name for path in PACKAGES} >= {"dnsbl", "spf", "dkim", "dmarc", "mta_sts", "bimi", "doctor"}
    assert {path.name for path in MODULES} >= {"mx.py", "ptr.py", "dane.py", "starttls.py", "tls_rpt.py", "dnssec.py"}


@pytest.mark.parametrize("path", [*PACKAGES, *MODULES], ids=lambda path: path.stem)
def test_finding_codes_with_words_are_those_that_a_check_uses(path: Path) -> None:
    words = path / "messages.py" if path.is_dir() else path
    sources = [file for file in path.rglob("*.py") if file != words] if path.is_dir() else [path]
    described = {key for statement in statements(words) if is_table(statement) for key in keys_of(statement)}
    checks = {code.partition(".")[0] for code in described}
    used = {
        code
        for source in sources
        for statement in statements(source)
        if not is_table(statement)
        for code in codes_in(statement, checks)
    }
    assert described
    assert used == described


def statements(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text(encoding="utf-8")).body


def is_table(statement: ast.stmt) -> TypeGuard[ast.AnnAssign]:
    return isinstance(statement, ast.AnnAssign) and getattr(statement.target, "id", "") == "CODES"


def keys_of(table: ast.AnnAssign) -> Iterator[str]:
    keys = table.value.keys if isinstance(table.value, ast.Dict) else []
    yield from (str(key.value) for key in keys if isinstance(key, ast.Constant))


@pytest.mark.parametrize(("code", "row"), ROWS, ids=[code for code, _ in ROWS])
def test_finding_code_has_sentences_with_named_placeholders(code: str, row: FindingCode) -> None:
    texts: list[FindingText] = [row, *row.variants.values()]
    for text in texts:
        fields = {
            field for part in (text.summary, text.remediation) for _, field, _, _ in string.Formatter().parse(part)
        }
        assert all(field.isidentifier() for field in fields if field is not None), code
        assert text.summary.endswith((".", "}")), code
        assert not text.remediation.endswith(" "), code
    assert "{" not in row.meaning + row.fix


def test_problem_phrase_is_filled_with_its_values() -> None:
    problem = Problem("size", {"size": 31})
    assert (
        problem.phrase({"size": "its key has {size} bytes where 32 belong"}) == "its key has 31 bytes where 32 belong"
    )
