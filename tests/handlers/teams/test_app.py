"""The Teams platform over real HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from bot.storage import StoreUnavailable
from handlers.commands import VERBS
from handlers.message import Card
from handlers.ports import CannotServe, Channel
from handlers.teams.connector_client import ConnectorClient
from handlers.teams.outbound_auth import Credentials, TokenSource
from handlers.teams.requests import TeamsRequest
from handlers.teams.responder import TeamsResponder
from handlers.teams.throttle import TeamsTimeouts
from tests.handlers.slack.conftest import ANSWER, BAD_INPUT
from tests.handlers.teams.conftest import Tenant, open_tenant
from tests.support.fake_microsoft import SECRET, FakeMicrosoft
from tests.support.teams_activities import (
    BOT,
    CHANNEL,
    CLIENT_ID,
    GROUP,
    PERSONAL,
    TEAM,
    TENANT,
    activity,
    in_channel,
    in_group,
    mention,
    message,
)

QUESTION = "203.0.113.5 example.com"
AT_ONCE = TeamsTimeouts(progress_after=0.02, action_timeout_s=0.02)


@pytest.mark.parametrize(
    ("place", "conversation"),
    [({}, PERSONAL), (in_group(), GROUP), (in_channel("17"), f"{CHANNEL};messageid=17")],
    ids=["personal chat", "group chat", "thread of a channel"],
)
async def test_answer_goes_to_the_thread_of_the_request(
    place: dict[str, Any], conversation: str, tenant: Tenant
) -> None:
    assert (await tenant.send(mention(QUESTION, tenant.service, **place))).status_code == 200
    assert tenant.commands.requests == []
    await tenant.run_job()
    [said] = tenant.microsoft.said
    assert (said.method, said.conversation) == ("POST", conversation)
    assert said.payload["summary"] == "203.0.113.5 · example.com: on Example List"
    [request] = tenant.commands.requests
    assert (request.command, request.name) == (VERBS.parse(QUESTION), "Ada")


async def test_chart_is_attached_below_card_with_alt_text(tenant: Tenant) -> None:
    await tenant.send(mention("history 203.0.113.5", tenant.service))
    await tenant.run_job()
    [said] = tenant.microsoft.said
    card, picture = said.payload["attachments"]
    assert (picture["contentType"], picture["name"]) == ("image/png", "Listed for 6h.")
    assert "monospace" not in json.dumps(card)


async def test_rejected_chart_falls_back_to_text(tenant: Tenant) -> None:
    tenant.microsoft.mishaps.append((413, {}))
    await tenant.send(mention("history 203.0.113.5", tenant.service))
    await tenant.run_job()
    [said] = tenant.microsoft.said
    [card] = said.payload["attachments"]
    assert "monospace" in json.dumps(card)


async def test_channel_message_without_mention_is_ignored(tenant: Tenant) -> None:
    assert (await tenant.send(message(QUESTION, tenant.service, **in_channel("17")))).status_code == 200
    assert tenant.jobs == []


async def test_resent_message_is_answered_once(tenant: Tenant) -> None:
    sent = message(QUESTION, tenant.service)
    for _ in range(3):
        await tenant.send(sent)
    assert len(tenant.jobs) == 1


async def test_bad_input_is_answered_without_a_job(tenant: Tenant) -> None:
    await tenant.send(message("nonsense", tenant.service))
    [said] = await tenant.microsoft.until(lambda calls: len(calls) == 1)
    assert BAD_INPUT.title in said.words
    assert tenant.jobs == []


async def test_slow_check_posts_progress_replaced_by_answer() -> None:
    async with open_tenant(timeouts=AT_ONCE) as tenant:
        tenant.commands.released.clear()
        await tenant.send(mention(QUESTION, tenant.service, **in_channel("17")))
        working = asyncio.create_task(tenant.run_job())
        [progress] = await tenant.microsoft.until(lambda calls: len(calls) == 1)
        assert "slow to answer" in progress.words
        tenant.commands.released.set()
        await working
        answer = tenant.microsoft.said[1]
        assert (answer.method, answer.message, answer.conversation) == ("PUT", progress.message, progress.conversation)


async def test_progress_updates_one_message(tenant: Tenant) -> None:
    await tenant.send(message(QUESTION, tenant.service))
    async with httpx.AsyncClient() as http:
        credentials = Credentials(
            CLIENT_ID, SECRET, TENANT, FakeMicrosoft.cloud(tenant.service.removesuffix("/service/"))
        )
        tokens = TokenSource(http, credentials, TeamsTimeouts())
        connector = ConnectorClient(http, tokens, credentials.cloud, TeamsTimeouts())
        responder = TeamsResponder(TeamsRequest.from_job(tenant.jobs.pop(), VERBS), connector, TeamsTimeouts())
        for number in range(3):
            await responder.progress(Card("Checking …", footnote=f"{number} of 10 addresses checked"))
        await responder.send(ANSWER)
    said = tenant.microsoft.said
    assert [(one.method, one.message) for one in said] == [("POST", said[0].message)] + [("PUT", said[0].message)] * 3


async def test_deleted_progress_message_is_posted_anew() -> None:
    async with open_tenant(timeouts=AT_ONCE) as tenant:
        tenant.commands.released.clear()
        await tenant.send(message(QUESTION, tenant.service))
        working = asyncio.create_task(tenant.run_job())
        await tenant.microsoft.until(lambda calls: len(calls) == 1)
        tenant.microsoft.mishaps = [(404, {})]
        tenant.commands.released.set()
        await working
        assert [said.method for said in tenant.microsoft.said] == ["POST", "POST"]


async def test_private_request_is_answered_in_personal_chat(tenant: Tenant) -> None:
    await tenant.send(mention(f"private {QUESTION}", tenant.service, **in_channel("17")))
    await tenant.run_job()
    assert tenant.microsoft.opened[0]["members"] == [{"id": "29:ada"}]
    assert [said.conversation for said in tenant.microsoft.said] == ["a:alone"]


async def test_private_answer_is_never_posted_in_channel(tenant: Tenant) -> None:
    tenant.microsoft.mishaps = [(403, {})]
    await tenant.send(mention(f"{QUESTION} private", tenant.service, **in_channel("17")))
    await tenant.run_job()
    [said] = tenant.microsoft.said
    assert "Add mailcheck to your own apps first" in said.words
    assert "203.0.113.5" not in said.words


@pytest.mark.parametrize(
    "sent",
    [
        {"type": "trace"},
        {"type": "endOfConversation"},
        {"type": "event", "name": "application/vnd.microsoft.future"},
        {"type": "messageReaction", "reactionsAdded": [{"type": "like"}]},
        {"type": "installationUpdate", "action": "add-upgrade"},
        {"type": "installationUpdate", "action": "remove-upgrade"},
        {"type": "conversationUpdate", "channelData": {"eventType": "somethingNew", "tenant": {"id": TENANT}}},
        {"type": "message", "text": None, "value": {"x": 1}},
        {"type": "message", "textFormat": "of the future", "text": 7},
        {"type": "somethingNew"},
        {"type": None},
        {"type": ["message"]},
    ],
)
async def test_unknown_activity_gets_200(sent: dict[str, Any], tenant: Tenant) -> None:
    assert (await tenant.send(activity("?", tenant.service) | sent)).status_code == 200
    await tenant.teams.drain()
    assert (tenant.jobs, tenant.microsoft.said) == ([], [])


async def test_help_is_posted_once_when_bot_is_added(tenant: Tenant) -> None:
    await tenant.send(activity("installationUpdate", tenant.service, action="add", **in_channel()))
    await tenant.send(activity("conversationUpdate", tenant.service, membersAdded=[{"id": BOT}], **in_channel()))
    await tenant.teams.drain()
    [said] = tenant.microsoft.said
    assert (said.conversation, said.payload["summary"]) == (CHANNEL, "What mailcheck can do")


async def test_resumed_watches_are_announced_when_bot_is_back(tenant: Tenant) -> None:
    tenant.commands.paused = (ROOM,)
    await tenant.send(activity("installationUpdate", tenant.service, action="add", **in_channel()))
    await tenant.teams.drain()
    assert [said.payload["summary"] for said in tenant.microsoft.said][1:] == ["Watching goes on here."]


ROOM = Channel("teams", TENANT, CHANNEL)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "installationUpdate", "action": "remove", **in_channel()},
        {"type": "conversationUpdate", "membersRemoved": [{"id": BOT}], **in_channel()},
        {
            "type": "conversationUpdate",
            "conversation": {"id": TEAM, "conversationType": "channel", "tenantId": TENANT},
            "channelData": {"eventType": "channelDeleted", "channel": {"id": CHANNEL}, "tenant": {"id": TENANT}},
        },
    ],
    ids=["uninstalled", "removed", "channel deleted"],
)
async def test_deleted_conversation_is_removed_from_store(event: dict[str, Any], tenant: Tenant) -> None:
    await tenant.send(mention(QUESTION, tenant.service, **in_channel("17")))
    assert await tenant.conversations.get(ROOM)
    await tenant.send(activity("?", tenant.service) | event)
    assert await tenant.conversations.get(ROOM) is None
    assert tenant.commands.left == (ROOM,)  # so that its watches end with it


async def test_newest_service_url_is_used(tenant: Tenant) -> None:
    await tenant.send(mention(QUESTION, tenant.service, **in_channel("17")))
    known = await tenant.conversations.get(ROOM)
    assert known is not None
    assert (known.service_url, known.bot, known.team) == (tenant.service, BOT, TEAM)


async def test_unavailable_queue_answers_in_process() -> None:
    async def down(job: dict[str, str]) -> None:
        raise StoreUnavailable

    async with open_tenant(down) as tenant:
        assert (await tenant.send(message(QUESTION, tenant.service))).status_code == 200
        await tenant.microsoft.until(lambda calls: len(calls) == 1)


async def test_unavailable_store_does_not_stop_answers(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unavailable(_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(tenant.conversations, "store", unavailable)
    await tenant.send(message(QUESTION, tenant.service))
    await tenant.run_job()
    await tenant.microsoft.until(lambda calls: len(calls) == 1)


async def test_rejected_credentials_stop_the_start(tenant: Tenant) -> None:
    tenant.microsoft.login_error = "invalid_client"
    with pytest.raises(CannotServe, match="TEAMS_CLIENT_SECRET"):
        await tenant.teams.run()


async def test_unreachable_login_does_not_stop_the_start(tenant: Tenant) -> None:
    tenant.microsoft.login_error = "temporarily_unavailable"
    running = asyncio.create_task(tenant.teams.run())
    await asyncio.wait({running}, timeout=0.05)
    assert not running.done()
    running.cancel()
    await asyncio.wait({running})
