"""Socket Mode against a Slack of our own: greeting, envelopes, reconnection, shutdown."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import WSCloseCode, web
from aiohttp.test_utils import TestServer

from handlers.slack.app import Credentials, Slack
from handlers.slack.socket_mode import SlackRefuses, Watchdog
from tests.handlers.slack.conftest import Scripted
from tests.support.fake_slack import TOKEN
from tests.support.slack_payloads import press, slash
from tests.support.slack_validator import faults

APP_TOKEN = "xapp-a-token-for-tests"
QUICK = Watchdog(ping_every=0.2, look_every=0.02, patience=0.6)
ANYWHERE = "http://127.0.0.1:1/actions/x"


@dataclass
class Wire:
    """Slack's side: each connection the bot opens is put into `connections`, in order."""

    connections: asyncio.Queue[web.WebSocketResponse] = field(default_factory=asyncio.Queue)
    answers: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    deaf: int = 0  # so many connections are refused first
    url: str = ""

    @property
    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.post("/api/{method}", self._api), web.get("/link", self._link)])
        return app

    async def _api(self, request: web.Request) -> web.Response:
        sent = request.headers.get("Authorization", "")
        good = {"auth.test": f"Bearer {TOKEN}", "apps.connections.open": f"Bearer {APP_TOKEN}"}
        if sent != good[request.match_info["method"]]:
            return web.json_response({"ok": False, "error": "invalid_auth"})
        return web.json_response({"ok": True, "url": f"{self.url.replace('http', 'ws')}link"})

    async def _link(self, request: web.Request) -> web.StreamResponse:
        if self.deaf:
            self.deaf -= 1
            return web.Response(status=503)
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        await connection.send_json({"type": "hello", "num_connections": 1})
        await self.connections.put(connection)
        try:
            async for message in connection:
                await self.answers.put(json.loads(message.data))
        finally:
            self.ended.set()
        return connection


@dataclass
class Line:
    wire: Wire
    slack: Slack
    jobs: list[dict[str, str]]
    running: asyncio.Task[None]

    async def connection(self) -> web.WebSocketResponse:
        async with asyncio.timeout(5):
            return await self.wire.connections.get()

    async def ask(
        self, connection: web.WebSocketResponse, kind: str, body: dict[str, Any], envelope: str = "e1"
    ) -> dict[str, Any]:
        await connection.send_json(
            {"type": kind, "envelope_id": envelope, "payload": body, "accepts_response_payload": True}
        )
        async with asyncio.timeout(5):
            return await self.wire.answers.get()


@asynccontextmanager
async def line(app_token: str = APP_TOKEN, bot_token: str = TOKEN, deaf: int = 0) -> AsyncIterator[Line]:
    jobs: list[dict[str, str]] = []

    async def keep(job: dict[str, str]) -> None:
        jobs.append(job)

    wire = Wire(deaf=deaf)
    async with TestServer(wire.app) as server:
        wire.url = str(server.make_url("/"))
        slack = Slack(Credentials(bot_token, app_token, api_url=f"{wire.url}api/"), Scripted(), keep)
        running = asyncio.create_task(slack.run(QUICK))
        try:
            yield Line(wire, slack, jobs, running)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError, SlackRefuses):
                await running


async def test_a_command_is_acknowledged_in_its_envelope() -> None:
    async with line() as on:
        answer = await on.ask(await on.connection(), "slash_commands", dict(slash("example.com", ANYWHERE)))
        assert answer["envelope_id"] == "e1"
        assert faults(answer["payload"], "acknowledgement") == []
        assert answer["payload"]["text"] == "Checking example.com …"
        await on.slack.handed_over()
        assert [job["text"] for job in on.jobs] == ["example.com"]


@pytest.mark.parametrize(
    ("element", "jobs"),
    [
        ({"type": "button", "action_id": "run-1", "value": "check example.com"}, 1),
        ({"type": "button", "action_id": "open-0", "url": "https://list.example/"}, 0),
    ],
)
async def test_every_button_is_acknowledged(element: dict[str, Any], jobs: int) -> None:
    async with line() as on:
        answer = await on.ask(await on.connection(), "interactive", press(element, ANYWHERE))
        assert answer == {"envelope_id": "e1"}
        await on.slack.handed_over()
        assert len(on.jobs) == jobs


@pytest.mark.parametrize("farewell", ["warned", "closed", "cut"])
async def test_a_lost_connection_is_opened_again(farewell: str) -> None:
    async with line() as on:
        first = await on.connection()
        if farewell == "warned":
            await first.send_json({"type": "disconnect", "reason": "refresh_requested"})
        elif farewell == "closed":
            await first.close()
        else:
            transport = first._req.transport if first._req else None
            assert transport
            transport.abort()
        second = await on.connection()
        answer = await on.ask(second, "slash_commands", dict(slash("example.com", ANYWHERE)), "e2")
        assert answer["envelope_id"] == "e2"


async def test_an_address_that_answers_nobody_is_given_up() -> None:
    async with line(deaf=5) as on:
        connection = await on.connection()
        assert (await on.ask(connection, "slash_commands", dict(slash("example.com", ANYWHERE))))["envelope_id"] == "e1"


@pytest.mark.parametrize(
    ("tokens", "named"),
    [({"app_token": "xapp-wrong"}, "SLACK_APP_TOKEN"), ({"bot_token": "xoxb-wrong"}, "SLACK_BOT_TOKEN")],
)
async def test_a_refused_token_ends_the_bot_with_one_sentence(tokens: dict[str, str], named: str) -> None:
    async with line(**tokens) as on:
        with pytest.raises(SlackRefuses, match=f"{named} \\(invalid_auth\\)"):
            async with asyncio.timeout(5):
                await on.running


async def test_shutdown_closes_the_connection() -> None:
    async with line() as on:
        connection = await on.connection()
        await on.ask(connection, "slash_commands", dict(slash("example.com", ANYWHERE)))
        on.running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await on.running
        async with asyncio.timeout(5):
            await on.wire.ended.wait()
        assert connection.close_code == WSCloseCode.OK
