"""Cards as HTML: every word of the card, and no markup but that of the templates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.message import Button, Card, Fact, Line, Sketch, Table, Tone
from handlers.messages import help_card, report_card
from handlers.sanitize import inert
from handlers.web.message_log import Message
from handlers.web.render import message_view, templates
from tests.handlers.web.hostile import HOSTILE
from tests.support import reports

ONE = templates().get_template("one.html")
AT = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
VOID = {"img", "input", "br", "meta", "link"}


class Parsed(HTMLParser):
    """The skeleton of a page (tags, and the names of their attributes), its text, and whether it is well nested."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.skeleton: list[tuple[str, tuple[str, ...]]] = []
        self.values: list[tuple[str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.skeleton.append((tag, tuple(name for name, _ in attrs)))
        self.values += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def said(card: Card | None = None, text: str = "", author: str = "", thread: str = "") -> Parsed:
    message = Message("1", "mail", AT, author, text, card, thread)
    return Parsed(ONE.render(of=message_view(message, "somebody")))


PLACES: dict[str, Callable[[str], Card]] = {
    "title": Card,
    "step": lambda text: Card("t", Tone.BAD, text),
    "line": lambda text: Card("t", lines=(Line(text, Tone.WARN),)),
    "detail": lambda text: Card("t", lines=(Line("l", Tone.BAD, detail=text),)),
    "quote": lambda text: Card("t", lines=(Line("l", Tone.BAD, quote=text),)),
    "passed": lambda text: Card("t", lines=(Line(text, Tone.GOOD, text),)),
    "label": lambda text: Card("t", facts=(Fact(text, "v"),)),
    "value": lambda text: Card("t", facts=(Fact("l", text),)),
    "title of a table": lambda text: Card(text, table=Table(("a",), (("b",),))),
    "title of a sketch": lambda text: Card("t", sketch=Sketch(text, ("a",))),
    "line of a sketch": lambda text: Card("t", sketch=Sketch("s", (text, "  b"))),
    "column": lambda text: Card("t", table=Table((text, "b"), (("a", "b"),))),
    "cell": lambda text: Card("t", table=Table(("a", "b"), ((text, "b"), ("c",), ("d", "e", text)))),
    "label of a button": lambda text: Card("t", buttons=(Button(text, "check example.com"),)),
    "label of a link": lambda text: Card("t", buttons=(Button(text, url="https://list.example/"),)),
    "command": lambda text: Card("t", buttons=(Button("b", text),)),
    "footnote": lambda text: Card("t", footnote=text),
}


def test_there_are_sixty_ways_and_no_two_are_the_same() -> None:
    assert len(set(HOSTILE)) == 60


@pytest.mark.parametrize("place", PLACES)
def test_hostile_text_stays_text(place: str) -> None:
    harmless = said(PLACES[place]("harmless"))
    for text in HOSTILE:
        drawn = said(PLACES[place](text))
        assert drawn.skeleton == harmless.skeleton, text
        if place != "command":
            assert inert(text, 80).rstrip("…") in drawn.text.replace("\n", " "), text


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_person_types_and_is_called_stays_text(text: str) -> None:
    assert said(text=text, author=text).skeleton == said(text="check example.com", author="ab12").skeleton


@pytest.mark.parametrize(
    "url", [*HOSTILE, "https://list.example/ x", "https://list.example/\nx", "ftp://list.example/", "//evil.example"]
)
def test_only_a_whole_web_address_becomes_a_link(url: str) -> None:
    assert "a" not in [tag for tag, _ in said(Card("t", buttons=(Button("b", url=url),)), thread="1").skeleton[3:]]


@pytest.mark.parametrize("url", ['https://list.example/"onclick="x', "https://list.example/<script>?a=1&b='2'"])
def test_a_link_is_what_the_card_says_and_no_more(url: str) -> None:
    drawn = said(Card("t", buttons=(Button("form", url=url),)))
    assert ("href", url) in drawn.values
    assert ("rel", "noopener noreferrer") in drawn.values
    assert drawn.skeleton == said(Card("t", buttons=(Button("form", url="https://list.example/"),))).skeleton


@pytest.mark.parametrize(
    ("command", "asks"),
    [("mute 5c1f", True), ("mute 5c1f 4h", False), ("unmute 5c1f", False), ("check a.example", False)],
)
def test_mute_without_a_length_asks_for_one(command: str, asks: bool) -> None:
    names = [name for name, _ in said(Card("t", buttons=(Button("b", command),))).values]
    assert ("data-asks" in names) is asks


@pytest.mark.parametrize(("place", "action"), [("", "/c/mail"), ("7", "/c/mail/t/7")])
def test_a_button_types_where_it_is_seen(place: str, action: str) -> None:
    message = Message("8", "mail", AT, card=Card("t", buttons=(Button("b", "lists"),)))
    drawn = Parsed(ONE.render(of=message_view(message, "somebody", place)))
    assert ("formaction", action) in drawn.values
    assert ("value", "lists") in drawn.values


def test_a_picture_has_a_name_keeps_its_columns_and_can_be_scrolled_by_keyboard() -> None:
    drawn = said(Card("t", sketch=Sketch("The SPF tree", ("example.com   2", "   └─ deeper"))))
    assert "example.com   2\n   └─ deeper" in drawn.text
    assert {("aria-label", "Picture: The SPF tree"), ("tabindex", "0")} <= set(drawn.values)


@pytest.mark.parametrize(
    "card",
    [report_card(reports.LISTED), report_card(reports.HALF_UNKNOWN), help_card()],
    ids=["listed", "half", "help"],
)
def test_every_word_of_a_card_is_on_the_page(card: Card) -> None:
    text = " ".join(said(card).text.split())
    words = [card.title, card.step, card.footnote]
    words += [part for line in card.lines for part in (line.text, line.detail, line.quote)]
    words += [part for fact in card.facts for part in (fact.label, fact.value)]
    words += [cell for row in card.table.rows for cell in row] if card.table else []
    words += [button.label for button in card.buttons]
    assert [part for part in words if " ".join(part.split()) not in text] == []


@pytest.mark.parametrize(
    ("card", "note"),
    [
        (Card("t", lines=(Line("x", Tone.BAD),) * 100), "40 more lines not shown"),
        (Card("t", facts=(Fact("a", "b"),) * 100), "60 more facts not shown"),
        (Card("t", table=Table(("a",), (("b",),) * 400)), "100 more rows not shown"),
        (Card("t", sketch=Sketch("s", ("└─ x",) * 300)), "100 more lines of the picture not shown"),
    ],
    ids=["lines", "facts", "rows", "picture"],
)
def test_what_is_left_out_is_said(card: Card, note: str) -> None:
    assert note in said(card).text


def test_no_card_makes_a_page_without_end() -> None:
    long = "x" * 100_000
    huge = Card(
        long,
        Tone.BAD,
        long,
        (Line(long, Tone.BAD, long, long), Line(long, Tone.GOOD, long, long)) * 200,
        (Fact(long, long),) * 200,
        Table((long,) * 50, ((long,) * 50,) * 1_000),
        Sketch(long, (long,) * 1_000),
        (Button(long, "check a.example"), Button(long, url=f"https://list.example/{long}")) * 50,
        long,
    )
    assert len(ONE.render(of=message_view(Message("1", "mail", AT, card=huge), "somebody"))) < 2_000_000


def test_a_pasted_log_is_cut_and_says_so() -> None:
    assert "… and 60 more lines" in said(text="line\n" * 100).text


any_text = st.text(max_size=60) | st.sampled_from(HOSTILE)
tones = st.sampled_from(Tone)
cards = st.builds(
    Card,
    any_text,
    tones,
    any_text,
    st.lists(st.builds(Line, any_text, tones, any_text, any_text), max_size=4).map(tuple),
    st.lists(st.builds(Fact, any_text, any_text), max_size=4).map(tuple),
    st.none()
    | st.builds(
        Table,
        st.lists(any_text, max_size=4).map(tuple),
        st.lists(st.lists(any_text, max_size=5).map(tuple), max_size=4).map(tuple),
    ),
    st.none() | st.builds(Sketch, any_text, st.lists(any_text, max_size=4).map(tuple)),
    st.lists(st.builds(Button, any_text, any_text, any_text, st.booleans()), max_size=4).map(tuple),
    any_text,
)
OURS = {
    "article", "img", "div", "p", "b", "time", "a", "h2", "span", "ul", "li", "blockquote", "dl", "dt", "dd", "table",
    "thead", "tbody", "tr", "th", "td", "button", "figure", "figcaption", "pre",
}  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(cards)
def test_whatever_card_comes_only_our_elements_are_drawn(card: Card) -> None:
    drawn = said(replace(card))
    assert {tag for tag, _ in drawn.skeleton} <= OURS
    assert not [name for name, _ in drawn.values if name.startswith("on") or name == "style"]
