"""The web chat in a real browser: a keyboard walkthrough, and cards of hostile text.

Pictures are saved in build/pictures; `PICTURES=docs/pictures tests/e2e/run -k walk` updates the
documentation.
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
from handlers.charts import Bar, Row, RowKind, Timeline
from handlers.message import Button, Card, Chart, Fact, Line, Table, TextBlock, Tone
from handlers.messages.overview import Overview, Section
from handlers.ports import Channel
from handlers.web.app import WebChat
from tests.e2e.picture import BROWSERS, NODE
from tests.handlers.web.conftest import ScriptedCommands
from tests.handlers.web.hostile import HOSTILE
from tests.support.unused_port import unused_port

HERE = Path(__file__).parent
SCRIPT_TIMEOUT_S = 150
SINCE, UNTIL = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC)

assert NODE.exists(), "These tests need Node and a browser; tests/e2e/run brings both."


@asynccontextmanager
async def run_bot(state: Path) -> AsyncIterator[str]:
    """The bot in its own process; it must exit cleanly although pages are open."""
    port = unused_port()
    command = (sys.executable, "-m", "tests.e2e.web.served", str(port), str(state))
    bot = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    try:
        address = f"http://127.0.0.1:{port}"
        await wait_until_ready(address, bot)
        yield address
        bot.terminate()
        _, log = await asyncio.wait_for(bot.communicate(), 20)
        assert bot.returncode == 0, log.decode()
        assert b"Traceback" not in log, log.decode()
    finally:
        if bot.returncode is None:
            bot.kill()
            await bot.wait()


async def wait_until_ready(address: str, bot: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(30), httpx.AsyncClient(base_url=address) as client:
        while True:
            assert bot.returncode is None, "the bot exited"
            try:
                await client.get("/healthz")
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return


async def run_script(script: str, *arguments: str) -> dict[str, object]:
    """Results of a browser script; fails with the problems that it reports."""
    browser = next(filter(None, map(shutil.which, BROWSERS)))
    command = (str(NODE), str(HERE / script), browser, *arguments)
    pipe = asyncio.subprocess.PIPE
    walk = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(SCRIPT_TIMEOUT_S):
        output, errors = await walk.communicate()
    assert walk.returncode == 0, errors.decode()
    results: dict[str, object] = json.loads(output)
    return results


async def test_web_chat_keyboard_walkthrough(tmp_path: Path, pictures: Path) -> None:
    async with run_bot(tmp_path / "state") as address:
        results = await run_script("walk.mjs", address, str(pictures))
    print(results)
    assert results["audits"] == 13


def hostile_card(text: str) -> Card:
    """A card with the text in every field."""
    return Card(
        text,
        Tone.BAD,
        text,
        (Line(text, Tone.BAD, text, text), Line(text, Tone.GOOD, text)),
        (Fact(text, text),),
        Table((text, text), ((text, text),)),
        buttons=(Button(text, text), Button(text, url=text)),
        footnote=text,
        text_block=TextBlock(text, (text, text)),
        chart=Chart(Timeline(text, SINCE, UNTIL, (Row(text, RowKind.LISTED, (Bar(SINCE, UNTIL),), text),), text), text),
    )


async def hostile_overview() -> Overview:
    return Overview(tuple(Section(text, (hostile_card(text),)) for text in HOSTILE))


@asynccontextmanager
async def hostile_chat() -> AsyncIterator[str]:
    address = HostPort("127.0.0.1", unused_port())
    web, channel = WebChat(ScriptedCommands(), hostile_overview), Channel("web", "local", "scratch")

    async def post_cards(_: Request) -> Response:
        for card in (*map(hostile_card, HOSTILE), Card("That was the last one")):
            await web.post(channel, card)
        return Response(status_code=204)

    app = Starlette(routes=[Route("/told/hostile", post_cards), *web.routes(address)])
    server = uvicorn.Server(uvicorn.Config(app, port=address.port, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    try:
        yield f"http://{address}"
    finally:
        server.should_exit = True
        await web.drain()
        await asyncio.wait_for(serving, 10)


def test_hostile_card_fills_every_field() -> None:
    card = hostile_card("x")
    assert [card_field.name for card_field in fields(Card) if getattr(card, card_field.name) == card_field.default] == [
        "private"
    ]


async def test_hostile_card_text_is_inactive_in_browser() -> None:
    async with hostile_chat() as address:
        results = await run_script("hostile.mjs", address)
    messages = len(HOSTILE) + 1
    sections = len(HOSTILE) + 1  # one is the recent checks
    assert results == {
        "messages": [messages, messages, sections, len(HOSTILE)],
        "foreign": [],
        "ran": [],
        "asked": [],
        "logged": [],
    }
