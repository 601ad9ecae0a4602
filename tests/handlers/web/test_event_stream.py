"""The event stream of a page: everything its user may see, in order, once."""

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
from handlers.web.event_stream import MAX_STREAMS, RELOAD_EVENT, EventStream, last_event_number
from handlers.web.message_log import MAX_EVENTS, MessageEvent, MessageLog, new_message
from tests.handlers.web.conftest import FakeClock, WebChatFixture


@pytest.fixture
def channels() -> MessageLog:
    return MessageLog(FakeClock().now)


def open_stream(channels: MessageLog, after: int = 0, person: str = "you") -> EventStream:
    def render(event: MessageEvent) -> str:
        return event.message.text

    return EventStream(channels, person, after, render)


def post(channels: MessageLog, text: str, only_for: str = "") -> None:
    channels.append(new_message("mail", "", author="you", text=text, only_for=only_for))


async def next_texts(events: AsyncIterator[str], number: int) -> list[str]:
    """The HTML of the next events."""
    html_texts: list[str] = []
    async with asyncio.timeout(5):
        async for event in events:
            if event.startswith("id: "):
                html_texts.append(json.loads(event.split("data: ", 1)[1])["html"])
            if len(html_texts) == number:
                break
    return html_texts


async def test_stream_replays_missed_then_live_events_in_order(channels: MessageLog) -> None:
    for number in range(20):
        post(channels, str(number))
    async with aclosing(open_stream(channels, after=10).events()) as events:
        initial = await next_texts(events, 5)
        for number in range(20, 40):
            post(channels, str(number))
        rest = await next_texts(events, 25)
    assert initial + rest == [str(number) for number in range(10, 40)]
    assert channels.subscriber_count == 0


async def test_private_event_reaches_only_its_user(channels: MessageLog) -> None:
    post(channels, "secret", only_for="you")
    post(channels, "open")
    async with aclosing(open_stream(channels, person="somebody").events()) as events:
        assert await next_texts(events, 1) == ["open"]
    async with aclosing(open_stream(channels).events()) as events:
        assert await next_texts(events, 2) == ["secret", "open"]


async def test_event_carries_channel_and_thread(channels: MessageLog) -> None:
    root = channels.append(new_message("alerts", "", card=Card("root")))
    channels.append(new_message("alerts", root.id, author="you", text="reply"))
    async with aclosing(open_stream(channels, after=1).events()) as events:
        data = [
            json.loads(event.split("data: ", 1)[1]) async for event in take_first(events, 3) if event.startswith("id")
        ]
    assert [(d["channel"], d["thread"], d["outside"], d["new"]) for d in data] == [
        ("alerts", root.id, False, True),
        ("alerts", "", True, False),
    ]


async def take_first(events: AsyncIterator[str], number: int) -> AsyncIterator[str]:
    for _ in range(number):
        yield await anext(events)


async def test_event_text_cannot_break_framing(channels: MessageLog) -> None:
    text = "a\n\nevent: anew\ndata: {}\n\n\r\u2028b"
    post(channels, text)
    async with aclosing(open_stream(channels).events()) as events:
        assert await next_texts(events, 1) == [text]
        assert channels.subscriber_count == 1


@pytest.mark.parametrize("after", [-1, MAX_EVENTS * 3])
async def test_unknown_last_event_sends_reload(after: int, channels: MessageLog) -> None:
    post(channels, "x")
    assert [text async for text in open_stream(channels, after).events()][-1] == RELOAD_EVENT


async def test_stream_ends_on_shutdown(channels: MessageLog) -> None:
    events = open_stream(channels).events()
    await anext(events)
    channels.close()
    assert [text async for text in events] == []
    async with asyncio.timeout(5):
        assert len([text async for text in open_stream(channels).events()]) == 1


async def test_disconnect_removes_subscriber(channels: MessageLog) -> None:
    closed = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await closed.wait()
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        closed.set()

    async with asyncio.timeout(5):
        await open_stream(channels)({"type": "http"}, receive, send)
    assert channels.subscriber_count == 0


@pytest.mark.parametrize(
    ("query", "last_id", "after"),
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
def test_last_event_number_from_header_or_query(query: bytes, last_id: bytes, after: int) -> None:
    headers = [(b"last-event-id", last_id)] if last_id else []
    assert last_event_number(Request({"type": "http", "query_string": query, "headers": headers})) == after


async def test_stream_limit_returns_503(chat: WebChatFixture) -> None:
    async with chat.open_browser() as visitor:
        await visitor.get("/c/mail")
        with ExitStack() as stack:
            for _ in range(MAX_STREAMS):
                stack.enter_context(chat.web.message_log.subscribe(0))
            assert (await visitor.get("/stream?after=0")).status_code == 503


async def test_message_made_public_reaches_all(channels: MessageLog) -> None:
    message = channels.append(new_message("mail", "", text="…", only_for="you"))
    channels.update(replace(message, text="answer", only_for=""))
    async with aclosing(open_stream(channels, person="somebody").events()) as events:
        assert await next_texts(events, 1) == ["answer"]


async def test_open_stream_does_not_block_shutdown(chat: WebChatFixture) -> None:
    server = uvicorn.Server(uvicorn.Config(chat.app, log_config=None, lifespan="off"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(10), httpx.AsyncClient(base_url=address, timeout=5) as browser:
            await browser.get("/c/mail")
            async with browser.stream("GET", "/stream?after=0") as page:
                lines = page.aiter_lines()
                assert await anext(lines) == "retry: 2000"
                server.should_exit = True
                await chat.web.drain()
                assert [line async for line in lines if line] == []
            await serving
