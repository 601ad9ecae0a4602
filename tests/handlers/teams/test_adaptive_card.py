from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings

from bot.models import Verdict
from handlers.message import Button, Card, Fact, Line, Sketch, Table, Tone
from handlers.messages import help_card, lists_card, refusal_card, report_card, reports_card
from handlers.messages.alerts import reply_card, root_card
from handlers.slack.block_kit import message as slack_message
from handlers.teams.adaptive_card import CARD, adaptive, in_words, message, weight
from tests.handlers.slack.conftest import ANSWER
from tests.handlers.slack.hostile import HOSTILE
from tests.handlers.slack.test_block_kit import PLACES, cards, pictured, words
from tests.handlers.teams.corrupted import CORRUPTIONS, GOOD, SMALL_CORRUPTIONS, corrupted
from tests.support.outbox_messages import story
from tests.support.reports import CLEAN, HALF_UNKNOWN, LISTED, PBL_ON_A_CLIENT, listing, report
from tests.support.stored_watches import watch
from tests.support.teams_validator import faults

LONG = "word " * 20_000
OF_TEAMS = [
    "{{DATE(2026-11-24T06:00:00Z,SHORT)}}",
    "{{{{TIME(x)}}",
    "{\u200b{DATE(x)}}",
    "<at>everyone</at>",
    "${title}",
]


def drawn(card: Card) -> list[dict[str, Any]]:
    """Every element of the card, in the order in which Teams shows them."""
    payload = message(card)
    assert faults(payload) == []
    content = payload["attachments"][0]["content"]
    return [*content["body"], *content.get("actions", [])]


def said(part: Any) -> Iterator[str]:
    """Every text a person reads, each part of a line of its own as one."""
    if isinstance(part, list):
        for inner in part:
            yield from said(inner)
    elif isinstance(part, dict) and "inlines" in part:
        yield "".join(run if isinstance(run, str) else run["text"] for run in part["inlines"])
    elif isinstance(part, dict):
        yield from [part["title"]] if "title" in part else []
        for inner in part.values():
            yield from said(inner) if isinstance(inner, list | dict) else ()


def test_reading_order_is_verdict_step_problems_passed_footnote_buttons() -> None:
    assert list(said(drawn(ANSWER))) == [
        "✕ 203.0.113.5 · example.com: on Example List",
        "Next step: Ask Example List to remove 203.0.113.5.",
        "✕  Listed by Example List.",
        "spam seen",
        "✓  In order: SPF, DMARC.",
        "62 lists asked",
        "Removal form",
        "Check again",
    ]


@pytest.mark.parametrize(
    ("tone", "style"),
    [(Tone.BAD, "attention"), (Tone.WARN, "warning"), (Tone.UNSURE, "emphasis"), (Tone.GOOD, "good")],
)
def test_a_tone_is_a_ground_and_a_mark(tone: Tone, style: str) -> None:
    head = drawn(Card("Verdict", tone))[0]
    assert (head["style"], next(said(head))[0] in "✕!?✓") == (style, True)


def test_a_card_without_a_tone_has_neither() -> None:
    assert list(said(drawn(Card("Checking example.com …")))) == ["Checking example.com …"]


@pytest.mark.parametrize(
    ("button", "kept"),
    [
        (
            Button("form", url="https://list.example/remove?ip=203.0.113.5"),
            {"type": "Action.OpenUrl", "title": "form", "url": "https://list.example/remove?ip=203.0.113.5"},
        ),
        (
            Button("again", "check example.com fresh", primary=True),
            {"type": "Action.Execute", "verb": "check", "data": {"command": "check example.com fresh"}},
        ),
        (Button("script", url="javascript:alert(1)"), None),
        (Button("two lines", url="https://list.example/\nx"), None),
        (Button("too long to be whole", url="https://list.example/" + "a" * 3_000), None),
        (Button("too long to be whole", command="check " + "a" * 2_000), None),
        (Button("nothing"), None),
    ],
)
def test_half_a_target_is_no_button(button: Button, kept: dict[str, Any] | None) -> None:
    actions = [element for element in drawn(Card("t", buttons=(button,))) if element["type"].startswith("Action.")]
    assert bool(actions) == (kept is not None)
    if kept:
        assert kept.items() <= actions[0].items()


@pytest.mark.parametrize(
    ("card", "note"),
    [
        (Card("t", lines=(Line("x", Tone.BAD),) * 300), "280 more lines not shown"),
        (Card("t", facts=(Fact("a", "b"),) * 300), "280 more facts not shown"),
        (Card("t", sketch=Sketch("s", ("└─ x",) * 300)), "270 more lines of the picture not shown"),
        (Card("t", table=Table(("a",), (("b",),) * 300), footnote="62 lists"), "240 more rows not shown · 62 lists"),
    ],
    ids=["lines", "facts", "picture", "rows"],
)
def test_what_is_left_out_is_said(card: Card, note: str) -> None:
    assert note in said(drawn(card))


def test_a_picture_keeps_its_columns() -> None:
    title, picture = drawn(Card("t", sketch=Sketch("The SPF tree", ("example.com   2", "   └─ deeper"))))[1:]
    assert list(said([title, picture])) == [
        "The SPF tree",
        "example.com\u00a0\u00a0\u00a02",
        "\u00a0\u00a0\u00a0└─ deeper",
    ]
    assert {run["fontType"] for line in picture["items"] for run in line["inlines"]} == {"monospace"}


def test_sixty_lists_fit_in_a_table() -> None:
    lists = lists_card([(f"A blocklist of middling name {n}", Verdict.UNKNOWN, "timeout", 12) for n in range(60)])
    assert not [text for text in said(drawn(lists)) if "not shown" in text]


@pytest.mark.parametrize("part", [f.name for f in fields(Card) if f.name not in ("tone", "private")])
@pytest.mark.parametrize("letters", [LONG, "\U0001f70f" * 100_000, '"\\' * 50_000], ids=["ascii", "wide", "escaped"])
def test_no_part_of_a_card_is_too_long_for_teams(part: str, letters: str) -> None:
    huge: dict[str, Any] = {
        "lines": (Line(letters, Tone.BAD, letters, letters), Line(letters, Tone.GOOD, letters, letters)) * 100,
        "facts": (Fact(letters, letters),) * 100,
        "sketch": Sketch(letters, (letters,) * 500),
        "picture": pictured(letters),
        "table": Table((letters,) * 30, ((letters,) * 30,) * 500),
        "buttons": (Button(letters, "check " + "a" * 900), Button(letters, url="https://l.example/" + "a" * 1_900))
        * 50,
    }
    assert faults(message(replace(ANSWER, **{part: huge.get(part, letters)}))) == []
    everything = Card(letters, Tone.BAD, letters, **huge, footnote=letters)
    assert faults(message(everything)) == []
    assert faults(in_words(everything)) == []


@pytest.mark.parametrize("place", PLACES)
def test_hostile_text_stays_text(place: str) -> None:
    """The validator knows no element that reads Markdown, so passing it is being inert."""
    for text in (*HOSTILE, *OF_TEAMS):
        card = PLACES[place](text)
        assert faults(message(card)) == [], text[:40]
        assert faults(message(card, b"\x89PNG")) == [], text[:40]
        assert faults(in_words(card)) == [], text[:40]


def test_a_stranger_gets_no_more_than_300_characters() -> None:
    assert max(map(len, said(drawn(PLACES["quote"]("x" * 40_000))))) == 300


@settings(max_examples=40, deadline=None)
@given(cards)
def test_teams_takes_whatever_card_comes(card: Card) -> None:
    assert faults(message(card)) == []
    assert faults(in_words(card)) == []


@pytest.mark.parametrize("kind", CORRUPTIONS | SMALL_CORRUPTIONS)
def test_what_is_no_adaptive_card_1_5_is_found(kind: str) -> None:
    def judged(card: dict[str, Any]) -> list[str]:
        return faults({"type": "message", "attachments": [{"contentType": CARD, "content": card}]})

    assert judged(GOOD) == []
    assert judged(corrupted((CORRUPTIONS | SMALL_CORRUPTIONS)[kind])) != []


INCIDENT = story(watch())
STORY = [
    report_card(LISTED),
    report_card(CLEAN),
    report_card(HALF_UNKNOWN),
    report_card(PBL_ON_A_CLIENT),
    report_card(report(*(listing(f"List {n}") for n in range(5)))),
    reports_card([CLEAN, LISTED]),
    refusal_card("“nonsense” is not an address or a domain."),
    help_card(),
    ANSWER,
    replace(ANSWER, facts=(Fact("Watched by", "Ada"), Fact("Since", "06:00"))),
    *(root_card(letter.watch, letter.incident, letter.alert) for letter in INCIDENT),
    *(reply_card(letter.watch, letter.alert) for letter in INCIDENT),
]


@pytest.mark.parametrize("card", STORY, ids=lambda card: card.title[:30])
def test_slack_and_teams_tell_the_same_story(card: Card) -> None:
    slack = slack_message(card)
    in_slack = " ".join(words([*slack["blocks"], *(b for bar in slack.get("attachments", []) for b in bar["blocks"])]))
    in_teams = " ".join(said(drawn(card)))
    for sentence in sentences(card):
        assert sentence in in_slack, "missing in Slack"
        assert sentence in in_teams, "missing in Teams"


def sentences(card: Card) -> list[str]:
    lines = [text for line in card.lines for text in (line.text, line.detail, line.quote)]
    facts = [text for fact in card.facts for text in (fact.label, fact.value)]
    cells = [cell for row in (card.table.columns, *card.table.rows) for cell in row] if card.table else []
    buttons = [button.label for button in card.buttons]
    return [text for text in (card.title, card.step, *lines, *facts, *cells, *buttons, card.footnote) if text]


def test_the_same_commands_and_pages_stand_behind_the_buttons() -> None:
    slack = [e for bar in slack_message(ANSWER)["attachments"] for b in bar["blocks"] for e in b.get("elements", [])]
    teams = [action.get("url") or action["data"]["command"] for action in adaptive(ANSWER)["actions"]]
    assert teams == [e.get("url") or e["value"] for e in slack if e["type"] == "button"]


def test_the_weight_of_a_part_is_its_octets() -> None:
    assert weight({"ä": "✕"}) == len('{"ä":"✕"}'.encode())
