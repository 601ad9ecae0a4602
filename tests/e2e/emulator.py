"""The Slack emulator from npm, and a proxy between it and the bot.

The emulator stores channels and messages, but routes only POST with a body, accepts any payload,
and has no response URLs and no slash commands. The proxy translates calls, validates every payload
against Slack's limits, and adds response URLs: public messages go to the channel, ephemeral ones
are stored here.
"""

from __future__ import annotations

import asyncio
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

from tests.support.slack_validator import ENVELOPE, message_faults
from tests.support.unused_port import unused_port

T = TypeVar("T")

HERE = Path(__file__).parent
EMULATE = HERE / "node_modules/emulate/dist/index.js"
NODE = HERE / "node_modules/.bin/node"
CHANNEL = "C000000001"  # #general, the workspace's first
TEAM = "T000000001"
WEBHOOK_PATH = f"/services/{TEAM}/B000000001/X000000001"
MAX_USES = 5


@dataclass
class EmulatorProxy:
    """Proxy in front of the emulator."""

    emulator: httpx.AsyncClient
    ephemeral: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[list[str]] = field(default_factory=list)
    response_url_uses: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/api/{method}", self._api, methods=["GET", "POST"]),
                Route("/actions/{use:path}", self._response_url, methods=["POST"]),
            ]
        )

    async def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Call a Web API method as a user's client would."""
        token = {"authorization": "Bearer xoxb-a-token-for-tests"}
        answer: dict[str, Any] = (await self.emulator.post(f"/api/{method}", json=arguments, headers=token)).json()
        assert answer["ok"], answer
        return answer

    async def channel(self) -> list[dict[str, Any]]:
        """The messages of the channel, oldest first."""
        return list(reversed((await self.call("conversations.history", channel=CHANNEL))["messages"]))

    async def wait_until(self, probe: Callable[[], Awaitable[T | None]]) -> T:
        """The first truthy result of `probe`."""
        async with asyncio.timeout(10), self.changed:
            while not (result := await probe()):
                await self.changed.wait()
        return result

    async def _api(self, request: Request) -> Response:
        arguments: dict[str, Any] = dict(request.query_params)
        kind = request.headers.get("content-type", "")
        arguments |= await request.json() if "json" in kind else dict(await request.form())
        method = request.path_params["method"]
        if method in ENVELOPE and self._has_faults(arguments, method):
            return JSONResponse({"ok": False, "error": "invalid_blocks"})
        headers = {"authorization": request.headers.get("authorization", "")}
        answer = await self.emulator.post(f"/api/{method}", json=arguments, headers=headers)
        await self._notify()
        return Response(answer.content, answer.status_code, media_type="application/json")

    async def _response_url(self, request: Request) -> Response:
        self.response_url_uses += 1
        payload = await request.json()
        if self.response_url_uses > MAX_USES or self._has_faults(payload, "response_url"):
            return PlainTextResponse("used_url", 404)
        if payload.get("response_type") != "in_channel":
            self.ephemeral.append(payload)
            return PlainTextResponse("ok")
        answer = await self.emulator.post(WEBHOOK_PATH, json=payload)
        await self._notify()
        return Response(answer.content, answer.status_code)

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    def _has_faults(self, payload: dict[str, Any], sent_to: str) -> bool:
        if problems := message_faults(payload, sent_to):
            self.rejected.append(problems)
        return bool(problems)


@asynccontextmanager
async def emulator() -> AsyncIterator[EmulatorProxy]:
    """A fresh emulator in its own process on a free port."""
    port = unused_port()
    command = (NODE, EMULATE, "start", "-s", "slack", "-p", str(port), "--seed", HERE / "emulate.yaml")
    process = await asyncio.create_subprocess_exec(
        *command, cwd=HERE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            await wait_until_ready(client, process)
            yield EmulatorProxy(client)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def wait_until_ready(client: httpx.AsyncClient, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(30):
        while True:
            assert process.returncode is None, "the emulator exited"
            try:
                await client.post("/api/api.test")
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return
