"""A watch is found by whatever people call it."""

from __future__ import annotations

import pytest

from bot.monitoring.models import Watch
from bot.monitoring.watch_search import find_watches
from tests.support.stored_watches import watch

EGRESS = watch("203.0.113.5/32", "example.com", name="HQ egress")
OFFICE = watch("203.0.113.16/28", "example.com", name="Office")
SIXTH = watch("2001:db8:0:1::/124")
DOMAIN = watch(None, "example.net")
WATCHES = [EGRESS, OFFICE, SIXTH, DOMAIN]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("203.0.113.5 example.com", [EGRESS]),
        ("203.0.113.5", [EGRESS]),
        ("203.0.113.20", [OFFICE]),  # inside a watched range
        ("203.0.113.16/28", [OFFICE]),
        ("203.0.113.16/30", [OFFICE]),
        ("203.0.113.0/24", []),  # more than is watched
        ("203.0.113.20 example.com", [OFFICE]),
        ("203.0.113.20, example.com", [OFFICE]),
        ("203.0.113.5 example.net", []),
        ("example.com", [EGRESS, OFFICE]),
        ("Example.NET.", [DOMAIN]),
        ("2001:DB8:0:1::7", [SIXTH]),
        ("hq  EGRESS", [EGRESS]),
        ('"HQ egress"', [EGRESS]),
        ("“HQ egress”", [EGRESS]),
        ("'office'", [OFFICE]),
        (OFFICE.id, [OFFICE]),
        (OFFICE.id.upper(), [OFFICE]),
        ("", []),
        ('""', []),
        ("egress", []),
        ("198.51.100.1", []),
    ],
)
def test_watch_is_found_by_any_of_its_names(query: str, expected: list[Watch]) -> None:
    assert list(find_watches(query, WATCHES, lambda found: found)) == expected


def test_name_of_one_watch_hides_the_target_of_another() -> None:
    named = watch("198.51.100.9/32", name="example.com")
    assert find_watches("example.com", [EGRESS, named], lambda found: found) == (named,)
