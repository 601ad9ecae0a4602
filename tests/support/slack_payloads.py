"""Signed payloads that Slack sends to the bot; shapes as in the reference (docs.slack.dev)."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode

SECRET = "a signing secret for tests"
FORM_TYPE = "application/x-www-form-urlencoded"

USER = {"id": "U1", "username": "ada", "name": "ada", "team_id": "T1"}
ENVELOPE = {
    "token": "verification",
    "api_app_id": "A1",
    "team": {"id": "T1", "domain": "example"},
    "is_enterprise_install": False,
}


def signature(timestamp: str, body: str | bytes, secret: str = SECRET) -> str:
    raw = body if isinstance(body, bytes) else body.encode()
    return "v0=" + hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + raw, hashlib.sha256).hexdigest()


def signed_headers(
    body: str | bytes, content_type: str = FORM_TYPE, timestamp_s: float | None = None
) -> dict[str, str]:
    """The headers for a body."""
    timestamp = str(int(time.time() if timestamp_s is None else timestamp_s))
    return {
        "Content-Type": content_type,
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": signature(timestamp, body),
    }


def slash_command(text: str, response_url: str, trigger: str = "1.1") -> dict[str, str]:
    return {
        **{"token": "verification", "api_app_id": "A1", "is_enterprise_install": "false"},
        **{"team_id": "T1", "team_domain": "example", "channel_id": "C1", "channel_name": "mail", "user_id": "U1"},
        **{"user_name": "ada", "command": "/mailcheck", "text": text},
        **{"response_url": response_url, "trigger_id": trigger},
    }


def button_action(element: dict[str, Any], response_url: str, **message_context: Any) -> dict[str, Any]:
    """A block action of a bot message; `thread_ts` and `is_ephemeral` describe the message."""
    ts = "1700000000.000100"
    container = {
        "type": "message",
        "message_ts": ts,
        "channel_id": "C1",
        "is_ephemeral": message_context.get("is_ephemeral", False),
    }
    message = {"ts": ts} | {name: value for name, value in message_context.items() if name == "thread_ts"}
    action = {**element, "block_id": "b1", "action_ts": "1700000001.000100"}
    return ENVELOPE | {
        "type": "block_actions",
        "user": USER,
        "container": container,
        "trigger_id": message_context.get("trigger", "2.2"),
        "channel": {"id": "C1", "name": "mail"},
        "message": message,
        "response_url": response_url,
        "actions": [action],
    }


def shortcut(message: dict[str, Any], response_url: str, callback: str = "check_message") -> dict[str, Any]:
    return ENVELOPE | {
        "type": "message_action",
        "callback_id": callback,
        "trigger_id": "3.3",
        "user": USER,
        "channel": {"id": "C1", "name": "mail"},
        "message_ts": message["ts"],
        "message": message,
        "response_url": response_url,
    }


def view_submission(
    view: dict[str, Any], values_by_block: dict[str, Any], trigger: str = "4.4", **user_fields: str
) -> dict[str, Any]:
    """A view submission of a modal, with values by block id."""
    values = {}
    for block in view["blocks"]:
        name, element = block["block_id"], block["element"]
        if element["type"] == "static_select":
            value = values_by_block.get(name, element["initial_option"]["value"])
            selected = next(option for option in element["options"] if option["value"] == value)
            values[name] = {element["action_id"]: {"type": "static_select", "selected_option": selected}}
        elif element["type"] == "conversations_select":
            selected = {"type": "conversations_select", "selected_conversation": values_by_block[name]}
            values[name] = {element["action_id"]: selected}
        elif element["type"] == "file_input":
            values[name] = {element["action_id"]: {"type": "file_input", "files": values_by_block.get(name, [])}}
        else:
            values[name] = {element["action_id"]: {"type": "plain_text_input", "value": values_by_block.get(name)}}
    view_fields = {key: view[key] for key in ("type", "callback_id", "private_metadata", "blocks")}
    body = {"type": "view_submission", "user": USER | user_fields, "trigger_id": trigger, "response_urls": []}
    return ENVELOPE | body | {"view": {"id": "V1", "team_id": "T1", **view_fields, "state": {"values": values}}}


def app_home_opened(user: str = "U1", tab: str = "home") -> dict[str, Any]:
    return {"type": "app_home_opened", "user": user, "channel": f"D{user}", "tab": tab, "event_ts": "1700000000.000400"}


def home_button_action(action_id: str, trigger: str = "5.5", **user_fields: str) -> dict[str, Any]:
    """A block action on the Home tab: no channel, message or response URL."""
    action = {"type": "button", "action_id": action_id, "value": "home", "block_id": "b1", "action_ts": "1.0"}
    container = {"type": "view", "view_id": "V9"}
    view = {"id": "V9", "type": "home", "team_id": "T1"}
    body = {
        "type": "block_actions",
        "user": USER | user_fields,
        "container": container,
        "trigger_id": trigger,
        "view": view,
    }
    return ENVELOPE | body | {"actions": [action]}


def event_callback(inner_event: dict[str, Any], event_id: str = "Ev1") -> dict[str, Any]:
    return ENVELOPE | {
        "type": "event_callback",
        "event_id": event_id,
        "event_time": 1_700_000_000,
        "team_id": "T1",
        "authorizations": [{"enterprise_id": None, "team_id": "T1", "user_id": "UBOT", "is_bot": True}],
        "event": inner_event,
    }


def mention(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "app_mention", "user": "U1", "channel": "C1", "ts": "1700000000.000200", "text": text, **more}


def direct_message(text: str, **more: Any) -> dict[str, Any]:
    return {
        **{
            "type": "message",
            "channel_type": "im",
            "user": "U1",
            "channel": "D1",
            "ts": "1700000000.000300",
            "text": text,
        },
        **more,
    }


def form_body(fields: dict[str, str]) -> tuple[str, str]:
    """Body and content type of a slash command."""
    return urlencode(fields), FORM_TYPE


def interaction_body(interaction: dict[str, Any]) -> tuple[str, str]:
    """Body and content type of an interaction."""
    return urlencode({"payload": json.dumps(interaction)}), FORM_TYPE


def json_body(body: dict[str, Any]) -> tuple[str, str]:
    """Body and content type of an event."""
    return json.dumps(body), "application/json"
