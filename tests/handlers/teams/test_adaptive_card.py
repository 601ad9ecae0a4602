from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings

from bot.models import Verdict
from handlers.commands import VERBS
from handlers.message import Button, Card, Fact, Line, Table, TextBlock, Tone
from handlers.messages import help_card, lists_card, refusal_card, report_card, reports_card
from handlers.messages.alerts import reply_card, root_card
from handlers.slack.block_kit import render_message as slack_message
from handlers.teams.adaptive_card import CARD, adaptive_card, json_bytes, message, plain_text_message
from tests.handlers.slack.conftest import ANSWER
from tests.handlers.slack.hostile import HOSTILE
from tests.handlers.slack.test_block_kit import CARDS_BY_FIELD, cards, chart_of, visible_texts
from tests.handlers.teams.corrupted import CORRUPTIONS, GOOD, SMALL_CORRUPTIONS, corrupted
from tests.support.outbox_messages import messages_of_incident
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


def posted(part: Any) -> Iterator[str]:
    """Every text a person reads, each part of a line of its own as one."""
    if isinstance(part, list):
        for inner in part:
            yield from posted(inner)
    elif isinstance(part, dict) and "inlines" in part:
        yield "".join(run if isinstance(run, str) else run["text"] for run in part["inlines"])
    elif isinstance(part, dict):
        yield from [part["title"]] if "title" in part else []
        for inner in part.values():
            yield from posted(inner) if isinstance(inner, list | dict) else ()


def test_card_renders_title_step_problems_passed_footnote_actions() -> None:
    assert list(posted(drawn(ANSWER))) == [
        "✕ 203.0.113.5 · example.com: on Example List",
        "Next step: Ask Example List to remove 203.0.113.5.",
        "✕  Listed by Example List.",
        "spam seen",
        "✓  Passed: SPF, DMARC.",
        "62 lists queried",
        "Removal form",
        "Check again",
    ]


@pytest.mark.parametrize(
    ("tone", "style"), [(Tone.BAD, "attention"), (Tone.WARN, "warning"), (Tone.UNSURE, "emphasis"), (Tone.GOOD, "good")]
)
def test_card_tone_sets_style_and_symbol(tone: Tone, style: str) -> None:
    head = drawn(Card("Verdict", tone))[0]
    assert (head["style"], next(posted(head))[0] in "✕!?✓") == (style, True)


def test_card_without_tone_has_no_style() -> None:
    assert list(posted(drawn(Card("Checking example.com …")))) == ["Checking example.com …"]


@pytest.mark.parametrize(
    ("button", "stored"),
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
def test_button_with_truncated_target_is_omitted(button: Button, stored: dict[str, Any] | None) -> None:
    actions = [element for element in drawn(Card("t", buttons=(button,))) if element["type"].startswith("Action.")]
    assert bool(actions) == (stored is not None)
    if stored:
        assert stored.items() <= actions[0].items()


@pytest.mark.parametrize(
    ("card", "note"),
    [
        (Card("t", lines=(Line("x", Tone.BAD),) * 300), "280 more lines not shown"),
        (Card("t", facts=(Fact("a", "b"),) * 300), "280 more facts not shown"),
        (Card("t", text_block=TextBlock("s", ("└─ x",) * 300)), "270 more lines of the picture not shown"),
        (Card("t", table=Table(("a",), (("b",),) * 300), footnote="62 lists"), "240 more rows not shown · 62 lists"),
    ],
    ids=["lines", "facts", "picture", "rows"],
)
def test_card_notes_how_much_was_left_out(card: Card, note: str) -> None:
    assert note in posted(drawn(card))


def test_text_block_preserves_columns() -> None:
    title, picture = drawn(Card("t", text_block=TextBlock("The SPF tree", ("example.com   2", "   └─ deeper"))))[1:]
    assert list(posted([title, picture])) == [
        "The SPF tree",
        "example.com\u00a0\u00a0\u00a02",
        "\u00a0\u00a0\u00a0└─ deeper",
    ]
    assert {run["fontType"] for line in picture["items"] for run in line["inlines"]} == {"monospace"}


def test_table_fits_sixty_rows() -> None:
    lists = lists_card([(f"A blocklist of middling name {n}", Verdict.UNKNOWN, "timeout", 12) for n in range(60)])
    assert not [text for text in posted(drawn(lists)) if "not shown" in text]


@pytest.mark.parametrize("part", [f.name for f in fields(Card) if f.name not in ("tone", "private")])
@pytest.mark.parametrize("characters", [LONG, "\U0001f70f" * 100_000, '"\\' * 50_000], ids=["ascii", "wide", "escaped"])
def test_card_stays_within_teams_size_limits(part: str, characters: str) -> None:
    huge: dict[str, Any] = {
        "lines": (
            Line(characters, Tone.BAD, characters, characters),
            Line(characters, Tone.GOOD, characters, characters),
        )
        * 100,
        "facts": (Fact(characters, characters),) * 100,
        "text_block": TextBlock(characters, (characters,) * 500),
        "chart": chart_of(characters),
        "table": Table((characters,) * 30, ((characters,) * 30,) * 500),
        "buttons": (
            Button(characters, "check " + "a" * 900),
            Button(characters, url="https://l.example/" + "a" * 1_900),
        )
        * 50,
    }
    assert faults(message(replace(ANSWER, **{part: huge.get(part, characters)}))) == []
    everything = Card(characters, Tone.BAD, characters, **huge, footnote=characters)
    assert faults(message(everything)) == []
    assert faults(plain_text_message(everything)) == []


@pytest.mark.parametrize("place", CARDS_BY_FIELD)
def test_card_escapes_foreign_text(place: str) -> None:
    """The validator knows no element that reads Markdown, so passing it is being inert."""
    for text in (*HOSTILE, *OF_TEAMS):
        card = CARDS_BY_FIELD[place](text)
        assert faults(message(card)) == [], text[:40]
        assert faults(message(card, b"\x89PNG")) == [], text[:40]
        assert faults(plain_text_message(card)) == [], text[:40]


def test_foreign_text_is_cut_at_300_characters() -> None:
    assert max(map(len, posted(drawn(CARDS_BY_FIELD["quote"]("x" * 40_000))))) == 300


@settings(max_examples=40, deadline=None)
@given(cards)
def test_every_card_matches_the_schema(card: Card) -> None:
    assert faults(message(card)) == []
    assert faults(plain_text_message(card)) == []


@pytest.mark.parametrize("kind", CORRUPTIONS | SMALL_CORRUPTIONS)
def test_validator_rejects_cards_outside_1_5(kind: str) -> None:
    def judged(card: dict[str, Any]) -> list[str]:
        return faults({"type": "message", "attachments": [{"contentType": CARD, "content": card}]})

    assert judged(GOOD) == []
    assert judged(corrupted((CORRUPTIONS | SMALL_CORRUPTIONS)[kind])) != []


INCIDENT = messages_of_incident(watch())
STORY = [
    report_card(LISTED),
    report_card(CLEAN),
    report_card(HALF_UNKNOWN),
    report_card(PBL_ON_A_CLIENT),
    report_card(report(*(listing(f"List {n}") for n in range(5)))),
    reports_card([CLEAN, LISTED]),
    refusal_card("“nonsense” is not an address or a domain."),
    help_card(VERBS.usages),
    ANSWER,
    replace(ANSWER, facts=(Fact("Watched by", "Ada"), Fact("Since", "06:00"))),
    *(root_card(letter.watch, letter.alert) for letter in INCIDENT),
    *(reply_card(letter.watch, letter.alert) for letter in INCIDENT),
]


@pytest.mark.parametrize("card", STORY, ids=lambda card: card.title[:30])
def test_slack_and_teams_render_the_same_text(card: Card) -> None:
    slack = slack_message(card)
    in_slack = " ".join(
        visible_texts([*slack["blocks"], *(b for bar in slack.get("attachments", []) for b in bar["blocks"])])
    )
    in_teams = " ".join(posted(drawn(card)))
    for sentence in sentences(card):
        assert sentence in in_slack, "missing in Slack"
        assert sentence in in_teams, "missing in Teams"


def sentences(card: Card) -> list[str]:
    lines = [text for line in card.lines for text in (line.text, line.detail, line.quote)]
    facts = [text for fact in card.facts for text in (fact.label, fact.value)]
    cells = [cell for row in (card.table.columns, *card.table.rows) for cell in row] if card.table else []
    buttons = [button.label for button in card.buttons]
    return [text for text in (card.title, card.step, *lines, *facts, *cells, *buttons, card.footnote) if text]


def test_slack_and_teams_buttons_have_the_same_targets() -> None:
    slack = [e for bar in slack_message(ANSWER)["attachments"] for b in bar["blocks"] for e in b.get("elements", [])]
    teams = [action.get("url") or action["data"]["command"] for action in adaptive_card(ANSWER)["actions"]]
    assert teams == [e.get("url") or e["value"] for e in slack if e["type"] == "button"]


def test_json_bytes_counts_utf8() -> None:
    assert json_bytes({"ä": "✕"}) == len('{"ä":"✕"}'.encode())
