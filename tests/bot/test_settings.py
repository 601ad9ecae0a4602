"""Values of settings, read by themselves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.settings import HostPort, duration, nameserver


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.53", HostPort("192.0.2.53", 53)),
        ("192.0.2.53:5353", HostPort("192.0.2.53", 5353)),
        ("2001:db8::53", HostPort("2001:db8::53", 53)),
        ("[2001:db8::53]:5353", HostPort("2001:db8::53", 5353)),
    ],
)
def test_nameserver_is_address_with_optional_port(text: str, expected: HostPort) -> None:
    assert nameserver(text) == expected


def parse_result(parse: Callable[[str], object], text: str) -> object:
    """The parsed value, or the error text."""
    try:
        return parse(text)
    except ValueError as error:
        return str(error)


@given(st.text(max_size=12))
def test_any_text_is_duration_or_one_sentence_error(text: str) -> None:
    result = parse_result(duration, text)
    if isinstance(result, timedelta):
        assert result > timedelta(0)
    else:
        assert str(result).startswith("must be")


@given(st.text(max_size=24) | st.ip_addresses().map(str))
def test_any_text_is_nameserver_or_one_sentence_error(text: str) -> None:
    result = parse_result(nameserver, text)
    if isinstance(result, HostPort):
        assert nameserver(str(result)) == result
    else:
        assert str(result).startswith("must be")
