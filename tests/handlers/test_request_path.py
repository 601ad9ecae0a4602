"""From the HTTP request to the answer: one parse, one acknowledgement card, and few hops."""

from __future__ import annotations

from asyncio import TaskGroup
from collections.abc import Awaitable, Callable
from types import FrameType

import httpx
import pytest
from starlette.applications import Starlette

from bot.inputs.targets import parse_targets
from bot.storage.circuit_breaker import CircuitBreaker
from handlers.background import TaskSet
from handlers.commands import CommandRouter, read_check
from handlers.messages import checking_card
from handlers.ports import MessagePoster
from handlers.slack.mrkdwn import strip_markup
from handlers.teams.requests import plain_command
from handlers.verbs import VerbTable
from handlers.web.app import WebChat
from tests.handlers.slack.conftest import open_workspace
from tests.handlers.teams.conftest import open_tenant
from tests.handlers.web.conftest import ADDRESS, BASE_URL, submit_form
from tests.support.calls import callers_in_handlers, counted_calls, on_call
from tests.support.commands import build_commands
from tests.support.dns_world import World
from tests.support.incident_stories import T0
from tests.support.memory_repository import InMemoryRepository
from tests.support.slack_payloads import button_action, event_callback, interaction_body, json_body, mention
from tests.support.stored_watches import Clock
from tests.support.teams_activities import card_action, in_channel
from tests.support.teams_activities import mention as mention_in_teams

TEXT, TITLE = "203.0.113.5 example.com", "203.0.113.5 · example.com: no problems found"
COUNTED = (VerbTable.read, read_check, parse_targets, CommandRouter.acknowledge, checking_card)
ONCE = {function.__code__.co_qualname: 1 for function in COUNTED}
MAX_HOPS = 8


def router() -> CommandRouter:
    clock = Clock(T0)
    return build_commands(InMemoryRepository(clock), dict[str, MessagePoster](), clock, World({}))


async def slash_command() -> str:
    async with open_workspace(commands=router()) as workspace:
        await workspace.type_command(TEXT)
        await workspace.run_job()
        return str(workspace.fake.sent)


async def slack_mention() -> str:
    async with open_workspace(commands=router()) as workspace:
        marked_up = "<@UBOT> 203.0.113.5 <http://example.com|example.com>"
        await workspace.send(*json_body(event_callback(mention(marked_up))))
        await workspace.run_job()
        return str(workspace.fake.sent)


async def slack_button() -> str:
    async with open_workspace(commands=router()) as workspace:
        element = {"type": "button", "action_id": "run-1", "value": f"check {TEXT}"}
        await workspace.send(*interaction_body(button_action(element, workspace.response_url)))
        await workspace.run_job()
        return str(workspace.fake.sent)


async def teams_mention() -> str:
    async with open_tenant(commands=router()) as tenant:
        await tenant.send(mention_in_teams(f"<b>{TEXT}</b>", tenant.service, **in_channel("17")))
        await tenant.run_job()
        return str(tenant.microsoft.said)


async def teams_action() -> str:
    async with open_tenant(commands=router()) as tenant:
        action = {"verb": "check", "data": {"command": f"check {TEXT}"}}
        return (await tenant.send(card_action(action, tenant.service, "42"))).text


async def web_form() -> str:
    web = WebChat(router())
    app = Starlette(routes=web.routes(ADDRESS))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE_URL) as page:
        await submit_form(page, "/c/mail", f"/mailcheck {TEXT}")
        await web.drain()
        return (await page.get("/c/mail")).text


STORIES: dict[str, Callable[[], Awaitable[str]]] = {
    story.__name__: story
    for story in (slash_command, slack_mention, slack_button, teams_mention, teams_action, web_form)
}


@pytest.mark.parametrize("story", STORIES)
async def test_check_is_parsed_and_acknowledged_once(story: str) -> None:
    with counted_calls(*COUNTED) as counts:
        assert TITLE in await STORIES[story]()
    assert counts == ONCE


@pytest.mark.parametrize(
    ("story", "strip"),
    [("slash_command", strip_markup), ("slack_mention", strip_markup), ("teams_mention", plain_command)],
)
async def test_markup_of_a_message_is_undone_once(story: str, strip: Callable[[str], str]) -> None:
    with counted_calls(strip) as counts:
        await STORIES[story]()
    assert counts.total() == 1


async def test_slash_command_reaches_its_handler_in_few_hops() -> None:
    """Hops from HTTP, over Bolt and the queue, where a request is handed on: to a function or a task."""
    hops: list[str] = []

    def note(frame: FrameType) -> None:
        mechanisms = {function.__code__.co_qualname for function in (TaskSet.start, CircuitBreaker.call)}
        hops.extend(name for name in callers_in_handlers(frame) if name not in {*hops, *mechanisms})

    with on_call((TaskSet.start, CircuitBreaker.call, TaskGroup.create_task, CommandRouter.check), note):
        await slash_command()
    assert (hops[0], hops[-1]) == ("SlackEndpoint.respond", "CommandRouter.check")
    assert len(hops) <= MAX_HOPS, hops
