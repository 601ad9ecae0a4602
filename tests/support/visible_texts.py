"""The texts that people read: literals of the code, tables, templates and pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CODE = (
    "bot/checks",
    "bot/bounces",
    "bot/doctor",
    "bot/monitoring",
    "bot/inputs",
    "bot/storage",
    "bot/demo",
    "handlers",
)
MODULES = ("bot/__main__.py", "bot/check_runner.py", "bot/finding_reference.py", "bot/settings.py")
# Literals that no person reads: events of the log, and patterns.
UNREAD_CALLS = frozenset({"debug", "info", "warning", "error", "exception", "compile"})
COMMENT_OF = {".js": re.compile(r"(^|\s)//.*"), ".toml": re.compile(r'^#.*|(who|side) = "nobody"|^\s+".*')}
NO_COMMENT = re.compile(r"(?!)")


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the string literals of a module, f-strings with `{}` for their values, and the help texts of commands."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            skipped |= _docstring(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in UNREAD_CALLS:
            skipped |= {id(child) for child in ast.walk(node)}
        elif isinstance(node, ast.JoinedStr):
            skipped |= {id(child) for child in ast.walk(node) if isinstance(child, ast.Constant)}
            parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def _docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> set[int]:
    """Return the docstring of a definition, unless a command line shows it as its help."""
    first = node.body[0] if node.body else None
    if not (isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)):
        return set()
    arguments = [] if isinstance(node, ast.Module | ast.ClassDef) else [ast.dump(arg) for arg in node.args.args]
    return set() if any("typer" in argument or "'Json'" in argument for argument in arguments) else {id(first.value)}


def pages() -> Iterator[tuple[str, int, str]]:
    """Yield file, line and text of everything that is no Python: pages, templates, tables, the Slack manifest.

    `docs/checks.md` is made of texts that are read here, too, and `docs/performance.md` of measurements.
    """
    paths = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "manifest.yml", *(ROOT / "docs").glob("*.md")]
    paths += [*(ROOT / "bot").rglob("*.toml"), *(ROOT / "handlers/web/templates").glob("*.html")]
    paths += [*(ROOT / "handlers/web/static").glob("*.js")]
    for path in sorted(set(paths) - {ROOT / "docs/checks.md", ROOT / "docs/performance.md"}):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            yield str(path.relative_to(ROOT)), number, COMMENT_OF.get(path.suffix, NO_COMMENT).sub("", line)


def visible_texts() -> Iterator[tuple[str, int, str]]:
    """Yield file, line and text of everything that people read."""
    modules = [ROOT / name for name in MODULES]
    modules += [path for folder in CODE for path in sorted((ROOT / folder).rglob("*.py"))]
    for path in modules:
        yield from ((str(path.relative_to(ROOT)), line, text) for line, text in literals(path) if " " in text)
    yield from pages()
