"""The core knows no chat platform: a recipient is an address, and threads and messages have opaque ids."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# What belongs to one platform: names of products and their libraries, their markup, fields and credentials.
PLATFORM_WORDS = re.compile(
    r"slack|\bteams\b|teams_|mrkdwn|thread_ts|broadcast|\bbolt\b|block.?kit|adaptive.?card|app.?home|tenant"
    r"|response_url|ephemeral|slash.?command|\bxox",
    re.IGNORECASE,
)
# Modules that may use one of the words, each with the reason.
ALLOWED = {
    ("bot/inputs/special_addresses.py", "broadcast"): "the broadcast address of IPv4",
    ("bot/bounces/rule_files.py", "tenant"): "a customer of a mail provider",
    ("bot/bounces/classify.py", "tenant"): "a customer of a mail provider",
    ("bot/monitoring/serialization.py", "broadcast"): "a key of stored alerts, kept over upgrades",
}
ENTRY_POINT = "bot/__main__.py"  # the top layer: it composes the core and the handlers
SOURCES = sorted(
    path
    for pattern in ("*.py", "*.lua")
    for path in (ROOT / "bot").rglob(pattern)
    if path.relative_to(ROOT).as_posix() != ENTRY_POINT
)


def platform_words(path: Path) -> set[tuple[str, str]]:
    name = path.relative_to(ROOT).as_posix()
    return {(name, word.lower()) for word in PLATFORM_WORDS.findall(path.read_text(encoding="utf-8"))}


def test_core_names_no_chat_platform() -> None:
    assert len(SOURCES) > 100
    used = {word for path in SOURCES for word in platform_words(path)}
    assert used - ALLOWED.keys() == set()
    assert ALLOWED.keys() - used == set(), "no longer needed"


@pytest.mark.parametrize(
    "line",
    ["if channel.platform == 'slack':", "API = 'https://slack.com'", "def parse(thread_ts):", "tenantId", "Teams"],
)
def test_platform_words_are_recognized(line: str) -> None:
    assert PLATFORM_WORDS.search(line)


def test_core_does_not_branch_on_the_platform() -> None:
    compared = [
        f"{path.name}:{node.lineno}"
        for path in SOURCES
        if path.suffix == ".py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare | ast.Match)
        for part in ast.walk(node.subject if isinstance(node, ast.Match) else node)
        if isinstance(part, ast.Attribute) and part.attr == "platform"
    ]
    assert compared == []
