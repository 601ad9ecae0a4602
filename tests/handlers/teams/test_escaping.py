import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.sanitize import sanitize
from handlers.teams.adaptive_card import escape_date_macros, escape_markdown
from tests.handlers.slack.hostile import HOSTILE
from tests.support.teams_validator import formats

PIECES = st.sampled_from([*"*_~`[]()<>#|-+=!\\&{}1.:/ a\t", "://", "---", "1. ", "- ", "http", "&lt;", "{{DATE("])


@pytest.mark.parametrize("text", HOSTILE)
def test_escape_neutralizes_markdown(text: str) -> None:
    assert not formats(escape_markdown(sanitize(text)))


@given(st.lists(PIECES, max_size=40).map("".join))
def test_escape_leaves_no_formatting_in_any_text(text: str) -> None:
    line = escape_markdown(sanitize(text))
    assert not formats(line)
    assert "{{" not in line
    assert "://" not in line


def test_markdown_oracle_detects_formatting() -> None:
    assert all(map(formats, ("*a*", "[a](b)", "# a", "- a", "1. a", "`a`", "~~a~~", "---", "<b>", "&amp;*a*")))
    assert not formats("203.0.113.5 has no PTR record.")


@pytest.mark.parametrize(
    "name", ["_dmarc.example.com", "203.0.113.5", "2001:db8::1", "v=spf1 ip4:192.0.2.0/24 -all", "a-b.example"]
)
def test_escape_leaves_copyable_text_unchanged(name: str) -> None:
    assert escape_markdown(name) == name


@given(st.text(alphabet="{ a"))
def test_escape_breaks_date_macros(text: str) -> None:
    assert "{{" not in escape_date_macros(text)
    assert escape_date_macros(text).replace(" ", "") == text.replace(" ", "")
