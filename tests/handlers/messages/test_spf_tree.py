"""The picture of a tree of SPF records, drawn from what the real check found."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.checks.spf import check
from bot.checks.spf.include_tree import MOST_ROWS
from bot.models import Order, Target
from handlers.messages.report import OVER, spf_sketch
from tests.support.dns_world import World

HOSTS = {f"h{n}.example": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]} for n in range(9)}


def drawn(records: dict[str, Any], asked_for: bool = False) -> list[str]:
    zone = {name: {"TXT": texts} if isinstance(texts, list) else texts for name, texts in records.items()}
    world = World(HOSTS | zone)
    sketch = spf_sketch(asyncio.run(check(Order(Target(domain="example.com")), world)), asked_for)
    return [sketch.title, *sketch.lines] if sketch else []


def test_every_include_has_its_number_and_the_limit_is_where_it_is_passed() -> None:
    picture = drawn(
        {
            "example.com": [
                "v=spf1 include:one.example a:h0.example mx:h1.example include:two.example a:h2.example -all"
            ],
            "h1.example": {**HOSTS["h1.example"], "MX": ["10 h1.example"]},
            "one.example": ["v=spf1 include:deep.example a:h3.example ~all"],
            "deep.example": ["v=spf1 ip4:192.0.2.0/24 a:h4.example a:h5.example ~all"],
            "two.example": ["v=spf1 a:h6.example redirect=three.example"],
            "three.example": ["v=spf1 a:h7.example a:h8.example ~all"],
        }
    )
    assert picture == [
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
        (
            {"example.com": ["v=spf1 include:odd.example -all"], "odd.example": ["v=spf1 moo -all"]},
            "breaks the grammar",
        ),
        ({"example.com": ["v=spf1 a:gone1.example a:gone2.example a:gone3.example -all"]}, "leads to nothing"),
        (
            {"example.com": ["v=spf1 include:a.example -all"], "a.example": ["v=spf1 include:example.com -all"]},
            "a circle",
        ),
    ],
)
def test_a_row_says_what_is_wrong_there(records: dict[str, Any], line: str) -> None:
    assert line in "\n".join(drawn(records))


def test_a_record_that_is_in_order_is_drawn_only_when_asked_for() -> None:
    fine = {"example.com": ["v=spf1 a:h0.example -all"]}
    assert drawn(fine) == []
    assert drawn(fine, asked_for=True) == [
        "SPF of example.com: 1 lookup, 10 allowed",
        "example.com       1",
        "└─ a:h0.example   1",
    ]


def test_a_record_without_lookups_is_no_tree() -> None:
    assert drawn({"example.com": ["v=spf1 ip4:192.0.2.1 -all"]}, asked_for=True) == []


def test_a_hostile_tree_stays_a_picture() -> None:
    many = " ".join(f"include:{'x' * 50}{n}.example" for n in range(200))
    lines = drawn({"example.com": [f"v=spf1 {many} -all"]})
    assert len(lines) <= MOST_ROWS + 2
    assert max(map(len, lines[1:])) < 90
    assert sum(OVER in line for line in lines) == 1
