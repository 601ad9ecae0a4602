"""A person, the bot and a Slack that nobody here wrote: typed, acknowledged, answered, asked again."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest_asyncio
from starlette.applications import Starlette

from handlers.slack.app import Credentials, Slack
from handlers.slack.responder import Pace
from tests.e2e.emulator import CHANNEL, TEAM, Front, emulator
from tests.handlers.slack.conftest import Scripted, serving
from tests.support.slack_payloads import SECRET, as_json, event, form, mention, payload, press, shortcut, signed, slash
from tests.support.slack_validator import faults

QUESTION = "203.0.113.5 example.com"
HERE = {"team_id": TEAM, "channel_id": CHANNEL}
ROOM = {"team": {"id": TEAM, "domain": "example"}, "channel": {"id": CHANNEL, "name": "general"}}


@dataclass
class Person:
    """What someone in the channel can do; the bot works on what it hears without a queue, as when Redis is away."""

    front: Front
    commands: Scripted
    door: httpx.AsyncClient
    response_url: str

    async def send(self, body: str, kind: str) -> httpx.Response:
        return await self.door.post("/slack/events", content=body, headers=signed(body, kind))

    async def type(self, text: str) -> httpx.Response:
        return await self.send(*form(slash(text, self.response_url) | HERE))

    async def sees(self, messages: int) -> list[dict[str, Any]]:
        """The channel, once so many messages stand in it."""

        async def look() -> list[dict[str, Any]] | None:
            channel = await self.front.channel()
            return channel if len(channel) >= messages else None

        return await self.front.until(look)

    async def reads(self, root: str, words: str) -> dict[str, Any]:
        """The one reply in a thread, once it holds these words."""

        async def look() -> dict[str, Any] | None:
            replies = (await self.front.call("conversations.replies", channel=CHANNEL, ts=root))["messages"][1:]
            return next((reply for reply in replies if len(replies) == 1 and words in str(reply)), None)

        return await self.front.until(look)


@pytest_asyncio.fixture
async def person() -> AsyncIterator[Person]:
    async def away(job: dict[str, str]) -> None:
        raise ConnectionError

    commands = Scripted()
    commands.free.set()
    async with emulator() as front, serving(front.app) as url:
        keys = Credentials("xoxb-a-token-for-tests", signing_secret=SECRET, api_url=f"{url}/api/")
        slack = Slack(keys, commands, away, pace=Pace(progress_after=0.3))
        async with serving(Starlette(routes=slack.routes())) as bot, httpx.AsyncClient(base_url=bot) as door:
            yield Person(front, commands, door, f"{url}/actions/{TEAM}/1/abc")
            await slack.drain()
    assert front.refused == []


async def test_typed_acknowledged_answered_and_asked_again(person: Person) -> None:
    begun = time.perf_counter()
    ack = await person.type(QUESTION)
    print(f"acknowledged after {(time.perf_counter() - begun) * 1e3:.0f} ms")
    assert faults(ack.json(), "acknowledgement") == []
    assert ack.json()["text"] == f"Checking {QUESTION} …"

    [answer] = await person.sees(1)
    assert answer["text"].startswith("✕ 203.0.113.5 · example.com: on Example List")
    actions = answer["attachments"][-1]["blocks"][-1]["elements"]
    again = next(element for element in actions if element["text"]["text"] == "Check again")

    assert (await person.send(*payload(press(again, person.response_url) | ROOM))).status_code == 200
    assert len(await person.sees(2)) == 2
    assert [ask.text for ask in person.commands.asked] == [QUESTION, "check 203.0.113.5 fresh"]
    assert person.front.seen_by_one == []


async def test_a_private_answer_is_not_in_the_channel(person: Person) -> None:
    await person.type(f"{QUESTION} private")
    await person.type(QUESTION)
    await person.sees(1)
    assert len(person.front.seen_by_one) == 1


async def test_a_forged_command_reaches_nobody(person: Person) -> None:
    body, kind = form(slash(QUESTION, person.response_url) | HERE)
    forged = await person.door.post("/slack/events", content=body + "&x=y", headers=signed(body, kind))
    assert forged.status_code == 401
    assert person.commands.asked == []


async def test_a_mention_is_answered_in_its_thread_and_a_slow_one_says_so_once(person: Person) -> None:
    root = (await person.front.call("chat.postMessage", channel=CHANNEL, text="Our mail bounces."))["ts"]
    person.commands.free.clear()
    await person.send(
        *as_json(event(mention(f"<@UBOT> {QUESTION}", channel=CHANNEL, thread_ts=root)) | {"team_id": TEAM})
    )
    first = await person.reads(root, "slow to answer")
    person.commands.free.set()
    last = await person.reads(root, "Next step")
    assert last["ts"] == first["ts"]


async def test_the_shortcut_answers_under_the_message_it_was_used_on(person: Person) -> None:
    root = (await person.front.call("chat.postMessage", channel=CHANNEL, text="Blocked: 203.0.113.5"))["ts"]
    used_on = {"ts": root, "text": "Blocked: 203.0.113.5"}
    await person.send(*payload(shortcut(used_on, person.response_url) | ROOM))
    assert (await person.reads(root, "Next step"))["thread_ts"] == root
