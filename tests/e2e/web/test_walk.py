"""The web chat in a real browser: first visit, check, card, alert thread, by keyboard alone, on a desk, a phone and in the dark.

`PICTURES=docs/pictures tests/e2e/run -k walk` keeps what was seen, to be looked at.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.assembly import MailWing, mail_wing
from bot.demo import demo_world
from bot.settings import HostPort, Settings, SpecialAddresses
from handlers.card import Button, Card, Fact, Line, Tone
from handlers.commands import Commands
from handlers.messages import TRUST, lists_card
from handlers.platform import Room
from handlers.web.app import Web
from tests.e2e.emulator import free_port
from tests.e2e.picture import BROWSERS, NODE

WALK = Path(__file__).with_name("walk.mjs")
ALERTS = Room("web", "local", "alerts")
OPENED = Card(
    "HQ egress is on Spamhaus ZEN",
    Tone.BAD,
    step="Find and clean the infected or open machine first, then use the removal form.",
    lines=(Line("192.0.2.10 is on Spamhaus XBL: large receivers reject its mail.", Tone.BAD, quote="Invented."),),
    facts=(Fact("Since", "24 Nov, 06:01 UTC"),),
    buttons=(
        Button("Spamhaus ZEN: removal form", url="https://check.spamhaus.org/results/?query=192.0.2.10", primary=True),
        Button("Acknowledge", "ack 5c1f"),
        Button("Mute…", "mute 5c1f"),
    ),
)
CLEARED = Card("HQ egress was listed for 42 minutes", Tone.GOOD, facts=(Fact("On", "Spamhaus ZEN"),))
REPLY = Card(
    "HQ egress is clear again", Tone.GOOD, lines=(Line("Spamhaus ZEN no longer lists 192.0.2.10.", Tone.GOOD),)
)


@asynccontextmanager
async def chat(state: Path) -> AsyncIterator[str]:
    """The web chat over the demo's world; `/told/opened` and `/told/cleared` stand for what a watch would say."""
    address = HostPort("127.0.0.1", free_port())
    async with demo_world() as world:
        settings = Settings(nameservers=(world.server,), special_addresses=SpecialAddresses.ALLOW, state_dir=state)
        async with mail_wing(settings, needs_store=False, uses_store=False) as wing:
            web = Web(verbs(wing), demo=world)
            app = Starlette(routes=[told_by(web), *web.routes(address)])
            server = uvicorn.Server(
                uvicorn.Config(app, host=address.host, port=address.port, log_config=None, lifespan="off")
            )
            serving = asyncio.create_task(server.serve())
            try:
                yield f"http://{address}"
            finally:
                server.should_exit = True
                await web.drain()
                await asyncio.wait_for(serving, 10)


def verbs(wing: MailWing) -> Commands:
    """The verbs of a bot that keeps no watches."""

    async def list_health() -> Card:
        return lists_card([(i.name, TRUST[i.standing], i.reason, i.ms) async for i in wing.list_health()])

    return Commands(wing.checkup, wing.lists_for, list_health)


def told_by(web: Web) -> Route:
    roots: list[str] = []

    async def told(request: Request) -> Response:
        if request.path_params["what"] == "opened":
            roots.append(await web.post(ALERTS, OPENED, key="a1"))
        else:
            await web.update(ALERTS, roots[-1], CLEARED)
            await web.post(ALERTS, REPLY, thread=roots[-1], key="a2")
        return Response(status_code=204)

    return Route("/told/{what}", told)


@pytest.mark.skipif(not NODE.exists(), reason="tests/e2e/run brings Node and the browser")
async def test_a_person_walks_through_the_web_chat_by_keyboard(tmp_path: Path) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)))
    folder = os.environ.get("PICTURES") or tmp_path
    async with chat(tmp_path / "state") as address:
        walk = await asyncio.create_subprocess_exec(
            NODE, WALK, browser, address, folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(150):
            said, troubles = await walk.communicate()
    assert walk.returncode == 0, troubles.decode()
    seen = json.loads(said)
    print(seen)
    assert seen["audits"] >= 9
    assert seen["timings"]["first_answer_ms"] < 5_000
