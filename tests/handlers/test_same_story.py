"""One story, a check, an alert, its acknowledgement and its end, told on Slack and on Teams: the same words and buttons, in order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from bot.monitoring.models import Room
from handlers.delivery import Delivery, Pace
from handlers.ports import Speaking
from tests.handlers.slack.conftest import open_workspace
from tests.handlers.slack.test_block_kit import words
from tests.handlers.teams.conftest import open_tenant
from tests.handlers.teams.test_adaptive_card import said as texts
from tests.support.commands import verbs
from tests.support.dns_world import World
from tests.support.incident_stories import T0
from tests.support.memory_repository import KeptInMemory
from tests.support.outbox_messages import story
from tests.support.slack_payloads import WHO, payload
from tests.support.slack_payloads import press as slack_press
from tests.support.stored_watches import Clock, watch
from tests.support.teams_activities import ADA, CHANNEL, TENANT, in_channel, mention, press

WATCH = re.compile(r"\b[0-9a-f]{10}\b")
QUESTION = "203.0.113.5 example.com"


@dataclass(frozen=True)
class Told:
    """One thing that people saw: new or an edit, in a thread or not, its headline, its other words, its buttons."""

    edit: bool
    in_thread: bool
    headline: str
    words: frozenset[str]
    buttons: tuple[tuple[str, str], ...]


def told(edit: bool, in_thread: bool, shown: list[str], buttons: list[tuple[str, str]]) -> Told:
    """Words without marks and spaces, since each platform draws them its own way; a watch has another id in each room."""
    labels = {label for label, _ in buttons} | {"For how long?", "Mute"}
    bare = [
        word for text in shown if text not in labels for word in WATCH.sub("ID", text).split() if word not in "✕!?✓"
    ]
    return Told(
        edit, in_thread, shown[0], frozenset(bare), tuple((label, WATCH.sub("ID", target)) for label, target in buttons)
    )


class Slack:
    room = Room("slack", "T1", "C1")

    def __init__(self, workspace: Any) -> None:
        self.it, self.speaking = workspace, workspace.slack

    async def ask(self) -> None:
        await self.it.type(QUESTION)
        await self.it.work()

    async def acknowledge(self) -> None:
        root = next(said for way, said in self.it.fake.said if way == "chat.postMessage")
        bar = [e for a in root["attachments"] for b in a["blocks"] for e in b.get("elements", ())]
        button = next(e for e in bar if e["type"] == "button" and e["text"]["text"] == "Acknowledge")
        await self.it.send(*payload(slack_press(button, self.it.response_url, thread_ts=root["ts"])))
        await self.it.work()

    def transcript(self) -> list[Told]:
        return [self._told(way, said) for way, said in self.it.fake.said]

    def _told(self, way: str, said: dict[str, Any]) -> Told:
        blocks = [*said["blocks"], *(b for bar in said.get("attachments", ()) for b in bar["blocks"])]
        buttons = [e for b in blocks for e in b.get("elements", ()) if e["type"] == "button"]
        pressed = [(e["text"]["text"], e.get("url") or e["value"]) for e in buttons]
        return told(way == "chat.update", "thread_ts" in said, words(blocks), pressed)


class Teams:
    room = Room("teams", TENANT, CHANNEL)

    def __init__(self, tenant: Any) -> None:
        self.it, self.speaking = tenant, tenant.teams

    async def ask(self) -> None:
        await self.it.send(mention(QUESTION, self.it.service, **in_channel()))
        await self.it.work()

    async def acknowledge(self) -> None:
        root = self.it.microsoft.said[1]
        actions = root.payload["attachments"][0]["content"]["actions"]
        button = next(action for action in actions if action["title"] == "Acknowledge")
        who = {"from": {**ADA, "name": WHO["name"]}}
        await self.it.send(press(button, self.it.service, root.message, **in_channel(root.message)) | who)
        await self.it.teams.drain()

    def transcript(self) -> list[Told]:
        return [self._told(said) for said in self.it.microsoft.said]

    def _told(self, said: Any) -> Told:
        card = said.payload["attachments"][0]["content"]
        runs = [inside for a in card.get("actions", ()) for inside in (a.get("card", {}).get("actions") or [a])]
        titles = [action["title"] for action in card.get("actions", ())]
        pressed = [(title, run.get("url") or run["data"]["command"]) for title, run in zip(titles, runs, strict=True)]
        shown = list(texts(card["body"]))
        return told(said.method == "PUT", ";messageid=" in said.conversation, shown, pressed)


async def tell(here: Slack | Teams, kept: KeptInMemory, clock: Clock, speaking: dict[str, Speaking]) -> list[Told]:
    speaking[here.room.platform] = here.speaking
    delivery = Delivery(kept, kept, speaking, Pace(now=clock))
    await here.ask()
    letters = story(watch(room=here.room))
    kept.keep(letters[0].watch, letters[0].incident)
    for letter in letters:
        kept.put(letter)
    assert await delivery.deliver_next(here.room)
    await here.acknowledge()
    while await delivery.deliver_next(here.room):
        clock.add(2.0)
    assert await kept.first(here.room) is None
    return here.transcript()


async def test_the_same_story_is_told_on_slack_and_on_teams() -> None:
    stories = []
    for opened, person in ((open_workspace, Slack), (open_tenant, Teams)):
        clock, speaking = Clock(T0), dict[str, Speaking]()
        kept = KeptInMemory(clock)
        commands = verbs(kept, speaking, clock, World({}))
        async with opened(answering=commands) as place:
            stories.append(await tell(person(place), kept, clock, speaking))
    in_slack, in_teams = stories
    assert [one.headline for one in in_slack] == [one.headline for one in in_teams]
    assert in_slack == in_teams
