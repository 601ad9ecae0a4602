"""SPF include tree of the real check as text."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.checks.spf import check
from bot.checks.spf.include_tree import MAX_ROWS
from bot.models import CheckRequest, Target
from handlers.messages.report import OVER_LIMIT_NOTE, spf_tree_block
from tests.support.dns_world import World

HOSTS = {f"h{n}.example": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]} for n in range(9)}


def tree_lines(records: dict[str, Any], requested: bool = False) -> list[str]:
    zone = {name: {"TXT": texts} if isinstance(texts, list) else texts for name, texts in records.items()}
    world = World(HOSTS | zone)
    tree = spf_tree_block(asyncio.run(check(CheckRequest(Target(domain="example.com")), world)), requested)
    return [tree.title, *tree.lines] if tree else []


def test_spf_tree_shows_lookups_per_include_and_the_limit() -> None:
    lines = tree_lines(
        {
            "example.com": [
                ("v=spf1 include:one.example a:h0.example mx:h1.example include:two.example a:h2.example -all")
            ],
            "h1.example": {**HOSTS["h1.example"], "MX": ["10 h1.example"]},
            "one.example": ["v=spf1 include:deep.example a:h3.example ~all"],
            "deep.example": ["v=spf1 ip4:192.0.2.0/24 a:h4.example a:h5.example ~all"],
            "two.example": ["v=spf1 a:h6.example redirect=three.example"],
            "three.example": ["v=spf1 a:h7.example a:h8.example ~all"],
        }
    )
    assert lines == [
        "SPF of example.com: 13 lookups, 10 allowed",
        "example.com                         13",
        "├─ include:one.example               5",
        "│  ├─ include:deep.example           3",
        "│  │  └─ a:h4.example a:h5.example   2",
        "│  └─ a:h3.example                   1",
        "├─ a:h0.example mx:h1.example        2",
        "├─ include:two.example               5",
        "│  ├─ a:h6.example                   1",
        "│  └─ redirect=three.example         3",
        "│     └─ a:h7.example a:h8.example   2  ← more than 10 from here",
        "└─ a:h2.example                      1",
    ]


@pytest.mark.parametrize(
    ("records", "line"),
    [
        ({"example.com": ["v=spf1 include:none.example -all"]}, "└─ include:none.example   1  does not exist"),
        (
            {"example.com": ["v=spf1 include:two.example -all"], "two.example": ["v=spf1 -all", "v=spf1 ~all"]},
            "2 records",
        ),
        ({"example.com": ["v=spf1 include:odd.example -all"], "odd.example": ["v=spf1 moo -all"]}, "syntax error"),
        ({"example.com": ["v=spf1 a:gone1.example a:gone2.example a:gone3.example -all"]}, "no DNS records"),
        (
            {"example.com": ["v=spf1 include:a.example -all"], "a.example": ["v=spf1 include:example.com -all"]},
            "include loop",
        ),
    ],
)
def test_spf_tree_row_shows_its_error(records: dict[str, Any], line: str) -> None:
    assert line in "\n".join(tree_lines(records))


def test_valid_spf_tree_is_shown_only_on_request() -> None:
    records = {"example.com": ["v=spf1 a:h0.example -all"]}
    assert tree_lines(records) == []
    assert tree_lines(records, requested=True) == [
        "SPF of example.com: 1 lookup, 10 allowed",
        "example.com       1",
        "└─ a:h0.example   1",
    ]


def test_spf_record_without_lookups_has_no_tree() -> None:
    assert tree_lines({"example.com": ["v=spf1 ip4:192.0.2.1 -all"]}, requested=True) == []


def test_hostile_spf_tree_is_limited_in_size() -> None:
    many = " ".join(f"include:{'x' * 50}{n}.example" for n in range(200))
    lines = tree_lines({"example.com": [f"v=spf1 {many} -all"]})
    assert len(lines) <= MAX_ROWS + 2
    assert max(map(len, lines[1:])) < 90
    assert sum(OVER_LIMIT_NOTE in line for line in lines) == 1
