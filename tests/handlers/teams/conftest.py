"""The bot and a Microsoft, each behind a real HTTP server on a port of its own."""

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
from handlers.ports import Answering, Room
from handlers.teams.app import Teams
from handlers.teams.conversation_references import InThisProcess
from handlers.teams.outbound_auth import Credentials
from handlers.teams.throttle import Pace
from tests.handlers.slack.conftest import Scripted, serving
from tests.support.fake_microsoft import ISSUER, SECRET, FakeMicrosoft, token
from tests.support.teams_activities import CLIENT_ID, TENANT, Activity

BEGUN = time.time()


class Verbs(Scripted):
    """The scripted verbs; in a room of `paused` watches the bot has something to say when it is back."""

    paused: tuple[Room, ...] = ()
    gone: tuple[Room, ...] = ()

    async def rejoined(self, room: Room) -> Card | None:
        return Card("Watching goes on here.") if room in self.paused else None

    async def removed_from(self, room: Room) -> None:
        self.gone = (*self.gone, room)

    async def removed(self, platform: str, space: str) -> None:
        raise AssertionError(f"nobody removed the bot from {platform} {space}")


@dataclass
class Tenant:
    """A bot in service, and what can be done with it. Its clock stands still but for `slept`, and what a test adds to it."""

    teams: Teams
    microsoft: FakeMicrosoft
    commands: Verbs
    conversations: InThisProcess
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
        """As Teams sends it, signed, unless another `authorization` is given; an empty one is left out."""
        given = f"Bearer {token(self.claims())}" if authorization is None else authorization
        headers = {"Authorization": given} if given else {}
        return await self.http.post("/api/messages", json=activity, headers=headers)

    async def work(self) -> None:
        """Does the oldest job, as a worker would."""
        await self.teams.deliver(self.jobs.pop(0))


@asynccontextmanager
async def open_tenant(
    enqueue: Callable[[dict[str, str]], Awaitable[None]] | None = None,
    pace: Pace | None = None,
    answering: Answering | None = None,
) -> AsyncIterator[Tenant]:
    """`answering` are other verbs than the scripted ones."""
    jobs: list[dict[str, str]] = []
    slept: list[float] = []
    microsoft, commands, conversations = FakeMicrosoft(), Verbs(), InThisProcess()
    commands.free.set()

    async def keep(job: dict[str, str]) -> None:
        jobs.append(job)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def healthz(_: object) -> PlainTextResponse:
        return PlainTextResponse("alive")

    async with serving(microsoft.app) as url:
        credentials = Credentials(CLIENT_ID, SECRET, TENANT, FakeMicrosoft.cloud(url))
        pace = replace(pace or Pace(), now=lambda: BEGUN + sum(slept), sleep=sleep, chance=lambda: 1.0)
        teams = Teams(credentials, answering or commands, enqueue or keep, conversations, pace=pace)
        doors = [*teams.routes("127.0.0.1"), Route("/healthz", healthz)]
        async with serving(Starlette(routes=doors)) as door, httpx.AsyncClient(base_url=door, verify=False) as http:
            yield Tenant(teams, microsoft, commands, conversations, http, f"{url}/service/", jobs, slept)
        await teams.drain()
        await teams.close()
    assert microsoft.refused == []


@pytest_asyncio.fixture
async def tenant() -> AsyncIterator[Tenant]:
    async with open_tenant() as opened:
        yield opened
