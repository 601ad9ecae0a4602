"""Cards as Block Kit: order, limits, escaping."""

import re
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.charts import Bar, Row, RowKind, Timeline
from handlers.message import Button, Card, Chart, Fact, Line, Table, TextBlock, Tone
from handlers.slack.block_kit import render_message
from tests.handlers.slack.conftest import ANSWER, MORNING
from tests.handlers.slack.hostile import HOSTILE
from tests.support.slack_validator import message_faults

LONG = "word " * 20_000


def rendered_blocks(card: Card) -> list[dict[str, Any]]:
    """All blocks of the message, in display order."""
    payload = render_message(card)
    assert message_faults(payload) == []
    return [
        *payload["blocks"],
        *(block for attachment in payload.get("attachments", []) for block in attachment["blocks"]),
    ]


def visible_texts(node: Any) -> list[str]:
    """All text that a user reads."""
    if isinstance(node, list):
        return [text for inner in node for text in visible_texts(inner)]
    if not isinstance(node, dict):
        return []
    own_text = [node["text"]] if isinstance(node.get("text"), str) else []
    return own_text + [text for inner in node.values() for text in visible_texts(inner)]


def test_card_blocks_are_in_reading_order() -> None:
    assert [block["type"] for block in rendered_blocks(ANSWER)] == [
        "header",
        "rich_text",
        "rich_text",
        "rich_text",
        "context",
        "actions",
    ]
    assert visible_texts(rendered_blocks(ANSWER)) == [
        "✕ 203.0.113.5 · example.com: on Example List",
        "Next step: ",
        "Ask Example List to remove 203.0.113.5.",
        "✕  ",
        "Listed by Example List.",
        "spam seen",
        "✓  ",
        "Passed: SPF, DMARC.",
        "62 lists queried",
        "Removal form",
        "Check again",
    ]


def test_long_card_shows_header_and_buttons_outside_fold() -> None:
    payload = render_message(replace(ANSWER, lines=ANSWER.lines * 9))
    assert [block["type"] for block in payload["blocks"]] == ["header", "rich_text"]
    assert [block["type"] for block in payload["attachments"][-1]["blocks"]] == ["context", "actions"]


@pytest.mark.parametrize(
    ("tone", "bar_count"), [(Tone.BAD, 2), (Tone.WARN, 2), (Tone.UNSURE, 2), (Tone.GOOD, 2), (Tone.PLAIN, 0)]
)
def test_tone_sets_color_bar_and_symbol(tone: Tone, bar_count: int) -> None:
    payload = render_message(replace(ANSWER, tone=tone))
    assert len(payload.get("attachments", [])) == bar_count
    assert payload["text"].startswith(("✕", "!", "?", "✓") if bar_count else "203")


def test_title_only_card_is_plain_section() -> None:
    assert rendered_blocks(Card("Checking example.com …")) == [
        {"type": "section", "text": {"type": "plain_text", "text": "Checking example.com …", "emoji": False}}
    ]


def test_passed_lines_share_one_block() -> None:
    card = Card("t", Tone.GOOD, lines=(Line("SPF is right.", Tone.GOOD), Line("DMARC too.", Tone.GOOD)))
    assert visible_texts(rendered_blocks(card))[-4:] == ["✓  ", "SPF is right.", "\n✓  ", "DMARC too."]


@pytest.mark.parametrize(
    ("button", "expected"),
    [
        (Button("form", url="https://list.example/remove?ip=203.0.113.5"), {"action_id": "open-0"}),
        (Button("again", command="check example.com"), {"action_id": "run-0", "value": "check example.com"}),
        (Button("script", url="javascript:alert(1)"), None),
        (Button("two lines", url="https://list.example/\nx"), None),
        (Button("too long to be whole", url="https://list.example/" + "a" * 3_000), None),
        (Button("too long to be whole", command="check " + "a" * 2_000), None),
        (Button("nothing"), None),
    ],
)
def test_button_with_unusable_target_is_omitted(button: Button, expected: dict[str, str] | None) -> None:
    actions = [block for block in rendered_blocks(Card("t", buttons=(button,))) if block["type"] == "actions"]
    assert bool(actions) == (expected is not None)
    if expected:
        assert expected.items() <= actions[0]["elements"][0].items()


@pytest.mark.parametrize(
    ("card", "note"),
    [
        (Card("t", lines=(Line("x", Tone.BAD),) * 300), "280 more lines not shown"),
        (Card("t", facts=(Fact("a", "b"),) * 300), "280 more facts not shown"),
        (Card("t", text_block=TextBlock("s", ("└─ x",) * 300)), "270 more lines of the picture not shown"),
        (Card("t", table=Table(("a",), (("b",),) * 300)), "201 more rows not shown"),
    ],
    ids=["lines", "facts", "text block", "rows"],
)
def test_truncated_card_notes_omitted_count(card: Card, note: str) -> None:
    assert note in visible_texts(rendered_blocks(card))


def test_text_block_preserves_columns() -> None:
    tree = TextBlock("The SPF tree", ("example.com   2", "└─ _spf.example.net", "   └─ deeper    1   "))
    [title, preformatted] = rendered_blocks(Card("t", Tone.BAD, text_block=tree))[1]["elements"]
    assert visible_texts(title) == ["The SPF tree"]
    assert preformatted == {
        "type": "rich_text_preformatted",
        "elements": [{"type": "text", "text": "example.com   2\n└─ _spf.example.net\n   └─ deeper    1"}],
    }


def chart_of(text: str, rows: int = 40) -> Chart:
    row = Row(text, RowKind.LISTED, (Bar(MORNING, MORNING),), text)
    return Chart(Timeline(text, MORNING, MORNING, (row,) * rows, text), text)


@pytest.mark.parametrize("field_name", [f.name for f in fields(Card) if f.name not in ("tone", "private")])
def test_oversized_card_field_stays_within_limits(field_name: str) -> None:
    huge = Card(
        LONG,
        Tone.BAD,
        LONG,
        lines=(Line(LONG, Tone.BAD, LONG, LONG), Line(LONG, Tone.GOOD, LONG, LONG)) * 100,
        facts=(Fact(LONG, LONG),) * 100,
        text_block=TextBlock(LONG, (LONG,) * 500),
        chart=chart_of(LONG),
        table=Table((LONG,) * 30, ((LONG,) * 30,) * 500),
        buttons=(Button(LONG, "check " + "a" * 1_900), Button(LONG, url="https://list.example/" + "a" * 2_900)) * 50,
        footnote=LONG,
    )
    one_field: dict[str, Any] = {field_name: getattr(huge, field_name)}
    assert message_faults(render_message(replace(ANSWER, **one_field))) == []
    assert message_faults(render_message(huge)) == []
    assert message_faults(render_message(huge, "F1")) == []


CARDS_BY_FIELD: dict[str, Any] = {
    "title": lambda text: Card(text, Tone.BAD, "step"),
    "sentence": Card,
    "step": lambda text: Card("t", Tone.BAD, text),
    "line": lambda text: Card("t", Tone.BAD, lines=(Line(text, Tone.WARN),)),
    "detail": lambda text: Card("t", lines=(Line("l", Tone.BAD, detail=text),)),
    "quote": lambda text: Card("t", Tone.BAD, lines=(Line("l", Tone.BAD, quote=text),)),
    "passed": lambda text: Card("t", Tone.GOOD, lines=(Line(text, Tone.GOOD, text),)),
    "label": lambda text: Card("t", facts=(Fact(text, "v"),)),
    "value": lambda text: Card("t", facts=(Fact("l", text),)),
    "text block title": lambda text: Card("t", text_block=TextBlock(text, ("a",))),
    "text block line": lambda text: Card("t", Tone.BAD, text_block=TextBlock("s", (text, f"   {text}", "  b"))),
    "picture": lambda text: Card("t", Tone.BAD, chart=chart_of(text, 1)),
    "column": lambda text: Card("t", table=Table((text, "b"), (("a", "b"),))),
    "cell": lambda text: Card("t", table=Table(("a", "b"), ((text, "b"), ("c",), ("d", "e", text)))),
    "button": lambda text: Card("t", buttons=(Button(text, "check example.com"),)),
    "command": lambda text: Card("t", buttons=(Button("b", text),)),
    "url": lambda text: Card("t", buttons=(Button("b", url=text),)),
    "footnote": lambda text: Card("t", footnote=text),
}


@pytest.mark.parametrize("field_name", CARDS_BY_FIELD)
def test_hostile_text_in_any_field_is_escaped(field_name: str) -> None:
    """The validator rejects every element that Slack parses as markup."""
    for text in HOSTILE:
        payload = render_message(CARDS_BY_FIELD[field_name](text))
        assert message_faults(payload) == [], text[:40]
        assert message_faults(render_message(CARDS_BY_FIELD[field_name](text), "F1")) == [], text[:40]
        assert not re.search(r"<[!@#]|<https?:|<mailto:", payload["text"]), text[:40]


def test_quote_is_cut_at_300_characters() -> None:
    assert max(map(len, visible_texts(rendered_blocks(CARDS_BY_FIELD["quote"]("x" * 40_000))))) == 300


any_text = st.text(max_size=400) | st.sampled_from(HOSTILE)
tones = st.sampled_from(Tone)
cards = st.builds(
    Card,
    any_text,
    tones,
    any_text,
    st.lists(st.builds(Line, any_text, tones, any_text, any_text), max_size=60).map(tuple),
    st.lists(st.builds(Fact, any_text, any_text), max_size=40).map(tuple),
    st.none()
    | st.builds(
        Table,
        st.lists(any_text, max_size=25).map(tuple),
        st.lists(st.lists(any_text, max_size=25).map(tuple), max_size=120).map(tuple),
    ),
    st.none() | st.builds(TextBlock, any_text, st.lists(any_text, max_size=60).map(tuple)),
    st.lists(
        st.builds(Button, any_text, any_text, any_text | st.just("https://list.example/"), st.booleans()), max_size=30
    ).map(tuple),
    any_text,
)


@settings(max_examples=200, deadline=None)
@given(cards)
def test_any_card_renders_valid_message(card: Card) -> None:
    assert message_faults(render_message(card)) == []
