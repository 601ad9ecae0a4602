"""Lengths of time as people write them."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.inputs.durations import BadDuration, read_duration, write_duration


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
def test_a_length_of_time_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert read_duration(text) == timedelta(seconds=seconds)


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
def test_anything_else_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(BadDuration) as refused:
        read_duration(text)
    sentence = str(refused.value)
    assert sentence.endswith(".")
    assert len(sentence) < 160
    assert "\n" not in sentence


def test_a_bare_number_needs_a_unit_that_somebody_named() -> None:
    assert read_duration("90", bare="s") == timedelta(seconds=90)
    assert read_duration("90m", bare="s") == timedelta(minutes=90)


@given(st.text(max_size=30))
def test_no_text_breaks_the_reader(text: str) -> None:
    with suppress(BadDuration):
        assert read_duration(text) > timedelta(0)


@given(st.integers(1, 300 * 86400))
def test_what_is_written_can_be_read_back_to_its_two_largest_units(seconds: int) -> None:
    length = timedelta(seconds=seconds)
    read = read_duration(write_duration(length).replace(" ", ""))
    assert read <= length
    assert write_duration(read) == write_duration(length)


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45s"), (5400, "1h 30m"), (86400, "1d"), (183_661, "2d 3h"), (0, "0s"), (0.4, "0s")]
)
def test_the_two_largest_units_are_written(seconds: float, text: str) -> None:
    assert write_duration(timedelta(seconds=seconds)) == text
