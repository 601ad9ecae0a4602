import re
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.charts import Bar, Kind, Row, Timeline
from handlers.message import Button, Card, Fact, Line, Picture, Sketch, Table, Tone
from handlers.slack.block_kit import message
from tests.handlers.slack.conftest import ANSWER, MORNING
from tests.handlers.slack.hostile import HOSTILE
from tests.support.slack_validator import faults

LONG = "word " * 20_000


def drawn(card: Card) -> list[dict[str, Any]]:
    """Every block of the message, in the order in which Slack shows them."""
    payload = message(card)
    assert faults(payload) == []
    return [*payload["blocks"], *(block for bar in payload.get("attachments", []) for block in bar["blocks"])]


def words(part: Any) -> list[str]:
    """Every text a person reads."""
    if isinstance(part, list):
        return [text for inner in part for text in words(inner)]
    if not isinstance(part, dict):
        return []
    own = [part["text"]] if isinstance(part.get("text"), str) else []
    return own + [text for inner in part.values() for text in words(inner)]


def test_reading_order_is_verdict_step_problems_passed_footnote_buttons() -> None:
    assert [block["type"] for block in drawn(ANSWER)] == [
        "header",
        "rich_text",
        "rich_text",
        "rich_text",
        "context",
        "actions",
    ]
    assert words(drawn(ANSWER)) == [
        "✕ 203.0.113.5 · example.com: on Example List",
        "Next step: ",
        "Ask Example List to remove 203.0.113.5.",
        "✕  ",
        "Listed by Example List.",
        "spam seen",
        "✓  ",
        "In order: SPF, DMARC.",
        "62 lists asked",
        "Removal form",
        "Check again",
    ]


def test_verdict_step_and_buttons_never_stand_where_slack_folds_a_long_message() -> None:
    payload = message(replace(ANSWER, lines=ANSWER.lines * 9))
    assert [block["type"] for block in payload["blocks"]] == ["header", "rich_text"]
    assert [block["type"] for block in payload["attachments"][-1]["blocks"]] == ["context", "actions"]


@pytest.mark.parametrize(
    ("tone", "bars"), [(Tone.BAD, 2), (Tone.WARN, 2), (Tone.UNSURE, 2), (Tone.GOOD, 2), (Tone.PLAIN, 0)]
)
def test_a_tone_is_a_colour_and_a_mark(tone: Tone, bars: int) -> None:
    payload = message(replace(ANSWER, tone=tone))
    assert len(payload.get("attachments", [])) == bars
    assert payload["text"].startswith(("✕", "!", "?", "✓") if bars else "203")


def test_one_sentence_is_no_headline() -> None:
    assert drawn(Card("Checking example.com …")) == [
        {"type": "section", "text": {"type": "plain_text", "text": "Checking example.com …", "emoji": False}}
    ]


def test_what_passed_is_one_line_each_in_one_block() -> None:
    card = Card("t", Tone.GOOD, lines=(Line("SPF is right.", Tone.GOOD), Line("DMARC too.", Tone.GOOD)))
    assert words(drawn(card))[-4:] == ["✓  ", "SPF is right.", "\n✓  ", "DMARC too."]


@pytest.mark.parametrize(
    ("button", "kept"),
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
def test_half_a_target_is_no_button(button: Button, kept: dict[str, str] | None) -> None:
    actions = [block for block in drawn(Card("t", buttons=(button,))) if block["type"] == "actions"]
    assert bool(actions) == (kept is not None)
    if kept:
        assert kept.items() <= actions[0]["elements"][0].items()


@pytest.mark.parametrize(
    ("card", "note"),
    [
        (Card("t", lines=(Line("x", Tone.BAD),) * 300), "280 more lines not shown"),
        (Card("t", facts=(Fact("a", "b"),) * 300), "280 more facts not shown"),
        (Card("t", sketch=Sketch("s", ("└─ x",) * 300)), "270 more lines of the picture not shown"),
        (Card("t", table=Table(("a",), (("b",),) * 300)), "201 more rows not shown"),
    ],
    ids=["lines", "facts", "picture", "rows"],
)
def test_what_is_left_out_is_said(card: Card, note: str) -> None:
    assert note in words(drawn(card))


def test_a_picture_keeps_its_columns() -> None:
    picture = Sketch("The SPF tree", ("example.com   2", "└─ _spf.example.net", "   └─ deeper    1   "))
    [title, preformatted] = drawn(Card("t", Tone.BAD, sketch=picture))[1]["elements"]
    assert words(title) == ["The SPF tree"]
    assert preformatted == {
        "type": "rich_text_preformatted",
        "elements": [{"type": "text", "text": "example.com   2\n└─ _spf.example.net\n   └─ deeper    1"}],
    }


def pictured(text: str, rows: int = 40) -> Picture:
    row = Row(text, Kind.LISTED, (Bar(MORNING, MORNING),), text)
    return Picture(Timeline(text, MORNING, MORNING, (row,) * rows, text), text)


@pytest.mark.parametrize("part", [f.name for f in fields(Card) if f.name not in ("tone", "private")])
def test_no_part_of_a_card_is_too_long_for_slack(part: str) -> None:
    huge: dict[str, Any] = {
        "lines": (Line(LONG, Tone.BAD, LONG, LONG), Line(LONG, Tone.GOOD, LONG, LONG)) * 100,
        "facts": (Fact(LONG, LONG),) * 100,
        "sketch": Sketch(LONG, (LONG,) * 500),
        "picture": pictured(LONG),
        "table": Table((LONG,) * 30, ((LONG,) * 30,) * 500),
        "buttons": (Button(LONG, "check " + "a" * 1_900), Button(LONG, url="https://list.example/" + "a" * 2_900)) * 50,
    }
    assert faults(message(replace(ANSWER, **{part: huge.get(part, LONG)}))) == []
    assert faults(message(Card(LONG, Tone.BAD, LONG, **huge, footnote=LONG))) == []
    assert faults(message(Card(LONG, Tone.BAD, LONG, **huge, footnote=LONG), "F1")) == []


PLACES: dict[str, Any] = {
    "title": lambda text: Card(text, Tone.BAD, "step"),
    "sentence": Card,
    "step": lambda text: Card("t", Tone.BAD, text),
    "line": lambda text: Card("t", Tone.BAD, lines=(Line(text, Tone.WARN),)),
    "detail": lambda text: Card("t", lines=(Line("l", Tone.BAD, detail=text),)),
    "quote": lambda text: Card("t", Tone.BAD, lines=(Line("l", Tone.BAD, quote=text),)),
    "passed": lambda text: Card("t", Tone.GOOD, lines=(Line(text, Tone.GOOD, text),)),
    "label": lambda text: Card("t", facts=(Fact(text, "v"),)),
    "value": lambda text: Card("t", facts=(Fact("l", text),)),
    "title of a sketch": lambda text: Card("t", sketch=Sketch(text, ("a",))),
    "line of a sketch": lambda text: Card("t", Tone.BAD, sketch=Sketch("s", (text, f"   {text}", "  b"))),
    "picture": lambda text: Card("t", Tone.BAD, picture=pictured(text, 1)),
    "column": lambda text: Card("t", table=Table((text, "b"), (("a", "b"),))),
    "cell": lambda text: Card("t", table=Table(("a", "b"), ((text, "b"), ("c",), ("d", "e", text)))),
    "button": lambda text: Card("t", buttons=(Button(text, "check example.com"),)),
    "command": lambda text: Card("t", buttons=(Button("b", text),)),
    "url": lambda text: Card("t", buttons=(Button("b", url=text),)),
    "footnote": lambda text: Card("t", footnote=text),
}


@pytest.mark.parametrize("place", PLACES)
def test_hostile_text_stays_text(place: str) -> None:
    """The validator refuses every element that Slack's markup reads, so passing it is being inert."""
    for text in HOSTILE:
        payload = message(PLACES[place](text))
        assert faults(payload) == [], text[:40]
        assert faults(message(PLACES[place](text), "F1")) == [], text[:40]
        assert not re.search(r"<[!@#]|<https?:|<mailto:", payload["text"]), text[:40]


def test_a_stranger_gets_no_more_than_300_characters() -> None:
    assert max(map(len, words(drawn(PLACES["quote"]("x" * 40_000))))) == 300


any_text = st.text(max_size=400) | st.sampled_from(HOSTILE)
tones = st.sampled_from(Tone)
cards = st.builds(
    Card,
    title=any_text,
    tone=tones,
    step=any_text,
    lines=st.lists(st.builds(Line, any_text, tones, any_text, any_text), max_size=60).map(tuple),
    facts=st.lists(st.builds(Fact, any_text, any_text), max_size=40).map(tuple),
    table=st.none()
    | st.builds(
        Table,
        st.lists(any_text, max_size=25).map(tuple),
        st.lists(st.lists(any_text, max_size=25).map(tuple), max_size=120).map(tuple),
    ),
    sketch=st.none() | st.builds(Sketch, any_text, st.lists(any_text, max_size=60).map(tuple)),
    buttons=st.lists(
        st.builds(Button, any_text, any_text, any_text | st.just("https://list.example/"), st.booleans()), max_size=30
    ).map(tuple),
    footnote=any_text,
)


@settings(max_examples=200, deadline=None)
@given(cards)
def test_slack_takes_whatever_card_comes(card: Card) -> None:
    assert faults(message(card)) == []
