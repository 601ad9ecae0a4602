"""The Slack emulator of npm, and what stands between it and the bot.

The emulator keeps channels and messages, but it routes only POST with a body, takes any payload, and has no response URLs
and no slash commands. So the front passes calls on in the form it knows, holds every payload to Slack's limits first, and
lends it response URLs: what all may see goes into the channel, what one person sees is kept here.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.support.slack_validator import ENVELOPE, faults

T = TypeVar("T")

HERE = Path(__file__).parent
EMULATE = HERE / "node_modules/emulate/dist/index.js"
NODE = HERE / "node_modules/.bin/node"
CHANNEL = "C000000001"  # the first of the workspace, #general
TEAM = "T000000001"
HOOK = f"/services/{TEAM}/B000000001/X000000001"
MOST_USES = 5


@dataclass
class Front:
    emulator: httpx.AsyncClient
    seen_by_one: list[dict[str, Any]] = field(default_factory=list)
    refused: list[list[str]] = field(default_factory=list)
    uses: int = 0
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/api/{method}", self._api, methods=["GET", "POST"]),
                Route("/actions/{use:path}", self._response_url, methods=["POST"]),
            ]
        )

    async def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """A method of the Web API, as a person's own client would call it."""
        token = {"authorization": "Bearer xoxb-a-token-for-tests"}
        answer: dict[str, Any] = (await self.emulator.post(f"/api/{method}", json=arguments, headers=token)).json()
        assert answer["ok"], answer
        return answer

    async def channel(self) -> list[dict[str, Any]]:
        """What stands in the channel, oldest first."""
        return list(reversed((await self.call("conversations.history", channel=CHANNEL))["messages"]))

    async def until(self, look: Callable[[], Awaitable[T | None]]) -> T:
        """What `look` finds, as soon as it finds something."""
        async with asyncio.timeout(10), self.news:
            while not (found := await look()):
                await self.news.wait()
        return found

    async def _api(self, request: Request) -> Response:
        arguments: dict[str, Any] = dict(request.query_params)
        kind = request.headers.get("content-type", "")
        arguments |= await request.json() if "json" in kind else dict(await request.form())
        method = request.path_params["method"]
        if method in ENVELOPE and self._wrong(arguments, method):
            return JSONResponse({"ok": False, "error": "invalid_blocks"})
        headers = {"authorization": request.headers.get("authorization", "")}
        answer = await self.emulator.post(f"/api/{method}", json=arguments, headers=headers)
        await self._tell()
        return Response(answer.content, answer.status_code, media_type="application/json")

    async def _response_url(self, request: Request) -> Response:
        self.uses += 1
        payload = await request.json()
        if self.uses > MOST_USES or self._wrong(payload, "response_url"):
            return PlainTextResponse("used_url", 404)
        if payload.get("response_type") != "in_channel":
            self.seen_by_one.append(payload)
            return PlainTextResponse("ok")
        answer = await self.emulator.post(HOOK, json=payload)
        await self._tell()
        return Response(answer.content, answer.status_code)

    async def _tell(self) -> None:
        async with self.news:
            self.news.notify_all()

    def _wrong(self, payload: dict[str, Any], sent_to: str) -> bool:
        if found := faults(payload, sent_to):
            self.refused.append(found)
        return bool(found)


@asynccontextmanager
async def emulator() -> AsyncIterator[Front]:
    """The emulator in a process of its own, on a free port, empty."""
    port = free_port()
    command = (NODE, EMULATE, "start", "-s", "slack", "-p", str(port), "--seed", HERE / "emulate.yaml")
    process = await asyncio.create_subprocess_exec(
        *command, cwd=HERE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            await answers(client, process)
            yield Front(client)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def answers(client: httpx.AsyncClient, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(30):
        while True:
            assert process.returncode is None, "the emulator ended at once"
            try:
                await client.post("/api/api.test")
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])
