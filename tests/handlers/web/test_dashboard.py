"""The dashboard, and the page for those who may only look."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
import pytest
from starlette.applications import Starlette

from handlers.message import Button, Card, Fact, Line, Table, Tone
from handlers.messages.overview import Overview, Section
from handlers.web.dashboard import status_alone
from tests.handlers.web.conftest import PAGE, chat_of, send
from tests.handlers.web.hostile import HOSTILE
from tests.handlers.web.test_render import Parsed

SECRET = "192.0.2.25"
OUTSIDE = {"host": "status.example.com", "x-forwarded-for": "198.51.100.7", "x-forwarded-proto": "https"}
PUBLISHED = ["/status", "/static/chat.css", "/static/overview.js", "/static/mark.svg"]
CLOSED = ["/", "/c/mail", "/dashboard", "/stream", "/login", "/demo", "/nothing"]


@dataclass
class Looks:
    """An overview that counts how often it is taken."""

    overview: Overview
    taken: int = 0

    async def __call__(self) -> Overview:
        self.taken += 1
        return self.overview


def looks(waiting: bool = False, title: str = "1 incident is open") -> Looks:
    card = Card(
        title, Tone.BAD, lines=(Line("HQ egress: on Spamhaus ZEN", Tone.BAD),), buttons=(Button("Ack", "ack 5c1f"),)
    )
    return Looks(
        Overview((Section("Incidents", (card,)),), (Section("Blocklists", (Card("All is well", Tone.GOOD),)),), waiting)
    )


async def test_the_dashboard_shows_what_is_watched_then_what_was_asked_then_how_well_the_bot_sees() -> None:
    chat = chat_of(look=looks())
    async with chat.visitor() as visitor:
        await send(visitor, "/c/mail", SECRET)
        await send(visitor, "/c/mail", "198.51.100.1 private")
        await chat.settle()
        html = (await visitor.get("/dashboard")).text
    places = [html.index(text) for text in ("1 incident is open", f"{SECRET}: all good", "All is well")]
    assert places == sorted(places)
    assert "198.51.100.1" not in html
    assert "formaction" not in html


@pytest.mark.parametrize("waiting", [True, False])
async def test_only_a_page_that_waits_for_a_part_comes_again_without_script(waiting: bool) -> None:
    chat = chat_of(look=looks(waiting))
    async with chat.visitor() as visitor:
        html = (await visitor.get("/dashboard")).text
    assert ('<noscript><meta http-equiv="refresh"' in html) is waiting
    assert f'data-waiting="{"yes" if waiting else ""}"' in html


async def test_however_many_look_the_overview_is_taken_once_in_two_seconds() -> None:
    look = looks()
    chat = chat_of(look=look, published=True)
    async with chat.visitor() as visitor:
        for _ in range(20):
            await visitor.get("/status")
        assert look.taken == 1
        chat.clock.pass_by(2)
        await visitor.get("/dashboard")
    assert look.taken == 2


async def test_a_page_to_look_at_has_nothing_to_press_and_nothing_that_people_asked() -> None:
    chat = chat_of(look=looks())
    async with chat.visitor() as visitor:
        await send(visitor, "/c/mail", SECRET)
        await chat.settle()
        html = (await visitor.get("/status")).text
    assert "1 incident is open" in html
    assert SECRET not in html
    drawn = {tag for tag, _ in Parsed(html).skeleton}
    assert not drawn & {"form", "button", "input", "textarea", "a", "nav"}


@pytest.mark.parametrize("password", ["", "correct horse"])
async def test_published_it_is_open_to_whoever_the_proxy_lets_through(password: str) -> None:
    chat = chat_of(look=looks(), password=password, published=True)
    async with chat.visitor() as visitor:
        for path in PUBLISHED:
            answer = await visitor.get(path, headers=OUTSIDE)
            assert (answer.status_code, "set-cookie" in answer.headers) == (200, False), path
            assert "script-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("password", ["", "correct horse"])
async def test_nothing_else_is_published_with_it(path: str, password: str) -> None:
    chat = chat_of(look=looks(), password=password, published=True)
    async with chat.visitor() as visitor:
        got = await visitor.get(path, headers=OUTSIDE)
        posted = await visitor.post(path, data={"text": "example.com"}, headers=OUTSIDE)
    assert got.status_code in ((303, 403, 200) if password else (421,))
    assert got.status_code != 200 or path == "/login"
    assert posted.status_code in (403, 421)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_nothing_can_be_changed_where_people_only_look(method: str) -> None:
    chat = chat_of(look=looks(), published=True)
    async with chat.visitor() as visitor:
        answer = await visitor.request(method, "/status", headers=OUTSIDE)
    assert answer.status_code in (403, 405, 421)


async def test_unpublished_it_stands_behind_the_same_door_as_the_rest() -> None:
    async with chat_of(look=looks()).visitor() as visitor:
        assert (await visitor.get("/status", headers=OUTSIDE)).status_code == 421
        assert (await visitor.get("/status")).status_code == 200
    async with chat_of(look=looks(), password="correct horse").visitor() as visitor:
        assert (await visitor.get("/status", headers=OUTSIDE)).headers["location"] == "/login"


@pytest.mark.parametrize("header", ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"])
async def test_a_proxy_that_calls_the_bot_by_its_own_name_does_not_open_the_chat(header: str) -> None:
    """As nginx does where nobody tells it not to: then the name alone would let the world in without a password."""
    async with chat_of(published=True).visitor() as visitor:
        assert (await visitor.get("/c/mail", headers={header: "198.51.100.7"})).status_code == 421


async def test_it_stands_alone_where_the_chat_is_elsewhere() -> None:
    app = Starlette(routes=status_alone(looks()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=PAGE, headers=OUTSIDE) as visitor:
        assert "1 incident is open" in (await visitor.get("/status")).text
        assert (await visitor.get("/static/chat.css")).status_code == 200
        assert (await visitor.get("/c/mail")).status_code == 421


def everywhere(text: str) -> Looks:
    """An overview with the text in every place that takes one."""
    card = Card(
        text, Tone.BAD, text, (Line(text, Tone.WARN, text, text),), (Fact(text, text),), Table((text,), ((text,),))
    )
    return Looks(Overview((Section(text, (card,)),), (Section(text, (Card(text, footnote=text),)),)))


@pytest.mark.parametrize("path", ["/dashboard", "/status"])
async def test_hostile_text_in_an_overview_stays_text(path: str) -> None:
    async with chat_of(look=everywhere("harmless")).visitor() as visitor:
        harmless = Parsed((await visitor.get(path)).text)
    for text in HOSTILE:
        async with chat_of(look=everywhere(text)).visitor() as visitor:
            drawn = Parsed((await visitor.get(path)).text)
        assert drawn.skeleton == harmless.skeleton, text
