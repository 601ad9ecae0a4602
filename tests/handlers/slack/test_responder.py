"""Which method sends an answer when the first one fails."""

import logging
import time
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from handlers.commands import VERBS
from handlers.message import Card
from handlers.slack.clients import Clients, single_token
from handlers.slack.requests import SlackRequest
from handlers.slack.responder import SlackResponder, SlackTimeouts
from tests.handlers.slack.conftest import ANSWER, BROKEN, Workspace, open_workspace
from tests.support.fake_slack import MAX_USES, TOKEN
from tests.support.slack_payloads import SECRET, event_callback, json_body, mention

COMMAND_TEXT = "203.0.113.5 example.com"
REQUEST = SlackRequest("1.1", "T1", "C1", "U1", VERBS.parse(COMMAND_TEXT), requested_at=0.0)
URL, POST, EPHEMERAL = "response_url", "chat.postMessage", "chat.postEphemeral"
HALF_AN_HOUR = 1_800.0


@pytest.mark.parametrize(
    ("failures", "methods", "slept"),
    [
        ([], [URL], []),
        ([(URL, "used_url")], [POST], []),
        ([(URL, "expired_url")], [POST], []),
        ([(URL, 429)], [URL], [7.0]),
        ([(URL, 503)], [URL], [7.0]),
        ([(URL, 503), (URL, 503)], [POST], [7.0]),
        ([(URL, "invalid_blocks")], [URL], []),
        ([(URL, "used_url"), (POST, "invalid_blocks")], [POST], []),
        ([(URL, "used_url"), (POST, "not_in_channel")], [], []),
        ([(URL, "used_url"), (POST, 503)], [], []),
    ],
)
async def test_answer_falls_back_to_next_method(
    failures: list[tuple[str, int | str]], methods: list[str], slept: list[float], workspace: Workspace
) -> None:
    workspace.fake.failures += failures
    await workspace.type_command(COMMAND_TEXT)
    await workspace.run_job()
    assert [method for method, _ in workspace.fake.sent] == methods
    assert workspace.slept == slept
    assert workspace.fake.failures == []
    assert sum(workspace.fake.response_url_uses.values()) < MAX_USES


async def test_rejected_blocks_fall_back_to_text(workspace: Workspace) -> None:
    workspace.fake.failures.append((URL, "invalid_blocks"))
    await workspace.type_command(COMMAND_TEXT)
    await workspace.run_job()
    [(_, message)] = workspace.fake.sent
    assert "blocks" not in message
    assert "Ask Example List to remove 203.0.113.5." in message["text"]


async def test_expired_response_url_is_not_used() -> None:
    async with open_workspace(timeouts=SlackTimeouts(now=lambda: HALF_AN_HOUR - 30)) as workspace:
        old = replace(REQUEST, response_url=workspace.response_url)
        await workspace.slack.deliver(old.to_job(VERBS))
        assert [method for method, _ in workspace.fake.sent] == [POST]
        assert workspace.fake.response_url_uses == {}


async def test_private_answer_falls_back_to_ephemeral_message(workspace: Workspace) -> None:
    workspace.fake.failures.append((URL, "used_url"))
    await workspace.type_command(f"private {COMMAND_TEXT}")
    await workspace.run_job()
    [(method, message)] = workspace.fake.sent
    assert (method, message["user"]) == (EPHEMERAL, "U1")


@pytest.mark.parametrize(
    "slack_request",
    [REQUEST, replace(REQUEST, thread="1.2", response_url="https://slack.example/x", replaces=True, posts_first=True)],
)
def test_request_survives_job_round_trip(slack_request: SlackRequest) -> None:
    job = slack_request.to_job(VERBS)
    assert all(isinstance(value, str) for value in job.values())
    assert SlackRequest.from_job(job, VERBS) == slack_request


def test_request_repr_hides_secrets() -> None:
    representation = repr(replace(REQUEST, response_url="https://slack.example/secret"))
    assert "secret" not in representation
    assert COMMAND_TEXT not in representation


async def test_logs_contain_no_secrets_or_message_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with capture_logs() as log_lines:
        async with open_workspace() as workspace:
            secrets = [TOKEN, SECRET, workspace.response_url, "abcdef", "203.0.113.5"]
            workspace.fake.failures += [(URL, 503), (URL, "used_url"), (POST, "internal_error"), (POST, "fatal_error")]
            await workspace.type_command(COMMAND_TEXT)
            await workspace.run_job()
            await workspace.type_command(BROKEN)
            await workspace.run_job()
            await workspace.http.post(
                "/slack/events", content=f"text={COMMAND_TEXT}", headers={"X-Slack-Signature": "v0=0"}
            )
            await workspace.send(*json_body(event_callback({"type": "reaction_added", "item": COMMAND_TEXT})))
            await workspace.send(*json_body(event_callback(mention(COMMAND_TEXT))))
            await workspace.run_job()
    written = caplog.text + "".join(str({k: v for k, v in line.items() if k != "exc_info"}) for line in log_lines)
    assert len(log_lines) >= 5
    assert [secret for secret in secrets if secret in written] == []


def responder_for(workspace: Workspace, request: SlackRequest) -> SlackResponder:
    async def sleep(seconds: float) -> None:
        workspace.slept.append(seconds)

    clients = Clients(single_token(TOKEN), f"{workspace.url}/api/")
    return SlackResponder(request, clients.with_retries, SlackTimeouts(sleep=sleep))


async def test_progress_reserves_response_url_uses_for_answer(workspace: Workspace) -> None:
    """Of five uses one is spare, two may be progress, and two are for the answer and its retry."""
    request = replace(REQUEST, requested_at=time.time(), response_url=workspace.response_url, replaces=True)
    responder = responder_for(workspace, request)
    for number in range(10):
        await responder.progress(Card("Checking …", footnote=f"{number} of 10 addresses checked"))
    assert len(workspace.fake.sent) == 2
    workspace.fake.failures += [(URL, 429)]
    await responder.send(ANSWER)
    assert [method for method, _ in workspace.fake.sent] == [URL] * 3
    assert sum(workspace.fake.response_url_uses.values()) < MAX_USES


async def test_mention_progress_is_edited_until_answer(workspace: Workspace) -> None:
    responder = responder_for(workspace, replace(REQUEST, thread="1.0", posts_first=True))
    for number in range(3):
        await responder.progress(Card("Checking …", footnote=f"{number} of 10 addresses checked"))
    await responder.send(ANSWER)
    assert [method for method, _ in workspace.fake.sent] == [POST, "chat.update", "chat.update", "chat.update"]
    [message] = workspace.fake.stored["C1"]
    assert "on Example List" in str(message["blocks"])
