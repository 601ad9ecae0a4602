"""The dashboard and the read-only status page."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
import pytest
from starlette.applications import Starlette

from handlers.message import Button, Card, Fact, Line, Table, Tone
from handlers.messages.overview import Overview, Section
from handlers.web.dashboard import status_page_routes
from tests.handlers.web.conftest import BASE_URL, build_chat, submit_form
from tests.handlers.web.hostile import HOSTILE
from tests.handlers.web.test_render import Parsed

SECRET = "192.0.2.25"
PROXIED = {"host": "status.example.com", "x-forwarded-for": "198.51.100.7", "x-forwarded-proto": "https"}
PUBLIC_PATHS = ["/status", "/static/chat.css", "/static/overview.js", "/static/mark.svg"]
PRIVATE_PATHS = ["/", "/c/mail", "/dashboard", "/stream", "/login", "/demo", "/nothing"]


@dataclass
class CountingSource:
    """Overview loader that counts its calls."""

    overview: Overview
    calls: int = 0

    async def __call__(self) -> Overview:
        self.calls += 1
        return self.overview


def counting_source(waiting: bool = False, title: str = "1 incident is open") -> CountingSource:
    card = Card(
        title, Tone.BAD, lines=(Line("HQ egress: on Spamhaus ZEN", Tone.BAD),), buttons=(Button("Ack", "ack 5c1f"),)
    )
    return CountingSource(
        Overview((Section("Incidents", (card,)),), (Section("Blocklists", (Card("All is well", Tone.GOOD),)),), waiting)
    )


async def test_dashboard_orders_watches_checks_blocklists() -> None:
    chat = build_chat(load_overview=counting_source())
    async with chat.open_browser() as visitor:
        await submit_form(visitor, "/c/mail", SECRET)
        await submit_form(visitor, "/c/mail", "198.51.100.1 private")
        await chat.wait_answered()
        html = (await visitor.get("/dashboard")).text
    positions = [html.index(text) for text in ("1 incident is open", f"{SECRET}: all good", "All is well")]
    assert positions == sorted(positions)
    assert "198.51.100.1" not in html
    assert "formaction" not in html


@pytest.mark.parametrize("waiting", [True, False])
async def test_dashboard_refreshes_only_while_waiting(waiting: bool) -> None:
    chat = build_chat(load_overview=counting_source(waiting))
    async with chat.open_browser() as visitor:
        html = (await visitor.get("/dashboard")).text
    assert ('<noscript><meta http-equiv="refresh"' in html) is waiting
    assert f'data-waiting="{"yes" if waiting else ""}"' in html


async def test_overview_is_cached_for_two_seconds() -> None:
    source = counting_source()
    chat = build_chat(load_overview=source, publish_status=True)
    async with chat.open_browser() as visitor:
        for _ in range(20):
            await visitor.get("/status")
        assert source.calls == 1
        chat.clock.advance(2)
        await visitor.get("/dashboard")
    assert source.calls == 2


async def test_status_page_has_no_controls_and_no_commands() -> None:
    chat = build_chat(load_overview=counting_source())
    async with chat.open_browser() as visitor:
        await submit_form(visitor, "/c/mail", SECRET)
        await chat.wait_answered()
        html = (await visitor.get("/status")).text
    assert "1 incident is open" in html
    assert SECRET not in html
    page = {tag for tag, _ in Parsed(html).skeleton}
    assert not page & {"form", "button", "input", "textarea", "a", "nav"}


@pytest.mark.parametrize("password", ["", "correct horse"])
async def test_published_status_is_open_through_proxy(password: str) -> None:
    chat = build_chat(load_overview=counting_source(), password=password, publish_status=True)
    async with chat.open_browser() as visitor:
        for path in PUBLIC_PATHS:
            answer = await visitor.get(path, headers=PROXIED)
            assert (answer.status_code, "set-cookie" in answer.headers) == (200, False), path
            assert "script-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", PRIVATE_PATHS)
@pytest.mark.parametrize("password", ["", "correct horse"])
async def test_published_status_opens_no_other_path(path: str, password: str) -> None:
    chat = build_chat(load_overview=counting_source(), password=password, publish_status=True)
    async with chat.open_browser() as visitor:
        response = await visitor.get(path, headers=PROXIED)
        post_response = await visitor.post(path, data={"text": "example.com"}, headers=PROXIED)
    assert response.status_code in ((303, 403, 200) if password else (421,))
    assert response.status_code != 200 or path == "/login"
    assert post_response.status_code in (403, 421)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_status_page_rejects_writes(method: str) -> None:
    chat = build_chat(load_overview=counting_source(), publish_status=True)
    async with chat.open_browser() as visitor:
        answer = await visitor.request(method, "/status", headers=PROXIED)
    assert answer.status_code in (403, 405, 421)


async def test_unpublished_status_needs_session() -> None:
    async with build_chat(load_overview=counting_source()).open_browser() as visitor:
        assert (await visitor.get("/status", headers=PROXIED)).status_code == 421
        assert (await visitor.get("/status")).status_code == 200
    async with build_chat(load_overview=counting_source(), password="correct horse").open_browser() as visitor:
        assert (await visitor.get("/status", headers=PROXIED)).headers["location"] == "/login"


@pytest.mark.parametrize("header", ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"])
async def test_proxied_request_with_local_host_is_refused(header: str) -> None:
    """nginx sends the upstream host by default, so Host alone would admit remote clients."""
    async with build_chat(publish_status=True).open_browser() as visitor:
        assert (await visitor.get("/c/mail", headers={header: "198.51.100.7"})).status_code == 421


async def test_status_page_works_without_chat() -> None:
    app = Starlette(routes=status_page_routes(counting_source()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE_URL, headers=PROXIED) as visitor:
        assert "1 incident is open" in (await visitor.get("/status")).text
        assert (await visitor.get("/static/chat.css")).status_code == 200
        assert (await visitor.get("/c/mail")).status_code == 421


def hostile_source(text: str) -> CountingSource:
    """An overview with the text in every field."""
    card = Card(
        text, Tone.BAD, text, (Line(text, Tone.WARN, text, text),), (Fact(text, text),), Table((text,), ((text,),))
    )
    return CountingSource(Overview((Section(text, (card,)),), (Section(text, (Card(text, footnote=text),)),)))


@pytest.mark.parametrize("path", ["/dashboard", "/status"])
async def test_overview_escapes_hostile_text(path: str) -> None:
    async with build_chat(load_overview=hostile_source("harmless")).open_browser() as visitor:
        harmless = Parsed((await visitor.get(path)).text)
    for text in HOSTILE:
        async with build_chat(load_overview=hostile_source(text)).open_browser() as visitor:
            page = Parsed((await visitor.get(path)).text)
        assert page.skeleton == harmless.skeleton, text
