"""User, bot and Slack API, each over real HTTP."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bot.storage import StoreUnavailable
from bot.storage.circuit_breaker import CALL_TIMEOUT_S, CircuitBreaker
from bot.storage.deduplicator import Deduplicator
from bot.storage.redis_client import open_client
from handlers.commands import VERBS
from handlers.slack.responder import SlackTimeouts
from tests.handlers.slack.conftest import BAD_INPUT, BROKEN, Workspace, open_workspace, shown
from tests.support.redis_server import RedisServer
from tests.support.slack_payloads import (
    button_action,
    direct_message,
    event_callback,
    interaction_body,
    json_body,
    mention,
    shortcut,
)
from tests.support.slack_validator import message_faults

COMMAND_TEXT = "203.0.113.5 example.com"


def button(message: dict[str, Any], label: str) -> dict[str, Any]:
    elements = [
        element
        for attachment in message["attachments"]
        for block in attachment["blocks"]
        for element in block["elements"]
    ]
    return next(
        element
        for element in elements
        if element.get("text", {}) == {"type": "plain_text", "text": label, "emoji": False}
    )


async def test_slash_command_acks_answers_and_offers_recheck(workspace: Workspace) -> None:
    ack = (await workspace.type_command(COMMAND_TEXT)).json()
    assert message_faults(ack, "acknowledgement") == []
    assert (ack["text"], ack["response_type"]) == (f"Checking {COMMAND_TEXT} …", "ephemeral")
    assert workspace.commands.requests == []

    await workspace.run_job()
    [(method, answer)] = workspace.fake.sent
    assert (method, answer["response_type"], answer["replace_original"]) == ("response_url", "in_channel", False)

    action = await workspace.send(
        *interaction_body(button_action(button(answer, "Check again"), workspace.response_url))
    )
    assert (action.status_code, action.text) == (200, "")
    await workspace.run_job()
    commands = [VERBS.parse(COMMAND_TEXT), VERBS.parse("check 203.0.113.5 fresh")]
    assert [request.command for request in workspace.commands.requests] == commands
    assert [message["response_type"] for _, message in workspace.fake.sent] == ["in_channel", "in_channel"]


@pytest.mark.parametrize("typed", [f"private {COMMAND_TEXT}", f"{COMMAND_TEXT} Private"])
async def test_private_command_answers_ephemerally(typed: str, workspace: Workspace) -> None:
    await workspace.type_command(typed)
    await workspace.run_job()
    [(_, answer)] = workspace.fake.sent
    assert workspace.commands.requests[0].command == VERBS.parse(f"private {COMMAND_TEXT}")
    assert (answer["response_type"], answer["replace_original"]) == ("ephemeral", True)


async def test_invalid_command_acks_error_without_job(workspace: Workspace) -> None:
    ack = (await workspace.type_command("nonsense")).json()
    assert (ack["text"], ack["response_type"]) == (f"! {shown(BAD_INPUT.title)}", "ephemeral")
    assert workspace.jobs == []


async def test_slow_command_posts_one_progress_message() -> None:
    async with open_workspace(timeouts=SlackTimeouts(progress_after=0.05)) as workspace:
        workspace.commands.released.clear()
        await workspace.type_command(COMMAND_TEXT)
        working = asyncio.create_task(workspace.run_job())
        [progress] = await workspace.fake.wait_for_messages(lambda sent: len(sent) == 1)
        assert "slow to answer" in str(progress["blocks"])
        assert (progress["response_type"], progress["replace_original"]) == ("ephemeral", True)
        workspace.commands.released.set()
        await working
        assert [message["response_type"] for _, message in workspace.fake.sent] == ["ephemeral", "in_channel"]


async def test_failed_command_is_answered_to_its_author_only(workspace: Workspace) -> None:
    await workspace.type_command(BROKEN)
    await workspace.run_job()
    [(_, answer)] = workspace.fake.sent
    assert answer["response_type"] == "ephemeral"


async def test_mention_in_thread_answers_in_thread(workspace: Workspace) -> None:
    response = await workspace.send(
        *json_body(event_callback(mention(f"<@UBOT> {COMMAND_TEXT}", thread_ts="1700000000.000001")))
    )
    assert response.status_code == 200
    await workspace.run_job()
    [(method, answer)] = workspace.fake.sent
    assert (method, answer["channel"], answer["thread_ts"]) == ("chat.postMessage", "C1", "1700000000.000001")
    assert workspace.commands.requests[0].command == VERBS.parse(COMMAND_TEXT)


async def test_mention_outside_thread_starts_thread(workspace: Workspace) -> None:
    await workspace.send(*json_body(event_callback(mention("<@UBOT> <http://example.com|example.com>"))))
    await workspace.run_job()
    assert workspace.fake.sent[0][1]["thread_ts"] == "1700000000.000200"
    assert workspace.commands.requests[0].command == VERBS.parse("example.com")


async def test_event_redelivered_enqueues_once(workspace: Workspace) -> None:
    for event_id in ("Ev1", "Ev1", "Ev2"):
        await workspace.send(*json_body(event_callback(mention(f"<@UBOT> {COMMAND_TEXT}"), event_id)))
    assert len(workspace.jobs) == 1


async def test_slow_mention_progress_is_edited_into_answer() -> None:
    async with open_workspace(timeouts=SlackTimeouts(progress_after=0.05)) as workspace:
        workspace.commands.released.clear()
        await workspace.send(*json_body(event_callback(mention(f"<@UBOT> {COMMAND_TEXT}"))))
        working = asyncio.create_task(workspace.run_job())
        [progress] = await workspace.fake.wait_for_messages(lambda sent: len(sent) == 1)
        workspace.commands.released.set()
        await working
        assert [method for method, _ in workspace.fake.sent] == ["chat.postMessage", "chat.update"]
        assert workspace.fake.sent[1][1]["ts"] == progress["ts"]


async def test_invalid_mention_answers_ephemerally(workspace: Workspace) -> None:
    await workspace.send(*json_body(event_callback(mention("<@UBOT> nonsense"))))
    await workspace.fake.wait_for_messages(lambda sent: len(sent) == 1)
    [(method, message)] = workspace.fake.sent
    assert (method, message["user"], workspace.jobs) == ("chat.postEphemeral", "U1", [])


async def test_direct_message_runs_command(workspace: Workspace) -> None:
    await workspace.send(*json_body(event_callback(direct_message(COMMAND_TEXT))))
    await workspace.run_job()
    [(method, answer)] = workspace.fake.sent
    assert (method, answer["channel"], "thread_ts" in answer) == ("chat.postMessage", "D1", False)


@pytest.mark.parametrize(
    "ignored",
    [
        direct_message(COMMAND_TEXT, bot_id="BBOT"),
        direct_message(COMMAND_TEXT, subtype="message_changed"),
        direct_message(COMMAND_TEXT, channel_type="channel"),
        {"type": "reaction_added", "user": "U1", "item": {"channel": "C1"}},
    ],
    ids=["bot message", "edit", "channel message", "unhandled event"],
)
async def test_irrelevant_event_is_acked_and_ignored(ignored: dict[str, Any], workspace: Workspace) -> None:
    assert (await workspace.send(*json_body(event_callback(ignored)))).status_code == 200
    assert workspace.jobs == []


MESSAGE = {
    "ts": "1700000000.000400",
    "text": "Bounced: 550 from 203.0.113.5, 127.0.0.2",
    "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "by <https://mail.example.com/why|the server>"}}],
    "attachments": [{"fallback": "notes.txt says 2001:db8::5"}],
}


async def test_check_shortcut_answers_in_message_thread(workspace: Workspace) -> None:
    await workspace.send(*interaction_body(shortcut(MESSAGE, workspace.response_url)))
    await workspace.run_job()
    [(method, answer)] = workspace.fake.sent
    assert workspace.commands.requests[0].command == VERBS.parse("203.0.113.5 2001:db8::5 mail.example.com")
    assert (method, answer["thread_ts"]) == ("chat.postMessage", "1700000000.000400")


async def test_check_shortcut_outside_membership_uses_response_url(workspace: Workspace) -> None:
    workspace.fake.failures.append(("chat.postMessage", "not_in_channel"))
    await workspace.send(*interaction_body(shortcut(MESSAGE, workspace.response_url)))
    await workspace.run_job()
    [(method, answer)] = workspace.fake.sent
    assert (method, answer["thread_ts"]) == ("response_url", "1700000000.000400")


async def test_check_shortcut_without_targets_answers_error(workspace: Workspace) -> None:
    await workspace.send(*interaction_body(shortcut({"ts": "1.2", "text": "Good morning."}, workspace.response_url)))
    await workspace.fake.wait_for_messages(lambda sent: len(sent) == 1)
    assert workspace.fake.sent[0][1]["text"] == "! That message names no address and no domain."
    assert workspace.jobs == []


async def test_button_in_thread_answers_in_thread(workspace: Workspace) -> None:
    action = button_action(
        {"type": "button", "action_id": "run-0", "value": "check example.com"}, workspace.response_url, thread_ts="1.1"
    )
    await workspace.send(*interaction_body(action))
    await workspace.run_job()
    assert workspace.fake.sent[0][1]["thread_ts"] == "1.1"


async def test_button_in_ephemeral_message_replaces_it(workspace: Workspace) -> None:
    action = button_action(
        {"type": "button", "action_id": "run-0", "value": "check example.com"},
        workspace.response_url,
        is_ephemeral=True,
    )
    await workspace.send(*interaction_body(action))
    await workspace.run_job()
    [(_, answer)] = workspace.fake.sent
    assert (answer["response_type"], answer["replace_original"]) == ("ephemeral", True)


async def test_link_button_is_only_acked(workspace: Workspace) -> None:
    action = button_action(
        {"type": "button", "action_id": "open-0", "url": "https://list.example/"}, workspace.response_url
    )
    assert (await workspace.send(*interaction_body(action))).status_code == 200
    assert (workspace.jobs, workspace.fake.sent) == ([], [])


async def test_failing_listener_answers_error_card(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(type(workspace.commands), "acknowledge")
    answer = await workspace.type_command(COMMAND_TEXT)
    assert answer.status_code == 200
    assert message_faults(answer.json(), "acknowledgement") == []
    assert "Internal error" in answer.json()["text"]


async def test_command_with_queue_down_runs_in_process() -> None:
    async def down(job: dict[str, str]) -> None:
        raise StoreUnavailable

    async with open_workspace(down) as workspace:
        assert (await workspace.type_command(COMMAND_TEXT)).json()["text"] == f"Checking {COMMAND_TEXT} …"
        [answer] = await workspace.fake.wait_for_messages(lambda sent: len(sent) == 1)
        assert answer["response_type"] == "in_channel"


async def test_hung_store_delays_only_first_ack(redis_server: RedisServer) -> None:
    breaker = CircuitBreaker()
    async with open_client(redis_server.url, 5.0) as redis:

        async def enqueue(job: dict[str, str]) -> None:
            await breaker.call(redis.ping)

        with redis_server.hung():
            waits = await ack_times(enqueue, Deduplicator(redis, breaker))
    assert waits[0] < 3.0  # Slack waits no longer
    assert sum(waits[1:]) < 20 * CALL_TIMEOUT_S / 2  # nobody else paid the timeout of the store


async def ack_times(enqueue: Callable[[dict[str, str]], Awaitable[None]], deduplicator: Deduplicator) -> list[float]:
    async with open_workspace(enqueue, deduplicator) as workspace:
        waits = []
        for trigger in range(20):
            started = time.perf_counter()
            assert (await workspace.type_command(COMMAND_TEXT, f"{trigger}.1")).status_code == 200
            waits.append(time.perf_counter() - started)
    return waits
