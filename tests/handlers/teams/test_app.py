"""A person in Teams, a bot, and Microsoft's side of it, each over real HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from handlers.message import Card
from handlers.ports import CannotServe, Room
from handlers.teams.requests import Errand
from handlers.teams.throttle import Pace
from tests.handlers.slack.conftest import ANSWER, BAD_INPUT
from tests.handlers.teams.conftest import Tenant, open_tenant
from tests.support.teams_activities import (
    BOT,
    CHANNEL,
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
AT_ONCE = Pace(progress_after=0.02, press_within=0.02)


@pytest.mark.parametrize(
    ("place", "conversation"),
    [({}, PERSONAL), (in_group(), GROUP), (in_channel("17"), f"{CHANNEL};messageid=17")],
    ids=["personal chat", "group chat", "thread of a channel"],
)
async def test_a_question_is_answered_where_it_was_asked(
    place: dict[str, Any], conversation: str, tenant: Tenant
) -> None:
    assert (await tenant.send(mention(QUESTION, tenant.service, **place))).status_code == 200
    assert tenant.commands.asked == []
    await tenant.work()
    [said] = tenant.microsoft.said
    assert (said.method, said.conversation) == ("POST", conversation)
    assert said.payload["summary"] == "203.0.113.5 · example.com: on Example List"
    assert (tenant.commands.asked[0].text, tenant.commands.asked[0].name) == (QUESTION, "Ada")


async def test_a_picture_stands_under_its_card_with_its_words(tenant: Tenant) -> None:
    await tenant.send(mention("history 203.0.113.5", tenant.service))
    await tenant.work()
    [said] = tenant.microsoft.said
    card, picture = said.payload["attachments"]
    assert (picture["contentType"], picture["name"]) == ("image/png", "Listed for 6h.")
    assert "monospace" not in json.dumps(card)


async def test_a_picture_that_teams_does_not_take_is_drawn_in_characters(tenant: Tenant) -> None:
    tenant.microsoft.mishaps.append((413, {}))
    await tenant.send(mention("history 203.0.113.5", tenant.service))
    await tenant.work()
    [said] = tenant.microsoft.said
    [card] = said.payload["attachments"]
    assert "monospace" in json.dumps(card)


async def test_without_a_mention_a_channel_is_not_listened_to(tenant: Tenant) -> None:
    assert (await tenant.send(message(QUESTION, tenant.service, **in_channel("17")))).status_code == 200
    assert tenant.jobs == []


async def test_a_message_sent_again_is_answered_once(tenant: Tenant) -> None:
    sent = message(QUESTION, tenant.service)
    for _ in range(3):
        await tenant.send(sent)
    assert len(tenant.jobs) == 1


async def test_bad_input_is_one_sentence_and_no_work(tenant: Tenant) -> None:
    await tenant.send(message("nonsense", tenant.service))
    [said] = await tenant.microsoft.until(lambda said: len(said) == 1)
    assert BAD_INPUT.title in said.words
    assert tenant.jobs == []


async def test_a_slow_check_says_once_that_it_goes_on_and_becomes_its_answer() -> None:
    async with open_tenant(pace=AT_ONCE) as tenant:
        tenant.commands.free.clear()
        await tenant.send(mention(QUESTION, tenant.service, **in_channel("17")))
        working = asyncio.create_task(tenant.work())
        [progress] = await tenant.microsoft.until(lambda said: len(said) == 1)
        assert "slow to answer" in progress.words
        tenant.commands.free.set()
        await working
        answer = tenant.microsoft.said[1]
        assert (answer.method, answer.message, answer.conversation) == ("PUT", progress.message, progress.conversation)


async def test_how_far_a_check_is_stands_in_one_message_that_becomes_the_answer(tenant: Tenant) -> None:
    await tenant.send(message(QUESTION, tenant.service))
    reply = tenant.teams._reply(Errand.of(tenant.jobs.pop()))
    for number in range(3):
        await reply.progress(Card("Checking …", footnote=f"{number} of 10 addresses looked at"))
    await reply.say(ANSWER)
    said = tenant.microsoft.said
    assert [(one.method, one.message) for one in said] == [("POST", said[0].message)] + [("PUT", said[0].message)] * 3


async def test_progress_that_was_deleted_is_no_loss() -> None:
    async with open_tenant(pace=AT_ONCE) as tenant:
        tenant.commands.free.clear()
        await tenant.send(message(QUESTION, tenant.service))
        working = asyncio.create_task(tenant.work())
        await tenant.microsoft.until(lambda said: len(said) == 1)
        tenant.microsoft.mishaps = [(404, {})]
        tenant.commands.free.set()
        await working
        assert [said.method for said in tenant.microsoft.said] == ["POST", "POST"]


async def test_a_private_question_is_answered_to_the_person_alone(tenant: Tenant) -> None:
    await tenant.send(mention(f"private {QUESTION}", tenant.service, **in_channel("17")))
    await tenant.work()
    assert tenant.microsoft.opened[0]["members"] == [{"id": "29:ada"}]
    assert [said.conversation for said in tenant.microsoft.said] == ["a:alone"]


async def test_where_nobody_can_be_written_to_alone_the_answer_is_not_told_to_all(tenant: Tenant) -> None:
    tenant.microsoft.mishaps = [(403, {})]
    await tenant.send(mention(f"{QUESTION} private", tenant.service, **in_channel("17")))
    await tenant.work()
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
async def test_what_is_not_listened_for_is_taken_and_left(sent: dict[str, Any], tenant: Tenant) -> None:
    assert (await tenant.send(activity("?", tenant.service) | sent)).status_code == 200
    await tenant.teams.drain()
    assert (tenant.jobs, tenant.microsoft.said) == ([], [])


async def test_help_is_said_once_where_the_bot_arrives(tenant: Tenant) -> None:
    await tenant.send(activity("installationUpdate", tenant.service, action="add", **in_channel()))
    await tenant.send(activity("conversationUpdate", tenant.service, membersAdded=[{"id": BOT}], **in_channel()))
    await tenant.teams.drain()
    [said] = tenant.microsoft.said
    assert (said.conversation, said.payload["summary"]) == (CHANNEL, "What mailcheck can do")


async def test_watches_that_were_paused_are_spoken_of_when_the_bot_is_back(tenant: Tenant) -> None:
    tenant.commands.paused = (ROOM,)
    await tenant.send(activity("installationUpdate", tenant.service, action="add", **in_channel()))
    await tenant.teams.drain()
    assert [said.payload["summary"] for said in tenant.microsoft.said][1:] == ["Watching goes on here."]


ROOM = Room("teams", TENANT, CHANNEL)


@pytest.mark.parametrize(
    "news",
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
async def test_what_was_known_of_a_place_that_is_gone_is_forgotten(news: dict[str, Any], tenant: Tenant) -> None:
    await tenant.send(mention(QUESTION, tenant.service, **in_channel("17")))
    assert await tenant.conversations.recall(ROOM)
    await tenant.send(activity("?", tenant.service) | news)
    assert await tenant.conversations.recall(ROOM) is None
    assert tenant.commands.gone == (ROOM,)  # so that its watches end with it


async def test_the_newest_service_address_is_the_one_spoken_to(tenant: Tenant) -> None:
    await tenant.send(mention(QUESTION, tenant.service, **in_channel("17")))
    known = await tenant.conversations.recall(ROOM)
    assert known is not None
    assert (known.service_url, known.bot, known.team) == (tenant.service, BOT, TEAM)


async def test_with_the_queue_away_the_work_is_done_here() -> None:
    async def down(job: dict[str, str]) -> None:
        raise ConnectionError

    async with open_tenant(down) as tenant:
        assert (await tenant.send(message(QUESTION, tenant.service))).status_code == 200
        await tenant.microsoft.until(lambda said: len(said) == 1)


async def test_a_store_that_is_away_stops_no_answer(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(tenant.conversations, "remember", away)
    await tenant.send(message(QUESTION, tenant.service))
    await tenant.microsoft.until(lambda said: len(said) == 1)


async def test_bad_credentials_are_found_at_the_start(tenant: Tenant) -> None:
    tenant.microsoft.login_error = "invalid_client"
    with pytest.raises(CannotServe, match="TEAMS_CLIENT_SECRET"):
        await tenant.teams.run()


async def test_a_microsoft_that_is_away_at_the_start_is_waited_for(tenant: Tenant) -> None:
    tenant.microsoft.login_error = "temporarily_unavailable"
    running = asyncio.create_task(tenant.teams.run())
    await asyncio.wait({running}, timeout=0.05)
    assert not running.done()
    running.cancel()
    await asyncio.wait({running})
