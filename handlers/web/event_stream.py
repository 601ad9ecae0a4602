"""Server-Sent Events for an open page: one ordered, gapless stream for all channels.

The event id is the number of the message event. A reconnecting page sends the last one; if later
events were dropped, or the page is too slow, it gets `event: anew` and reloads.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from handlers.web.message_log import MessageEvent, MessageLog, Subscriber

KEEPALIVE_S = 15.0  # proxies close idle connections
MAX_STREAMS = 100
RETRY_MS = 2_000
RELOAD_EVENT = "event: anew\ndata: {}\n\n"

EventRenderer = Callable[[MessageEvent], str]


class EventStream(Response):
    """Streaming response; `render` makes the HTML of a message for this user."""

    media_type = "text/event-stream"

    def __init__(self, message_log: MessageLog, person: str, after: int, render: EventRenderer) -> None:
        super().__init__()
        self._message_log, self._person, self._after, self._render = (message_log, person, after, render)

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        sender, disconnected = (
            asyncio.create_task(self._send_events(send)),
            asyncio.create_task(_wait_for_disconnect(receive)),
        )
        try:
            await asyncio.wait({sender, disconnected}, return_when=asyncio.FIRST_COMPLETED)
            if sender.done():
                sender.result()
        finally:
            sender.cancel()
            disconnected.cancel()
            await asyncio.wait({sender, disconnected})

    async def _send_events(self, send: Send) -> None:
        async with aclosing(self.events()) as events:
            async for text in events:
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def events(self) -> AsyncGenerator[str]:
        """The stream, event by event; ends at shutdown or when the page must reload."""
        with self._message_log.subscribe(self._after) as (missed, subscriber):
            yield f"retry: {RETRY_MS}\n\n"
            for event in missed:
                if text := self._format(event):
                    yield text
            async for live_event in _follow(subscriber):
                if text := self._format(live_event) if live_event else ": still here\n\n":
                    yield text
            if subscriber.behind:
                yield RELOAD_EVENT

    def _format(self, event: MessageEvent) -> str:
        message = event.message
        if not message.visible_to(self._person):
            return ""
        data = {
            "channel": message.channel,
            "id": message.id,
            "thread": message.thread,
            "outside": message.in_channel,
            "new": event.is_new,
            "html": self._render(event),
        }
        return f"id: {event.number}\ndata: {json.dumps(data)}\n\n"


def last_event_number(request: Request) -> int:
    """Number of the last event the page has, or -1 if it names none."""
    text = request.headers.get("last-event-id") or request.query_params.get("after", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1


async def _follow(subscriber: Subscriber) -> AsyncIterator[MessageEvent | None]:
    """Events as they arrive; None after KEEPALIVE_S of silence."""
    while not subscriber.behind:
        try:
            async with asyncio.timeout(KEEPALIVE_S):
                event = await subscriber.queue.get()
        except TimeoutError:
            yield None
            continue
        if event is None:
            return
        yield event


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
