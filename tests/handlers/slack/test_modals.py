"""Modals open for incomplete commands, become commands, and show input errors."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from handlers.commands import VERBS
from handlers.ports import Ack, ChatRequest
from handlers.slack.modals import form_for, from_form
from handlers.slack.requests import RequestContext, SlackRequest
from handlers.verbs import Command
from tests.handlers.slack.conftest import BAD_INPUT, ScriptedCommands, Workspace, open_workspace
from tests.handlers.slack.hostile import HOSTILE
from tests.support.slack_payloads import button_action, event_callback, interaction_body, json_body, view_submission
from tests.support.slack_validator import form_faults

RESPONSE_URL = "https://hooks.example/x"
CONTEXT = RequestContext(2.0, VERBS)


def typed(text: str) -> SlackRequest:
    command = VERBS.parse(text)
    return SlackRequest("1.1", "T1", "C1", "U1", command, requested_at=1.0, thread="1.5", response_url=RESPONSE_URL)


def form(text: str) -> dict[str, Any]:
    view = form_for(typed(text))
    assert view is not None
    return view


@pytest.mark.parametrize("text", ["watch", "mute 0123456789", "WATCH", "bounce", "headers"])
def test_every_form_is_a_valid_view(text: str) -> None:
    assert form_faults(form(text)) == []


@pytest.mark.parametrize(
    "text", ["watch 203.0.113.5", "mute 0123456789 1h", "unmute 0123456789", "check watch", "bounce 550", ""]
)
def test_complete_command_opens_no_form(text: str) -> None:
    assert form_for(typed(text)) is None


@pytest.mark.parametrize(
    ("filled", "command"),
    [
        ({"targets": "203.0.113.5"}, "watch 203.0.113.5 as mta"),
        (
            {"targets": "203.0.113.0/28 example.com", "every": "15m", "role": "client", "name": "HQ egress"},
            'watch 203.0.113.0/28 example.com every 15m as client name "HQ egress"',
        ),
        ({"targets": "203.0.113.5", "name": 'a "quoted" one'}, 'watch 203.0.113.5 as mta name "a quoted one"'),
    ],
)
def test_watch_form_becomes_command(filled: dict[str, str], command: str) -> None:
    request = from_form(view_submission(form("watch"), filled), CONTEXT)
    assert request.command == VERBS.parse(command)
    assert (request.channel, request.thread, request.response_url) == ("C1", "1.5", RESPONSE_URL)


@pytest.mark.parametrize("verb", ["bounce", "headers"])
def test_paste_form_preserves_lines_and_files(verb: str) -> None:
    pasted = from_form(view_submission(form(verb), {"text": "550-one\n550 two"}), CONTEXT)
    assert (pasted.command, pasted.files) == (Command(verb, "550-one\n550 two"), ())
    with_file = from_form(view_submission(form(verb), {"file": [{"id": "F1"}]}), CONTEXT)
    assert (with_file.command, with_file.files) == (Command(verb, ""), ("F1",))


def test_mute_form_includes_watch_id() -> None:
    submitted = from_form(view_submission(form("mute 203.0.113.5 example.com"), {"length": "8h"}), CONTEXT)
    assert submitted.command == VERBS.parse("mute 203.0.113.5 example.com 8h")


@pytest.mark.parametrize("text", HOSTILE)
def test_form_with_hostile_name_stays_one_name(text: str) -> None:
    request = from_form(view_submission(form("watch"), {"targets": "203.0.113.5", "name": text}), CONTEXT)
    assert replace(request.command.arguments, name="") == VERBS.parse("watch 203.0.113.5").arguments
    assert "\n" not in request.command.arguments.name


def test_form_from_other_workspace_is_external() -> None:
    body = view_submission(form("watch"), {"targets": "203.0.113.5"}, team_id="T9")
    assert from_form(body, CONTEXT).chat_request.is_external


async def test_bare_watch_command_opens_form(workspace: Workspace) -> None:
    response = await workspace.type_command("watch")
    assert (response.status_code, response.text) == (200, "")
    await workspace.slack.drain()
    [modal] = workspace.fake.opened_forms
    assert (modal["trigger_id"], modal["view"]["callback_id"]) == ("1.1", "watch")
    assert workspace.jobs == []


async def test_mute_button_opens_form_for_watch(workspace: Workspace) -> None:
    action = button_action({"type": "button", "action_id": "run-2", "value": "mute 0123456789"}, workspace.response_url)
    assert (await workspace.send(*interaction_body(action))).status_code == 200
    await workspace.slack.drain()
    [modal] = workspace.fake.opened_forms
    assert json.loads(modal["view"]["private_metadata"])["watch"] == "0123456789"


async def test_form_open_failure_runs_command(workspace: Workspace) -> None:
    workspace.fake.failures.append(("views.open", "expired_trigger_id"))
    action = button_action({"type": "button", "action_id": "run-2", "value": "mute 0123456789"}, workspace.response_url)
    await workspace.send(*interaction_body(action))
    await workspace.slack.drain()
    assert [VERBS.from_job(job) for job in workspace.jobs] == [VERBS.parse("mute 0123456789")]


async def test_form_answers_where_it_was_opened(workspace: Workspace) -> None:
    await workspace.type_command("watch")
    await workspace.slack.drain()
    view = workspace.fake.opened_forms[0]["view"]
    response = await workspace.send(*interaction_body(view_submission(view, {"targets": "203.0.113.5"})))
    assert (response.status_code, response.text) == (200, "")
    await workspace.run_job()
    [(method, _)] = workspace.fake.sent
    assert method == "response_url"
    assert workspace.commands.requests[0].command == VERBS.parse("watch 203.0.113.5 as mta")


class RefusingCommands(ScriptedCommands):
    def acknowledge(self, request: ChatRequest) -> Ack:
        return Ack(BAD_INPUT, needs_work=False)


@pytest.mark.parametrize(("verb", "field"), [("watch", "targets"), ("bounce", "text"), ("headers", "text")])
async def test_form_with_invalid_input_shows_error(verb: str, field: str) -> None:
    async with open_workspace(commands=RefusingCommands()) as workspace:
        await workspace.type_command(verb)
        await workspace.slack.drain()
        view = workspace.fake.opened_forms[0]["view"]
        submission = view_submission(view, {"targets": "nonsense"})
        answer = (await workspace.send(*interaction_body(submission))).json()
    assert answer == {"response_action": "errors", "errors": {field: BAD_INPUT.title}}


# Membership events and alert actions


@pytest.mark.parametrize(("user", "resumed"), [("UBOT", 1), ("U1", 0)])
async def test_only_bot_joining_channel_resumes_watches(user: str, resumed: int, workspace: Workspace) -> None:
    joined = {"type": "member_joined_channel", "user": user, "channel": "C1", "channel_type": "C"}
    await workspace.send(*json_body(event_callback(joined)))
    await workspace.slack.drain()
    assert len(workspace.commands.resumed_channels) == resumed
    assert len(workspace.fake.sent) == resumed


@pytest.mark.parametrize(("tokens", "revoked"), [({"bot": ["UBOT"]}, 1), ({"oauth": ["U1"]}, 0), ({}, 0)])
async def test_only_bot_token_revocation_pauses_watches(
    tokens: dict[str, list[str]], revoked: int, workspace: Workspace
) -> None:
    await workspace.send(*json_body(event_callback({"type": "tokens_revoked", "tokens": tokens})))
    assert workspace.commands.revoked == [("slack", "T1")] * revoked
    assert workspace.commands.uninstalled == []


async def test_uninstall_event_removes_workspace(workspace: Workspace) -> None:
    await workspace.send(*json_body(event_callback({"type": "app_uninstalled"})))
    assert workspace.commands.uninstalled == [("slack", "T1")]


async def test_start_with_valid_token_resumes_watches(workspace: Workspace) -> None:
    running = asyncio.create_task(workspace.slack.run())
    async with asyncio.timeout(5):
        assert await workspace.commands.restored.get() == ("slack", "T1")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize(("value", "thread"), [("ack 0123456789", "1700000000.000100"), ("check example.com", "")])
async def test_alert_action_answers_in_alert_thread(value: str, thread: str, workspace: Workspace) -> None:
    await workspace.send(
        *interaction_body(
            button_action({"type": "button", "action_id": "run-0", "value": value}, workspace.response_url)
        )
    )
    assert [(job["thread"], job["name"]) for job in workspace.jobs] == [(thread, "ada")]


async def test_button_from_other_workspace_is_external(workspace: Workspace) -> None:
    action = button_action({"type": "button", "action_id": "run-0", "value": "ack 1"}, workspace.response_url)
    action["user"] = action["user"] | {"team_id": "T9"}
    await workspace.send(*interaction_body(action))
    assert SlackRequest.from_job(workspace.jobs[0], VERBS).chat_request.is_external
