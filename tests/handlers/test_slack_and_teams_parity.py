"""A check, an alert, its acknowledgement and its end show the same texts on Slack and Teams."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from bot.monitoring.models import Channel
from handlers.delivery import DeliveryTimeouts, DeliveryWorker
from handlers.ports import MessagePoster
from tests.handlers.slack.conftest import open_workspace
from tests.handlers.slack.test_block_kit import visible_texts
from tests.handlers.teams.conftest import open_tenant
from tests.handlers.teams.test_adaptive_card import posted as texts
from tests.support.commands import build_commands
from tests.support.dns_world import World
from tests.support.incident_stories import T0
from tests.support.memory_repository import InMemoryRepository
from tests.support.outbox_messages import messages_of_incident
from tests.support.slack_payloads import USER, interaction_body
from tests.support.slack_payloads import button_action as slack_press
from tests.support.stored_watches import Clock, watch
from tests.support.teams_activities import ADA, CHANNEL, TENANT, card_action, in_channel, mention

WATCH = re.compile(r"\b[0-9a-f]{10}\b")
QUESTION = "203.0.113.5 example.com"


@dataclass(frozen=True)
class ShownMessage:
    """A message or an edit as users see it; `words` are those of all its texts."""

    edit: bool
    in_thread: bool
    headline: str
    words: frozenset[str]
    buttons: tuple[tuple[str, str], ...]


def shown_message(edit: bool, in_thread: bool, texts_shown: list[str], buttons: list[tuple[str, str]]) -> ShownMessage:
    """Normalize what platforms render differently: symbols, spacing, watch ids."""
    labels = {label for label, _ in buttons} | {"For how long?", "Mute"}
    bare_words = [
        word
        for text in texts_shown
        if text not in labels
        for word in WATCH.sub("ID", text).split()
        if word not in "✕!?✓"
    ]
    return ShownMessage(
        edit,
        in_thread,
        texts_shown[0],
        frozenset(bare_words),
        tuple((label, WATCH.sub("ID", target)) for label, target in buttons),
    )


class SlackSide:
    channel = Channel("slack", "T1", "C1")

    def __init__(self, workspace: Any) -> None:
        self.workspace, self.poster = workspace, workspace.slack

    async def check(self) -> None:
        await self.workspace.type_command(QUESTION)
        await self.workspace.run_job()

    async def acknowledge(self) -> None:
        root = next(message for method, message in self.workspace.fake.sent if method == "chat.postMessage")
        bar = [e for a in root["attachments"] for b in a["blocks"] for e in b.get("elements", ())]
        button = next(e for e in bar if e["type"] == "button" and e["text"]["text"] == "Acknowledge")
        await self.workspace.send(
            *interaction_body(slack_press(button, self.workspace.response_url, thread_ts=root["ts"]))
        )
        await self.workspace.run_job()

    def transcript(self) -> list[ShownMessage]:
        return [self._shown(method, message) for method, message in self.workspace.fake.sent]

    def _shown(self, method: str, message: dict[str, Any]) -> ShownMessage:
        blocks = [*message["blocks"], *(b for bar in message.get("attachments", ()) for b in bar["blocks"])]
        buttons = [e for b in blocks for e in b.get("elements", ()) if e["type"] == "button"]
        pressed = [(e["text"]["text"], e.get("url") or e["value"]) for e in buttons]
        return shown_message(method == "chat.update", "thread_ts" in message, visible_texts(blocks), pressed)


class TeamsSide:
    channel = Channel("teams", TENANT, CHANNEL)

    def __init__(self, tenant: Any) -> None:
        self.tenant, self.poster = tenant, tenant.teams

    async def check(self) -> None:
        await self.tenant.send(mention(QUESTION, self.tenant.service, **in_channel()))
        await self.tenant.run_job()

    async def acknowledge(self) -> None:
        root = self.tenant.microsoft.said[1]
        actions = root.payload["attachments"][0]["content"]["actions"]
        button = next(action for action in actions if action["title"] == "Acknowledge")
        who = {"from": {**ADA, "name": USER["name"]}}
        await self.tenant.send(card_action(button, self.tenant.service, root.message, **in_channel(root.message)) | who)
        await self.tenant.teams.drain()

    def transcript(self) -> list[ShownMessage]:
        return [self._shown(request) for request in self.tenant.microsoft.said]

    def _shown(self, request: Any) -> ShownMessage:
        card = request.payload["attachments"][0]["content"]
        runs = [inside for a in card.get("actions", ()) for inside in (a.get("card", {}).get("actions") or [a])]
        titles = [action["title"] for action in card.get("actions", ())]
        pressed = [(title, run.get("url") or run["data"]["command"]) for title, run in zip(titles, runs, strict=True)]
        shown = list(texts(card["body"]))
        return shown_message(request.method == "PUT", ";messageid=" in request.conversation, shown, pressed)


async def play_story(
    side: SlackSide | TeamsSide, store: InMemoryRepository, clock: Clock, posters: dict[str, MessagePoster]
) -> list[ShownMessage]:
    posters[side.channel.platform] = side.poster
    worker = DeliveryWorker(store, store, posters, DeliveryTimeouts(now=clock))
    await side.check()
    messages = messages_of_incident(watch(channel=side.channel))
    store.store(messages[0].watch, messages[0].incident)
    for message in messages:
        store.enqueue(message.message)
    assert await worker.deliver_next(side.channel)
    await side.acknowledge()
    while await worker.deliver_next(side.channel):
        clock.add(2.0)
    assert await store.peek(side.channel) is None
    return side.transcript()


async def test_slack_and_teams_show_the_same_messages() -> None:
    stories = []
    for opened, side in ((open_workspace, SlackSide), (open_tenant, TeamsSide)):
        clock, posters = Clock(T0), dict[str, MessagePoster]()
        store = InMemoryRepository(clock)
        commands = build_commands(store, posters, clock, World({}))
        async with opened(commands=commands) as connected:
            stories.append(await play_story(side(connected), store, clock, posters))
    in_slack, in_teams = stories
    assert [message.headline for message in in_slack] == [message.headline for message in in_teams]
    assert in_slack == in_teams
