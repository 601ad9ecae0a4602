"""News for an open page, as Server-Sent Events: one stream for all channels, in order and without gaps.

An event's id is the number of its news. A page that lost its connection names the last one it saw; where what came since is
no longer known, or a page is too slow, it is told to look at everything anew (`event: anew`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from handlers.web.message_log import Channels, Listener, News

STILL_HERE_S = 15.0  # proxies close what is silent
MOST_STREAMS = 100
AGAIN_MS = 2_000
ANEW = "event: anew\ndata: {}\n\n"

Draw = Callable[[News], str]


class Stream(Response):
    """`draw` makes the HTML of a message as this person sees it."""

    media_type = "text/event-stream"

    def __init__(self, channels: Channels, person: str, after: int, draw: Draw) -> None:
        super().__init__()
        self._channels, self._person, self._after, self._draw = channels, person, after, draw

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        pump, hung_up = asyncio.create_task(self._pump(send)), asyncio.create_task(_until_hung_up(receive))
        try:
            await asyncio.wait({pump, hung_up}, return_when=asyncio.FIRST_COMPLETED)
            if pump.done():
                pump.result()
        finally:
            pump.cancel()
            hung_up.cancel()
            await asyncio.wait({pump, hung_up})

    async def _pump(self, send: Send) -> None:
        async with aclosing(self.events()) as events:
            async for text in events:
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def events(self) -> AsyncGenerator[str]:
        """The text of the stream, event by event; it ends when the server stops or the page has to begin anew."""
        with self._channels.listening(self._after) as (missed, listener):
            yield f"retry: {AGAIN_MS}\n\n"
            for news in missed:
                if text := self._event(news):
                    yield text
            async for item in _following(listener):
                if text := self._event(item) if item else ": still here\n\n":
                    yield text
            if listener.behind:
                yield ANEW

    def _event(self, news: News) -> str:
        message = news.message
        if not message.seen_by(self._person):
            return ""
        data = {
            "channel": message.channel,
            "id": message.id,
            "thread": message.thread,
            "outside": message.in_channel,
            "new": news.new,
            "html": self._draw(news),
        }
        return f"id: {news.number}\ndata: {json.dumps(data)}\n\n"


def after_of(request: Request) -> int:
    """The number of the last news that the page has seen; -1, which nobody remembers, where it names none."""
    text = request.headers.get("last-event-id") or request.query_params.get("after", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1


async def _following(listener: Listener) -> AsyncIterator[News | None]:
    """News as they come, and None after a silence."""
    while not listener.behind:
        try:
            async with asyncio.timeout(STILL_HERE_S):
                news = await listener.news.get()
        except TimeoutError:
            yield None
            continue
        if news is None:
            return
        yield news


async def _until_hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
