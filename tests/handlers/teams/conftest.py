"""The bot and a fake Microsoft, each behind a real HTTP server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest_asyncio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from handlers.message import Card
from handlers.ports import Channel, CommandHandler
from handlers.teams.app import TeamsPlatform
from handlers.teams.outbound_auth import Credentials
from handlers.teams.throttle import TeamsTimeouts
from tests.handlers.slack.conftest import ScriptedCommands, serve_app
from tests.support.fake_microsoft import ISSUER, SECRET, FakeMicrosoft, token
from tests.support.memory_conversations import MemoryConversationReferences
from tests.support.teams_activities import CLIENT_ID, TENANT, Activity

BEGUN = time.time()


class TeamsCommands(ScriptedCommands):
    """Scripted commands; a channel in `paused` gets a card when the bot is back."""

    paused: tuple[Channel, ...] = ()
    left: tuple[Channel, ...] = ()

    async def on_channel_joined(self, channel: Channel) -> Card | None:
        return Card("Watching goes on here.") if channel in self.paused else None

    async def on_channel_left(self, channel: Channel) -> None:
        self.left = (*self.left, channel)

    async def on_uninstalled(self, platform: str, workspace: str) -> None:
        raise AssertionError(f"nobody removed the bot from {platform} {workspace}")


@dataclass
class Tenant:
    """A running bot and its fakes; its clock moves only by `slept`."""

    teams: TeamsPlatform
    microsoft: FakeMicrosoft
    commands: TeamsCommands
    conversations: MemoryConversationReferences
    http: httpx.AsyncClient
    service: str
    jobs: list[dict[str, str]]
    slept: list[float]

    @property
    def now(self) -> float:
        return BEGUN + sum(self.slept)

    def claims(self, **other: Any) -> dict[str, Any]:
        now = int(self.now)
        good = {"iss": ISSUER, "aud": CLIENT_ID, "nbf": now - 5, "exp": now + 3600, "serviceurl": self.service}
        return {name: value for name, value in {**good, **other}.items() if value is not None}

    async def send(self, activity: Activity, authorization: str | None = None) -> httpx.Response:
        """Send a signed activity; an empty `authorization` sends no header."""
        given = f"Bearer {token(self.claims())}" if authorization is None else authorization
        headers = {"Authorization": given} if given else {}
        return await self.http.post("/api/messages", json=activity, headers=headers)

    async def run_job(self) -> None:
        """Run the oldest job, as a worker would."""
        await self.teams.deliver(self.jobs.pop(0))


@asynccontextmanager
async def open_tenant(
    enqueue: Callable[[dict[str, str]], Awaitable[None]] | None = None,
    timeouts: TeamsTimeouts | None = None,
    commands: CommandHandler | None = None,
) -> AsyncIterator[Tenant]:
    """`commands` replaces the scripted commands."""
    jobs: list[dict[str, str]] = []
    slept: list[float] = []
    microsoft, scripted, conversations = (FakeMicrosoft(), TeamsCommands(), MemoryConversationReferences())
    scripted.released.set()

    async def enqueue_job(job: dict[str, str]) -> None:
        jobs.append(job)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def healthz(_: object) -> PlainTextResponse:
        return PlainTextResponse("alive")

    async with serve_app(microsoft.app) as url:
        credentials = Credentials(CLIENT_ID, SECRET, TENANT, FakeMicrosoft.cloud(url))
        timeouts = replace(
            timeouts or TeamsTimeouts(), now=lambda: BEGUN + sum(slept), sleep=sleep, random_fraction=lambda: 1.0
        )
        teams = TeamsPlatform(
            credentials, commands or scripted, enqueue or enqueue_job, conversations, timeouts=timeouts
        )
        routes = [*teams.routes("127.0.0.1"), Route("/healthz", healthz)]
        async with (
            serve_app(Starlette(routes=routes)) as bot_url,
            httpx.AsyncClient(base_url=bot_url, verify=False) as http,
        ):
            yield Tenant(teams, microsoft, scripted, conversations, http, f"{url}/service/", jobs, slept)
        await teams.drain()
        await teams.close()
    assert microsoft.refused == []


@pytest_asyncio.fixture
async def tenant() -> AsyncIterator[Tenant]:
    async with open_tenant() as opened:
        yield opened
