"""Forms: they open where something was left out, become the command, and say what is wrong where it was filled in."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from handlers.slack.modals import form_for, from_form
from handlers.slack.requests import Errand
from tests.handlers.slack.conftest import BAD_INPUT, Scripted, Workspace
from tests.handlers.slack.hostile import HOSTILE
from tests.support.slack_payloads import as_json, event, payload, press, submitted
from tests.support.slack_validator import form_faults

ERRAND = Errand("1.1", "T1", "C1", "U1", "watch", asked=1_700_000_000.0, response_url="https://hooks.example/x")


def form(text: str) -> dict[str, Any]:
    view = form_for(Errand("1.1", "T1", "C1", "U1", text, asked=1.0, thread="1.5", response_url=ERRAND.response_url))
    assert view is not None
    return view


@pytest.mark.parametrize("text", ["watch", "mute 0123456789", "WATCH", "bounce", "headers"])
def test_slack_takes_every_form(text: str) -> None:
    assert form_faults(form(text)) == []


@pytest.mark.parametrize(
    "text", ["watch 203.0.113.5", "mute 0123456789 1h", "unmute 0123456789", "check watch", "bounce 550", ""]
)
def test_what_says_all_needs_no_form(text: str) -> None:
    assert form_for(Errand("1.1", "T1", "C1", "U1", text, asked=1.0)) is None


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
def test_a_form_is_the_command_that_could_be_typed(filled: dict[str, str], command: str) -> None:
    errand = from_form(submitted(form("watch"), filled), now=2.0)
    assert errand.text == command
    assert (errand.channel, errand.thread, errand.response_url) == ("C1", "1.5", ERRAND.response_url)


@pytest.mark.parametrize("verb", ["bounce", "headers"])
def test_what_was_pasted_into_a_form_keeps_its_lines_and_what_was_attached_goes_with_it(verb: str) -> None:
    pasted = from_form(submitted(form(verb), {"text": "550-one\n550 two"}), now=2.0)
    assert (pasted.text, pasted.files) == (f"{verb} 550-one\n550 two", ())
    attached = from_form(submitted(form(verb), {"file": [{"id": "F1"}]}), now=2.0)
    assert (attached.text, attached.files) == (verb, ("F1",))


def test_a_mute_keeps_the_watch_it_was_asked_about() -> None:
    assert from_form(submitted(form("mute 0123456789"), {"length": "8h"}), now=2.0).text == "mute 0123456789 8h"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_in_a_form_end_up_in_one_line_and_inside_the_name(text: str) -> None:
    errand = from_form(submitted(form("watch"), {"targets": "203.0.113.5", "name": text}), now=2.0)
    assert errand.text.count('"') in (0, 2)
    assert "\n" not in errand.text


def test_somebody_of_another_workspace_stays_a_stranger_in_a_form() -> None:
    body = submitted(form("watch"), {"targets": "203.0.113.5"}, team_id="T9")
    assert from_form(body, now=2.0).ask.stranger


async def test_the_bare_word_watch_opens_a_form_and_says_nothing(workspace: Workspace) -> None:
    acked = await workspace.type("watch")
    assert (acked.status_code, acked.text) == (200, "")
    await workspace.slack.drain()
    [opened] = workspace.fake.forms
    assert (opened["trigger_id"], opened["view"]["callback_id"]) == ("1.1", "watch")
    assert workspace.jobs == []


async def test_a_mute_button_opens_a_form_about_that_watch(workspace: Workspace) -> None:
    pressed = press({"type": "button", "action_id": "run-2", "value": "mute 0123456789"}, workspace.response_url)
    assert (await workspace.send(*payload(pressed))).status_code == 200
    await workspace.slack.drain()
    [opened] = workspace.fake.forms
    assert json.loads(opened["view"]["private_metadata"])["watch"] == "0123456789"


async def test_a_form_that_slack_does_not_open_is_asked_for_in_words(workspace: Workspace) -> None:
    workspace.fake.mishaps.append(("views.open", "expired_trigger_id"))
    pressed = press({"type": "button", "action_id": "run-2", "value": "mute 0123456789"}, workspace.response_url)
    await workspace.send(*payload(pressed))
    await workspace.slack.drain()
    assert [job["text"] for job in workspace.jobs] == ["mute 0123456789"]


async def test_a_form_is_answered_where_it_was_asked_for(workspace: Workspace) -> None:
    await workspace.type("watch")
    await workspace.slack.drain()
    view = workspace.fake.forms[0]["view"]
    sent = await workspace.send(*payload(submitted(view, {"targets": "203.0.113.5"})))
    assert (sent.status_code, sent.text) == (200, "")
    await workspace.work()
    [(way, _)] = workspace.fake.said
    assert way == "response_url"
    assert workspace.commands.asked[0].text == "watch 203.0.113.5 as mta"


@pytest.mark.parametrize(("word", "field"), [("watch", "targets"), ("bounce", "text"), ("headers", "text")])
async def test_what_is_wrong_is_said_in_the_form(
    word: str, field: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scripted, "acknowledgement", lambda *_: Refused)
    await workspace.type(word)
    await workspace.slack.drain()
    view = workspace.fake.forms[0]["view"]
    answer = (await workspace.send(*payload(submitted(view, {"targets": "nonsense"})))).json()
    assert answer == {"response_action": "errors", "errors": {field: BAD_INPUT.title}}


class Refused:
    card, work = BAD_INPUT, False


# Where the bot may speak, and what was done about an alert


@pytest.mark.parametrize(("user", "back"), [("UBOT", 1), ("U1", 0)])
async def test_watches_go_on_when_the_bot_joins_and_not_when_anybody_does(
    user: str, back: int, workspace: Workspace
) -> None:
    joined = {"type": "member_joined_channel", "user": user, "channel": "C1", "channel_type": "C"}
    await workspace.send(*as_json(event(joined)))
    await workspace.slack.drain()
    assert len(workspace.commands.back_in) == back
    assert len(workspace.fake.said) == back


@pytest.mark.parametrize(("tokens", "silent"), [({"bot": ["UBOT"]}, 1), ({"oauth": ["U1"]}, 0), ({}, 0)])
async def test_watches_rest_when_the_bots_token_is_taken_back_and_not_when_a_person_takes_back_theirs(
    tokens: dict[str, list[str]], silent: int, workspace: Workspace
) -> None:
    await workspace.send(*as_json(event({"type": "tokens_revoked", "tokens": tokens})))
    assert workspace.commands.silent == [("slack", "T1")] * silent
    assert workspace.commands.left == []


async def test_a_workspace_that_removes_the_bot_is_forgotten(workspace: Workspace) -> None:
    await workspace.send(*as_json(event({"type": "app_uninstalled"})))
    assert workspace.commands.left == [("slack", "T1")]


async def test_watches_that_rested_go_on_when_the_bot_starts_with_a_token_that_works(workspace: Workspace) -> None:
    running = asyncio.create_task(workspace.slack.run())
    async with asyncio.timeout(5):
        assert await workspace.commands.back.get() == ("slack", "T1")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize(("value", "thread"), [("ack 0123456789", "1700000000.000100"), ("check example.com", "")])
async def test_what_is_done_about_an_alert_is_said_in_its_thread(value: str, thread: str, workspace: Workspace) -> None:
    await workspace.send(
        *payload(press({"type": "button", "action_id": "run-0", "value": value}, workspace.response_url))
    )
    assert [(job["thread"], job["name"]) for job in workspace.jobs] == [(thread, "ada")]


async def test_who_presses_from_another_workspace_is_a_stranger(workspace: Workspace) -> None:
    pressed = press({"type": "button", "action_id": "run-0", "value": "ack 1"}, workspace.response_url)
    pressed["user"] = pressed["user"] | {"team_id": "T9"}
    await workspace.send(*payload(pressed))
    assert Errand.of(workspace.jobs[0]).ask.stranger
