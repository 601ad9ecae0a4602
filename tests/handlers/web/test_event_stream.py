"""The one stream of a page: everything it may see, in order, once."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing
from dataclasses import replace
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.requests import Request

from handlers.message import Card
from handlers.web.event_stream import ANEW, MOST_STREAMS, Stream, after_of
from handlers.web.message_log import MOST_NEWS, Channels, News, unsaid
from tests.handlers.web.conftest import Chat, Clock


@pytest.fixture
def channels() -> Channels:
    return Channels(Clock().now)


def stream(channels: Channels, after: int = 0, person: str = "you") -> Stream:
    def draw(news: News) -> str:
        return news.message.text

    return Stream(channels, person, after, draw)


def say(channels: Channels, text: str, only_for: str = "") -> None:
    channels.say(unsaid("mail", "", author="you", text=text, only_for=only_for))


async def texts(events: AsyncIterator[str], number: int) -> list[str]:
    """The HTML of the next events."""
    found: list[str] = []
    async with asyncio.timeout(5):
        async for event in events:
            if event.startswith("id: "):
                found.append(json.loads(event.split("data: ", 1)[1])["html"])
            if len(found) == number:
                break
    return found


async def test_what_came_before_and_after_the_page_was_opened_comes_in_order_and_once(channels: Channels) -> None:
    for number in range(20):
        say(channels, str(number))
    async with aclosing(stream(channels, after=10).events()) as events:
        first = await texts(events, 5)
        for number in range(20, 40):
            say(channels, str(number))
        rest = await texts(events, 25)
    assert first + rest == [str(number) for number in range(10, 40)]
    assert channels.listeners == 0


async def test_private_news_reach_one_page_only(channels: Channels) -> None:
    say(channels, "secret", only_for="you")
    say(channels, "open")
    async with aclosing(stream(channels, person="somebody").events()) as events:
        assert await texts(events, 1) == ["open"]
    async with aclosing(stream(channels).events()) as events:
        assert await texts(events, 2) == ["secret", "open"]


async def test_an_event_tells_where_its_message_belongs(channels: Channels) -> None:
    root = channels.say(unsaid("alerts", "", card=Card("root")))
    channels.say(unsaid("alerts", root.id, author="you", text="reply"))
    async with aclosing(stream(channels, after=1).events()) as events:
        data = [json.loads(event.split("data: ", 1)[1]) async for event in first(events, 3) if event.startswith("id")]
    assert [(d["channel"], d["thread"], d["outside"], d["new"]) for d in data] == [
        ("alerts", root.id, False, True),
        ("alerts", "", True, False),
    ]


async def first(events: AsyncIterator[str], number: int) -> AsyncIterator[str]:
    for _ in range(number):
        yield await anext(events)


async def test_no_text_can_end_an_event_early(channels: Channels) -> None:
    text = "a\n\nevent: anew\ndata: {}\n\n\r\u2028b"
    say(channels, text)
    async with aclosing(stream(channels).events()) as events:
        assert await texts(events, 1) == [text]
        assert channels.listeners == 1


@pytest.mark.parametrize("after", [-1, MOST_NEWS * 3])
async def test_a_page_that_nobody_remembers_is_told_to_look_anew(after: int, channels: Channels) -> None:
    say(channels, "x")
    assert [text async for text in stream(channels, after).events()][-1] == ANEW


async def test_the_stream_ends_when_the_server_does_and_none_begins_after(channels: Channels) -> None:
    events = stream(channels).events()
    await anext(events)
    channels.hang_up()
    assert [text async for text in events] == []
    async with asyncio.timeout(5):
        assert len([text async for text in stream(channels).events()]) == 1


async def test_a_page_that_is_closed_is_forgotten_at_once(channels: Channels) -> None:
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        gone.set()

    async with asyncio.timeout(5):
        await stream(channels)({"type": "http"}, receive, send)
    assert channels.listeners == 0


@pytest.mark.parametrize(
    ("query", "last", "after"),
    [
        (b"after=7", b"", 7),
        (b"after=7", b"9", 9),
        (b"", b"", -1),
        (b"after=-3", b"", -1),
        (b"after=x", b"", -1),
        (b"after=" + b"9" * 4_000, b"", -1),
        ("after=²".encode(), b"", -1),
    ],
)
def test_the_page_names_the_last_news_it_saw(query: bytes, last: bytes, after: int) -> None:
    headers = [(b"last-event-id", last)] if last else []
    assert after_of(Request({"type": "http", "query_string": query, "headers": headers})) == after


async def test_no_more_pages_than_the_bot_can_serve(chat: Chat) -> None:
    async with chat.visitor() as visitor:
        await visitor.get("/c/mail")
        with ExitStack() as stack:
            for _ in range(MOST_STREAMS):
                stack.enter_context(chat.web.channels.listening(0))
            assert (await visitor.get("/stream?after=0")).status_code == 503


async def test_an_answer_that_becomes_public_reaches_everybody(channels: Channels) -> None:
    said = channels.say(unsaid("mail", "", text="…", only_for="you"))
    channels.change(replace(said, text="answer", only_for=""))
    async with aclosing(stream(channels, person="somebody").events()) as events:
        assert await texts(events, 1) == ["answer"]


async def test_an_open_page_does_not_hold_up_the_end_of_the_server(chat: Chat) -> None:
    server = uvicorn.Server(uvicorn.Config(chat.app, log_config=None, lifespan="off"))
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        address = f"http://127.0.0.1:{door.getsockname()[1]}"
        serving = asyncio.create_task(server.serve(sockets=[door]))
        async with asyncio.timeout(10), httpx.AsyncClient(base_url=address, timeout=5) as browser:
            await browser.get("/c/mail")
            async with browser.stream("GET", "/stream?after=0") as page:
                lines = page.aiter_lines()
                assert await anext(lines) == "retry: 2000"
                server.should_exit = True
                await chat.web.drain()
                assert [line async for line in lines if line] == []
            await serving
