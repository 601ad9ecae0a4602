"""The bot and a Slack, each behind a real HTTP server on a port of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest_asyncio
import uvicorn
from starlette.applications import Starlette

from handlers.charts import Bar, Kind, Row, Timeline
from handlers.message import Button, Card, Line, Picture, Tone
from handlers.ports import Ack, Answering, Ask, Room, Told, untold
from handlers.slack.app import Credentials, Slack
from handlers.slack.app_home import Look, nothing
from handlers.slack.responder import Pace
from tests.support.fake_slack import TOKEN, FakeSlack
from tests.support.slack_payloads import SECRET, form, signed, slash

ANSWER = Card(
    "203.0.113.5 · example.com: on Example List",
    Tone.BAD,
    step="Ask Example List to remove 203.0.113.5.",
    lines=(Line("Listed by Example List.", Tone.BAD, quote="spam seen"), Line("In order: SPF, DMARC.", Tone.GOOD)),
    buttons=(
        Button("Removal form", url="https://list.example/remove"),
        Button("Check again", "check 203.0.113.5 fresh", in_place=True),
    ),
    footnote="62 lists asked",
)
MORNING = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
ROW = Row("Example List", Kind.LISTED, (Bar(MORNING, MORNING + timedelta(hours=6)),), "6h")
PICTURED = Card(
    "203.0.113.5: 1 listing",
    Tone.GOOD,
    picture=Picture(Timeline("203.0.113.5", MORNING, MORNING + timedelta(days=1), (ROW,)), "Listed for 6h."),
)
BAD_INPUT = Card("“nonsense” is not an address or a domain.", Tone.WARN, private=True)


@dataclass
class Scripted:
    """The verbs, scripted: `nonsense` is refused, `broken` breaks, anything else is answered once `free` is set."""

    asked: list[Ask] = field(default_factory=list)
    back_in: list[Room] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    silent: list[tuple[str, str]] = field(default_factory=list)
    back: asyncio.Queue[tuple[str, str]] = field(default_factory=asyncio.Queue)
    free: asyncio.Event = field(default_factory=asyncio.Event)

    def acknowledgement(self, ask: Ask) -> Ack:
        if ask.text == "nonsense":
            return Ack(BAD_INPUT, work=False)
        return Ack(Card(f"Checking {ask.text} …", private=True), work=True)

    async def answer(self, ask: Ask, told: Told = untold) -> Card:
        self.asked.append(ask)
        await self.free.wait()
        if ask.text == "broken":
            raise RuntimeError("a secret detail of ours")
        return PICTURED if ask.text.startswith("history") else ANSWER

    async def rejoined(self, room: Room) -> Card | None:
        self.back_in.append(room)
        return Card("The watches of this channel go on", Tone.GOOD)

    async def silenced(self, platform: str, space: str) -> None:
        self.silent.append((platform, space))

    async def returned(self, platform: str, space: str) -> None:
        self.back.put_nowait((platform, space))

    async def removed(self, platform: str, space: str) -> None:
        self.left.append((platform, space))


@dataclass
class Workspace:
    """A bot in service, and what a person can do with it."""

    slack: Slack
    fake: FakeSlack
    commands: Scripted
    http: httpx.AsyncClient
    url: str
    jobs: list[dict[str, str]]
    slept: list[float]

    @property
    def response_url(self) -> str:
        return f"{self.url}/actions/T1/1/abcdef"

    async def send(self, body: str, kind: str) -> httpx.Response:
        answer = await self.http.post("/slack/events", content=body, headers=signed(body, kind))
        await self.slack.handed_over()
        return answer

    async def type(self, text: str, trigger: str = "1.1") -> httpx.Response:
        return await self.send(*form(slash(text, self.response_url, trigger)))

    async def work(self) -> None:
        """Does the oldest job, as a worker would."""
        await self.slack.deliver(self.jobs.pop(0))


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    # With the protocol named, or asyncio leaves Nagle's algorithm on and every answer takes 40 ms.
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    door.bind(("127.0.0.1", 0))
    # A Slack that cuts a connection is no error of this server.
    config = uvicorn.Config(app, log_level="critical", lifespan="off", access_log=False)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[door])
    try:
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
    finally:
        for connection in list(server.server_state.connections):
            connection.shutdown()
        for listening in server.servers:  # not `shutdown`, which waits a tenth of a second for each test
            listening.close()


@asynccontextmanager
async def open_workspace(
    enqueue: Callable[[dict[str, str]], Awaitable[None]] | None = None,
    seen: Callable[[str], Awaitable[bool]] | None = None,
    pace: Pace | None = None,
    look: Look = nothing,
    answering: Answering | None = None,
) -> AsyncIterator[Workspace]:
    """`answering` are other verbs than the scripted ones."""
    jobs: list[dict[str, str]] = []
    slept: list[float] = []
    fake, commands = FakeSlack(), Scripted()
    commands.free.set()

    async def keep(job: dict[str, str]) -> None:
        jobs.append(job)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with serving(fake.app) as url:
        credentials = Credentials(TOKEN, signing_secret=SECRET, api_url=f"{url}/api/")
        slack = Slack(
            credentials, answering or commands, enqueue or keep, seen, replace(pace or Pace(), sleep=sleep), look
        )
        async with (
            serving(Starlette(routes=slack.routes())) as door,
            httpx.AsyncClient(base_url=door, verify=False) as http,
        ):
            yield Workspace(slack, fake, commands, http, url, jobs, slept)
        await slack.drain()
    assert fake.refused == []


@pytest_asyncio.fixture
async def workspace() -> AsyncIterator[Workspace]:
    async with open_workspace() as opened:
        yield opened
