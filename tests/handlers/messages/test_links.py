"""Links of a line on every platform: removal pages without a button, and none that opens no web page."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from rich.console import Console

from bot.models import Link
from handlers.cli.render import RenderedCard
from handlers.message import Card, Line
from handlers.messages.formatting import MAX_REMOVAL_LINKS, removal_buttons, removal_links
from handlers.slack.block_kit import render_message
from handlers.teams.adaptive_card import message
from handlers.web.render import card_view

PAGE = "https://list{}.example/remove?ip=203.0.113.5"


def pages(number: int) -> list[tuple[str, Link]]:
    return [(f"List {n}", Link("Removal form", PAGE.format(n))) for n in range(number)]


def rendered(card: Card, platform: str) -> str:
    if platform == "terminal":
        output = StringIO()
        Console(file=output, width=200).print(RenderedCard(card))
        return output.getvalue()
    views = {"slack": render_message, "teams": message, "web": card_view}
    return json.dumps(views[platform](card))


@pytest.mark.parametrize("number", [0, 1, 3, 4, 11, 60])
def test_every_page_has_a_button_or_a_link_until_there_are_too_many(number: int) -> None:
    buttons, lines = removal_buttons(pages(number)), removal_links([*pages(number), *pages(number)])
    links = [link.url for line in lines for link in line.links]
    assert [button.url for button in buttons] == [link.url for _, link in pages(number)][:3]
    assert links == [link.url for _, link in pages(number)][3 : 3 + MAX_REMOVAL_LINKS]
    assert [f"of {number - 3}:" in line.text for line in lines] == [number > 3 + MAX_REMOVAL_LINKS] * (number > 3)


def test_list_of_several_addresses_has_one_button() -> None:
    several = [(name, Link(link.label, f"{link.url}{n}")) for name, link in pages(2) for n in range(3)]
    assert [button.label for button in removal_buttons(several)] == ["List 0: removal form", "List 1: removal form"]
    assert removal_links(several) == ()


@pytest.mark.parametrize("platform", ["slack", "teams", "web", "terminal"])
def test_links_of_a_line_can_be_opened(platform: str) -> None:
    text = rendered(Card("Listed", lines=removal_links(pages(5))), platform)
    assert [url in text for _, link in pages(5) for url in (link.url,)] == [False] * 3 + [True] * 2
    assert "List 4" in text


@pytest.mark.parametrize("platform", ["slack", "teams", "web"])
@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://x.example/ a", "mailto:a@example.com", ""])
def test_link_that_opens_no_page_is_left_out(platform: str, url: str) -> None:
    text = rendered(Card("Listed", lines=(Line("Other lists:", links=(Link("List", url),)),)), platform)
    assert "alert(1)" not in text
    assert '"url": ' not in text
