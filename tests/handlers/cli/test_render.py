import io

from rich.console import Console

from handlers.cli.render import Drawing
from handlers.message import Card, Line, Sketch, Table, Tone
from handlers.messages import report_card
from tests.support.reports import FORM, LISTED


def drawn(card: Card, width: int = 100, colour: bool = False) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=colour, color_system="truecolor" if colour else None).print(
        Drawing(card)
    )
    return out.getvalue()


def test_a_report_reads_from_the_verdict_down() -> None:
    lines = drawn(report_card(LISTED)).splitlines()
    assert lines[0] == "✗ 192.0.2.25 · example.com: on Spamhaus ZEN, and 2 more problems"
    assert lines[1] == "  Next: Fix the cause, then ask for removal."
    assert f"  Spamhaus ZEN: removal form: {FORM}" in lines


def test_a_picture_keeps_its_columns_and_is_cut_rather_than_folded() -> None:
    shown = drawn(Card("t", sketch=Sketch("The SPF tree", ("example.com   2", "   └─ " + "deeper." * 9))), width=40)
    assert [line.rstrip() for line in shown.splitlines()[1:]] == [
        "  The SPF tree",
        "    example.com   2",
        "       └─ deeper.deeper.deeper.deeper.d…",
    ]


def test_text_of_strangers_cannot_steer_the_terminal() -> None:
    hostile = "\x1b[2J\x1b]0;title\x07[bold red]markup[/]\r\nnew line\u202e"
    card = Card(hostile, Tone.BAD, hostile, (Line(hostile, quote=hostile, detail=hostile),), footnote=hostile)
    shown = drawn(card) + drawn(Card("t", table=Table((hostile,), ((hostile,),)), sketch=Sketch(hostile, (hostile,))))
    assert not set("\x1b\x07\u202e") & set(shown)
    assert "[bold red]markup[/]" in shown
