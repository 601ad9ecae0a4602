import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.sanitize import MAX_CHARACTERS, sanitize, sanitize_monospaced


@pytest.mark.parametrize(
    ("hostile", "expected"),
    [
        ("two\r\nlines\tand  a tab", "two lines and a tab"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\u202eevil\u2066", "evil"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("nul\x00byte", "nulbyte"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("a" * 400, "a" * 299 + "…"),
    ],
)
def test_sanitize_removes_control_characters(hostile: str, expected: str) -> None:
    assert sanitize(hostile) == expected


def test_sanitize_monospaced_preserves_columns() -> None:
    assert sanitize_monospaced("  ├─\ta.example\u2003 2\x1b[31m\u202e  ") == "  ├─ a.example  2[31m"
    assert sanitize_monospaced("─" * 400) == "─" * 299 + "…"


@given(st.text(max_size=2_000))
def test_sanitized_text_is_one_short_printable_line(text: str) -> None:
    sanitized = sanitize(text)
    assert len(sanitized) <= MAX_CHARACTERS
    assert sanitized.isprintable() or all(
        character == "\u3000" or character.isspace() or character.isprintable() for character in sanitized
    )
    sanitized.encode()
