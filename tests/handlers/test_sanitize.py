import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.sanitize import CUT_AT, aligned, inert


@pytest.mark.parametrize(
    ("hostile", "shown"),
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
def test_foreign_text_moves_nothing(hostile: str, shown: str) -> None:
    assert inert(hostile) == shown


def test_a_line_of_a_picture_keeps_its_columns() -> None:
    assert aligned("  ├─\ta.example\u2003 2\x1b[31m\u202e  ") == "  ├─ a.example  2[31m"
    assert aligned("─" * 400) == "─" * 299 + "…"


@given(st.text(max_size=2_000))
def test_inert_text_is_one_short_printable_line(text: str) -> None:
    shown = inert(text)
    assert len(shown) <= CUT_AT
    assert shown.isprintable() or all(c == "\u3000" or c.isspace() or c.isprintable() for c in shown)
    shown.encode()
