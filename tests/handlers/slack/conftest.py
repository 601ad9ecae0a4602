"""The bot and a fake Slack API, each behind a real HTTP server on its own port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import httpx
import pytest_asyncio
import uvicorn
from starlette.applications import Starlette

from bot.storage.deduplicator import Deduplicator
from handlers.charts import Bar, Row, RowKind, Timeline
from handlers.commands import VERBS
from handlers.message import Button, Card, Chart, Line, Tone
from handlers.messages import internal_error_card, refusal_card
from handlers.ports import Ack, Channel, ChatRequest, CommandHandler, ProgressCallback, ignore_progress
from handlers.slack.app import Credentials, SlackPlatform
from handlers.slack.app_home import OverviewLoader, empty_overview
from handlers.slack.responder import SlackTimeouts
from handlers.verbs import Refusal, VerbTable
from tests.support.fake_slack import TOKEN, FakeSlack
from tests.support.slack_payloads import SECRET, form_body, signed_headers, slash_command

ANSWER = Card(
    "203.0.113.5 · example.com: on Example List",
    Tone.BAD,
    step="Ask Example List to remove 203.0.113.5.",
    lines=(Line("Listed by Example List.", Tone.BAD, quote="spam seen"), Line("Passed: SPF, DMARC.", Tone.GOOD)),
    buttons=(
        Button("Removal form", url="https://list.example/remove"),
        Button("Check again", "check 203.0.113.5 fresh", in_place=True),
    ),
    footnote="62 lists queried",
)
MORNING = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
ROW = Row("Example List", RowKind.LISTED, (Bar(MORNING, MORNING + timedelta(hours=6)),), "6h")
CHART_CARD = Card(
    "203.0.113.5: 1 listing",
    Tone.GOOD,
    chart=Chart(Timeline("203.0.113.5", MORNING, MORNING + timedelta(days=1), (ROW,)), "Listed for 6h."),
)
BAD_INPUT = refusal_card(
    "“nonsense” is not an address or a domain, and not a command; type `help` to see what there is."
)
BROKEN = "broken.example"


def shown(sentence: str) -> str:
    """A sentence as plain text, which has no code marks."""
    return sentence.replace("`", "ʹ")


@dataclass
class ScriptedCommands:
    """Command handler: BROKEN fails, anything else that can be parsed is answered.

    Answers wait until `released` is set.
    """

    verbs: ClassVar[VerbTable[Any]] = VERBS
    requests: list[ChatRequest] = field(default_factory=list)
    resumed_channels: list[Channel] = field(default_factory=list)
    uninstalled: list[tuple[str, str]] = field(default_factory=list)
    revoked: list[tuple[str, str]] = field(default_factory=list)
    restored: asyncio.Queue[tuple[str, str]] = field(default_factory=asyncio.Queue)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def acknowledge(self, request: ChatRequest) -> Ack:
        arguments = request.command.arguments
        if isinstance(arguments, Refusal):
            return Ack(refusal_card(arguments.sentence), needs_work=False)
        about = ", ".join(str(check.target) for check in getattr(arguments, "requests", ())) or request.command.verb
        return Ack(Card(f"Checking {about} …", private=True), needs_work=True)

    async def handle(self, request: ChatRequest, on_progress: ProgressCallback = ignore_progress) -> Card:
        self.requests.append(request)
        await self.released.wait()
        if request.command == VERBS.parse(BROKEN):
            return internal_error_card()
        return CHART_CARD if request.command.verb == "history" else ANSWER

    async def on_channel_joined(self, channel: Channel) -> Card | None:
        self.resumed_channels.append(channel)
        return Card("The watches of this channel go on", Tone.GOOD)

    async def on_token_revoked(self, platform: str, workspace: str) -> None:
        self.revoked.append((platform, workspace))

    async def on_token_restored(self, platform: str, workspace: str) -> None:
        self.restored.put_nowait((platform, workspace))

    async def on_uninstalled(self, platform: str, workspace: str) -> None:
        self.uninstalled.append((platform, workspace))


@dataclass
class Workspace:
    """A running bot, and what a user can do with it."""

    slack: SlackPlatform
    fake: FakeSlack
    commands: ScriptedCommands
    http: httpx.AsyncClient
    url: str
    jobs: list[dict[str, str]]
    slept: list[float]

    @property
    def response_url(self) -> str:
        return f"{self.url}/actions/T1/1/abcdef"

    async def send(self, body: str, kind: str) -> httpx.Response:
        answer = await self.http.post("/slack/events", content=body, headers=signed_headers(body, kind))
        await self.slack.dispatcher.wait_enqueued()
        return answer

    async def type_command(self, text: str, trigger: str = "1.1") -> httpx.Response:
        return await self.send(*form_body(slash_command(text, self.response_url, trigger)))

    async def run_job(self) -> None:
        """Run the oldest job, as a worker would."""
        await self.slack.deliver(self.jobs.pop(0))


@asynccontextmanager
async def serve_app(app: Starlette) -> AsyncIterator[str]:
    # asyncio sets TCP_NODELAY only if the protocol is explicit; Nagle would add 40 ms a response.
    bound_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound_socket.bind(("127.0.0.1", 0))
    # Cut connections are part of the tests, so they are not logged as errors.
    config = uvicorn.Config(app, log_level="critical", lifespan="off", access_log=False)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[bound_socket])
    try:
        yield f"http://127.0.0.1:{bound_socket.getsockname()[1]}"
    finally:
        for connection in list(server.server_state.connections):
            connection.shutdown()
        for listener in server.servers:  # `shutdown` would wait 0.1 s per test
            listener.close()


@asynccontextmanager
async def open_workspace(
    enqueue: Callable[[dict[str, str]], Awaitable[None]] | None = None,
    deduplicator: Deduplicator | None = None,
    timeouts: SlackTimeouts | None = None,
    load_overview: OverviewLoader = empty_overview,
    commands: CommandHandler | None = None,
) -> AsyncIterator[Workspace]:
    """`scripted` replaces the scripted handler."""
    jobs: list[dict[str, str]] = []
    slept: list[float] = []
    fake, scripted = FakeSlack(), ScriptedCommands()
    scripted.released.set()

    async def collect(job: dict[str, str]) -> None:
        jobs.append(job)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with serve_app(fake.app) as url:
        credentials = Credentials(TOKEN, signing_secret=SECRET, api_url=f"{url}/api/")
        slack = SlackPlatform(
            credentials,
            commands or scripted,
            enqueue or collect,
            deduplicator,
            replace(timeouts or SlackTimeouts(), sleep=sleep),
            load_overview,
        )
        async with (
            serve_app(Starlette(routes=slack.routes())) as bot_url,
            httpx.AsyncClient(base_url=bot_url, verify=False) as http,
        ):
            yield Workspace(slack, fake, scripted, http, url, jobs, slept)
        await slack.drain()
    assert fake.rejected == []


@pytest_asyncio.fixture
async def workspace() -> AsyncIterator[Workspace]:
    async with open_workspace() as opened:
        yield opened
