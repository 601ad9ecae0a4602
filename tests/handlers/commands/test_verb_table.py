"""A chat verb is one row: it is parsed, answered, helped with and listed wherever verbs are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handlers.commands import VERBS, CommandRouter
from handlers.message import Card
from handlers.messages import help_card
from handlers.ports import ChatRequest, ProgressCallback
from handlers.teams.app_package import manifest
from handlers.verbs import Command, Verb, VerbTable, always
from handlers.web.app import WebChat
from tests.handlers.commands.test_router import ROOM, commands
from tests.handlers.slack.conftest import open_workspace
from tests.handlers.teams.conftest import open_tenant
from tests.support.slack_payloads import button_action, interaction_body
from tests.support.teams_activities import CLIENT_ID, mention

USAGE = ("ping mail.example.com", "say whether it is there")


async def ping(
    _router: CommandRouter, _request: ChatRequest, names: tuple[str, ...], _progress: ProgressCallback
) -> Card:
    return Card(f"{' and '.join(names)} is there")


PING: Verb[CommandRouter, tuple[str, ...]] = Verb(
    "ping",
    tuple[str, ...],
    lambda text: tuple(text.split()),
    lambda _router, _request, names: Card(f"Pinging {len(names)} names …"),
    ping,
    usages=(USAGE,),
    teams="Whether a name is there",
    changes=always,
    in_thread=True,
)
TABLE: VerbTable[CommandRouter] = VerbTable((*VERBS.rows, PING))


@pytest.fixture
def router() -> CommandRouter:
    return replace(commands(), verbs=TABLE)


def test_new_verb_is_parsed_with_its_arguments_and_private() -> None:
    assert TABLE.parse("Ping a.example b.example private") == Command("ping", ("a.example", "b.example"), private=True)
    assert VERBS.parse("ping").verb == "check"


async def test_new_verb_is_answered_in_slack(router: CommandRouter) -> None:
    async with open_workspace(commands=router) as workspace:
        ack = (await workspace.type_command("ping mail.example.com private")).json()
        assert ack["text"] == "Pinging 1 names …"
        await workspace.run_job()
        [(_, answer)] = workspace.fake.sent
        assert (answer["text"], answer["response_type"]) == ("mail.example.com is there", "ephemeral")


async def test_new_verb_flagged_in_thread_is_answered_in_the_alerts_thread(router: CommandRouter) -> None:
    async with open_workspace(commands=router) as workspace:
        element = {"type": "button", "action_id": "run-0", "value": "ping mail.example.com"}
        await workspace.send(*interaction_body(button_action(element, workspace.response_url)))
        assert [job["thread"] for job in workspace.jobs] == ["1700000000.000100"]


async def test_new_verb_is_answered_in_teams(router: CommandRouter) -> None:
    async with open_tenant(commands=router) as tenant:
        await tenant.send(mention("ping mail.example.com", tenant.service))
        await tenant.run_job()
        assert [said.payload["summary"] for said in tenant.microsoft.said] == ["mail.example.com is there"]


async def test_new_verb_is_answered_on_the_web_page(router: CommandRouter) -> None:
    web = WebChat(router)
    web.receive("mail", "", "somebody", "ping mail.example.com")
    await web.drain()
    *_, answer = web.message_log.all_messages()
    assert answer.card == Card("mail.example.com is there")
    assert USAGE in web.usages


def test_new_verb_flagged_as_changing_is_closed_to_external_users(router: CommandRouter) -> None:
    request = ChatRequest(ROOM, "U1", TABLE.parse("ping a.example"), is_external=True)
    assert not router.acknowledge(request).needs_work


def test_new_verb_is_on_the_help_card(router: CommandRouter) -> None:
    table = router.acknowledge(ChatRequest(ROOM, "U1", TABLE.parse("help"))).card.table
    assert table
    assert table.rows[-1] == USAGE
    assert help_card(VERBS.usages).table != table


def test_new_verb_is_in_the_command_list_of_teams() -> None:
    [bot] = manifest(CLIENT_ID, "0.1.0", verbs=TABLE)["bots"]
    assert bot["commandLists"][0]["commands"][-1] == {"title": "ping", "description": "Whether a name is there"}
