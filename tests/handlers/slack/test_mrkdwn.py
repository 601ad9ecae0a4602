"""Stripping Slack markup and extracting check targets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.inputs.targets import parse_targets
from handlers.slack.mrkdwn import MAX_MESSAGE, extract_targets, iter_texts, strip_markup
from tests.support.cpu_growth import LINEAR, cpu_growth


@pytest.mark.parametrize(
    ("markup", "typed"),
    [
        ("<@U012AB> 203.0.113.5", "203.0.113.5"),
        (
            "<http://example.com|example.com> and <https://example.net/a?b=c>",
            "example.com and https://example.net/a?b=c",
        ),
        ("<mailto:postmaster@example.com|postmaster@example.com>", "postmaster@example.com"),
        ("&lt;user@example.com&gt; &amp; more", "<user@example.com> & more"),
        ("&amp;lt;not a bracket&amp;gt;", "&lt;not a bracket&gt;"),
        ("<!here> <#C012|general> <!subteam^S1|ops> hello", "hello"),
        ("see <https://list.example/why?ip=192.0.2.66|the list>", "see https://list.example/why?ip=192.0.2.66"),
        ("<mailto:postmaster@example.com|our postmaster>", "postmaster@example.com"),
        ("reply <tel:550571|550 5.7.1>", "reply 550 5.7.1"),
        ("&lt;203.0.113.5&gt;", "<203.0.113.5>"),
    ],
)
def test_slack_markup_is_stripped(markup: str, typed: str) -> None:
    assert " ".join(strip_markup(markup).split()) == typed


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("Bounce from 203.0.113.5: see notes.txt, e.g. report.xlsx", ["203.0.113.5"]),
        ("[2001:db8::25] said 127.0.0.2 at 12:30:01", ["2001:db8::25"]),
        ("Mail <a@example.com>; (https://www.example.org/x).", ["example.com", "www.example.org"]),
        ("203.0.113.5 203.0.113.5 example.com EXAMPLE.com example.net", ["203.0.113.5", "example.com"]),
        (" ".join(f"198.51.100.{n}" for n in range(99)), [f"198.51.100.{n}" for n in range(8)]),
        ("Good morning. Nothing here... is: one!", []),
    ],
)
def test_extract_targets_finds_addresses_and_domains(text: str, targets: list[str]) -> None:
    assert extract_targets(text) == targets


def test_markup_is_stripped_of_what_slack_sends_at_most() -> None:
    assert strip_markup("x" * (MAX_MESSAGE - 1) + "<@U1>") == "x" * (MAX_MESSAGE - 1) + "<"


def test_texts_in_nested_blocks_are_found() -> None:
    blocks = [{"type": "rich_text", "elements": [{"elements": [{"type": "link", "url": "https://example.com"}]}]}]
    message = {"text": "one", "blocks": blocks, "attachments": [{"fallback": "three", "fields": [{"value": "four"}]}]}
    assert set(iter_texts(message)) == {"one", "https://example.com", "three", "four"}


@pytest.mark.parametrize("unit", ["a", ".", ":", "1.", "a.b ", "<http://", "::1 ", "[", "é.é "])
def test_extract_targets_takes_linear_time(unit: str) -> None:
    growth = cpu_growth(lambda text: extract_targets(strip_markup(text)), lambda length: unit * length, 25_000)
    assert growth <= LINEAR


words = st.text(max_size=30) | st.sampled_from(
    ["203.0.113.5", "2001:db8::5", "example.com", "<http://x.example.com|x>", "1.2.3"]
)


@given(st.lists(words, max_size=20).map(" ".join))
def test_extracted_targets_always_parse(text: str) -> None:
    targets = extract_targets(strip_markup(text))
    assert not targets or parse_targets(" ".join(targets))
