"""The Slack app manifest matches what the code serves and Slack's limits."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from handlers.commands import VERBS
from handlers.slack.oauth import SCOPES
from handlers.verbs import Refusal
from tests.handlers.slack.conftest import open_workspace
from tests.support.slack_payloads import (
    direct_message,
    event_callback,
    form_body,
    interaction_body,
    json_body,
    mention,
    shortcut,
    slash_command,
)

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "manifest.yml").read_text()
MANIFEST: dict[str, Any] = yaml.safe_load(TEXT)
FEATURES, SETTINGS = MANIFEST["features"], MANIFEST["settings"]
[COMMAND] = FEATURES["slash_commands"]
SHORTCUTS = {shortcut["callback_id"]: shortcut for shortcut in FEATURES["shortcuts"]}
EVENTS = SETTINGS["event_subscriptions"]["bot_events"]

MESSAGE_EVENTS = {
    "app_mention": json_body(event_callback(mention("<@UBOT> example.com"))),
    "message.im": json_body(event_callback(direct_message("example.com"))),
}
MEMBERSHIP = {
    "member_joined_channel": {"type": "member_joined_channel", "user": "UBOT", "channel": "C1", "channel_type": "C"},
    "app_home_opened": {"type": "app_home_opened", "user": "U1", "channel": "D1", "tab": "home"},
    "app_uninstalled": {"type": "app_uninstalled"},
    "tokens_revoked": {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": ["UBOT"]}},
}
# Required scopes of each event and method (docs.slack.dev, Permission scopes).
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
        form_body(slash_command("example.com", "http://127.0.0.1:1/x") | {"command": COMMAND["command"]}),
        *(
            interaction_body(shortcut({"ts": "1.2", "text": "example.com"}, "http://127.0.0.1:1/x", name))
            for name in SHORTCUTS
        ),
        *(MESSAGE_EVENTS[name] for name in EVENTS if name in MESSAGE_EVENTS),
    ],
    ids=[COMMAND["command"], *SHORTCUTS, *(name for name in EVENTS if name in MESSAGE_EVENTS)],
)
async def test_manifest_commands_shortcuts_and_events_are_handled(body: str, kind: str) -> None:
    async with open_workspace() as workspace:
        await workspace.send(body, kind)
        [job] = workspace.jobs
        assert VERBS.from_job(job) in (VERBS.parse("example.com"), VERBS.parse("bounce example.com"))


@pytest.mark.parametrize("name", [name for name in EVENTS if name not in MESSAGE_EVENTS])
async def test_manifest_membership_events_are_handled(name: str) -> None:
    async with open_workspace() as workspace:
        assert (await workspace.send(*json_body(event_callback(MEMBERSHIP[name])))).status_code == 200
        await workspace.slack.drain()
        commands = workspace.commands
        uninstalled_or_revoked = [("slack", "T1")] in (commands.uninstalled, commands.revoked)
        assert commands.resumed_channels or workspace.fake.published_homes or uninstalled_or_revoked


def test_manifest_scopes_are_those_in_use() -> None:
    source = "".join(path.read_text() for path in (ROOT / "handlers/slack").glob("*.py"))
    methods = (
        set(re.findall(r"\bclient\.((?:auth|chat|views|conversations|files|users|oauth)_\w+)\(", source)) - FREE_METHODS
    )
    used = {"commands"}.union(
        *(SCOPES_OF_EVENT[name] for name in EVENTS), *(SCOPES_OF_METHOD[name] for name in methods)
    )
    assert set(MANIFEST["oauth_config"]["scopes"]["bot"]) == used | {"chat:write.public"}


def test_manifest_uses_socket_mode_without_public_url() -> None:
    assert SETTINGS["socket_mode_enabled"] is True
    assert "://" not in "".join(line.partition("#")[0] for line in TEXT.splitlines())


@pytest.mark.parametrize("usage", COMMAND["usage_hint"].split(" | "))
def test_manifest_usage_hint_names_commands(usage: str) -> None:
    command = VERBS.parse(usage.translate({ord("["): None, ord("]"): None}))
    assert not isinstance(command.arguments, Refusal)


def test_manifest_command_text_is_not_escaped() -> None:
    assert COMMAND["should_escape"] is False


@pytest.mark.parametrize(
    ("text", "limit"),
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
def test_manifest_texts_are_within_slack_limits(text: str, limit: int) -> None:
    assert 1 <= len(text) <= limit


def test_oauth_install_requests_the_scopes_of_the_manifest() -> None:
    assert list(SCOPES) == MANIFEST["oauth_config"]["scopes"]["bot"]
