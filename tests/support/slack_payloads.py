"""What Slack sends to the bot, signed as Slack signs it; shapes as in the reference at docs.slack.dev."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode

SECRET = "a signing secret for tests"
FORM = "application/x-www-form-urlencoded"

WHO = {"id": "U1", "username": "ada", "name": "ada", "team_id": "T1"}
APP = {
    "token": "verification",
    "api_app_id": "A1",
    "team": {"id": "T1", "domain": "example"},
    "is_enterprise_install": False,
}


def signature(stamp: str, body: str | bytes, secret: str = SECRET) -> str:
    raw = body if isinstance(body, bytes) else body.encode()
    return "v0=" + hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + raw, hashlib.sha256).hexdigest()


def signed(body: str | bytes, kind: str = FORM, at: float | None = None) -> dict[str, str]:
    """The headers that go with a body."""
    stamp = str(int(time.time() if at is None else at))
    return {"Content-Type": kind, "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature(stamp, body)}


def slash(text: str, response_url: str, trigger: str = "1.1") -> dict[str, str]:
    return {
        **{"token": "verification", "api_app_id": "A1", "is_enterprise_install": "false"},
        **{"team_id": "T1", "team_domain": "example", "channel_id": "C1", "channel_name": "mail", "user_id": "U1"},
        **{"user_name": "ada", "command": "/mailcheck", "text": text},
        **{"response_url": response_url, "trigger_id": trigger},
    }


def press(element: dict[str, Any], response_url: str, **place: Any) -> dict[str, Any]:
    """A press of a button that the bot drew; `thread_ts` and `is_ephemeral` say where its message stands."""
    stamp = "1700000000.000100"
    container = {
        "type": "message",
        "message_ts": stamp,
        "channel_id": "C1",
        "is_ephemeral": place.get("is_ephemeral", False),
    }
    message = {"ts": stamp} | {name: value for name, value in place.items() if name == "thread_ts"}
    action = {**element, "block_id": "b1", "action_ts": "1700000001.000100"}
    return APP | {
        "type": "block_actions",
        "user": WHO,
        "container": container,
        "trigger_id": place.get("trigger", "2.2"),
        "channel": {"id": "C1", "name": "mail"},
        "message": message,
        "response_url": response_url,
        "actions": [action],
    }


def shortcut(message: dict[str, Any], response_url: str, callback: str = "check_message") -> dict[str, Any]:
    return APP | {
        "type": "message_action",
        "callback_id": callback,
        "trigger_id": "3.3",
        "user": WHO,
        "channel": {"id": "C1", "name": "mail"},
        "message_ts": message["ts"],
        "message": message,
        "response_url": response_url,
    }


def submitted(view: dict[str, Any], filled: dict[str, Any], trigger: str = "4.4", **who: str) -> dict[str, Any]:
    """A form that the bot showed, filled in: values by block."""
    values = {}
    for block in view["blocks"]:
        name, element = block["block_id"], block["element"]
        if element["type"] == "static_select":
            wanted = filled.get(name, element["initial_option"]["value"])
            chosen = next(option for option in element["options"] if option["value"] == wanted)
            values[name] = {element["action_id"]: {"type": "static_select", "selected_option": chosen}}
        elif element["type"] == "conversations_select":
            chosen = {"type": "conversations_select", "selected_conversation": filled[name]}
            values[name] = {element["action_id"]: chosen}
        elif element["type"] == "file_input":
            values[name] = {element["action_id"]: {"type": "file_input", "files": filled.get(name, [])}}
        else:
            values[name] = {element["action_id"]: {"type": "plain_text_input", "value": filled.get(name)}}
    shown = {key: view[key] for key in ("type", "callback_id", "private_metadata", "blocks")}
    body = {"type": "view_submission", "user": WHO | who, "trigger_id": trigger, "response_urls": []}
    return APP | body | {"view": {"id": "V1", "team_id": "T1", **shown, "state": {"values": values}}}


def opened_home(user: str = "U1", tab: str = "home") -> dict[str, Any]:
    return {"type": "app_home_opened", "user": user, "channel": f"D{user}", "tab": tab, "event_ts": "1700000000.000400"}


def press_at_home(action_id: str, trigger: str = "5.5", **who: str) -> dict[str, Any]:
    """A press on the Home tab: without a channel, a message, or a response URL."""
    action = {"type": "button", "action_id": action_id, "value": "home", "block_id": "b1", "action_ts": "1.0"}
    container = {"type": "view", "view_id": "V9"}
    view = {"id": "V9", "type": "home", "team_id": "T1"}
    body = {"type": "block_actions", "user": WHO | who, "container": container, "trigger_id": trigger, "view": view}
    return APP | body | {"actions": [action]}


def event(event: dict[str, Any], event_id: str = "Ev1") -> dict[str, Any]:
    return APP | {
        "type": "event_callback",
        "event_id": event_id,
        "event_time": 1_700_000_000,
        "team_id": "T1",
        "authorizations": [{"enterprise_id": None, "team_id": "T1", "user_id": "UBOT", "is_bot": True}],
        "event": event,
    }


def mention(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "app_mention", "user": "U1", "channel": "C1", "ts": "1700000000.000200", "text": text, **more}


def direct(text: str, **more: Any) -> dict[str, Any]:
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


def form(fields: dict[str, str]) -> tuple[str, str]:
    """The body and the content type of a slash command."""
    return urlencode(fields), FORM


def payload(interaction: dict[str, Any]) -> tuple[str, str]:
    """The same of a button or a shortcut."""
    return urlencode({"payload": json.dumps(interaction)}), FORM


def as_json(body: dict[str, Any]) -> tuple[str, str]:
    """The same of an event."""
    return json.dumps(body), "application/json"
