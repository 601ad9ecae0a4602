"""The web chat without a socket, with scripted commands and a fake clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import httpx
import pytest
from starlette.applications import Starlette

from bot.demo import Demo
from bot.settings import HostPort
from handlers.commands import VERBS
from handlers.message import Card, Tone
from handlers.messages import internal_error_card, refusal_card
from handlers.ports import Ack, Channel, ChatRequest, ProgressCallback, ignore_progress
from handlers.verbs import Refusal, VerbTable
from handlers.web.app import WebChat, WebTimeouts
from handlers.web.dashboard import OverviewLoader, empty_overview

ADDRESS = HostPort("127.0.0.1", 3000)
BROKEN = "broken.example"
BASE_URL = f"http://{ADDRESS}"
SAME_ORIGIN = {"origin": BASE_URL, "sec-fetch-site": "same-origin"}


@dataclass
class ScriptedCommands:
    """Command handler: `lists` is private, `help` immediate, BROKEN fails.

    Answers wait until `released` is set.
    """

    verbs: ClassVar[VerbTable[Any]] = VERBS
    released: asyncio.Event = field(default_factory=asyncio.Event)
    requests: list[ChatRequest] = field(default_factory=list)

    def acknowledge(self, request: ChatRequest) -> Ack:
        arguments = request.command.arguments
        if isinstance(arguments, Refusal):
            return Ack(refusal_card(arguments.sentence), needs_work=False)
        if request.command.verb == "help":
            return Ack(Card("What mailcheck can do", private=True), needs_work=False)
        return Ack(Card(f"Checking {self._about(request)} …", private=True), needs_work=True)

    async def handle(self, request: ChatRequest, on_progress: ProgressCallback = ignore_progress) -> Card:
        self.requests.append(request)
        await self.released.wait()
        if request.command == VERBS.parse(BROKEN):
            return internal_error_card()
        return Card(f"{self._about(request)}: all good", Tone.GOOD, private=request.command.verb == "lists")

    def _about(self, request: ChatRequest) -> str:
        checks = getattr(request.command.arguments, "requests", ())
        return ", ".join(str(check.target) for check in checks) or request.command.verb

    async def on_channel_joined(self, channel: Channel) -> Card | None:
        return None

    async def on_uninstalled(self, platform: str, workspace: str) -> None:
        return


@dataclass
class FakeClock:
    """A clock that stands still until it is advanced."""

    at: datetime = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def seconds(self) -> float:
        return self.at.timestamp()

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class WebChatFixture:
    """The web chat and its browsers."""

    commands: ScriptedCommands
    clock: FakeClock
    web: WebChat
    app: Starlette

    def open_browser(self) -> httpx.AsyncClient:
        """A browser with its own cookies."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=BASE_URL)

    async def wait_answered(self) -> None:
        await wait_answered(self.web)


async def wait_answered(web: WebChat) -> None:
    """Wait until every pending command is answered."""
    log = web.message_log
    with log.subscribe(log.last_event_number) as (_, subscriber):
        async with asyncio.timeout(5):
            while any(message.pending for message in log.all_messages()):
                await subscriber.queue.get()


def build_chat(
    demo: Demo | None = None,
    password: str = "",
    load_overview: OverviewLoader = empty_overview,
    address: HostPort = ADDRESS,
    progress_after: float = 5.0,
    publish_status: bool = False,
) -> WebChatFixture:
    commands, clock = ScriptedCommands(), FakeClock()
    commands.released.set()
    web = WebChat(commands, load_overview, demo, WebTimeouts(progress_after, clock.now, clock.seconds))
    return WebChatFixture(commands, clock, web, Starlette(routes=web.routes(address, password, publish_status)))


@pytest.fixture
def chat() -> WebChatFixture:
    return build_chat()


@pytest.fixture
async def page(chat: WebChatFixture) -> AsyncIterator[httpx.AsyncClient]:
    """A browser with the page open."""
    async with chat.open_browser() as visitor:
        assert (await visitor.get("/c/mail")).status_code == 200
        yield visitor


async def csrf_token(visitor: httpx.AsyncClient, path: str = "/c/mail") -> str:
    """The CSRF token in the forms of a page."""
    html = (await visitor.get(path)).text
    return html.split('name="csrf" value="')[1].split('"')[0]


async def submit_form(visitor: httpx.AsyncClient, path: str, *texts: str, **fields: str) -> httpx.Response:
    """Submit a form of the page."""
    data = {"csrf": await csrf_token(visitor), "text": list(texts), **fields}
    return await visitor.post(path, data=data, headers=SAME_ORIGIN)
