"""Every line for a chat that the documentation and `help` show is answered, in the order of each page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.app import build_monitoring, open_core
from bot.settings import ProbeSmtp, Settings, SpecialAddresses
from handlers.commands import VERBS, CommandRouter
from handlers.message import Card
from handlers.messages import internal_error_card, refusal_card
from handlers.ports import Ack, ChatRequest, MessagePoster, ProgressCallback, ignore_progress
from handlers.service import build_commands
from handlers.verbs import VerbTable
from handlers.web.settings import WebSettings
from tests.handlers.slack.conftest import Workspace, open_workspace
from tests.handlers.teams.conftest import Tenant, open_tenant
from tests.support.commands import build_commands as build_router
from tests.support.dns_server import serve
from tests.support.dns_world import World
from tests.support.documented_lines import PAGES, Place, documented_lines
from tests.support.incident_stories import T0
from tests.support.mail_world import mail_world
from tests.support.memory_repository import InMemoryRepository
from tests.support.parsing import pasted_text_commands
from tests.support.slack_payloads import form_body, slash_command
from tests.support.stored_watches import Clock
from tests.support.teams_activities import in_channel, mention

CHATS = {Place.SLACK, Place.TEAMS}
CHAT_LINES = {page: [line for line in documented_lines(page) if line.place in CHATS] for page in PAGES}


@dataclass
class RecordedCommands:
    """The router, and the cards that it answered with."""

    router: CommandRouter
    cards: list[Card] = field(default_factory=list)

    @property
    def verbs(self) -> VerbTable[Any]:
        return self.router.verbs

    def acknowledge(self, request: ChatRequest) -> Ack:
        ack = self.router.acknowledge(request)
        self.cards.append(ack.card)
        return ack

    async def handle(self, request: ChatRequest, on_progress: ProgressCallback = ignore_progress) -> Card:
        self.cards.append(await self.router.handle(request, on_progress))
        return self.cards[-1]

    def failed(self) -> list[str]:
        """Titles of the cards that refuse, or that say something is broken."""
        return [card.title for card in self.cards if card in (refusal_card(card.title), internal_error_card())]


@dataclass
class Chats:
    """A bot in Slack and in Teams, and the people who type there."""

    commands: RecordedCommands
    slack: Workspace
    teams: Tenant
    typed: int = 0

    async def type(self, place: Place, text: str, user: str = "U1") -> list[str]:
        """Type a line and run its job, or see the form that it opens; returns what `failed` does."""
        self.commands.cards.clear()
        self.typed += 1
        if place is Place.SLACK:
            response_url = f"{self.slack.url}/actions/T1/{self.typed}/abcdef"
            command = slash_command(text, response_url, f"{self.typed}.1") | {"user_id": user}
            assert (await self.slack.send(*form_body(command))).status_code == 200
        else:
            await self.teams.send(mention(text, self.teams.service, **in_channel()))
        for chat in (self.slack, self.teams):
            while chat.jobs:
                await chat.run_job()
        if not self.commands.cards:
            await self.slack.fake.wait_for_form()
            self.slack.fake.opened_forms.clear()
        return self.commands.failed()


@asynccontextmanager
async def open_chats(router: CommandRouter, posters: dict[str, MessagePoster]) -> AsyncIterator[Chats]:
    """Both chats in front of one bot, which posts to them."""
    commands = RecordedCommands(router)
    async with open_workspace(commands=commands) as slack, open_tenant(commands=commands) as teams:
        posters |= {"slack": slack.slack, "teams": teams.teams}
        yield Chats(commands, slack, teams)


@asynccontextmanager
async def running_bot(redis_url: str, state: Path) -> AsyncIterator[Chats]:
    """The bot as `serve` builds it, with a DNS world on loopback and a store of its own."""
    async with serve(mail_world()) as server:
        settings = Settings(
            redis_url=redis_url,
            state_dir=state,
            nameservers=server.address,
            special_addresses=SpecialAddresses.ALLOW,
            probe_smtp=ProbeSmtp.OFF,
        )
        async with open_core(settings, needs_store=True) as core:
            assert core.store
            posters: dict[str, MessagePoster] = {}
            monitoring = build_monitoring(core, core.store)
            router = build_commands(core, WebSettings(), monitoring, posters, pasted_text_commands())
            async with open_chats(router, posters) as chats:
                yield chats


@pytest.mark.parametrize("page", [page for page, lines in CHAT_LINES.items() if lines])
async def test_documented_chat_lines_are_answered(page: str, redis_url: str, tmp_path: Path) -> None:
    async with running_bot(redis_url, tmp_path) as chats:
        failed = {str(line): await chats.type(line.place, line.text) for line in CHAT_LINES[page]}
    assert {line: titles for line, titles in failed.items() if titles} == {}


async def test_lines_of_help_are_answered() -> None:
    clock, posters = Clock(T0), dict[str, MessagePoster]()
    router = build_router(InMemoryRepository(clock), posters, clock, World(mail_world()), {"203.0.113.5"})
    async with open_chats(router, posters) as chats:
        await chats.type(Place.SLACK, "watch 203.0.113.5")
        usages = [usage for usage, _ in VERBS.usages]
        failed = {usage: await chats.type(Place.SLACK, usage, f"U{n}") for n, usage in enumerate(usages)}
    assert {usage: titles for usage, titles in failed.items() if titles} == {}
