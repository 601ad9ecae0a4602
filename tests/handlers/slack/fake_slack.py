"""Slack as the bot sees it from outside: the Web API and response URLs, strict about what is sent to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.handlers.slack.validator import faults

TOKEN = "xoxb-a-token-for-tests"  # shaped like one, so that a log that leaks it is found
MOST_USES = 5

Message = dict[str, Any]


@dataclass
class FakeSlack:
    """`said` is everything that reached a person, in order, as (way, payload).

    `mishaps` are answered instead, one for each call: a way, and a status or a word of Slack's for an error.
    """

    said: list[tuple[str, Message]] = field(default_factory=list)
    refused: list[tuple[str, list[str]]] = field(default_factory=list)
    mishaps: list[tuple[str, int | str]] = field(default_factory=list)
    uses: dict[str, int] = field(default_factory=dict)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    clock: count[int] = field(default_factory=lambda: count(1_700_000_000))

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/api/{method:path}", self._api, methods=["POST"]),
                Route("/actions/{use:path}", self._response_url, methods=["POST"]),
            ]
        )

    async def until(self, enough: Callable[[list[tuple[str, Message]]], bool], within: float = 5.0) -> list[Message]:
        """Everything said, as soon as it is enough."""
        async with asyncio.timeout(within), self.news:
            await self.news.wait_for(lambda: enough(self.said))
        return [payload for _, payload in self.said]

    async def _api(self, request: Request) -> Response:
        method = request.path_params["method"]
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"ok": False, "error": "invalid_auth"})
        if method == "auth.test":
            return JSONResponse({"ok": True, "user_id": "UBOT", "bot_id": "BBOT", "team_id": "T1"})
        if (mishap := self._mishap(method)) is not None:
            return _refusal(mishap, in_json=True)
        payload = await request.json()
        if wrong := faults(payload, method):
            self.refused.append((method, wrong))
            return JSONResponse({"ok": False, "error": "invalid_blocks"})
        ts = payload.get("ts") or f"{next(self.clock)}.000100"
        await self._hear(method, payload | {"ts": ts})
        return JSONResponse({"ok": True, "ts": ts, "message_ts": ts, "channel": payload["channel"]})

    async def _response_url(self, request: Request) -> Response:
        use = request.path_params["use"]
        self.uses[use] = self.uses.get(use, 0) + 1
        if (mishap := self._mishap("response_url")) is not None:
            return _refusal(mishap, in_json=False)
        if self.uses[use] > MOST_USES:
            return PlainTextResponse("used_url", 404)
        payload = await request.json()
        if wrong := faults(payload, "response_url"):
            self.refused.append(("response_url", wrong))
            return PlainTextResponse("invalid_blocks", 400)
        await self._hear("response_url", payload)
        return PlainTextResponse("ok")

    async def _hear(self, way: str, payload: Message) -> None:
        async with self.news:
            self.said.append((way, payload))
            self.news.notify_all()

    def _mishap(self, way: str) -> int | str | None:
        for number, (where, what) in enumerate(self.mishaps):
            if where == way:
                del self.mishaps[number]
                return what
        return None


def _refusal(what: int | str, in_json: bool) -> Response:
    if isinstance(what, int):
        return PlainTextResponse("later", what, {"Retry-After": "7"})
    if in_json:
        return JSONResponse({"ok": False, "error": what})
    return PlainTextResponse(what, 400 if what.startswith("invalid") else 404)
