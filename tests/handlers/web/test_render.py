"""Cards as HTML: all text of the card, and no markup but that of the templates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.commands import VERBS
from handlers.message import Button, Card, Fact, Line, Table, TextBlock, Tone
from handlers.messages import help_card, report_card
from handlers.sanitize import sanitize
from handlers.web.message_log import Message
from handlers.web.render import message_view, template_environment
from tests.handlers.web.hostile import HOSTILE
from tests.support import reports

MESSAGE_TEMPLATE = template_environment().get_template("message_fragment.html")
AT = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
VOID = {"img", "input", "br", "meta", "link"}


class Parsed(HTMLParser):
    """A page's tags with attribute names, its text, and whether it is well nested."""

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


def render(card: Card | None = None, text: str = "", author: str = "", thread: str = "") -> Parsed:
    message = Message("1", "mail", AT, author, text, card, thread)
    return Parsed(MESSAGE_TEMPLATE.render(of=message_view(message, "somebody")))


PLACES: dict[str, Callable[[str], Card]] = {
    "title": Card,
    "step": lambda text: Card("t", Tone.BAD, text),
    "line": lambda text: Card("t", lines=(Line(text, Tone.WARN),)),
    "detail": lambda text: Card("t", lines=(Line("l", Tone.BAD, detail=text),)),
    "quote": lambda text: Card("t", lines=(Line("l", Tone.BAD, quote=text),)),
    "passed": lambda text: Card("t", lines=(Line(text, Tone.GOOD, text),)),
    "label": lambda text: Card("t", facts=(Fact(text, "v"),)),
    "value": lambda text: Card("t", facts=(Fact("l", text),)),
    "table title": lambda text: Card(text, table=Table(("a",), (("b",),))),
    "text block title": lambda text: Card("t", text_block=TextBlock(text, ("a",))),
    "text block line": lambda text: Card("t", text_block=TextBlock("s", (text, "  b"))),
    "column": lambda text: Card("t", table=Table((text, "b"), (("a", "b"),))),
    "cell": lambda text: Card("t", table=Table(("a", "b"), ((text, "b"), ("c",), ("d", "e", text)))),
    "button label": lambda text: Card("t", buttons=(Button(text, "check example.com"),)),
    "link label": lambda text: Card("t", buttons=(Button(text, url="https://list.example/"),)),
    "command": lambda text: Card("t", buttons=(Button("b", text),)),
    "footnote": lambda text: Card("t", footnote=text),
}


def test_hostile_texts_are_sixty_and_unique() -> None:
    assert len(set(HOSTILE)) == 60


@pytest.mark.parametrize("field_name", PLACES)
def test_hostile_card_text_is_escaped(field_name: str) -> None:
    harmless = render(PLACES[field_name]("harmless"))
    for text in HOSTILE:
        parsed = render(PLACES[field_name](text))
        assert parsed.skeleton == harmless.skeleton, text
        if field_name != "command":
            assert sanitize(text, 80).rstrip("…") in parsed.text.replace("\n", " "), text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_user_text_is_escaped(text: str) -> None:
    assert render(text=text, author=text).skeleton == render(text="check example.com", author="ab12").skeleton


@pytest.mark.parametrize(
    "url", [*HOSTILE, "https://list.example/ x", "https://list.example/\nx", "ftp://list.example/", "//evil.example"]
)
def test_incomplete_url_renders_no_link(url: str) -> None:
    assert "a" not in [tag for tag, _ in render(Card("t", buttons=(Button("b", url=url),)), thread="1").skeleton[3:]]


@pytest.mark.parametrize("url", ['https://list.example/"onclick="x', "https://list.example/<script>?a=1&b='2'"])
def test_link_button_renders_exact_url(url: str) -> None:
    parsed = render(Card("t", buttons=(Button("form", url=url),)))
    assert ("href", url) in parsed.values
    assert ("rel", "noopener noreferrer") in parsed.values
    assert parsed.skeleton == render(Card("t", buttons=(Button("form", url="https://list.example/"),))).skeleton


@pytest.mark.parametrize(
    ("command", "expected"),
    [("mute 5c1f", True), ("mute 5c1f 4h", False), ("unmute 5c1f", False), ("check a.example", False)],
)
def test_mute_button_without_duration_prompts_for_it(command: str, expected: bool) -> None:
    names = [name for name, _ in render(Card("t", buttons=(Button("b", command),))).values]
    assert ("data-asks" in names) is expected


@pytest.mark.parametrize(("thread", "action"), [("", "/c/mail"), ("7", "/c/mail/t/7")])
def test_button_posts_to_its_channel_or_thread(thread: str, action: str) -> None:
    message = Message("8", "mail", AT, card=Card("t", buttons=(Button("b", "lists"),)))
    parsed = Parsed(MESSAGE_TEMPLATE.render(of=message_view(message, "somebody", thread)))
    assert ("formaction", action) in parsed.values
    assert ("value", "lists") in parsed.values


def test_text_block_is_labeled_and_focusable() -> None:
    parsed = render(Card("t", text_block=TextBlock("The SPF tree", ("example.com   2", "   └─ deeper"))))
    assert "example.com   2\n   └─ deeper" in parsed.text
    assert {("aria-label", "Picture: The SPF tree"), ("tabindex", "0")} <= set(parsed.values)


@pytest.mark.parametrize(
    "card",
    [report_card(reports.LISTED), report_card(reports.HALF_UNKNOWN), help_card(VERBS.usages)],
    ids=["listed", "half", "help"],
)
def test_page_contains_all_card_text(card: Card) -> None:
    text = " ".join(render(card).text.split())
    texts = [card.title, card.step, card.footnote]
    texts += [text_part for line in card.lines for text_part in (line.text, line.detail, line.quote)]
    texts += [text_part for fact in card.facts for text_part in (fact.label, fact.value)]
    texts += [cell for row in card.table.rows for cell in row] if card.table else []
    texts += [button.label for button in card.buttons]
    assert [text_part for text_part in texts if " ".join(text_part.split()) not in text] == []


@pytest.mark.parametrize(
    ("card", "note"),
    [
        (Card("t", lines=(Line("x", Tone.BAD),) * 100), "40 more lines not shown"),
        (Card("t", facts=(Fact("a", "b"),) * 100), "60 more facts not shown"),
        (Card("t", table=Table(("a",), (("b",),) * 400)), "100 more rows not shown"),
        (Card("t", text_block=TextBlock("s", ("└─ x",) * 300)), "100 more lines of the picture not shown"),
    ],
    ids=["lines", "facts", "rows", "text block"],
)
def test_truncated_card_notes_omitted_count(card: Card, note: str) -> None:
    assert note in render(card).text


def test_oversized_card_renders_bounded_page() -> None:
    long = "x" * 100_000
    huge = Card(
        long,
        Tone.BAD,
        long,
        (Line(long, Tone.BAD, long, long), Line(long, Tone.GOOD, long, long)) * 200,
        (Fact(long, long),) * 200,
        Table((long,) * 50, ((long,) * 50,) * 1_000),
        TextBlock(long, (long,) * 1_000),
        (Button(long, "check a.example"), Button(long, url=f"https://list.example/{long}")) * 50,
        long,
    )
    assert len(MESSAGE_TEMPLATE.render(of=message_view(Message("1", "mail", AT, card=huge), "somebody"))) < 2_000_000


def test_long_user_text_is_truncated_with_note() -> None:
    assert "… and 60 more lines" in render(text="line\n" * 100).text


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
    st.none() | st.builds(TextBlock, any_text, st.lists(any_text, max_size=4).map(tuple)),
    st.lists(st.builds(Button, any_text, any_text, any_text, st.booleans()), max_size=4).map(tuple),
    any_text,
)
KNOWN_ELEMENTS = {
    "article", "img", "div", "p", "b", "time", "a", "h2", "span", "ul", "li", "blockquote",
    "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td", "button", "figure",
    "figcaption", "pre",
}  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(cards)
def test_any_card_renders_only_known_elements(card: Card) -> None:
    parsed = render(replace(card))
    assert {tag for tag, _ in parsed.skeleton} <= KNOWN_ELEMENTS
    assert not [name for name, _ in parsed.values if name.startswith("on") or name == "style"]
