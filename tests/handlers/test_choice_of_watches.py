"""A name that fits several watches is answered with buttons on every platform, and a pressed one works."""

from __future__ import annotations

import html
import re

import httpx
import pytest
from rich.console import Console
from starlette.applications import Starlette

from handlers.cli.render import RenderedCard
from handlers.commands import CommandRouter
from handlers.ports import Channel, ChatRequest, MessagePoster
from handlers.web.app import WebChat
from tests.handlers.slack.conftest import open_workspace
from tests.handlers.teams.conftest import open_tenant
from tests.handlers.web.conftest import ADDRESS, BASE_URL, submit_form, wait_answered
from tests.support.commands import build_commands
from tests.support.dns_world import World
from tests.support.incident_stories import T0
from tests.support.memory_repository import InMemoryRepository
from tests.support.slack_payloads import button_action, interaction_body
from tests.support.stored_watches import Clock
from tests.support.teams_activities import CHANNEL, TENANT, card_action, in_channel
from tests.support.teams_activities import mention as mention_in_teams

WATCHES = ("watch 203.0.113.5 example.com", "watch 203.0.113.9 example.com")
TYPED = "unwatch example.com"


class Bot:
    """A bot with a store of its own, on whatever platform is opened with its `commands`."""

    def __init__(self) -> None:
        self.clock, self.posters = Clock(T0), dict[str, MessagePoster]()
        self.store = InMemoryRepository(self.clock)
        self.commands: CommandRouter = build_commands(self.store, self.posters, self.clock, World({}))

    async def subjects(self, channel: Channel) -> list[str]:
        return [stored.watch.subject for stored in await self.store.list_watches(channel)]


@pytest.fixture
def bot() -> Bot:
    return Bot()


async def test_choice_of_watches_in_slack(bot: Bot) -> None:
    async with open_workspace(commands=bot.commands) as workspace:
        bot.posters["slack"] = workspace.slack
        for number, line in enumerate((*WATCHES, TYPED)):
            await workspace.type_command(line, f"{number}.1")
            await workspace.run_job()
        _, choice = workspace.fake.sent[-1]
        blocks = [*choice["blocks"], *(block for bar in choice.get("attachments", ()) for block in bar["blocks"])]
        buttons = [item for block in blocks for item in block.get("elements", ()) if item["type"] == "button"]
        await workspace.send(*interaction_body(button_action(buttons[1], workspace.response_url, is_ephemeral=True)))
        await workspace.run_job()
        assert "ada ended the watch of 203.0.113.9 · example.com" in workspace.fake.sent[-1][1]["text"]
    assert await bot.subjects(Channel("slack", "T1", "C1")) == ["203.0.113.5 example.com"]


async def test_choice_of_watches_in_teams(bot: Bot) -> None:
    async with open_tenant(commands=bot.commands) as tenant:
        bot.posters["teams"] = tenant.teams
        for line in (*WATCHES, TYPED):
            await tenant.send(mention_in_teams(line, tenant.service, **in_channel()))
            await tenant.run_job()
        choice = tenant.microsoft.said[-1]
        action = choice.payload["attachments"][0]["content"]["actions"][1]
        await tenant.send(card_action(action, tenant.service, choice.message, **in_channel(choice.message)))
        await tenant.teams.drain()
    assert await bot.subjects(Channel("teams", TENANT, CHANNEL)) == ["203.0.113.5 example.com"]


async def test_choice_of_watches_on_the_page(bot: Bot) -> None:
    web = WebChat(bot.commands)
    bot.posters["web"] = web
    app = Starlette(routes=web.routes(ADDRESS))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE_URL) as page:
        for line in (*WATCHES, TYPED):
            await submit_form(page, "/c/mail", line)
            await wait_answered(web)
        shown = html.unescape((await page.get("/c/mail")).text)
        *_, last = re.findall(r'value="(unwatch [0-9a-f]{10})"', shown)
        await submit_form(page, "/c/mail", last)
        await wait_answered(web)
        await web.drain()
    [(channel, _)] = bot.store.contents.watches
    assert await bot.subjects(channel) == ["203.0.113.5 example.com"]


async def test_choice_of_watches_as_text_names_the_ids(bot: Bot) -> None:
    async with open_workspace(commands=bot.commands) as workspace:
        bot.posters["slack"] = workspace.slack
        for number, line in enumerate(WATCHES):
            await workspace.type_command(line, f"{number}.1")
            await workspace.run_job()
    request = ChatRequest(Channel("slack", "T1", "C1"), "U1", bot.commands.verbs.parse(TYPED))
    text = rendered(RenderedCard(await bot.commands.handle(request)))
    ids = [watch_id for _, watch_id in bot.store.contents.watches]
    assert all(watch_id in text for watch_id in ids)
    assert f"unwatch {ids[0]}" in text


def rendered(card: RenderedCard) -> str:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(card)
    return captured.get()
