"""Socket Mode against a fake Slack: hello, envelopes, reconnection, shutdown."""

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

from handlers.commands import VERBS
from handlers.slack.app import Credentials, SlackPlatform
from handlers.slack.socket_mode import SlackConnectionRefused, Watchdog
from tests.handlers.slack.conftest import ScriptedCommands
from tests.support.fake_slack import TOKEN
from tests.support.slack_payloads import button_action, slash_command
from tests.support.slack_validator import message_faults

APP_TOKEN = "xapp-a-token-for-tests"
QUICK = Watchdog(ping_interval=0.2, poll_interval=0.02, reconnect_timeout=0.6)
RESPONSE_URL = "http://127.0.0.1:1/actions/x"


@dataclass
class SocketServer:
    """Slack's side; each connection of the bot is put into `connections`, in order."""

    connections: asyncio.Queue[web.WebSocketResponse] = field(default_factory=asyncio.Queue)
    answers: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    refusals: int = 0  # connections to refuse first
    url: str = ""

    @property
    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.post("/api/{method}", self._api), web.get("/link", self._link)])
        return app

    async def _api(self, request: web.Request) -> web.Response:
        authorization = request.headers.get("Authorization", "")
        good = {"auth.test": f"Bearer {TOKEN}", "apps.connections.open": f"Bearer {APP_TOKEN}"}
        if authorization != good[request.match_info["method"]]:
            return web.json_response({"ok": False, "error": "invalid_auth"})
        return web.json_response({"ok": True, "url": f"{self.url.replace('http', 'ws')}link"})

    async def _link(self, request: web.Request) -> web.StreamResponse:
        if self.refusals:
            self.refusals -= 1
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
class ConnectedBot:
    socket_server: SocketServer
    slack: SlackPlatform
    jobs: list[dict[str, str]]
    running: asyncio.Task[None]

    async def connection(self) -> web.WebSocketResponse:
        async with asyncio.timeout(5):
            return await self.socket_server.connections.get()

    async def send(
        self, connection: web.WebSocketResponse, kind: str, body: dict[str, Any], envelope: str = "e1"
    ) -> dict[str, Any]:
        await connection.send_json(
            {"type": kind, "envelope_id": envelope, "payload": body, "accepts_response_payload": True}
        )
        async with asyncio.timeout(5):
            return await self.socket_server.answers.get()


@asynccontextmanager
async def connected_bot(
    app_token: str = APP_TOKEN, bot_token: str = TOKEN, refusals: int = 0
) -> AsyncIterator[ConnectedBot]:
    jobs: list[dict[str, str]] = []

    async def collect(job: dict[str, str]) -> None:
        jobs.append(job)

    socket_server = SocketServer(refusals=refusals)
    async with TestServer(socket_server.app) as server:
        socket_server.url = str(server.make_url("/"))
        slack = SlackPlatform(
            Credentials(bot_token, app_token, api_url=f"{socket_server.url}api/"), ScriptedCommands(), collect
        )
        running = asyncio.create_task(slack.run(QUICK))
        try:
            yield ConnectedBot(socket_server, slack, jobs, running)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError, SlackConnectionRefused):
                await running


async def test_socket_command_is_acked_in_envelope() -> None:
    async with connected_bot() as bot:
        answer = await bot.send(
            await bot.connection(), "slash_commands", dict(slash_command("example.com", RESPONSE_URL))
        )
        assert answer["envelope_id"] == "e1"
        assert message_faults(answer["payload"], "acknowledgement") == []
        assert answer["payload"]["text"] == "Checking example.com …"
        await bot.slack.dispatcher.wait_enqueued()
        assert [VERBS.from_job(job) for job in bot.jobs] == [VERBS.parse("example.com")]


@pytest.mark.parametrize(
    ("element", "jobs"),
    [
        ({"type": "button", "action_id": "run-1", "value": "check example.com"}, 1),
        ({"type": "button", "action_id": "open-0", "url": "https://list.example/"}, 0),
    ],
)
async def test_socket_button_is_acked(element: dict[str, Any], jobs: int) -> None:
    async with connected_bot() as bot:
        answer = await bot.send(await bot.connection(), "interactive", button_action(element, RESPONSE_URL))
        assert answer == {"envelope_id": "e1"}
        await bot.slack.dispatcher.wait_enqueued()
        assert len(bot.jobs) == jobs


@pytest.mark.parametrize("ending", ["warned", "closed", "cut"])
async def test_lost_socket_reconnects(ending: str) -> None:
    async with connected_bot() as bot:
        connection = await bot.connection()
        if ending == "warned":
            await connection.send_json({"type": "disconnect", "reason": "refresh_requested"})
        elif ending == "closed":
            await connection.close()
        else:
            transport = connection._req.transport if connection._req else None
            assert transport
            transport.abort()
        second = await bot.connection()
        answer = await bot.send(second, "slash_commands", dict(slash_command("example.com", RESPONSE_URL)), "e2")
        assert answer["envelope_id"] == "e2"


async def test_dead_socket_url_is_replaced() -> None:
    async with connected_bot(refusals=5) as bot:
        connection = await bot.connection()
        assert (await bot.send(connection, "slash_commands", dict(slash_command("example.com", RESPONSE_URL))))[
            "envelope_id"
        ] == "e1"


@pytest.mark.parametrize(
    ("tokens", "named"),
    [({"app_token": "xapp-wrong"}, "SLACK_APP_TOKEN"), ({"bot_token": "xoxb-wrong"}, "SLACK_BOT_TOKEN")],
)
async def test_refused_token_stops_bot_with_one_sentence(tokens: dict[str, str], named: str) -> None:
    async with connected_bot(**tokens) as bot:
        with pytest.raises(SlackConnectionRefused, match=f"{named} \\(invalid_auth\\)"):
            async with asyncio.timeout(5):
                await bot.running


async def test_shutdown_closes_socket() -> None:
    async with connected_bot() as bot:
        connection = await bot.connection()
        await bot.send(connection, "slash_commands", dict(slash_command("example.com", RESPONSE_URL)))
        bot.running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await bot.running
        async with asyncio.timeout(5):
            await bot.socket_server.ended.wait()
        assert connection.close_code == WSCloseCode.OK
