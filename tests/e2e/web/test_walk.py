"""The web chat in a real browser: a check, and a watch from its beginning to the end of its alert, by keyboard alone; then
cards full of hostile text, as they come live and as a whole page.

What was seen is kept in build/pictures; `PICTURES=docs/pictures tests/e2e/run -k walk` puts it into the documentation.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.settings import HostPort
from handlers.charts import Bar, Kind, Row, Timeline
from handlers.message import Button, Card, Fact, Line, Picture, Sketch, Table, Tone
from handlers.messages.overview import Overview, Section
from handlers.ports import Room
from handlers.web.app import Web
from tests.e2e.emulator import free_port
from tests.e2e.picture import BROWSERS, NODE
from tests.handlers.web.conftest import Scripted
from tests.handlers.web.hostile import HOSTILE

HERE = Path(__file__).parent
WALKED_WITHIN_S = 150
SINCE, UNTIL = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC)

assert NODE.exists(), "These tests need Node and a browser; tests/e2e/run brings both."


@asynccontextmanager
async def served(state: Path) -> AsyncIterator[str]:
    """The bot as a process of its own; it ends well although pages are open."""
    port = free_port()
    command = (sys.executable, "-m", "tests.e2e.web.served", str(port), str(state))
    bot = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    try:
        address = f"http://127.0.0.1:{port}"
        await answers(address, bot)
        yield address
        bot.terminate()
        _, log = await asyncio.wait_for(bot.communicate(), 20)
        assert bot.returncode == 0, log.decode()
        assert b"Traceback" not in log, log.decode()
    finally:
        if bot.returncode is None:
            bot.kill()
            await bot.wait()


async def answers(address: str, bot: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(30), httpx.AsyncClient(base_url=address) as client:
        while True:
            assert bot.returncode is None, "the bot ended at once"
            try:
                await client.get("/healthz")
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return


async def walked(script: str, *arguments: str) -> dict[str, object]:
    """What a script saw in the browser; it fails with what the script holds against the page."""
    browser = next(filter(None, map(shutil.which, BROWSERS)))
    command = (str(NODE), str(HERE / script), browser, *arguments)
    pipe = asyncio.subprocess.PIPE
    walk = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(WALKED_WITHIN_S):
        said, troubles = await walk.communicate()
    assert walk.returncode == 0, troubles.decode()
    found: dict[str, object] = json.loads(said)
    return found


async def test_a_person_walks_through_the_web_chat_by_keyboard(tmp_path: Path, pictures: Path) -> None:
    async with served(tmp_path / "state") as address:
        seen = await walked("walk.mjs", address, str(pictures))
    print(seen)
    assert seen["audits"] == 13


def full_of(text: str) -> Card:
    """A card with the text in every field that takes one."""
    return Card(
        text,
        Tone.BAD,
        text,
        (Line(text, Tone.BAD, text, text), Line(text, Tone.GOOD, text)),
        (Fact(text, text),),
        Table((text, text), ((text, text),)),
        buttons=(Button(text, text), Button(text, url=text)),
        footnote=text,
        sketch=Sketch(text, (text, text)),
        picture=Picture(
            Timeline(text, SINCE, UNTIL, (Row(text, Kind.LISTED, (Bar(SINCE, UNTIL),), text),), text), text
        ),
    )


async def hostile_overview() -> Overview:
    return Overview(tuple(Section(text, (full_of(text),)) for text in HOSTILE))


@asynccontextmanager
async def hostile_chat() -> AsyncIterator[str]:
    address = HostPort("127.0.0.1", free_port())
    web, room = Web(Scripted(), hostile_overview), Room("web", "local", "scratch")

    async def told(_: Request) -> Response:
        for card in (*map(full_of, HOSTILE), Card("That was the last one")):
            await web.post(room, card)
        return Response(status_code=204)

    app = Starlette(routes=[Route("/told/hostile", told), *web.routes(address)])
    server = uvicorn.Server(uvicorn.Config(app, port=address.port, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    try:
        yield f"http://{address}"
    finally:
        server.should_exit = True
        await web.drain()
        await asyncio.wait_for(serving, 10)


def test_the_hostile_card_leaves_no_field_empty() -> None:
    card = full_of("x")
    assert [part.name for part in fields(Card) if getattr(card, part.name) == part.default] == ["private"]


async def test_no_text_of_a_card_lives_in_a_browser() -> None:
    async with hostile_chat() as address:
        seen = await walked("hostile.mjs", address)
    messages = len(HOSTILE) + 1
    sections = len(HOSTILE) + 1  # one of our own: what was checked lately
    assert seen == {
        "messages": [messages, messages, sections, len(HOSTILE)],
        "foreign": [],
        "ran": [],
        "asked": [],
        "logged": [],
    }
