import io

from rich.console import Console

from handlers.cli.render import RenderedCard
from handlers.message import Card, Line, Table, TextBlock, Tone
from handlers.messages import report_card
from tests.support.reports import FORM, LISTED


def render(card: Card, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(RenderedCard(card))
    return out.getvalue()


def test_rendered_report_starts_with_the_verdict() -> None:
    lines = render(report_card(LISTED)).splitlines()
    assert lines[0] == "✗ 192.0.2.25 · example.com: on Spamhaus ZEN, and 2 more problems"
    assert lines[1] == "  Next: Fix the cause, then ask for removal."
    assert f"  Spamhaus ZEN: removal form: {FORM}" in lines


def test_rendered_text_block_is_cut_at_the_width_not_wrapped() -> None:
    block = TextBlock("The SPF tree", ("example.com   2", "   └─ " + "deeper." * 9))
    rendered = render(Card("t", text_block=block), width=40)
    assert [line.rstrip() for line in rendered.splitlines()[1:]] == [
        "  The SPF tree",
        "    example.com   2",
        "       └─ deeper.deeper.deeper.deeper.d…",
    ]


def test_rendered_foreign_text_has_no_control_characters() -> None:
    hostile = "\x1b[2J\x1b]0;title\x07[bold red]markup[/]\r\nnew line\u202e"
    line = Line(hostile, quote=hostile, detail=hostile)
    table, block = Table((hostile,), ((hostile,),)), TextBlock(hostile, (hostile,))
    rendered = render(Card(hostile, Tone.BAD, hostile, (line,), footnote=hostile))
    rendered += render(Card("t", table=table, text_block=block))
    assert not set("\x1b\x07\u202e") & set(rendered)
    assert "[bold red]markup[/]" in rendered
