import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.inputs.targets import read_targets
from handlers.slack.mrkdwn import as_typed, named_in, texts_of, without_private


@pytest.mark.parametrize(
    ("sent", "typed"),
    [
        ("<@U012AB> 203.0.113.5", "203.0.113.5"),
        ("<http://example.com|example.com> and <https://example.net/a?b=c>", "example.com and example.net/a?b=c"),
        ("<mailto:postmaster@example.com|postmaster@example.com>", "postmaster@example.com"),
        ("&lt;user@example.com&gt; &amp; more", "<user@example.com> & more"),
        ("&amp;lt;not a bracket&amp;gt;", "&lt;not a bracket&gt;"),
        ("<!here> <#C012|general> <!subteam^S1|ops> hello", "hello"),
    ],
)
def test_markup_is_undone(sent: str, typed: str) -> None:
    assert " ".join(as_typed(sent).split()) == typed


@pytest.mark.parametrize(
    ("text", "left", "private"),
    [
        ("private example.com", "example.com", True),
        ("example.com PRIVATE", "example.com", True),
        ("example.com", "example.com", False),
        ("private", "", True),
        ("", "", False),
        ("watch example.com name private mail", "watch example.com name private mail", False),
    ],
)
def test_private_is_an_option_at_either_end(text: str, left: str, private: bool) -> None:
    assert without_private(text) == (left, private)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Bounce from 203.0.113.5: see notes.txt, e.g. report.xlsx", ["203.0.113.5"]),
        ("[2001:db8::25] said 127.0.0.2 at 12:30:01", ["2001:db8::25"]),
        ("Mail <a@example.com>; (https://www.example.org/x).", ["example.com", "www.example.org"]),
        ("203.0.113.5 203.0.113.5 example.com EXAMPLE.com example.net", ["203.0.113.5", "example.com"]),
        (" ".join(f"198.51.100.{n}" for n in range(99)), [f"198.51.100.{n}" for n in range(8)]),
        ("Good morning. Nothing here... is: one!", []),
    ],
)
def test_addresses_and_domains_are_found_in_running_text(text: str, named: list[str]) -> None:
    assert named_in(text) == named


def test_texts_are_found_however_deep() -> None:
    blocks = [{"type": "rich_text", "elements": [{"elements": [{"type": "link", "url": "https://example.com"}]}]}]
    message = {"text": "one", "blocks": blocks, "attachments": [{"fallback": "three", "fields": [{"value": "four"}]}]}
    assert set(texts_of(message)) == {"one", "https://example.com", "three", "four"}


@pytest.mark.parametrize("unit", ["a", ".", ":", "1.", "a.b ", "<http://", "::1 ", "[", "é.é "])
def test_no_text_takes_long_to_read(unit: str) -> None:
    begun = time.process_time()
    named_in(as_typed(unit * 100_000))
    assert time.process_time() - begun < 0.5


words = st.text(max_size=30) | st.sampled_from(
    ["203.0.113.5", "2001:db8::5", "example.com", "<http://x.example.com|x>", "1.2.3"]
)


@given(st.lists(words, max_size=20).map(" ".join))
def test_what_is_named_can_be_checked(text: str) -> None:
    named = named_in(as_typed(text))
    assert not named or read_targets(" ".join(named))
