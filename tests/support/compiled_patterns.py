"""Every regular expression that the modules of bot and handlers compile, and how they use it."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import bot
import handlers
from bot.bounces.rules import load_rules
from bot.checks.dnsbl.catalog_file import load as load_catalog
from bot.checks.hosting_providers import providers

METHODS = ("search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer")
ANY_USE = ("search", "match", "fullmatch", "sub")
ROOT = Path(__file__).parent.parent.parent
# What is read from data files, and the methods that are called on its patterns.
FROM_DATA_FILES: Mapping[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "hosting_providers.toml": (providers, ("fullmatch",)),
    "rules.toml": (load_rules, ANY_USE),
    "catalog": (load_catalog, ANY_USE),
}


@dataclass(frozen=True, slots=True)
class CompiledPattern:
    """A pattern, where it is kept, and the methods that are called on it."""

    place: str
    pattern: re.Pattern[str]
    methods: tuple[str, ...] = field(default=ANY_USE)


@cache
def modules() -> tuple[ModuleType, ...]:
    """All modules of both packages, imported."""
    names = [
        info.name
        for package in (bot, handlers)
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    return (bot, handlers, *(importlib.import_module(name) for name in names))


@cache
def compiled_patterns() -> list[CompiledPattern]:
    """The patterns of all modules, and those of the data files, which are used as FROM_DATA_FILES says."""
    uses = _uses()
    found: dict[tuple[str, int], CompiledPattern] = {}
    seen: set[int] = set()
    roots = [(f"{module.__name__}.{name}", value) for module in modules() for name, value in vars(module).items()]
    for place, value in [*roots, *((name, load()) for name, (load, _) in FROM_DATA_FILES.items())]:
        for pattern in _patterns_in(value, seen):
            key = (pattern.pattern if isinstance(pattern.pattern, str) else repr(pattern.pattern), pattern.flags)
            name = place.rpartition(".")[2]
            methods = tuple(sorted(uses.get(name, ()))) if isinstance(value, re.Pattern) else ()
            methods = FROM_DATA_FILES[place][1] if place in FROM_DATA_FILES else methods
            found[key] = CompiledPattern(place, pattern, methods or ANY_USE)
    return list(found.values())


def _patterns_in(value: Any, seen: set[int]) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern):
        yield value
        return
    if id(value) in seen or isinstance(value, ModuleType | str | bytes | int | float):
        return
    seen.add(id(value))
    for part in _members(value):
        yield from _patterns_in(part, seen)


def _members(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, tuple | list | set | frozenset):
        yield from value
    elif type(value).__module__.partition(".")[0] in ("bot", "handlers") or (
        isinstance(value, type) and value.__module__.partition(".")[0] in ("bot", "handlers")
    ):
        yield from tuple(getattr(value, "__dict__", {}).values())  # pydantic adds to it while it is read
        names = getattr(type(value), "__slots__", ())
        yield from (getattr(value, name, None) for name in ([names] if isinstance(names, str) else names))


@cache
def source_trees() -> list[tuple[Path, ast.Module]]:
    paths = [path for package in ("bot", "handlers") for path in sorted((ROOT / package).rglob("*.py"))]
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def _uses() -> dict[str, set[str]]:
    """The methods called on each name, in any module: names that two modules share are joined."""
    uses: dict[str, set[str]] = {}
    for _, tree in source_trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in METHODS:
                owner = node.value
                name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
                uses.setdefault(name, set()).add(node.attr)
    return uses


def calls_outside_module_level() -> list[str]:
    """Every call of `re` that is neither `re.compile` at module level nor `re.escape`."""
    found = []
    for path, tree in source_trees():
        for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)):
            found += [f"{path.relative_to(ROOT)}:{function.name}" for node in ast.walk(function) if _is_re_call(node)]
    return sorted(set(found))


def _is_re_call(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr != "escape"
    )


def patterns_in_source() -> int:
    """How many different literal patterns are compiled at module level."""
    literals = set()
    for _, tree in source_trees():
        for node in ast.walk(tree):
            if _is_re_call(node) and isinstance(node, ast.Call) and node.args:
                literals.add(ast.dump(ast.Tuple([*node.args])))
    return len(literals)
