"""User, bot and a third-party Slack emulator: command, acknowledgement, answer."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest_asyncio
from starlette.applications import Starlette

from bot.storage import StoreUnavailable
from handlers.commands import VERBS
from handlers.slack.app import Credentials, SlackPlatform
from handlers.slack.responder import SlackTimeouts
from tests.e2e.emulator import CHANNEL, TEAM, EmulatorProxy, emulator
from tests.handlers.slack.conftest import ScriptedCommands, serve_app
from tests.support.slack_payloads import (
    SECRET,
    button_action,
    event_callback,
    form_body,
    interaction_body,
    json_body,
    mention,
    shortcut,
    signed_headers,
    slash_command,
)
from tests.support.slack_validator import message_faults

COMMAND_TEXT = "203.0.113.5 example.com"
LOCATION = {"team_id": TEAM, "channel_id": CHANNEL}
INTERACTION_LOCATION = {"team": {"id": TEAM, "domain": "example"}, "channel": {"id": CHANNEL, "name": "general"}}


@dataclass
class Person:
    """A user in the channel; the bot has no queue, as when Redis is down."""

    emulator: EmulatorProxy
    commands: ScriptedCommands
    http: httpx.AsyncClient
    response_url: str

    async def send(self, body: str, kind: str) -> httpx.Response:
        return await self.http.post("/slack/events", content=body, headers=signed_headers(body, kind))

    async def type_command(self, text: str) -> httpx.Response:
        return await self.send(*form_body(slash_command(text, self.response_url) | LOCATION))

    async def wait_for_messages(self, messages: int) -> list[dict[str, Any]]:
        """The channel, once it has that many messages."""

        async def probe() -> list[dict[str, Any]] | None:
            channel = await self.emulator.channel()
            return channel if len(channel) >= messages else None

        return await self.emulator.wait_until(probe)

    async def wait_for_reply(self, root: str, text: str) -> dict[str, Any]:
        """The only reply in a thread, once it contains the text."""

        async def probe() -> dict[str, Any] | None:
            replies = (await self.emulator.call("conversations.replies", channel=CHANNEL, ts=root))["messages"][1:]
            return next((reply for reply in replies if len(replies) == 1 and text in str(reply)), None)

        return await self.emulator.wait_until(probe)


@pytest_asyncio.fixture
async def person() -> AsyncIterator[Person]:
    async def fail(job: dict[str, str]) -> None:
        raise StoreUnavailable("down")

    commands = ScriptedCommands()
    commands.released.set()
    async with emulator() as front, serve_app(front.app) as url:
        credentials = Credentials("xoxb-a-token-for-tests", signing_secret=SECRET, api_url=f"{url}/api/")
        slack = SlackPlatform(credentials, commands, fail, timeouts=SlackTimeouts(progress_after=0.3))
        async with serve_app(Starlette(routes=slack.routes())) as bot, httpx.AsyncClient(base_url=bot) as http:
            yield Person(front, commands, http, f"{url}/actions/{TEAM}/1/abc")
            await slack.drain()
    assert front.rejected == []


async def test_command_is_acked_answered_and_rechecked(person: Person) -> None:
    started = time.perf_counter()
    ack = await person.type_command(COMMAND_TEXT)
    print(f"acknowledged after {(time.perf_counter() - started) * 1e3:.0f} ms")
    assert message_faults(ack.json(), "acknowledgement") == []
    assert ack.json()["text"] == f"Checking {COMMAND_TEXT} …"

    [answer] = await person.wait_for_messages(1)
    assert answer["text"].startswith("✕ 203.0.113.5 · example.com: on Example List")
    actions = answer["attachments"][-1]["blocks"][-1]["elements"]
    recheck = next(element for element in actions if element["text"]["text"] == "Check again")

    assert (
        await person.send(*interaction_body(button_action(recheck, person.response_url) | INTERACTION_LOCATION))
    ).status_code == 200
    assert len(await person.wait_for_messages(2)) == 2
    commands = [VERBS.parse(COMMAND_TEXT), VERBS.parse("check 203.0.113.5 fresh")]
    assert [request.command for request in person.commands.requests] == commands
    assert person.emulator.ephemeral == []


async def test_private_answer_is_not_in_channel(person: Person) -> None:
    await person.type_command(f"{COMMAND_TEXT} private")
    await person.type_command(COMMAND_TEXT)
    await person.wait_for_messages(1)
    assert len(person.emulator.ephemeral) == 1


async def test_forged_command_is_refused(person: Person) -> None:
    body, kind = form_body(slash_command(COMMAND_TEXT, person.response_url) | LOCATION)
    forged = await person.http.post("/slack/events", content=body + "&x=y", headers=signed_headers(body, kind))
    assert forged.status_code == 401
    assert person.commands.requests == []


async def test_mention_shows_progress_then_answer_in_thread(person: Person) -> None:
    root = (await person.emulator.call("chat.postMessage", channel=CHANNEL, text="Our mail bounces."))["ts"]
    person.commands.released.clear()
    await person.send(
        *json_body(
            event_callback(mention(f"<@UBOT> {COMMAND_TEXT}", channel=CHANNEL, thread_ts=root)) | {"team_id": TEAM}
        )
    )
    progress = await person.wait_for_reply(root, "slow to answer")
    person.commands.released.set()
    answer = await person.wait_for_reply(root, "Next step")
    assert answer["ts"] == progress["ts"]


async def test_shortcut_answers_in_message_thread(person: Person) -> None:
    root = (await person.emulator.call("chat.postMessage", channel=CHANNEL, text="Blocked: 203.0.113.5"))["ts"]
    used_on = {"ts": root, "text": "Blocked: 203.0.113.5"}
    await person.send(*interaction_body(shortcut(used_on, person.response_url) | INTERACTION_LOCATION))
    assert (await person.wait_for_reply(root, "Next step"))["thread_ts"] == root
