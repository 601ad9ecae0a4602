"""Durations as users write them."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.inputs.durations import BadDuration, compact_duration, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("1h", 3600),
        ("24h", 86400),
        ("2d", 172800),
        ("1w", 604800),
        ("1h30m", 5400),
        (" 1H ", 3600),
        ("1d12h", 129600),
    ],
)
def test_parse_duration_valid_text_is_parsed(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1h",
        "1",
        "h",
        "1.5h",
        "one hour",
        "0s",
        "0",
        "1h-",
        "30m1h",
        "1hh",
        "٣h",
        "1 h",
        "9999999d",
        "1y",
        "1h" * 900,
    ],
)
def test_parse_duration_bad_text_raises_one_sentence(text: str) -> None:
    with pytest.raises(BadDuration) as error:
        parse_duration(text)
    message = str(error.value)
    assert message.endswith(".")
    assert len(message) < 160
    assert "\n" not in message


def test_parse_duration_bare_number_needs_default_unit() -> None:
    assert parse_duration("90", default_unit="s") == timedelta(seconds=90)
    assert parse_duration("90m", default_unit="s") == timedelta(minutes=90)


@given(st.text(max_size=30))
def test_parse_duration_any_text_parses_or_raises(text: str) -> None:
    with suppress(BadDuration):
        assert parse_duration(text) > timedelta(0)


@given(st.integers(1, 300 * 86400))
def test_format_duration_is_parsed_back(seconds: int) -> None:
    length = timedelta(seconds=seconds)
    parsed = parse_duration(format_duration(length).replace(" ", ""))
    assert parsed <= length
    assert format_duration(parsed) == format_duration(length)


@given(st.integers(1, 300 * 86400))
def test_compact_duration_is_parsed_back_exactly(seconds: int) -> None:
    length = timedelta(seconds=seconds)
    assert parse_duration(compact_duration(length)) == length


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45s"), (5400, "1h 30m"), (86400, "1d"), (183_661, "2d 3h"), (0, "0s"), (0.4, "0s")]
)
def test_format_duration_has_two_largest_units(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text
