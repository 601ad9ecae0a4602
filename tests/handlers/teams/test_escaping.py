import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.sanitize import inert
from handlers.teams.adaptive_card import escaped, without_formulas
from tests.handlers.slack.hostile import HOSTILE
from tests.support.teams_validator import formats

PIECES = st.sampled_from([*"*_~`[]()<>#|-+=!\\&{}1.:/ a\t", "://", "---", "1. ", "- ", "http", "&lt;", "{{DATE("])


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_formats_nothing(text: str) -> None:
    assert not formats(escaped(inert(text)))


@given(st.lists(PIECES, max_size=40).map("".join))
def test_no_text_formats_anything(text: str) -> None:
    line = escaped(inert(text))
    assert not formats(line)
    assert "{{" not in line
    assert "://" not in line


def test_the_oracle_knows_markdown() -> None:
    assert all(map(formats, ("*a*", "[a](b)", "# a", "- a", "1. a", "`a`", "~~a~~", "---", "<b>", "&amp;*a*")))
    assert not formats("203.0.113.5 has no reverse name.")


@pytest.mark.parametrize(
    "name", ["_dmarc.example.com", "203.0.113.5", "2001:db8::1", "v=spf1 ip4:192.0.2.0/24 -all", "a-b.example"]
)
def test_what_a_person_may_copy_stays_as_it_is(name: str) -> None:
    assert escaped(name) == name


@given(st.text(alphabet="{ a"))
def test_no_two_braces_open_together(text: str) -> None:
    assert "{{" not in without_formulas(text)
    assert without_formulas(text).replace(" ", "") == text.replace(" ", "")
