from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from starlette.applications import Starlette

from bot.demo import DemoWorld
from bot.settings import HostPort
from handlers.message import Card, Tone
from handlers.ports import Ack, Ask, Room, Told, untold
from handlers.web.app import Pace, Web
from handlers.web.dashboard import Look, nothing

HOME = HostPort("127.0.0.1", 3000)
PAGE = f"http://{HOME}"
OURS = {"origin": PAGE, "sec-fetch-site": "same-origin"}


@dataclass
class Scripted:
    """Verbs that answer what was typed, once they are free to; `lists` is private, `help` at once, `broken` breaks."""

    free: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[Ask] = field(default_factory=list)

    def acknowledgement(self, ask: Ask) -> Ack:
        if ask.text == "help":
            return Ack(Card("What mailcheck can do", private=True), work=False)
        return Ack(Card(f"Checking {ask.text} …", private=True), work=True)

    async def answer(self, ask: Ask, told: Told = untold) -> Card:
        self.asked.append(ask)
        await self.free.wait()
        if ask.text == "broken":
            raise RuntimeError("the verb broke")
        return Card(f"{ask.text}: all good", Tone.GOOD, private=ask.text == "lists")

    async def rejoined(self, room: Room) -> Card | None:
        return None

    async def removed(self, platform: str, space: str) -> None:
        return


@dataclass
class Clock:
    """Time that stands still until it is told to go on."""

    at: datetime = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def seconds(self) -> float:
        return self.at.timestamp()

    def pass_by(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Chat:
    """The web chat without a socket, and the visitors that come to it."""

    commands: Scripted
    clock: Clock
    web: Web
    app: Starlette

    def visitor(self) -> httpx.AsyncClient:
        """A browser of its own: it keeps its cookies."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=PAGE)

    async def settle(self) -> None:
        """What was begun is finished."""
        await self.web._work.drain(5)


def chat_of(
    demo: DemoWorld | None = None,
    password: str = "",
    look: Look = nothing,
    listening: HostPort = HOME,
    progress_after: float = 5.0,
    published: bool = False,
) -> Chat:
    commands, clock = Scripted(), Clock()
    commands.free.set()
    web = Web(commands, look, demo, Pace(progress_after, clock.now, clock.seconds))
    return Chat(commands, clock, web, Starlette(routes=web.routes(listening, password, published)))


@pytest.fixture
def chat() -> Chat:
    return chat_of()


@pytest.fixture
async def page(chat: Chat) -> AsyncIterator[httpx.AsyncClient]:
    """A browser with the page open."""
    async with chat.visitor() as visitor:
        assert (await visitor.get("/c/mail")).status_code == 200
        yield visitor


async def token(visitor: httpx.AsyncClient, path: str = "/c/mail") -> str:
    """The CSRF token of a page, as its forms carry it."""
    html = (await visitor.get(path)).text
    return html.split('name="csrf" value="')[1].split('"')[0]


async def send(visitor: httpx.AsyncClient, path: str, *texts: str, **fields: str) -> httpx.Response:
    """What a form of the page sends."""
    data = {"csrf": await token(visitor), "text": list(texts), **fields}
    return await visitor.post(path, data=data, headers=OURS)
