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
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette

from handlers.card import Card, Fact, Line, Tone
from handlers.messages import report_card
from handlers.platform import Ack, Ask, MessageGone, Room, Told, untold
from handlers.teams.app import Teams
from handlers.teams.cloud import Cloud
from handlers.teams.conversations import InThisProcess
from handlers.teams.login import Credentials
from tests import real_reports

HERE = Path(__file__).parent
BINARIES = HERE / "node_modules" / ".bin"
BOT = "00000000-0000-0000-0000-00000000000011"  # the Playground's own name for the bot under test
TENANT = "00000000-0000-0000-0000-0000000000001"
BOT_PORT, PAGE_PORT = 22101, 22150
PAGE = f"http://localhost:{PAGE_PORT}"
CHANNEL = "channel-deliverability-id"

ALERT = Card("203.0.113.9 is on Example List", Tone.BAD, "Find out what it sent, then ask for removal.")
UPDATE = Card("203.0.113.9 is on Another List, too", Tone.BAD, lines=(Line("Listed since 06:00.", Tone.BAD),))
OVER = Card("203.0.113.9 is on no list any more", Tone.GOOD, facts=(Fact("Lasted", "2 h"),))
LISTED, CLEAN = report_card(real_reports.listed()), report_card(real_reports.clean())


class Verbs:
    """Answers every question with a report, the second time a clean one."""

    def __init__(self) -> None:
        self.asked: list[Ask] = []

    def acknowledgement(self, ask: Ask) -> Ack:
        return Ack(Card(f"Checking {ask.text} …", private=True), work=True)

    async def answer(self, ask: Ask, told: Told = untold) -> Card:
        self.asked.append(ask)
        return CLEAN if "fresh" in ask.text else LISTED

    async def rejoined(self, _: Room) -> Card | None:
        return None

    async def removed_from(self, _room: Room) -> None: ...

    async def removed(self, _platform: str, _space: str) -> None: ...


class Page:
    """The person at the browser."""

    def __init__(self, process: Process) -> None:
        assert process.stdin
        assert process.stdout
        self._typing, self._reading = process.stdin, process.stdout

    async def do(self, verb: str, argument: str) -> None:
        self._typing.write(json.dumps([verb, argument]).encode() + b"\n")
        async with asyncio.timeout(30):
            said = (await self._reading.readline()).decode().strip()
        assert said == "done", f"{verb} {argument!r}: {said}"


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


@asynccontextmanager
async def bot(verbs: Verbs) -> AsyncIterator[Teams]:
    jobs: set[asyncio.Task[None]] = set()

    async def enqueue(job: dict[str, str]) -> None:
        jobs.add(asyncio.create_task(teams.deliver(job)))

    here = Cloud(services=frozenset({PAGE, f"http://127.0.0.1:{PAGE_PORT}"}))
    teams = Teams(Credentials(BOT, cloud=here), verbs, enqueue, InThisProcess())
    doors = Starlette(routes=teams.routes("127.0.0.1"))
    server = uvicorn.Server(uvicorn.Config(doors, port=BOT_PORT, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    try:
        yield teams
    finally:
        server.should_exit = True
        await serving
        await teams.close()


async def story(folder: Path, workshop: Path) -> None:
    verbs = Verbs()
    browser = shutil.which("chromium") or shutil.which("google-chrome") or ""
    door = f"http://127.0.0.1:{BOT_PORT}/api/messages"
    start = ("start", "-e", door, "-c", "msteams", "-p", str(PAGE_PORT), "--disable-telemetry")
    quiet = {"cwd": prepared(workshop), "env": {**os.environ, "BROWSER": "none"}, "stdout": asyncio.subprocess.DEVNULL}
    node = ("node", str(HERE / "teams_page.mjs"), PAGE, browser)
    async with bot(verbs) as teams, running(str(BINARIES / "agentsplayground"), *start, **quiet):
        await answering()
        async with running(*node, stdin=PIPE, stdout=PIPE) as process:
            page = Page(process)
            await a_check_that_is_asked_again(page, verbs, folder)
            await an_alert_that_ends(page, teams, folder)


async def a_check_that_is_asked_again(page: Page, verbs: Verbs, folder: Path) -> None:
    await page.do("open", "Mail Team - Deliverability")
    await page.do("ask", "192.0.2.25 example.com")
    await page.do("see", LISTED.title)
    await page.do("picture", str(folder / "teams-check.png"))
    await page.do("press", "Check again")
    await page.do("see", CLEAN.title)
    await page.do("miss", LISTED.title)
    await page.do("picture", str(folder / "teams-check-again.png"))
    assert verbs.asked[0].text == "192.0.2.25 example.com"
    assert verbs.asked[1].text.endswith("fresh")


async def an_alert_that_ends(page: Page, teams: Teams, folder: Path) -> None:
    room = Room("teams", TENANT, CHANNEL)
    root = await teams.post(room, ALERT)
    await teams.post(room, UPDATE, root)
    await page.do("see", UPDATE.title)
    await page.do("picture", str(folder / "teams-alert.png"))
    await teams.update(room, root, OVER)
    await page.do("see", OVER.title)
    await page.do("miss", ALERT.title)
    await page.do("picture", str(folder / "teams-alert-over.png"))
    try:
        await teams.post(room, UPDATE, "1")
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
            "channels": [{"id": CHANNEL, "name": "Deliverability"}],
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
