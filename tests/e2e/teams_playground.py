"""The bot in Microsoft's Agents Playground, from a mention to a resolved alert.

`python -m tests.e2e.teams_playground FOLDER` runs it and saves pictures. The Playground listens on
all addresses and sends no tokens, so it runs in its own network namespace (see test_teams.py).
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette

from bot.models import CheckRequest, Finding, Lookup
from handlers.delivery import DeliveryTimeouts, DeliveryWorker
from handlers.message import Card
from handlers.messages import report_card
from handlers.messages.alerts import reply_card
from handlers.ports import Channel, MessageNotFound, MessagePoster
from handlers.teams.app import TeamsPlatform
from handlers.teams.cloud import Cloud
from handlers.teams.outbound_auth import Credentials
from tests.support import real_reports
from tests.support.commands import build_commands
from tests.support.dns_world import World
from tests.support.incident_stories import T0
from tests.support.memory_conversations import MemoryConversationReferences
from tests.support.memory_repository import InMemoryRepository
from tests.support.outbox_messages import WatchedAlert
from tests.support.outbox_messages import messages_of_incident as story_of
from tests.support.stored_watches import Clock

HERE = Path(__file__).parent
BINARIES = HERE / "node_modules" / ".bin"
BOT = "00000000-0000-0000-0000-00000000000011"  # the Playground's id of the bot under test
TENANT = "00000000-0000-0000-0000-0000000000001"
BOT_PORT, PAGE_PORT = 22101, 22150
PAGE = f"http://localhost:{PAGE_PORT}"
CHANNEL = Channel("teams", TENANT, "channel-deliverability-id")
TARGET_SHOWN = "192.0.2.66 · example.com"

PICTURES = ("teams-check.png", "teams-watched.png", "teams-mute.png", "teams-alert.png", "teams-alert-over.png")
TARGET = "192.0.2.66 example.com"
LISTED, CLEAN = real_reports.listed(), real_reports.clean()


class Bot:
    """The running bot with an in-memory store; TARGET is listed until `is_clean` is set."""

    def __init__(self) -> None:
        self.is_clean, self.clock = False, Clock(T0)
        self.repository, speaking = InMemoryRepository(self.clock), dict[str, MessagePoster]()
        commands = build_commands(self.repository, speaking, self.clock, World({}), check=self._findings)
        cloud = Cloud(services=frozenset({PAGE, f"http://127.0.0.1:{PAGE_PORT}"}))
        self.teams = TeamsPlatform(
            Credentials(BOT, cloud=cloud), commands, self._enqueue, MemoryConversationReferences()
        )
        speaking["teams"] = self.teams
        self.delivery = DeliveryWorker(self.repository, self.repository, speaking, DeliveryTimeouts(now=self.clock))
        self._jobs: set[asyncio.Task[None]] = set()

    async def _findings(self, _order: CheckRequest, _lookup: Lookup, /) -> Sequence[Finding]:
        return (CLEAN if self.is_clean else LISTED).findings

    async def _enqueue(self, job: dict[str, str]) -> None:
        self._jobs.add(asyncio.create_task(self.teams.deliver(job)))

    async def deliver_alert(self, message: WatchedAlert) -> None:
        """Deliver one alert of an incident."""
        self.clock.now = message.alert.at
        self.repository.enqueue(message.message)
        assert await self.delivery.deliver_next(CHANNEL)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = Starlette(routes=self.teams.routes("127.0.0.1"))
        server = uvicorn.Server(uvicorn.Config(app, port=BOT_PORT, log_level="error", lifespan="off"))
        server_task = asyncio.create_task(server.serve())
        try:
            yield
        finally:
            server.should_exit = True
            await server_task
            await self.teams.close()


class Page:
    """A user at the browser."""

    def __init__(self, process: Process, folder: Path) -> None:
        assert process.stdin
        assert process.stdout
        self._stdin, self._stdout, self._folder = process.stdin, process.stdout, folder

    async def do(self, verb: str, argument: str) -> None:
        self._stdin.write(json.dumps([verb, argument]).encode() + b"\n")
        async with asyncio.timeout(30):
            response = (await self._stdout.readline()).decode().strip()
        assert response == "done", f"{verb} {argument!r}: {response}"

    async def picture(self, name: str) -> None:
        await self.do("picture", str(self._folder / f"{name}.png"))


@asynccontextmanager
async def running(*command: str, **options: Any) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(*command, **options)
    try:
        yield process
    finally:
        if process.stdin:
            process.stdin.close()  # the script then closes its browser
        elif process.returncode is None:
            process.kill()  # on SIGTERM the Playground would wait for open pages
        await process.wait()


async def story(folder: Path, workshop: Path) -> None:
    bot = Bot()
    browser = shutil.which("chromium") or shutil.which("google-chrome") or ""
    endpoint = f"http://127.0.0.1:{BOT_PORT}/api/messages"
    start = ("start", "-e", endpoint, "-c", "msteams", "-p", str(PAGE_PORT), "--disable-telemetry")
    options = {
        "cwd": write_config(workshop),
        "env": {**os.environ, "BROWSER": "none"},
        "stdout": asyncio.subprocess.DEVNULL,
    }
    node = ("node", str(HERE / "teams_page.mjs"), PAGE, browser)
    async with bot.serving(), running(str(BINARIES / "agentsplayground"), *start, **options):
        await wait_until_ready()
        async with running(*node, stdin=PIPE, stdout=PIPE) as process:
            page = Page(process, folder)
            await check_watch_and_check_again(page, bot)
            await run_alert_to_resolution(page, bot)
            await check_reply_without_root(bot)


async def check_watch_and_check_again(page: Page, bot: Bot) -> None:
    listed = report_card(LISTED).title
    await page.do("open", "Mail Team - Deliverability")
    await page.do("ask", TARGET)
    await page.do("see", listed)
    await page.picture("teams-check")
    await page.do("press", "Watch")
    await page.do("see", "Watched: every")
    await page.do("see", "Unwatch")
    await page.picture("teams-watched")
    bot.is_clean = True
    await page.do("press", "Check again")
    await page.do("see", f"{TARGET_SHOWN}: no problems found")
    await page.do("miss", listed)


async def run_alert_to_resolution(page: Page, bot: Bot) -> None:
    """The alert in the channel with its replies; acknowledgement and mute show on it."""
    [stored] = await bot.repository.list_watches(CHANNEL)
    opened, grew, eased, resolved = story_of(stored.watch)
    bot.repository.store(stored.watch, opened.incident)
    await bot.deliver_alert(opened)
    await page.do("see", f"{TARGET_SHOWN}: on a")
    await page.do("press", "Acknowledge")
    await page.do("see", "Acknowledged: by Person 0")
    await page.do("see", f"{TARGET_SHOWN}: acknowledged by Person 0")
    await page.do("press", "Mute…")
    await page.do("see", "For how long?")
    await page.picture("teams-mute")
    await page.do("press", "Mute")
    await page.do("see", "Muted: by Person 0, until")
    await bot.deliver_alert(grew)
    await page.do("see", reply_card(stored.watch, grew.alert).title)
    await page.picture("teams-alert")
    await bot.deliver_alert(eased)
    await bot.deliver_alert(resolved)
    await page.do("see", "clear again after")
    await page.do("miss", "Acknowledged: by")
    await page.picture("teams-alert-over")


async def check_reply_without_root(bot: Bot) -> None:
    try:
        await bot.teams.post(CHANNEL, Card("No root"), "1")
    except MessageNotFound:
        return
    raise AssertionError("a reply to an unknown message was accepted")


async def wait_until_ready() -> None:
    """Wait until the Playground answers."""
    async with asyncio.timeout(30), httpx.AsyncClient() as http:
        while True:
            try:
                if "pong" in (await http.get(f"{PAGE}/_debug/ping")).text:
                    return
            except httpx.HTTPError:
                await asyncio.sleep(0.1)


def write_config(workshop: Path) -> Path:
    """Write the Playground's configuration, with the users and channels, into its folder."""
    people = [{"id": f"user-id-{n}", "name": f"Person {n}", **user_identity(n)} for n in range(6)]
    world = {
        "version": "0.1.1",
        "tenantId": TENANT,
        "bot": {"id": BOT, "name": "mailcheck"},
        "currentUser": people[0] | {"givenName": "Person", "surname": "0"},
        "users": people[1:],
        "personalChat": {"id": "personal-chat-id"},
        "groupChat": {"id": "group-chat-id", "name": "Mail ops chat"},
        "team": {
            "id": "team-id",
            "name": "Mail Team",
            "aadGroupId": "00000000-0000-0000-0000-000000000031",
            "channels": [{"id": CHANNEL.id, "name": "Deliverability"}],
        },
    }
    (workshop / ".m365agentsplayground.yml").write_text(json.dumps(world))  # JSON is YAML
    return workshop


def user_identity(number: int) -> dict[str, str]:
    name = f"person{number}@example.com"
    return {
        "userPrincipleName": name,
        "email": name,
        "aadObjectId": f"00000000-0000-0000-0000-00000000002{number}",
        "givenName": "Person",
        "surname": str(number),
    }


if __name__ == "__main__":
    with TemporaryDirectory() as workshop:
        asyncio.run(story(Path(sys.argv[1]).absolute(), Path(workshop)))
