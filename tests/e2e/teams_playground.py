"""The bot in Microsoft's own Agents Playground, from a mention in a channel to an alert that is over.

`python -m tests.e2e.teams_playground FOLDER` runs it and keeps pictures. The Playground listens on every address of the
machine and sends no tokens, so this belongs into a network namespace of its own, which test_teams.py sees to.
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

from bot.models import Finding, Lookup, Order
from bot.monitoring.interfaces import Letter
from handlers.delivery import Delivery, Pace
from handlers.message import Card
from handlers.messages import report_card
from handlers.messages.alerts import reply_card
from handlers.ports import MessageGone, Room, Speaking
from handlers.teams.app import Teams
from handlers.teams.cloud import Cloud
from handlers.teams.conversation_references import InThisProcess
from handlers.teams.outbound_auth import Credentials
from tests.support import real_reports
from tests.support.commands import verbs
from tests.support.dns_world import World
from tests.support.incident_stories import T0
from tests.support.memory_repository import KeptInMemory
from tests.support.outbox_messages import story as story_of
from tests.support.stored_watches import Clock

HERE = Path(__file__).parent
BINARIES = HERE / "node_modules" / ".bin"
BOT = "00000000-0000-0000-0000-00000000000011"  # the Playground's own name for the bot under test
TENANT = "00000000-0000-0000-0000-0000000000001"
BOT_PORT, PAGE_PORT = 22101, 22150
PAGE = f"http://localhost:{PAGE_PORT}"
ROOM = Room("teams", TENANT, "channel-deliverability-id")
TARGET_SHOWN = "192.0.2.66 · example.com"

PICTURES = ("teams-check.png", "teams-watched.png", "teams-mute.png", "teams-alert.png", "teams-alert-over.png")
TARGET = "192.0.2.66 example.com"
LISTED, CLEAN = real_reports.listed(), real_reports.clean()


class Bot:
    """The bot in service, with a store in memory and a world in which TARGET is listed until it `is_clean`."""

    def __init__(self) -> None:
        self.is_clean, self.clock = False, Clock(T0)
        self.kept, speaking = KeptInMemory(self.clock), dict[str, Speaking]()
        commands = verbs(self.kept, speaking, self.clock, World({}), sees=self._sees)
        here = Cloud(services=frozenset({PAGE, f"http://127.0.0.1:{PAGE_PORT}"}))
        self.teams = Teams(Credentials(BOT, cloud=here), commands, self._enqueue, InThisProcess())
        speaking["teams"] = self.teams
        self.delivery = Delivery(self.kept, self.kept, speaking, Pace(now=self.clock))
        self._jobs: set[asyncio.Task[None]] = set()

    async def _sees(self, _order: Order, _lookup: Lookup, /) -> Sequence[Finding]:
        return (CLEAN if self.is_clean else LISTED).findings

    async def _enqueue(self, job: dict[str, str]) -> None:
        self._jobs.add(asyncio.create_task(self.teams.deliver(job)))

    async def tell(self, letter: Letter) -> None:
        """One alert of an incident, delivered."""
        self.clock.now = letter.alert.at
        self.kept.put(letter)
        assert await self.delivery.deliver_next(ROOM)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        doors = Starlette(routes=self.teams.routes("127.0.0.1"))
        server = uvicorn.Server(uvicorn.Config(doors, port=BOT_PORT, log_level="error", lifespan="off"))
        serving = asyncio.create_task(server.serve())
        try:
            yield
        finally:
            server.should_exit = True
            await serving
            await self.teams.close()


class Page:
    """The person at the browser."""

    def __init__(self, process: Process, folder: Path) -> None:
        assert process.stdin
        assert process.stdout
        self._typing, self._reading, self._folder = process.stdin, process.stdout, folder

    async def do(self, verb: str, argument: str) -> None:
        self._typing.write(json.dumps([verb, argument]).encode() + b"\n")
        async with asyncio.timeout(30):
            said = (await self._reading.readline()).decode().strip()
        assert said == "done", f"{verb} {argument!r}: {said}"

    async def picture(self, name: str) -> None:
        await self.do("picture", str(self._folder / f"{name}.png"))


@asynccontextmanager
async def running(*command: str, **how: Any) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(*command, **how)
    try:
        yield process
    finally:
        if process.stdin:
            process.stdin.close()  # how the page is told to close its browser
        elif process.returncode is None:
            process.kill()  # asked to end, the Playground would wait for ever for a page that is still open
        await process.wait()


async def story(folder: Path, workshop: Path) -> None:
    bot = Bot()
    browser = shutil.which("chromium") or shutil.which("google-chrome") or ""
    door = f"http://127.0.0.1:{BOT_PORT}/api/messages"
    start = ("start", "-e", door, "-c", "msteams", "-p", str(PAGE_PORT), "--disable-telemetry")
    quiet = {"cwd": prepared(workshop), "env": {**os.environ, "BROWSER": "none"}, "stdout": asyncio.subprocess.DEVNULL}
    node = ("node", str(HERE / "teams_page.mjs"), PAGE, browser)
    async with bot.serving(), running(str(BINARIES / "agentsplayground"), *start, **quiet):
        await answering()
        async with running(*node, stdin=PIPE, stdout=PIPE) as process:
            page = Page(process, folder)
            await a_check_that_is_watched_and_asked_again(page, bot)
            await an_alert_from_its_first_word_to_its_last(page, bot)
            await a_reply_below_no_message(bot)


async def a_check_that_is_watched_and_asked_again(page: Page, bot: Bot) -> None:
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
    await page.do("see", f"{TARGET_SHOWN}: all good")
    await page.do("miss", listed)


async def an_alert_from_its_first_word_to_its_last(page: Page, bot: Bot) -> None:
    """The alert stands in the channel, its news below it; who takes it in hand, or mutes it, shows on it."""
    [one] = await bot.kept.of_room(ROOM)
    opened, grew, eased, resolved = story_of(one.watch)
    bot.kept.keep(one.watch, opened.incident)
    await bot.tell(opened)
    await page.do("see", f"{TARGET_SHOWN}: on a")
    await page.do("press", "Acknowledge")
    await page.do("see", "Acknowledged: by Person 0")
    await page.do("see", f"Person 0 has {TARGET_SHOWN} in hand")
    await page.do("press", "Mute…")
    await page.do("see", "For how long?")
    await page.picture("teams-mute")
    await page.do("press", "Mute")
    await page.do("see", "Muted: by Person 0, until")
    await bot.tell(grew)
    await page.do("see", reply_card(one.watch, grew.alert).title)
    await page.picture("teams-alert")
    await bot.tell(eased)
    await bot.tell(resolved)
    await page.do("see", "clear again after")
    await page.do("miss", "Acknowledged: by")
    await page.picture("teams-alert-over")


async def a_reply_below_no_message(bot: Bot) -> None:
    try:
        await bot.teams.post(ROOM, Card("Below nothing"), "1")
    except MessageGone:
        return
    raise AssertionError("a reply below a message that is none was taken")


async def answering() -> None:
    """Waits until the Playground does."""
    async with asyncio.timeout(30), httpx.AsyncClient() as http:
        while True:
            try:
                if "pong" in (await http.get(f"{PAGE}/_debug/ping")).text:
                    return
            except httpx.HTTPError:
                await asyncio.sleep(0.1)


def prepared(workshop: Path) -> Path:
    """The Playground writes its records where it is started, and reads there who is in the team."""
    people = [{"id": f"user-id-{n}", "name": f"Person {n}", **identity(n)} for n in range(6)]
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
            "channels": [{"id": ROOM.channel, "name": "Deliverability"}],
        },
    }
    (workshop / ".m365agentsplayground.yml").write_text(json.dumps(world))  # JSON is YAML
    return workshop


def identity(number: int) -> dict[str, str]:
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
