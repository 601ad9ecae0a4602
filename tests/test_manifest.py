"""The manifest creates the app that the code serves, and Slack takes it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from handlers.slack.oauth import SCOPES
from tests.handlers.slack.conftest import open_workspace
from tests.support.slack_payloads import as_json, direct, event, form, mention, payload, shortcut, slash

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "manifest.yml").read_text()
MANIFEST: dict[str, Any] = yaml.safe_load(TEXT)
FEATURES, SETTINGS = MANIFEST["features"], MANIFEST["settings"]
[COMMAND] = FEATURES["slash_commands"]
SHORTCUTS = {shortcut["callback_id"]: shortcut for shortcut in FEATURES["shortcuts"]}
EVENTS = SETTINGS["event_subscriptions"]["bot_events"]

HEARD = {
    "app_mention": as_json(event(mention("<@UBOT> example.com"))),
    "message.im": as_json(event(direct("example.com"))),
}
MEMBERSHIP = {
    "member_joined_channel": {"type": "member_joined_channel", "user": "UBOT", "channel": "C1", "channel_type": "C"},
    "app_home_opened": {"type": "app_home_opened", "user": "U1", "channel": "D1", "tab": "home"},
    "app_uninstalled": {"type": "app_uninstalled"},
    "tokens_revoked": {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": ["UBOT"]}},
}
# What each part of the app needs to be allowed (docs.slack.dev, Permission scopes).
SCOPES_OF_EVENT = {
    "app_mention": {"app_mentions:read"},
    "message.im": {"im:history"},
    "member_joined_channel": {"channels:read", "groups:read"},
    "app_home_opened": set(),
    "app_uninstalled": set(),
    "tokens_revoked": set(),
}
SCOPES_OF_METHOD = {
    "chat_postMessage": {"chat:write"},
    "chat_postEphemeral": {"chat:write"},
    "chat_update": {"chat:write"},
    "conversations_open": {"im:write"},
    "users_conversations": {"channels:read", "groups:read"},
    "conversations_history": {"channels:history", "groups:history"},
    "conversations_replies": {"channels:history", "groups:history"},
    "files_info": {"files:read"},
    "files_upload_v2": {"files:write"},
}
FREE_METHODS = {"auth_test", "views_open", "views_publish"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        form(slash("example.com", "http://127.0.0.1:1/x") | {"command": COMMAND["command"]}),
        *(payload(shortcut({"ts": "1.2", "text": "example.com"}, "http://127.0.0.1:1/x", name)) for name in SHORTCUTS),
        *(HEARD[name] for name in EVENTS if name in HEARD),
    ],
    ids=[COMMAND["command"], *SHORTCUTS, *(name for name in EVENTS if name in HEARD)],
)
async def test_everything_the_manifest_promises_is_answered(body: str, kind: str) -> None:
    async with open_workspace() as workspace:
        await workspace.send(body, kind)
        assert [job["text"].removeprefix("bounce ") for job in workspace.jobs] == ["example.com"]


@pytest.mark.parametrize("name", [name for name in EVENTS if name not in HEARD])
async def test_the_bot_hears_where_it_may_speak(name: str) -> None:
    async with open_workspace() as workspace:
        assert (await workspace.send(*as_json(event(MEMBERSHIP[name])))).status_code == 200
        await workspace.slack.drain()
        commands = workspace.commands
        assert commands.back_in or workspace.fake.homes or [("slack", "T1")] in (commands.left, commands.silent)


def test_the_scopes_are_those_that_are_used() -> None:
    code = "".join(path.read_text() for path in (ROOT / "handlers/slack").glob("*.py"))
    methods = (
        set(re.findall(r"\bclient\.((?:auth|chat|views|conversations|files|users|oauth)_\w+)\(", code)) - FREE_METHODS
    )
    used = {"commands"}.union(
        *(SCOPES_OF_EVENT[name] for name in EVENTS), *(SCOPES_OF_METHOD[name] for name in methods)
    )
    assert set(MANIFEST["oauth_config"]["scopes"]["bot"]) == used | {"chat:write.public"}


def test_pasted_as_it_is_it_needs_no_public_address() -> None:
    assert SETTINGS["socket_mode_enabled"] is True
    assert "://" not in "".join(line.partition("#")[0] for line in TEXT.splitlines())


def test_typed_text_comes_as_it_was_typed() -> None:
    assert COMMAND["should_escape"] is False


@pytest.mark.parametrize(
    ("text", "most"),
    [
        (MANIFEST["display_information"]["name"], 35),
        (MANIFEST["display_information"]["description"], 140),
        (FEATURES["bot_user"]["display_name"], 80),
        (COMMAND["command"], 32),
        (COMMAND["description"], 2_000),
        (COMMAND["usage_hint"], 1_000),
        *((shortcut["name"], 24) for shortcut in SHORTCUTS.values()),
        *((shortcut["description"], 150) for shortcut in SHORTCUTS.values()),
        *((name, 255) for name in SHORTCUTS),
    ],
)
def test_no_text_is_longer_than_slack_takes(text: str, most: int) -> None:
    assert 1 <= len(text) <= most


def test_whoever_installs_the_bot_is_asked_for_what_the_manifest_names() -> None:
    assert list(SCOPES) == MANIFEST["oauth_config"]["scopes"]["bot"]
